package daemon_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// clockwork is a clock that goes a millisecond further each time somebody looks at it, so
// that nothing happens at the same time, and else stands still until a test moves it.
type clockwork struct {
	start time.Time
	past  atomic.Int64
}

func (c *clockwork) now() time.Time {
	return c.start.Add(time.Duration(c.past.Add(int64(time.Millisecond))))
}
func (c *clockwork) advance(d time.Duration) { c.past.Add(int64(d)) }

// eachWebhook is eachWorld with a clock, and a webhook that was made.
func eachWebhook(t *testing.T, prepare func(w *world), test func(w *world, clock *clockwork, hook *bitbuckettest.Hook)) {
	t.Helper()
	clocks := map[*world]*clockwork{}
	eachWorld(t, func(w *world) {
		mayMakeHooks(w)
		clocks[w] = &clockwork{start: time.Now()}
		w.now = clocks[w].now
		if prepare != nil {
			prepare(w)
		}
	}, func(w *world) { test(w, clocks[w], w.made(webhookSecret)) })
}

// push commits something new.
func (w *world) push() {
	w.t.Helper()
	w.commit(bitbuckettest.Write("commands/a.json", `{"slug":"a","name":"`+time.Now().String()+`","prompt":"x"}`))
}

// condition is the condition of a code; nil if the mirror has none.
func (w *world) condition(code string) map[string]any {
	w.t.Helper()
	for _, c := range w.mirror()["conditions"].([]any) {
		if c := c.(map[string]any); c["code"] == code {
			return c
		}
	}
	return nil
}

// unheard has a push found that no delivery tells of in time.
func (w *world) unheard(clock *clockwork) {
	w.t.Helper()
	clock.advance(5 * time.Minute)
	w.synced()
	w.push()
	w.synced()
	clock.advance(3 * time.Minute)
	w.synced()
}

// W7: a webhook that says nothing of pushes is noticed at the second one, and speaks again
// with the next delivery.
func TestSilentWebhook(t *testing.T) {
	eachWebhook(t, nil, func(w *world, clock *clockwork, hook *bitbuckettest.Hook) {
		w.push()
		w.must(hook.Wait(w.t.Context()))
		w.says("delivery", "Last delivery")
		w.synced()
		hook.Set(bitbuckettest.HookMood{Drop: true})
		w.unheard(clock)
		if c := w.condition(mirror.CodeWebhookSilent); c != nil {
			t.Errorf("after one push: %v", c)
		}
		w.unheard(clock)
		c := w.condition(mirror.CodeWebhookSilent)
		if c == nil || !strings.Contains(c["message"].(string), "2 pushes in a row") || c["remedy"] == "" {
			t.Fatalf("after two pushes: %v", w.mirror())
		}
		if w.rested()["state"] != "ok" || w.shownWebhook()["silent"] != true {
			t.Errorf("%v, %v", w.mirror(), w.shownWebhook())
		}
		w.unheard(clock)
		if again := w.condition(mirror.CodeWebhookSilent); again == nil || again["since"] != c["since"] || !strings.Contains(again["message"].(string), "3 pushes") {
			t.Errorf("%v, before %v", again, c)
		}
		w.says("delivery", "The webhook is silent")
		hook.Set(bitbuckettest.HookMood{})
		w.push()
		w.eventually("the condition is gone", func() bool { return w.condition(mirror.CodeWebhookSilent) == nil })
		hook.Set(bitbuckettest.HookMood{Drop: true})
		w.unheard(clock)
		if c := w.condition(mirror.CodeWebhookSilent); c != nil {
			t.Errorf("the count did not begin anew: %v", c)
		}
		if n := strings.Count(w.log.String(), "the webhook is silent"); n != 1 {
			t.Errorf("it was said %d times", n)
		}
	})
}

// A delivery that comes a moment after the push was found by other means is none too late.
func TestLateDeliveryIsNoSilence(t *testing.T) {
	eachWebhook(t, nil, func(w *world, clock *clockwork, hook *bitbuckettest.Hook) {
		for range 3 {
			hook.Set(bitbuckettest.HookMood{Hold: true})
			clock.advance(5 * time.Minute)
			w.synced()
			w.push()
			w.synced()
			clock.advance(time.Minute)
			hook.Release(false)
			w.must(hook.Wait(w.t.Context()))
			clock.advance(2 * time.Minute)
			w.synced()
		}
		if c := w.condition(mirror.CodeWebhookSilent); c != nil {
			t.Errorf("%v", c)
		}
	})
}

// A webhook that somebody deleted, or gave another secret, is silent, and is made again.
func TestSilentWebhookIsMadeAgain(t *testing.T) {
	for name, spoil := range map[string]func(w *world, hook *bitbuckettest.Hook){
		"deleted":        func(w *world, hook *bitbuckettest.Hook) { w.repo.RemoveHook(hook) },
		"another secret": func(_ *world, hook *bitbuckettest.Hook) { hook.SetSecret(mirror.NewSecret("another")) },
		"switched off":   func(_ *world, hook *bitbuckettest.Hook) { hook.Subscribe(false, "repo:push") },
	} {
		t.Run(name, func(t *testing.T) {
			eachWebhook(t, nil, func(w *world, clock *clockwork, hook *bitbuckettest.Hook) {
				spoil(w, hook)
				clock.advance(time.Hour)
				w.unheard(clock)
				w.unheard(clock)
				w.made(webhookSecret)
				w.push()
				w.eventually("it speaks", func() bool {
					return w.condition(mirror.CodeWebhookSilent) == nil && w.shownWebhook()["last_delivery"] != nil
				})
			})
		})
	}
}

