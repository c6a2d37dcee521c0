package bitbuckettest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func (w *world) rest(t *testing.T, path, token string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.APIURL()+"/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return doJSON(t, r)
}

func TestRepositoryBody(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	token := w.token(t)
	const path = "repositories/acme-corp/webrix-sync"
	status, body := w.rest(t, path, token)
	if main, ok := body["mainbranch"]; status != 200 || main != nil || !ok || body["size"] != 0.0 {
		t.Errorf("empty: %d mainbranch %v size %v", status, body["mainbranch"], body["size"])
	}
	if signed, ok := body["enforced_signed_commits"]; signed != nil || !ok {
		t.Errorf("enforced_signed_commits: %v", signed)
	}
	commit(t, w.repo, "trunk", "a", "1")
	w.repo.SetSignedCommits(true)
	_, body = w.rest(t, "repositories/Acme-Corp/WEBRIX-sync", token)
	for _, tt := range []struct {
		key  string
		want any
	}{
		{"type", "repository"},
		{"uuid", w.repo.UUID()},
		{"full_name", "acme-corp/webrix-sync"},
		{"slug", "webrix-sync"},
		{"is_private", true},
		{"scm", "git"},
		{"parent", nil},
		{"mainbranch", map[string]any{"name": "trunk", "type": "branch"}},
		{"enforced_signed_commits", true},
	} {
		if diff := cmp.Diff(tt.want, body[tt.key]); diff != "" {
			t.Errorf("%s: %s", tt.key, diff)
		}
	}
	if owner := body["owner"].(map[string]any); owner["type"] != "team" {
		t.Errorf("owner: %v", owner)
	}
	clone := body["links"].(map[string]any)["clone"].([]any)[0].(map[string]any)
	if !strings.Contains(clone["href"].(string), "you@") {
		t.Errorf("the clone link names no user: %v", clone)
	}
	if _, byID := w.rest(t, "repositories/acme-corp/%7B"+strings.Trim(w.repo.UUID(), "{}")+"%7D", token); byID["slug"] != "webrix-sync" {
		t.Errorf("by uuid: %v", byID)
	}
}

func TestRESTRefusals(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	if _, err := w.CreateRepository("other", "theirs"); err != nil {
		t.Fatal(err)
	}
	good := w.token(t)
	noScope := w.AddAccessToken("acme-corp", "webrix-sync", bitbuckettest.ScopeWebhook)
	elsewhere := w.AddAccessToken("acme-corp", "another", bitbuckettest.ScopeRepositoryWrite)
	const path, noAccess = "repositories/acme-corp/webrix-sync", "You may not have access to this repository or it no longer exists in this workspace. If you think this repository exists and you have access, make sure you are authenticated."
	for _, tt := range []struct {
		name, path, token string
		status            int
		message           string
	}{
		{"wrong token", path, "x", 401, "Token is invalid, expired, or not supported for this endpoint."},
		{"token in the address", path + "?access_token=" + good, "", 401, "Token is invalid, expired, or not supported for this endpoint."},
		{"token in both", path + "?access_token=" + good, good, 401, "Token is invalid, expired, or not supported for this endpoint."},
		{"missing", "repositories/acme-corp/absent", good, 404, noAccess},
		{"another workspace's", "repositories/other/theirs", good, 404, noAccess},
		{"another repository's token", path, elsewhere, 404, noAccess},
		{"no workspace", "repositories/nobody/x", good, 404, "No workspace with identifier 'nobody'."},
		{"scope", path, noScope, 403, "Your credentials lack one or more required privilege scopes."},
		{"unknown resource", "workspaces", good, 404, "Resource not found"},
	} {
		status, body := w.rest(t, tt.path, tt.token)
		e, _ := body["error"].(map[string]any)
		if status != tt.status || body["type"] != "error" || e["message"] != tt.message {
			t.Errorf("%s: %d %v", tt.name, status, body)
		}
		if tt.name == "scope" {
			want := map[string]any{"required": []any{"repository"}, "granted": []any{"webhook"}}
			if diff := cmp.Diff(want, e["detail"]); diff != "" {
				t.Error(diff)
			}
		}
	}

	// Basic is for people: a token does not pass there (CHANGE-3052).
	for credentials, want := range map[string]int{"you:you": 200, "x-token-auth:" + good: 401} {
		r, _ := http.NewRequest(http.MethodGet, w.APIURL()+"/"+path, nil)
		user, password, _ := strings.Cut(credentials, ":")
		r.SetBasicAuth(user, password)
		if status, _ := doJSON(t, r); status != want {
			t.Errorf("basic %s: %d", user, status)
		}
	}
	answer := must[*http.Response](t)(plainClient.Get(w.APIURL() + "/" + path))
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != 401 || len(body) != 0 || answer.Header.Get("WWW-Authenticate") != `Basic realm="Bitbucket.org HTTP"` {
		t.Errorf("without credentials: %d %q %v", answer.StatusCode, body, answer.Header)
	}
}

func TestRateLimitIsPlainText(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	defer w.Inject(bitbuckettest.TooManyRequests(0), bitbuckettest.EndpointREST)()
	answer := must[*http.Response](t)(plainClient.Get(w.APIURL() + "/repositories/acme-corp/webrix-sync"))
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != 429 || string(body) != "Rate limit for this resource has been exceeded" ||
		!strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") || answer.Header.Get("Retry-After") != "" {
		t.Errorf("%d %q %v", answer.StatusCode, body, answer.Header)
	}
}

func TestRenameAndRecreate(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	commit(t, w.repo, "main", "a", "1")
	id := w.repo.UUID()
	if err := w.RenameRepository(w.repo, "acme-corp", "renamed"); err != nil {
		t.Fatal(err)
	}
	token := w.token(t)
	if _, body := w.rest(t, "repositories/acme-corp/renamed", token); body["uuid"] != id {
		t.Errorf("renamed: %v", body)
	}
	again, err := w.CreateRepository("acme-corp", "webrix-sync")
	if err != nil {
		t.Fatal(err)
	}
	if again.UUID() == id || again.MainBranch() != "" {
		t.Error("a new repository of the old name is the old one")
	}
	if err := w.RemoveRepository(again); err != nil {
		t.Fatal(err)
	}
	if status, _ := w.rest(t, "repositories/acme-corp/webrix-sync", token); status != 404 {
		t.Errorf("removed: %d", status)
	}
	if files, err := w.repo.Files("main"); err != nil || files["a"] != "1" {
		t.Errorf("%v %v", files, err)
	}
}
