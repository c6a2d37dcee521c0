package daemon

import (
	"context"
	"slices"
	"time"
)

// How polls become rarer where webhooks deliver.
const (
	restFactor  = 10
	longestRest = 10 * time.Minute
	// proofLasts is how long a delivery proves that the next ones will come.
	proofLasts = 7 * 24 * time.Hour
	// pollSpread is the time between two mirrors' polls: hosts limit how many requests come
	// at once.
	pollSpread = 20 * time.Millisecond
)

// poll nudges the mirrors that are to be looked at now; gap is how long until the next poll.
func (d *Daemon) poll(ctx context.Context, gap time.Duration) {
	ids := d.leases.ids()
	if len(ids) == 0 {
		return
	}
	known, err := d.db.Webhooks(ctx, ids)
	slices.Sort(ids) // each has its place in the minute
	for i, id := range ids {
		d.webhooks.mu.Lock()
		w := d.webhooks.mirrors[id]
		if w != nil && err == nil {
			w.known = known[id]
		}
		d.webhooks.mu.Unlock()
		if w != nil && err == nil {
			d.judgeOwed(ctx, id, w)
			if d.mayRest(id, w, gap) {
				d.log.Debug("the webhook delivers: no poll", "organization_id", id)
				continue
			}
		}
		time.AfterFunc(time.Duration(i)*pollSpread, func() { d.queue.Nudge(id, Nudge{Trigger: "poll", Look: true, Background: true}) })
	}
}

// mayRest reports whether a mirror need not be polled now, because its webhook has proved to
// deliver: a poll in ten is made, and one in ten minutes at least. As soon as a push is owed
// a delivery, or the webhook is to be another one, the mirror is polled as if it had none.
func (d *Daemon) mayRest(id string, w *webhook, gap time.Duration) bool {
	d.webhooks.mu.Lock()
	defer d.webhooks.mu.Unlock()
	now := d.now()
	switch {
	case !w.heeded, w.owed != nil, w.known.Unheard > 0, w.wish != "" && w.wish != w.known.Tried, w.looked.IsZero():
		return false
	case now.Sub(d.heard(id, w)) > proofLasts:
		return false
	}
	return now.Add(gap).Sub(w.looked) <= min(restFactor*gap, longestRest)
}
