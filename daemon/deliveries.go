package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror/bitbucket"
)

// deliveryPause is the least time between two writes of a mirror's last delivery: a flood
// of them, signed or not, costs the database one row a minute.
const deliveryPause = time.Minute

// lastWrite bounds what a daemon that ends waits for.
const lastWrite = 2 * time.Second

// deliveries are what came by webhook: what each mirror's last one was, on its way to the
// database, where every daemon and command sees it.
type deliveries struct {
	mu   sync.Mutex
	last map[string]*lastDelivery // by organization's id
	more chan struct{}            // of capacity 1
}

type lastDelivery struct {
	db.WebhookDeliveries
	unwritten bool
	written   time.Time
}

func newDeliveries() *deliveries {
	return &deliveries{last: map[string]*lastDelivery{}, more: make(chan struct{}, 1)}
}

// Delivered implements [web.Engine].
func (e engine) Delivered(organizationIDs []string, d web.Delivery) {
	e.deliveries.note(organizationIDs, d, e.now())
	if d.Refused == "" && bitbucket.IsPullRequest(d.Event) {
		e.reviews.told(organizationIDs)
	}
}

func (l *deliveries) note(organizationIDs []string, d web.Delivery, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range organizationIDs {
		last := l.last[id]
		if last == nil {
			last = &lastDelivery{}
			l.last[id] = last
		}
		last.unwritten = true
		if d.Refused != "" {
			last.RefusedAt, last.RefusedEvent, last.RefusedWhy = now, d.Event, d.Refused
			continue
		}
		last.DeliveredAt, last.DeliveredEvent = now, d.Event
		if bitbucket.IsPush(d.Event) {
			last.PushedAt = now
		}
		if bitbucket.IsPullRequest(d.Event) {
			last.PullRequestAt = now
		}
	}
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// pushedAt is when a delivery last told this daemon of a push; zero: never.
func (l *deliveries) pushedAt(organizationID string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := l.last[organizationID]; last != nil {
		return last.PushedAt
	}
	return time.Time{}
}

// due takes what may be written now, and tells how long until there may be more; all of it
// where the daemon ends.
func (l *deliveries) due(now time.Time, all bool) (due map[string]db.WebhookDeliveries, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	due, wait = map[string]db.WebhookDeliveries{}, time.Hour
	for id, last := range l.last {
		if !last.unwritten {
			continue
		}
		if rest := last.written.Add(deliveryPause).Sub(now); rest > 0 && !all {
			wait = min(wait, rest)
			continue
		}
		due[id] = last.WebhookDeliveries
		last.unwritten, last.written = false, now
	}
	return due, wait
}

// recordDeliveries works until ctx ends, and then writes what is left.
func (d *Daemon) recordDeliveries(ctx context.Context) {
	later := time.NewTimer(time.Hour)
	defer later.Stop()
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case <-d.deliveries.more:
		case <-later.C:
		}
		due, wait := d.deliveries.due(d.now(), ended)
		later.Reset(wait)
		if len(due) == 0 {
			continue
		}
		limit := askTimeout
		if ended {
			limit = lastWrite
		}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		err := d.db.RecordDeliveries(limited, due)
		cancel()
		if err != nil {
			d.log.Warn("the last webhook deliveries could not be recorded; the next ones will be", "error", err)
		}
	}
}
