package daemon

import (
	"context"
	"time"

	"github.com/confmirror/confmirror/db"
)

// How pushes and deliveries are told to belong together. A push that a look at the branch
// found was made since the look before, so a delivery of that time tells of it, or of one
// as good: the webhook works. One may still come within patience. If none does the push is
// unheard; db.SilentAfter of them in a row make the webhook silent, until one is delivered.
const (
	patience = 2 * time.Minute
	// clocksApart: looks and deliveries may be timed by different machines.
	clocksApart = time.Minute
)

// seen is what a run saw of the branch.
type seen struct {
	began  time.Time
	looked bool // at the remote
	pushed bool // somebody else had pushed
}

// owed is a push of which no delivery has told yet.
type owed struct {
	since time.Time // deliveries from then on tell of it
	found time.Time
}

// heed compares what a run saw with what was delivered.
func (d *Daemon) heed(ctx context.Context, id string, w *webhook, run seen) {
	d.judgeOwed(ctx, id, w)
	d.webhooks.mu.Lock()
	defer d.webhooks.mu.Unlock()
	before := w.looked
	if run.looked {
		w.looked = run.began
	}
	// A webhook that nobody made and that never delivered is none: there is nothing to hear.
	if there := w.known.Given != "" || !w.known.DeliveredAt.IsZero(); !there || !w.heeded {
		w.owed = nil
		return
	}
	// Without a look before, the push may be from when this daemon was not there to hear of it.
	if run.pushed && !before.IsZero() && w.owed == nil {
		if since := before.Add(-clocksApart); d.heard(id, w).Before(since) {
			w.owed = &owed{since: since, found: run.began}
		}
	}
}

// heard is when a delivery last told of a push, to any daemon.
func (d *Daemon) heard(id string, w *webhook) time.Time {
	here := d.deliveries.pushedAt(id)
	if here.After(w.known.PushedAt) {
		return here
	}
	return w.known.PushedAt
}

// judgeOwed decides on a push that was owed a delivery.
func (d *Daemon) judgeOwed(ctx context.Context, id string, w *webhook) {
	d.webhooks.mu.Lock()
	push := w.owed
	d.webhooks.mu.Unlock()
	if push == nil {
		return
	}
	late := d.now().Sub(push.found) >= patience
	if late {
		known, err := d.db.Webhook(ctx, id) // another daemon may have got it
		if err != nil {
			return
		}
		d.webhooks.mu.Lock()
		w.known = known
		d.webhooks.mu.Unlock()
	}
	d.webhooks.mu.Lock()
	heard := !d.heard(id, w).Before(push.since)
	if heard || late {
		w.owed = nil
	}
	unheard, first := w.known.Unheard+1, w.known.UnheardSince
	d.webhooks.mu.Unlock()
	if heard || !late {
		return
	}
	if unheard == 1 {
		first = push.found
	}
	d.recordUnheard(ctx, id, w, unheard, first)
}

// recordUnheard remembers how many pushes in a row are unheard, since the first of them. A
// webhook that is silent may have been deleted, or got another secret: it is made again, as
// if it never had been.
func (d *Daemon) recordUnheard(ctx context.Context, id string, w *webhook, unheard int, first time.Time) {
	err := d.db.RecordUnheard(ctx, id, unheard, first)
	known := db.Webhook{}
	if err == nil {
		known, err = d.db.Webhook(ctx, id)
	}
	if err == nil && known.Silent() && d.now().Sub(known.TriedAt) >= webhookRest {
		known.Tried, known.Given = "", ""
		err = d.db.RenewWebhook(ctx, id)
	}
	if err != nil {
		d.log.Warn("pushes that no webhook told of could not be recorded", "organization_id", id, "error", err)
		return
	}
	if c := known.Condition(); c != nil && known.Unheard == db.SilentAfter {
		d.log.Warn("the webhook is silent", "organization_id", id, "code", c.Code, "message", c.Message, "remedy", c.Remedy)
	}
	d.webhooks.mu.Lock()
	defer d.webhooks.mu.Unlock()
	w.known = known
}
