package bitbuckettest_test

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func TestCloneAndPush(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	dir := w.clone(t)
	mustGit(t, dir, "", "checkout", "--quiet", "-B", "main")
	edit(t, dir, "toolkits/a.json", "{}\n")
	mustGit(t, dir, "", "push", "--quiet", "origin", "main")

	if got := w.repo.MainBranch(); got != "main" {
		t.Errorf("the first branch pushed is not the main branch: %q", got)
	}
	want := map[string]string{"toolkits/a.json": "{}\n"}
	files := must[map[string]string](t)(w.repo.Files("main"))
	if diff := cmp.Diff(want, files); diff != "" {
		t.Error(diff)
	}
	log := must[[]bitbuckettest.Commit](t)(w.repo.Log("main"))
	if len(log) != 1 || log[0].Subject() != "Edit toolkits/a.json" || log[0].Author.Name != "Ada" {
		t.Errorf("log: %+v", log)
	}

	commit(t, w.repo, "main", "toolkits/b.json", "{}\n")
	mustGit(t, dir, "", "pull", "--quiet", "--ff-only", "origin", "main")
	mustGit(t, dir, "", "cat-file", "-e", "HEAD:toolkits/b.json")
}

func TestTokenClones(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	commit(t, w.repo, "main", "a", "1")
	token := w.token(t)
	clone := func(credentials string) (string, error) {
		return git(t, "", credentials, "clone", "--quiet", "--depth=1", w.repo.URL(), filepath.Join(t.TempDir(), "c"))
	}
	if _, err := clone("x-token-auth:" + token); err != nil {
		t.Fatal(err)
	}
	for _, credentials := range []string{"", "x-token-auth:no", "you:" + token, ":" + token} {
		out, err := clone(credentials)
		if err == nil || !strings.Contains(out, "401") && !strings.Contains(out, "could not read Username") &&
			!strings.Contains(out, "Authentication failed") {
			t.Errorf("%q: %v", credentials, err)
		}
	}
	w.RevokeTokens()
	if _, err := clone("x-token-auth:" + token); err == nil {
		t.Error("a revoked token clones")
	}
}

// Git sends what is over its http.postBuffer in chunks, without a Content-Length.
func TestLargePush(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	dir := w.clone(t)
	mustGit(t, dir, "", "checkout", "--quiet", "-B", "main")
	random := rand.NewChaCha8([32]byte{})
	content := make([]byte, 3<<20)
	_, _ = random.Read(content)
	edit(t, dir, "big", string(content))
	mustGit(t, dir, "", "push", "--quiet", "origin", "main")
	files := must[map[string]string](t)(w.repo.Files("main"))
	if files["big"] != string(content) {
		t.Errorf("%d bytes", len(files["big"]))
	}
	for _, r := range w.Requests() {
		if r.Endpoint == bitbuckettest.EndpointPush && r.In > 3<<20 && r.Status == 200 {
			return
		}
	}
	t.Error("no request counts the bytes of the push")
}

// Git compresses a long list of what it has.
func TestCompressedRequest(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	commit(t, w.repo, "main", "a", "1")
	dir := w.clone(t)
	for range 35 {
		mustGit(t, dir, "", "commit", "--quiet", "--allow-empty", "-m", "local")
	}
	commit(t, w.repo, "main", "a", "2")
	mustGit(t, dir, "", "fetch", "--quiet", "origin")
	mustGit(t, dir, "", "-c", "protocol.version=0", "fetch", "--quiet", "origin", "main:copy")
}
