package daemon_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// Requests of the stand-in that webhooks take.
const (
	getHooks = "GET hooks"
	postHook = "POST hooks"
	putHook  = "PUT hooks/{hook}"
)

// mayMakeHooks is a public daemon whose credentials may make webhooks.
func mayMakeHooks(w *world) {
	w.public = true
	c := w.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Scopes: []string{bitbuckettest.ScopePullRequestWrite, bitbuckettest.ScopeWebhook}})
	w.config.Mirrors[0].ClientID, w.config.Mirrors[0].ClientSecret = c.Key, mirror.NewSecret(c.Secret)
}

// shownWebhook is what the API says of it.
func (w *world) shownWebhook() map[string]any {
	w.t.Helper()
	return w.get("mirror/connection")["connection"].(map[string]any)["webhook"].(map[string]any)
}

// made waits until the daemon says that the webhook is as it should be, and returns the only one.
func (w *world) made(secret string) *bitbuckettest.Hook {
	w.t.Helper()
	w.eventually("the webhook is made", func() bool {
		hooks := w.repo.Hooks()
		return len(hooks) == 1 && hooks[0].HasSecret(secret) && w.shownWebhook()["made"] == true
	})
	return w.repo.Hooks()[0]
}

// hookRequests are those that were made for webhooks, by route.
func (w *world) hookRequests() map[string]int {
	all := map[string]int{}
	for route, n := range w.standIn.CountRoutes() {
		if strings.Contains(route, "hooks") {
			all[route] = n
		}
	}
	return all
}

func (w *world) requested(want map[string]int) {
	w.t.Helper()
	for _, route := range []string{getHooks, postHook, putHook} {
		if got := w.hookRequests()[route]; got != want[route] {
			w.t.Errorf("%d requests %s, want %d: %v", got, route, want[route], w.hookRequests())
		}
	}
}

// The webhook is made by itself, delivers, and stays as it is when the daemon starts again.
func TestWebhookByItself(t *testing.T) {
	eachWorld(t, mayMakeHooks, func(w *world) {
		hook := w.made(webhookSecret)
		if want := w.url + "/api/bitbucket/webhook"; hook.URL() != want {
			t.Errorf("it delivers to %s, want %s", hook.URL(), want)
		}
		w.requested(map[string]int{getHooks: 1, postHook: 1})
		w.commit(bitbuckettest.Write("commands/a.json", `{"slug":"a","name":"A","prompt":"x"}`))
		w.eventually("the push is imported", func() bool { return w.query("SELECT slug FROM commands") == "a" })
		if states := hook.Deliveries(); len(states) == 0 || states[0].State != bitbuckettest.DeliveryDelivered || states[0].Statuses[0] != 202 {
			t.Errorf("%+v", states)
		}
		w.says("webhook", "The repository has a webhook to "+hook.URL())
		before := w.hookRequests()
		w.stop()
		w.start()
		w.synced()
		w.stop() // what is under way ends
		if after := w.hookRequests(); after[getHooks] != before[getHooks] || after[postHook] != 1 {
			t.Errorf("a start made requests: %v, before %v", after, before)
		}
		if stored := w.query("SELECT tried || given || url || coalesce(problem, 'null') FROM mirror_webhooks"); strings.Contains(stored, webhookSecret) {
			t.Errorf("the secret is stored: %s", stored)
		}
	})
}

// Another secret is given to the webhook, and another consumer changes nothing of it.
func TestWebhookFollowsTheSettings(t *testing.T) {
	eachWorld(t, func(w *world) {
		mayMakeHooks(w)
		w.viaAPI()
	}, func(w *world) {
		w.made(webhookSecret)
		w.call("PUT", "mirror/connection", map[string]any{"webhook_secret": "another-secret"})
		w.made("another-secret")
		w.requested(map[string]int{getHooks: 1 + 2, postHook: 1, putHook: 1}) // the connection test lists, too
		c := w.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Scopes: []string{bitbuckettest.ScopePullRequestWrite, bitbuckettest.ScopeWebhook}})
		w.call("PUT", "mirror/connection", map[string]any{"client_id": c.Key, "client_secret": c.Secret})
		w.eventually("the webhook was looked at", func() bool { return w.hookRequests()[getHooks] == 5 })
		w.stop()
		w.requested(map[string]int{getHooks: 5, postHook: 1, putHook: 1})
	})
}

