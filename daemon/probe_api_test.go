package daemon_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
)

// TestConnectionTestOfTheAPI: it takes the steps of `confmirror check`, and the webhook
// that it tries is the daemon's own.
func TestConnectionTestOfTheAPI(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.config.HTTP.PublicURL = w.url
		status, answer := w.call("POST", "mirror/connection/test", nil)
		test := answer["test"].(map[string]any)
		names, last := []string{}, map[string]any{}
		for _, step := range test["steps"].([]any) {
			last = step.(map[string]any)
			names = append(names, last["name"].(string))
		}
		want := []string{"settings", "dns", "connect", "tls", "clock", "token", "repository", "git", "branch", "rules", "write", "webhook", "delivery"}
		if diff := cmp.Diff(want, names); status != 200 || test["ok"] != true || diff != "" {
			w.t.Errorf("%d: %v\n%s", status, answer, diff)
		}
		if message, _ := last["message"].(string); last["remedy"] != nil || !strings.Contains(message, w.url+"/api/bitbucket/webhook") {
			w.t.Errorf("the webhook: %v", last)
		}
	})
}

// A connection that works, and that another organization has already, does not pass the test.
func TestConnectionTestFindsTheOtherMirror(t *testing.T) {
	eachWorld(t, func(w *world) { w.config.HTTP.AllowedHosts = []string{"127.0.0.1"} }, func(w *world) {
		_, err := w.db.CreateOrganization(t.Context(), "second", "")
		w.must(err)
		m := w.config.Mirrors[0]
		test := func(prefix string) map[string]any {
			t.Helper()
			status, answer := w.callFor("second", "POST", "mirror/connection/test", map[string]any{
				"workspace": m.Workspace, "repository": m.Repository, "client_id": m.ClientID, "client_secret": m.ClientSecret.Reveal(),
				"api_url": *m.APIURL, "oauth_url": m.OAuthURL, "git_url": m.GitURL, "path_prefix": prefix,
			})
			if status != 200 {
				t.Fatalf("%d %v", status, answer)
			}
			return answer["test"].(map[string]any)
		}
		if got := test("below"); got["code"] != mirror.CodeAlreadyConnected || got["ok"] != false {
			t.Errorf("%v", got)
		}
		w.exec("UPDATE bitbucket_connections SET path_prefix = 'first'")
		if got := test("second"); got["ok"] != true {
			t.Errorf("%v", got)
		}
	})
}
