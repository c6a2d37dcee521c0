package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/confmirror/confmirror/db"
)

// A lease lives for leaseTTL by the database's clock and is renewed every
// leaseBeat; a mirror whose holder died is taken over within the sum of both.
const (
	leaseTTL  = 20 * time.Second
	leaseBeat = 5 * time.Second
	// beatTimeout: whoever has not renewed by then has lost them.
	beatTimeout = leaseTTL
	// beatsMissed is how long no beat may end before the daemon counts as stuck: each ends,
	// well or not, within its timeout.
	beatsMissed = 2*leaseBeat + 2*beatTimeout
)

// leases holds the mirrors that this daemon runs.
type leases struct {
	db     *db.DB
	holder string
	log    *slog.Logger
	// gained and lost hear of changes.
	gained, lost func(organizationID string)
	// claimNow asks for a beat before its time: a connection was made or removed.
	claimNow chan struct{}

	mu    sync.Mutex
	held  map[string]int64 // organization's id to epoch
	ended time.Time        // the last beat, by the clock that no one sets
}

// run renews and claims until ctx ends, then hands the leases over.
func (l *leases) run(ctx context.Context) {
	tick := time.NewTicker(leaseBeat)
	defer tick.Stop()
	for {
		if err := l.beatInTime(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn("leases could not be renewed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-l.claimNow:
		}
	}
}

// beatInTime is beat, within its timeout.
func (l *leases) beatInTime(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	err := l.beat(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = time.Now()
	return err
}

// beating reports whether beats end, well or not.
func (l *leases) beating(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended.IsZero() || now.Sub(l.ended) < beatsMissed
}

// beat renews what is held and claims what is free.
func (l *leases) beat(ctx context.Context) error {
	if err := l.db.Recognize(ctx); err != nil {
		return err
	}
	renewed, err := l.db.Renew(ctx, l.holder, leaseTTL)
	if err != nil {
		return err
	}
	claimed, err := l.db.Claim(ctx, l.holder, leaseTTL, maxClaim)
	if err != nil {
		return err
	}
	now := make(map[string]int64, len(renewed)+len(claimed))
	for _, lease := range append(renewed, claimed...) {
		now[lease.OrganizationID] = lease.Epoch
	}
	l.mu.Lock()
	before := l.held
	l.held = now
	l.mu.Unlock()
	for id, epoch := range now {
		if before[id] != epoch {
			l.gained(id)
		}
	}
	for id := range before {
		if _, still := now[id]; !still {
			l.lost(id)
		}
	}
	return nil
}

// maxClaim bounds the mirrors claimed in one beat.
const maxClaim = 1000

func (l *leases) epoch(organizationID string) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	epoch, ok := l.held[organizationID]
	return epoch, ok
}

func (l *leases) ids() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]string, 0, len(l.held))
	for id := range l.held {
		ids = append(ids, id)
	}
	return ids
}

// release gives everything back, so that others need not wait for the end of the leases.
func (l *leases) release(ctx context.Context) {
	if err := l.db.ReleaseAll(ctx, l.holder); err != nil {
		l.log.Warn("leases could not be given back; they end by themselves", "error", err)
	}
}
