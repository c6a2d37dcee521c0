package daemon

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

const (
	// healthBeat is how often this daemon's mirrors are examined, whatever their runs say.
	healthBeat = 15 * time.Second
	// healthTimeout bounds one examination, and fresh is for how long its result stands: what
	// happened meanwhile is examined together.
	healthTimeout = 5 * time.Second
	fresh         = time.Second
)

// health is whether edits arrive in the mirrors that this daemon has. It does not go by what
// runs report: a worker that stands still reports nothing.
type health struct {
	examining sync.Mutex    // one examination at a time
	poked     chan struct{} // something changed

	mu        sync.Mutex
	succeeded map[string]time.Time // when a run last ended well, or could first begin; by organization
	last      examination
	stalled   map[string]bool
}

// examination is what one found.
type examination struct {
	at       time.Time
	statuses []*db.Status // of the mirrors that this daemon has
	unheld   int          // mirrors that no daemon has
}

func newHealth() *health {
	return &health{poked: make(chan struct{}, 1), succeeded: map[string]time.Time{}, stalled: map[string]bool{}}
}

// success: a run ended well, or the first one may begin.
func (h *health) success(organizationID string, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.succeeded[organizationID] = at.UTC()
}

// forget a mirror that this daemon has no more.
func (h *health) forget(organizationID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.succeeded, organizationID)
	delete(h.stalled, organizationID)
}

// poke has the mirrors examined soon.
func (h *health) poke() {
	select {
	case h.poked <- struct{}{}:
	default:
	}
}

// watchHealth examines the mirrors until ctx ends.
func (d *Daemon) watchHealth(ctx context.Context) {
	tick := time.NewTicker(healthBeat)
	defer tick.Stop()
	for {
		d.notify(ctx, d.examine(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-d.health.poked:
			gather := time.NewTimer(fresh)
			select {
			case <-ctx.Done():
				gather.Stop()
				return
			case <-gather.C:
			}
		}
	}
}

// examine reads how this daemon's mirrors are. While the database does not answer it is how
// they were last; what waits grows older all the same.
func (d *Daemon) examine(ctx context.Context) examination {
	h := d.health
	h.examining.Lock()
	defer h.examining.Unlock()
	h.mu.Lock()
	last := h.last
	h.mu.Unlock()
	if time.Since(last.at) < fresh {
		return last
	}
	now := d.read(ctx, last)
	for i, st := range now.statuses {
		st := *st // others read the last ones
		now.statuses[i] = &st
		if st.State.Name == mirror.StatePaused {
			h.success(st.OrganizationID, d.now()) // its time begins when it goes on
		}
		d.noteSuccess(&st)
		d.judgeHealth(&st)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = now
	return now
}

func (d *Daemon) read(ctx context.Context, last examination) examination {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	statuses, err := d.db.Statuses(ctx, d.leases.ids())
	unheld := 0
	if err == nil {
		unheld, err = d.db.Unheld(ctx)
	}
	if err != nil {
		d.log.Debug("mirrors could not be examined", "error", err)
		return examination{time.Now(), slices.Clone(last.statuses), last.unheld}
	}
	return examination{time.Now(), statuses, unheld}
}

// noteSuccess adds what only the daemon that has the mirror knows.
func (d *Daemon) noteSuccess(st *db.Status) {
	d.health.mu.Lock()
	defer d.health.mu.Unlock()
	if at, known := d.health.succeeded[st.OrganizationID]; known {
		st.Succeeded = &at
	}
}

// judgeHealth tells the log and those who watch when a mirror stalls, and when it does no more.
func (d *Daemon) judgeHealth(st *db.Status) {
	stalled := d.stalled(st)
	h := d.health
	h.mu.Lock()
	was := h.stalled[st.OrganizationID]
	if stalled != nil {
		h.stalled[st.OrganizationID] = true
	} else {
		delete(h.stalled, st.OrganizationID)
	}
	h.mu.Unlock()
	switch {
	case stalled != nil && !was:
		d.log.Error("a mirror is stalled", "organization", st.Organization, "code", stalled.Code, "since", stalled.Since, "message", stalled.Message, "remedy", stalled.Remedy)
	case stalled == nil && was:
		d.log.Info("a mirror is stalled no more", "organization", st.Organization)
	default:
		return
	}
	d.events.publish(web.Event{Type: "state", Organization: st.Organization})
}

// stalled is the condition of a mirror whose edits do not arrive; nil while they do.
func (d *Daemon) stalled(st *db.Status) *mirror.Detail {
	now := d.now()
	return st.Stalled(d.config().Sync.Patience(now), now)
}

// stalledMirrors counts this daemon's mirrors whose edits do not arrive.
func (d *Daemon) stalledMirrors() (n int) {
	d.health.mu.Lock()
	statuses := d.health.last.statuses
	d.health.mu.Unlock()
	for _, st := range statuses {
		if d.stalled(st) != nil {
			n++
		}
	}
	return n
}
