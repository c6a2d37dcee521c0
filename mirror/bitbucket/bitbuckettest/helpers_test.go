package bitbuckettest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ada = mirror.Signature{Name: "Ada", Email: "ada@example.com"}

// world is a stand-in with one consumer and one repository.
type world struct {
	*bitbuckettest.Server
	consumer bitbuckettest.Consumer
	repo     *bitbuckettest.Repo
}

func newWorld(t *testing.T, o bitbuckettest.Options) *world {
	t.Helper()
	w := &world{Server: bitbuckettest.Start(t, o)}
	w.consumer = w.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
	var err error
	if w.repo, err = w.CreateRepository("acme-corp", "webrix-sync"); err != nil {
		t.Fatal(err)
	}
	return w
}

// token gets an access token as any OAuth client would.
func (w *world) token(t *testing.T) string {
	t.Helper()
	status, answer := w.requestToken(t, w.consumer.Key, w.consumer.Secret, "client_credentials")
	if status != http.StatusOK {
		t.Fatalf("token: %d %v", status, answer)
	}
	return answer["access_token"].(string)
}

func (w *world) requestToken(t *testing.T, key, secret, grant string) (int, map[string]any) {
	t.Helper()
	form := url.Values{}
	if grant != "" {
		form.Set("grant_type", grant)
	}
	r, err := http.NewRequest(http.MethodPost, w.OAuthURL(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if key != "" {
		r.SetBasicAuth(key, secret)
	}
	return doJSON(t, r)
}

func doJSON(t *testing.T, r *http.Request) (int, map[string]any) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body := make(map[string]any)
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil && answer.ContentLength != 0 {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	return answer.StatusCode, body
}

// git runs the git program in dir; credentials travel in the environment only.
func git(t *testing.T, dir, credentials string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"HOME="+t.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
	)
	if credentials != "" {
		header := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
		cmd.Env = append(cmd.Env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.extraHeader", "GIT_CONFIG_VALUE_0="+header)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("git %s: %w: %s", args[0], err, out.String())
	}
	return out.String(), err
}

func mustGit(t *testing.T, dir, credentials string, args ...string) string {
	t.Helper()
	out, err := git(t, dir, credentials, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// clone clones the repository as the first person.
func (w *world) clone(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clone")
	mustGit(t, "", "", "clone", "--quiet", w.repo.CloneURL(), dir)
	return dir
}

// edit writes and commits a file in a clone.
func edit(t *testing.T, dir, path, content string) {
	t.Helper()
	full := filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	mustGit(t, dir, "", "add", path)
	mustGit(t, dir, "", "commit", "--quiet", "-m", "Edit "+path)
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func commit(t *testing.T, r *bitbuckettest.Repo, branch, path, content string) mirror.Hash {
	t.Helper()
	return must[mirror.Hash](t)(r.Commit(branch, ada, "Write "+path, bitbuckettest.Write(path, content)))
}