// Where nobody made a webhook, and none ever delivered, there is nothing to miss.
func TestNoWebhookIsNoSilence(t *testing.T) {
	clocks := map[*world]*clockwork{}
	eachWorld(t, func(w *world) {
		w.public = true
		clocks[w] = &clockwork{start: time.Now()}
		w.now = clocks[w].now
	}, func(w *world) {
		for range 3 {
			w.unheard(clocks[w])
		}
		if c := w.condition(mirror.CodeWebhookSilent); c != nil {
			t.Errorf("%v", c)
		}
	})
}

// What was pushed while no daemon was there to hear of it says nothing of the webhook.
func TestPushesWhileTheDaemonWasDown(t *testing.T) {
	eachWebhook(t, nil, func(w *world, clock *clockwork, hook *bitbuckettest.Hook) {
		for range 3 {
			w.stop()
			clock.advance(5 * time.Minute)
			w.push()
			w.must(hook.Wait(w.t.Context()))
			w.start()
			clock.advance(3 * time.Minute)
			w.synced()
		}
		if c := w.condition(mirror.CodeWebhookSilent); c != nil {
			t.Errorf("%v", c)
		}
	})
}

// Deliveries to a daemon that does not hold the mirror count like any.
func TestDeliveriesToAnotherDaemon(t *testing.T) {
	target := migrated.Postgres(t)
	clock := &clockwork{start: time.Now()}
	w := newWorld(t, target)
	mayMakeHooks(w)
	w.now = clock.now
	w.start()
	w.made(webhookSecret).Set(bitbuckettest.HookMood{Drop: true})

	target.DataDir = t.TempDir()
	config := *w.config
	config.DataDir, config.Mirrors = target.DataDir, nil
	second := &world{t: t, token: adminToken, target: target, standIn: w.standIn, repo: w.repo, config: &config, log: &safeBuffer{}, public: true, now: clock.now}
	second.openDatabase()
	second.start()
	hook := w.repo.AddHook(second.url+"/api/bitbucket/webhook", mirror.NewSecret(webhookSecret))
	for range 3 {
		clock.advance(5 * time.Minute)
		w.synced()
		before, heard := w.query("SELECT name FROM commands"), w.query("SELECT CAST(pushed_at AS text) FROM mirror_webhooks")
		w.push()
		w.eventually("the push is imported", func() bool { return w.query("SELECT name FROM commands") != before })
		w.must(hook.Wait(t.Context()))
		w.eventually("the delivery is recorded", func() bool { return w.query("SELECT CAST(pushed_at AS text) FROM mirror_webhooks") != heard })
		clock.advance(3 * time.Minute)
		w.synced()
		if unheard := w.query("SELECT unheard FROM mirror_webhooks"); unheard != "0" {
			t.Errorf("%s pushes are unheard", unheard)
		}
	}
}

// Where deliveries are not waited for any more, none is missed.
func TestSilenceEndsWithTheSecret(t *testing.T) {
	eachWebhook(t, nil, func(w *world, clock *clockwork, hook *bitbuckettest.Hook) {
		hook.Set(bitbuckettest.HookMood{Drop: true})
		w.unheard(clock)
		w.unheard(clock)
		if w.condition(mirror.CodeWebhookSilent) == nil {
			t.Fatalf("it is not silent: %v", w.mirror())
		}
		w.must(w.setSecret(""))
		w.synced()
		if c := w.condition(mirror.CodeWebhookSilent); c != nil {
			t.Errorf("%v", c)
		}
	})
}

// looks counts how often the branch was looked at.
func (w *world) looks() int {
	return w.standIn.Count(bitbuckettest.EndpointFetchRefs) + w.standIn.Count(bitbuckettest.EndpointFetch)
}

// A mirror whose webhook has proved to deliver is polled more rarely, and at the full rate
// again as soon as a push comes without a delivery.
func TestPollsRestWhereWebhooksDeliver(t *testing.T) {
	eachWebhook(t, func(w *world) { w.config.Sync.Poll = "@every 1s" }, func(w *world, clock *clockwork, hook *bitbuckettest.Hook) {
		skipped := func() int { return strings.Count(w.log.String(), "the webhook delivers: no poll") }
		if n := skipped(); n > 0 {
			t.Errorf("%d polls were left out before anything was delivered", n)
		}
		w.push()
		w.eventually("the push is imported", func() bool { return w.query("SELECT slug FROM commands") == "a" })
		w.eventually("a poll is left out", func() bool { return skipped() > 0 })
		looks, left := w.looks(), skipped()
		w.eventually("more polls are left out", func() bool { return skipped() > left })
		if now := w.looks(); now != looks {
			t.Errorf("the branch was looked at %d times meanwhile", now-looks)
		}
		clock.advance(10 * time.Second)
		w.eventually("one in ten is made", func() bool { return w.looks() > looks })

		clock.advance(2 * time.Minute) // so that the delivery is none of the next push
		left = skipped()
		w.eventually("polls are left out again, after one", func() bool { return skipped() > left })
		hook.Set(bitbuckettest.HookMood{Drop: true})
		w.push()
		clock.advance(10 * time.Second)
		name := w.query("SELECT name FROM commands")
		w.eventually("a poll finds the push", func() bool { return w.query("SELECT name FROM commands") != name })
		looks = w.looks()
		w.eventually("polls go on at the full rate", func() bool { return w.looks() >= looks+2 })
	})
}