// viaAPI makes acme's connection one that the API may change.
func (w *world) viaAPI() {
	w.t.Helper()
	o, err := w.db.CreateOrganization(w.t.Context(), "acme", "")
	w.must(err)
	_, err = w.db.SaveConnection(w.t.Context(), o.ID, db.ConnectionWrite{Settings: w.config.Mirrors[0].Settings(), Source: db.SourceAPI})
	w.must(err)
	w.config.Mirrors = nil
	w.config.HTTP.AllowedHosts = []string{"127.0.0.1"}
}

// Without the permission it is said once what to enter, and not asked for again at a start.
func TestWebhookByHand(t *testing.T) {
	eachWorld(t, public, func(w *world) {
		w.eventually("the webhook is a problem", func() bool { return w.shownWebhook()["problem"] != nil })
		problem := w.shownWebhook()["problem"].(map[string]any)
		remedy := problem["remedy"].(string)
		for _, want := range []string{w.url + "/api/bitbucket/webhook", "webhook secret", "Repository: Push; Pull request: Created"} {
			if !strings.Contains(remedy, want) {
				t.Errorf("%q does not say %q", remedy, want)
			}
		}
		if problem["code"] != mirror.CodePermissionDenied || w.shownWebhook()["made"] != false || w.synced()["state"] != "ok" {
			t.Errorf("%v", w.shownWebhook())
		}
		w.requested(map[string]int{getHooks: 1})
		w.stop()
		w.start()
		w.synced()
		w.stop()
		w.requested(map[string]int{getHooks: 1})
		if n := strings.Count(w.log.String(), "has to be entered by hand, with"); n != 1 {
			t.Errorf("it was said %d times", n)
		}
	})
}

// A webhook that somebody deleted is made again when a connection test misses it; those of
// others stay as they are.
func TestWebhookThatIsGone(t *testing.T) {
	eachWorld(t, func(w *world) {
		mayMakeHooks(w)
		w.repo.AddHook("https://ci.example.com/hook", mirror.NewSecret("of others"), "repo:push").Subscribe(false, "repo:updated")
	}, func(w *world) {
		ours := func() (hook *bitbuckettest.Hook) {
			w.eventually("the webhook is made", func() bool {
				hooks := w.repo.Hooks()
				hook = hooks[len(hooks)-1]
				return len(hooks) == 2 && w.shownWebhook()["made"] == true
			})
			return hook
		}
		w.repo.RemoveHook(ours())
		if said := w.step("webhook"); !strings.Contains(said, "is gone from the repository") {
			t.Error(said)
		}
		if hook := ours(); !hook.HasSecret(webhookSecret) {
			t.Error("it has another secret")
		}
		if other := w.repo.Hooks()[0]; other.URL() != "https://ci.example.com/hook" || !other.HasSecret("of others") {
			t.Errorf("another's webhook was changed: %s", other.URL())
		}
		w.stop()
		w.requested(map[string]int{getHooks: 3, postHook: 2})
	})
}

// What cannot be delivered to, or would not be signed, is not made.
func TestWebhookThatIsNotWanted(t *testing.T) {
	for name, prepare := range map[string]func(w *world){
		"unsigned":             func(w *world) { mayMakeHooks(w); w.config.Mirrors[0].WebhookSecret = mirror.Secret{} },
		"somebody else's port": func(w *world) { mayMakeHooks(w); w.public = false },
		"a plain git host":     func(w *world) { mayMakeHooks(w); *w.config.Mirrors[0].APIURL = "" },
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, prepare, func(w *world) {
				w.synced()
				w.stop()
				w.requested(nil)
			})
		})
	}
}

