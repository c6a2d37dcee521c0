package daemon_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// reload has the running daemon take up a changed configuration.
func (w *world) reload(change func(c *configs.Config)) {
	w.t.Helper()
	c := *w.config
	c.Mirrors = nil
	for _, m := range w.config.Mirrors {
		other := *m
		c.Mirrors = append(c.Mirrors, &other)
	}
	change(&c)
	w.config = &c
	w.must(w.daemon.Reload(w.t.Context(), w.config, mirror.NewSecret(w.token)))
}

// Rotating the webhook's secret drops no delivery: the new one is taken at once, and the one
// before goes on being taken; another one is not.
func TestReloadOfTheWebhookSecret(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.reload(func(c *configs.Config) { c.Mirrors[0].WebhookSecret = mirror.NewSecret("rotated") })
		hook := w.repo.AddHook(w.url+"/api/bitbucket/webhook", mirror.NewSecret("rotated"))
		for _, tc := range []struct {
			secret string
			status int
		}{{"rotated", http.StatusAccepted}, {webhookSecret, http.StatusAccepted}, {"another", http.StatusUnauthorized}} {
			hook.SetSecret(mirror.NewSecret(tc.secret))
			before := len(hook.Deliveries())
			w.commit(bitbuckettest.Write("toolkits/"+tc.secret+".json", `{"slug":"`+tc.secret+`","name":"T"}`))
			w.eventually("a delivery is answered", func() bool {
				all := hook.Deliveries()
				return len(all) > before && len(all[before].Statuses) > 0
			})
			if got := hook.Deliveries()[before].Statuses[0]; got != tc.status {
				t.Errorf("%s: %d, want %d", tc.secret, got, tc.status)
			}
			if tc.status == http.StatusAccepted {
				w.eventually("it is imported", func() bool {
					return w.query("SELECT count(*) FROM toolkits WHERE slug = '%s'", tc.secret) == "1"
				})
			}
		}
	})
}

// Other credentials are used from the next run on, and other schedules at once.
func TestReloadOfWhatRunsDependOn(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A"}`))
		w.reload(func(c *configs.Config) { c.Sync.Poll = "@every 1s" })
		w.eventually("the poll finds it", func() bool { return w.query("SELECT count(*) FROM toolkits") == "1" })
		w.reload(func(c *configs.Config) { c.Sync.Poll = "@every 1h" })

		w.reload(func(c *configs.Config) { c.Mirrors[0].ClientSecret = mirror.NewSecret("wrong") })
		w.eventually("the wrong secret is used", func() bool {
			detail, _ := w.mirror()["detail"].(map[string]any)
			return detail["code"] == mirror.CodeConnectionFailed
		})
		rotated := w.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
		w.reload(func(c *configs.Config) {
			c.Mirrors[0].ClientID, c.Mirrors[0].ClientSecret = rotated.Key, mirror.NewSecret(rotated.Secret)
		})
		w.eventually("the new one is used by itself", func() bool { return w.mirror()["state"] == "ok" })
	})
}

// Another admin token is asked for from now on.
func TestReloadOfTheAdminToken(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.token = "another-admin-token-0123456789"
		w.reload(func(*configs.Config) {})
		if status, _ := w.call("GET", "mirror", nil); status != http.StatusOK {
			t.Errorf("the new token: %d", status)
		}
		w.token = adminToken
		if status, _ := w.call("GET", "mirror", nil); status != http.StatusUnauthorized {
			t.Errorf("the old token: %d", status)
		}
	})
}

