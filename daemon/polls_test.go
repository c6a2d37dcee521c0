package daemon

import (
	"testing"
	"time"

	"github.com/confmirror/confmirror/db"
)

// How many of an hour's polls are made once a webhook has proved to deliver: one in ten, at
// least one in ten minutes, and never more than the schedule has.
func TestPollsOfAnHour(t *testing.T) {
	for name, c := range map[string]struct {
		gap    time.Duration
		change func(w *webhook, now time.Time)
		polls  int
	}{
		"every minute":          {time.Minute, nil, 6},
		"every 10 seconds":      {10 * time.Second, nil, 36},
		"every 4 minutes":       {4 * time.Minute, nil, 7},
		"every 30 minutes":      {30 * time.Minute, nil, 2},
		"nothing was delivered": {time.Minute, func(w *webhook, _ time.Time) { w.known.PushedAt = time.Time{} }, 60},
		"long ago":              {time.Minute, func(w *webhook, now time.Time) { w.known.PushedAt = now.Add(-8 * 24 * time.Hour) }, 60},
		"a push is owed":        {time.Minute, func(w *webhook, now time.Time) { w.owed = &owed{} }, 60},
		"a push was unheard":    {time.Minute, func(w *webhook, now time.Time) { w.known.Unheard = 1 }, 60},
		"another one is due":    {time.Minute, func(w *webhook, now time.Time) { w.wish = "another" }, 60},
		"nobody reaches us":     {time.Minute, func(w *webhook, now time.Time) { w.heeded = false }, 60},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
			now := begin
			d := &Daemon{now: func() time.Time { return now }, webhooks: newWebhooks(), deliveries: newDeliveries()}
			w := &webhook{heeded: true, wish: "wish", looked: now, known: db.Webhook{WebhookTry: db.WebhookTry{Tried: "wish"}}}
			w.known.PushedAt = now.Add(-6 * 24 * time.Hour)
			if c.change != nil {
				c.change(w, now)
			}
			polls := 0
			for now = begin.Add(c.gap); !now.After(begin.Add(time.Hour)); now = now.Add(c.gap) {
				if !d.mayRest("acme", w, c.gap) {
					polls++
					w.looked = now
				}
			}
			if polls != c.polls {
				t.Errorf("%d polls, want %d", polls, c.polls)
			}
		})
	}
}

// What keeps a mirror from running may be mended at the host's side, where nobody nudges.
func TestPollsOfAMirrorThatFails(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	d := &Daemon{now: func() time.Time { return now }, webhooks: newWebhooks(), deliveries: newDeliveries()}
	w := &webhook{heeded: true, looked: now}
	w.known.PushedAt = now
	d.webhooks.mirrors["acme"] = w
	if !d.mayRest("acme", w, time.Minute) {
		t.Error("it is polled though it is well")
	}
	d.webhooks.stumbled("acme")
	if d.mayRest("acme", w, time.Minute) {
		t.Error("it is not polled though its run failed")
	}
}
