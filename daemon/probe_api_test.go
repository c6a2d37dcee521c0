package daemon_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
