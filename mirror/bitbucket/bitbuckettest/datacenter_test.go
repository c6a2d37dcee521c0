package bitbuckettest_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func dataCenter(t *testing.T) *world {
	t.Helper()
	w := &world{Server: bitbuckettest.Start(t, bitbuckettest.Options{DataCenter: true, HookBackoff: noBackoff})}
	w.repo = must[*bitbuckettest.Repo](t)(w.CreateRepository("CONF", "webrix-sync"))
	return w
}

// Git is below /scm, takes HTTP access tokens, and refuses in Data Center's words.
func TestDataCenterGit(t *testing.T) {
	w := dataCenter(t)
	commit(t, w.repo, "main", "a", "1")
	token := w.AddAccessToken("CONF", "webrix-sync", bitbuckettest.ScopeRepositoryWrite)
	if !strings.HasSuffix(w.repo.URL(), "/scm/CONF/webrix-sync.git") {
		t.Error(w.repo.URL())
	}
	dir := filepath.Join(t.TempDir(), "clone")
	bearer := "http.extraHeader=Authorization: Bearer " + token
	mustGit(t, "", "", "-c", bearer, "clone", "--quiet", w.repo.URL(), dir)
	mustGit(t, "", "you:you", "ls-remote", w.repo.URL())
	if _, err := git(t, "", "x-token-auth:"+token, "ls-remote", w.repo.URL()); err == nil {
		t.Error("a repository's token was taken as a password")
	}
	edit(t, dir, "a", "2")
	w.repo.Restrict("main")
	_, err := git(t, dir, "", "-c", bearer, "push", "--quiet", "origin", "main")
	wantText(t, err, "remote: Branch refs/heads/main can only be modified through pull requests.",
		"remote: Check your branch permissions configuration with the project administrator.",
		"! [remote rejected] main -> main (pre-receive hook declined)")
	mustGit(t, dir, "", "-c", bearer, "push", "--quiet", "origin", "main:side")

	answer := must[*http.Response](t)(plainClient.Do(gitRequest(t, w.repo.URL())))
	answer.Body.Close()
	if answer.StatusCode != 401 || answer.Header.Get("WWW-Authenticate") != `Basic realm="Atlassian Bitbucket"` {
		t.Errorf("%d %v", answer.StatusCode, answer.Header)
	}
	// What only the Cloud has.
	for _, path := range []string{"/site/oauth2/access_token", "/2.0/repositories/CONF/webrix-sync", "/rest/api/latest/nonsense"} {
		answer := must[*http.Response](t)(plainClient.Get(w.URL() + path))
		answer.Body.Close()
		if answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, answer.StatusCode)
		}
	}
}

func gitRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	r := must[*http.Request](t)(http.NewRequest("GET", url+"/info/refs?service=git-upload-pack", nil))
	r.Header.Set("User-Agent", "git/2.39.5")
	return r
}

func TestDataCenterDeliveries(t *testing.T) {
	rc := newReceiver(t)
	w := dataCenter(t)
	h := w.repo.AddHook(rc.URL, hookSecret)
	commit(t, w.repo, "main", "a", "1")
	commit(t, w.repo, "main", "a", "2")
	if err := w.repo.CreateBranch("side", "main"); err != nil {
		t.Fatal(err)
	}
	if err := w.repo.DeleteBranch("side"); err != nil {
		t.Fatal(err)
	}
	h.Set(bitbuckettest.HookMood{Unsigned: true})
	h.Ping()
	wait(t, h)
	kinds := []string{"ADD", "UPDATE", "ADD", "DELETE"}
	if len(rc.bodies) != len(kinds)+1 {
		t.Fatalf("%d deliveries", len(rc.bodies))
	}
	for i, kind := range kinds {
		if !bitbucket.VerifySignature(rc.bodies[i], rc.headers[i].Get("X-Hub-Signature"), hookSecret) {
			t.Error("the signature does not verify")
		}
		var b struct {
			EventKey, Date string
			Changes        []struct {
				Ref                    struct{ ID, DisplayID, Type string }
				FromHash, ToHash, Type string
			}
		}
		if err := json.Unmarshal(rc.bodies[i], &b); err != nil {
			t.Fatal(err)
		}
		if _, err := time.Parse("2006-01-02T15:04:05-0700", b.Date); err != nil || b.EventKey != "repo:refs_changed" {
			t.Errorf("%+v %v", b, err)
		}
		c := b.Changes[0]
		zero := strings.Repeat("0", 40)
		if c.Type != kind || (c.FromHash == zero) != (kind == "ADD") || (c.ToHash == zero) != (kind == "DELETE") || c.Ref.Type != "BRANCH" {
			t.Errorf("%+v", c)
		}
		if e, err := bitbucket.ParseEvent(rc.headers[i].Get("X-Event-Key"), rc.bodies[i]); err != nil || e.FullName != "CONF/webrix-sync" {
			t.Errorf("%+v %v", e, err)
		}
	}
	ping := rc.headers[4]
	if ping.Get("X-Event-Key") != "diagnostics:ping" || string(rc.bodies[4]) != `{"test": true}` || ping.Get("X-Hub-Signature") != "" {
		t.Errorf("%v %s", ping, rc.bodies[4])
	}
}