// Two mirrors of a repository with different secrets have a webhook each, and leave the
// other's alone.
func TestWebhooksOfTwoMirrors(t *testing.T) {
	eachWorld(t, func(w *world) {
		mayMakeHooks(w)
		second := *w.config.Mirrors[0]
		second.Organization, second.PathPrefix, second.WebhookSecret = "beta", "beta", mirror.NewSecret("of beta")
		third := second
		third.Organization, third.PathPrefix = "gamma", "gamma"
		third.WebhookSecret = mirror.NewSecret(webhookSecret)
		w.config.Mirrors[0].PathPrefix = "acme"
		w.config.Mirrors = append(w.config.Mirrors, &second, &third)
	}, func(w *world) {
		common := w.url + "/api/bitbucket/webhook"
		w.eventually("both are made", func() bool {
			return len(w.repo.Hooks()) == 2 && w.query("SELECT count(*) FROM mirror_webhooks WHERE tried <> ''") == "3"
		})
		w.stop()
		w.start()
		w.synced()
		w.stop()
		hooks := w.repo.Hooks()
		slices.SortFunc(hooks, func(a, b *bitbuckettest.Hook) int { return strings.Compare(a.URL(), b.URL()) })
		if len(hooks) != 2 || hooks[0].URL() != common || !hooks[0].HasSecret(webhookSecret) || hooks[1].URL() != common+"/beta" || !hooks[1].HasSecret("of beta") {
			t.Errorf("%d webhooks: %s, %s", len(hooks), hooks[0].URL(), hooks[1].URL())
		}
		w.requested(map[string]int{getHooks: 2, postHook: 2})
	})
}

// What the host refuses for good is shown, and asked for again a day later.
func TestWebhookThatIsRefused(t *testing.T) {
	clock := map[*world]*clockwork{}
	eachWorld(t, func(w *world) {
		mayMakeHooks(w)
		clock[w] = &clockwork{start: time.Now()}
		w.now = clock[w].now
		w.standIn.Inject(bitbuckettest.Fault{Route: postHook, Times: 1, Status: 400, Body: `{"type":"error","error":{"message":"Bad request","fields":["Url: not public"]}}`}, bitbuckettest.EndpointREST)
	}, func(w *world) {
		w.eventually("the refusal is shown", func() bool {
			problem, _ := w.shownWebhook()["problem"].(map[string]any)
			return problem != nil && strings.Contains(problem["message"].(string), "Bad request")
		})
		clock[w].advance(23 * time.Hour)
		w.synced()
		w.requested(map[string]int{getHooks: 1, postHook: 1})
		clock[w].advance(2 * time.Hour)
		w.synced()
		w.made(webhookSecret)
		if w.shownWebhook()["problem"] != nil {
			t.Errorf("%v", w.shownWebhook())
		}
	})
}

// A host that is down for a moment is asked again, after a pause.
func TestWebhookOfAHostThatIsDown(t *testing.T) {
	clock := map[*world]*clockwork{}
	eachWorld(t, func(w *world) {
		mayMakeHooks(w)
		clock[w] = &clockwork{start: time.Now()}
		w.now = clock[w].now
		w.standIn.Inject(bitbuckettest.Fault{Route: getHooks, Times: 1, Status: 503}, bitbuckettest.EndpointREST)
	}, func(w *world) {
		w.eventually("it was asked", func() bool { return strings.Contains(w.log.String(), "the webhook is tried for again later") })
		w.synced()
		if shown := w.shownWebhook(); shown["problem"] != nil || shown["made"] != false {
			t.Errorf("%v", shown)
		}
		clock[w].advance(2 * time.Minute)
		w.synced()
		w.made(webhookSecret)
		w.stop()
		w.requested(map[string]int{getHooks: 2, postHook: 1})
	})
}

// A mirror whose pushes are refused reads the branch all the same, and so has a webhook.
func TestWebhookOfARestrictedBranch(t *testing.T) {
	eachWorld(t, func(w *world) {
		mayMakeHooks(w)
		w.commit(bitbuckettest.Write("README.md", "Hello"))
		w.repo.Restrict("main")
	}, func(w *world) {
		w.made(webhookSecret)
		w.insert("commands", "slug", "'own'", "name", "'Own'", "prompt", "'x'")
		if report := w.sync(); report["state"] != "blocked" {
			t.Fatalf("%v", report)
		}
		w.must(w.setSecret("another-secret"))
		w.eventually("it follows the secret", func() bool { return w.repo.Hooks()[0].HasSecret("another-secret") })
	})
}