// A mirror that is added to the file is connected, and one that is taken out of it is managed
// by the API from then on: it goes on meanwhile.
func TestReloadOfTheMirrors(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commitOn("staging", bitbuckettest.Write("commands/c.json", `{"slug":"c","name":"C","prompt":"P"}`))
		w.reload(func(c *configs.Config) {
			c.HTTP.AllowedHosts = []string{"127.0.0.1"}
			other := *c.Mirrors[0]
			other.Organization, other.Branch = "globex", "staging"
			c.Mirrors = append(c.Mirrors, &other)
		})
		w.eventually("the new mirror is imported", func() bool { return w.query("SELECT count(*) FROM commands") == "1" })

		rename := map[string]any{"branch": "staging", "conflict": "database"}
		status, problem := w.callFor("globex", "PUT", "mirror/connection", rename)
		if status != http.StatusConflict {
			t.Errorf("a configured connection is changed: %d %v", status, problem)
		}
		w.reload(func(c *configs.Config) { c.Mirrors = c.Mirrors[:1] })
		if status, answer := w.callFor("globex", "PUT", "mirror/connection", rename); status != http.StatusOK {
			t.Errorf("a released connection: %d %v", status, answer)
		}
		w.commitOn("staging", bitbuckettest.Write("commands/d.json", `{"slug":"d","name":"D","prompt":"P"}`))
		if status, report := w.callFor("globex", "POST", "mirror/sync?wait=true", nil); status != http.StatusOK || report["imported"] != float64(1) {
			t.Errorf("it does not go on: %d %v", status, report)
		}
		if status, _ := w.call("PUT", "mirror/connection", rename); status != http.StatusConflict {
			t.Errorf("the other one was released, too: %d", status)
		}
	})
}

// What cannot be taken up while the daemon runs is told, stays as it was, and does not keep
// the rest from being taken up. A configuration that is none is told, too. Both end when it
// is so again.
func TestReloadTellsWhatItDoesNotTakeUp(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A"}`))
		w.synced()
		v := w.visitor()
		v.signIn()
		shown := func() (codes []string) {
			for _, c := range w.mirror()["conditions"].([]any) {
				codes = append(codes, c.(map[string]any)["code"].(string))
			}
			return codes
		}
		measured := func(code, value string) {
			t.Helper()
			if _, metrics := v.page("GET", "/metrics", nil); !strings.Contains(metrics, `confmirror_condition{code="`+code+`"} `+value) {
				t.Errorf("%s is not %s in the metrics", code, value)
			}
		}
		dir := w.config.DataDir
		w.reload(func(c *configs.Config) { c.DataDir, c.Sync.MaxFileSize = "/elsewhere", 300 })
		if c := w.condition(mirror.CodeConfigNeedsRestart); c == nil || !strings.Contains(c["message"].(string), "data_dir") {
			t.Errorf("%v", shown())
		}
		measured(mirror.CodeConfigNeedsRestart, "1")
		w.commit(bitbuckettest.Write("commands/c.json", `{"slug":"c","name":"C","prompt":"`+strings.Repeat("long ", 100)+`"}`))
		w.synced()
		if got := w.rejected("commands")["commands/c.json"]; got != "FETCH_FAILED" {
			t.Errorf("the new limit is not taken up: %q", got)
		}

		broken := errors.New("no such thing as a poll")
		if !w.daemon.RefuseConfig(broken) || w.daemon.RefuseConfig(broken) {
			t.Error("it is news once")
		}
		if got := shown(); !slices.Equal(got, []string{mirror.CodeConfigInvalid, mirror.CodeConfigNeedsRestart}) {
			t.Errorf("%v", got)
		}
		measured(mirror.CodeConfigInvalid, "1")
		for address, want := range map[string]string{"/readyz": mirror.CodeConfigInvalid, "/organizations/acme": "no such thing as a poll"} {
			if _, body := v.page("GET", address, nil); !strings.Contains(body, want) {
				t.Errorf("%s does not tell: %s", address, body)
			}
		}
		w.reload(func(c *configs.Config) { c.DataDir, c.Sync.MaxFileSize = dir, 1<<20 })
		if got := shown(); len(got) > 0 {
			t.Errorf("what was mended is still told: %v", got)
		}
		measured(mirror.CodeConfigInvalid, "0")
		w.eventually("the refused file is looked at again", func() bool { return len(w.rejected("commands")) == 0 })
	})
}