// setSecret changes acme's webhook secret as an edited configuration does at a start.
func (w *world) setSecret(secret string) error {
	settings := w.config.Mirrors[0].Settings()
	settings.WebhookSecret = mirror.NewSecret(secret)
	_, err := w.db.SaveConnection(w.t.Context(), w.orgID, db.ConnectionWrite{Settings: settings, Source: db.SourceConfig})
	return err
}

// A webhook that somebody entered stays theirs but for what it lacks: the description and
// more events are kept.
func TestWebhookThatWasThere(t *testing.T) {
	eachWorld(t, func(w *world) { mayMakeHooks(w) }, func(w *world) {
		hook := w.made(webhookSecret)
		hook.Subscribe(true, "repo:push", "repo:updated")
		w.must(w.setSecret("another-secret"))
		w.made("another-secret")
		w.commit(bitbuckettest.Write("README.md", "Hello"))
		w.must(hook.Wait(w.t.Context()))
		if last := hook.Deliveries(); len(last) == 0 || last[len(last)-1].Statuses[0] != 202 {
			t.Errorf("%+v", last)
		}
		w.requested(map[string]int{getHooks: 2, postHook: 1, putHook: 1})
	})
}

// Data Center has webhooks as well, with its own events.
func TestWebhookAtDataCenter(t *testing.T) {
	eachWorld(t, func(w *world) {
		mayMakeHooks(w)
		w.dataCenter(bitbuckettest.ScopeRepositoryAdmin)
	}, func(w *world) {
		hook := w.made(webhookSecret)
		w.commit(bitbuckettest.Write("commands/a.json", `{"slug":"a","name":"A","prompt":"x"}`))
		w.eventually("the push is imported", func() bool { return w.query("SELECT slug FROM commands") == "a" })
		w.must(hook.Wait(w.t.Context()))
		w.says("delivery", "(repo:refs_changed)")
		w.says("webhook", "The repository has a webhook to "+hook.URL())
	})
}

// There, a token that may only write is told what to enter, with that host's events.
func TestWebhookByHandAtDataCenter(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.public = true
		w.dataCenter(bitbuckettest.ScopeRepositoryWrite)
	}, func(w *world) {
		w.eventually("the webhook is a problem", func() bool {
			problem, _ := w.shownWebhook()["problem"].(map[string]any)
			return problem != nil && strings.Contains(problem["remedy"].(string), "Repository: Push; Pull request: Opened") && problem["code"] == mirror.CodePermissionDenied
		})
	})
}

// After a change of the daemon's address its webhook is made there, and the one before is
// left to a person: only people know whether somebody else listens there.
func TestWebhookOfAnotherAddress(t *testing.T) {
	eachWorld(t, mayMakeHooks, func(w *world) {
		before := w.made(webhookSecret)
		w.stop()
		w.url = ""
		w.start()
		w.eventually("another webhook is made", func() bool { return len(w.repo.Hooks()) == 2 && w.shownWebhook()["made"] == true })
		w.says("webhook", "and one to another confmirror: "+before.URL())
		if log := w.log.String(); strings.Count(log, "the webhook of the address before") != 1 || !strings.Contains(log, before.URL()) {
			t.Error("the log does not tell of the webhook that is left")
		}
		w.repo.RemoveHook(before)
		w.says("webhook", "The repository has a webhook to "+w.url+"/api/bitbucket/webhook.")
	})
}

// dataCenter makes the stand-in another one.
func (w *world) dataCenter(scopes ...string) {
	w.t.Helper()
	var err error
	w.must(w.standIn.Close())
	w.standIn, err = bitbuckettest.New(bitbuckettest.Options{DataCenter: true})
	w.must(err)
	w.repo, err = w.standIn.CreateRepository("CONF", "webrix-sync")
	w.must(err)
	m, api := w.config.Mirrors[0], w.standIn.APIURL()
	m.Workspace, m.APIURL, m.OAuthURL, m.GitURL = "CONF", &api, "", w.standIn.GitURL()
	m.ClientID, m.ClientSecret = "", mirror.Secret{}
	m.AccessToken = mirror.NewSecret(w.standIn.AddAccessToken("CONF", "webrix-sync", scopes...))
}
