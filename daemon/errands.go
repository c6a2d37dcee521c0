package daemon

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// errands are mirrors whose holders are to be told that somebody wants a run. A
// mirror is on the list once, however often a webhook names it meanwhile.
type errands struct {
	mu   sync.Mutex
	ids  map[string]struct{}
	more chan struct{} // of capacity 1: ids is not empty
}

func newErrands() *errands {
	return &errands{ids: map[string]struct{}{}, more: make(chan struct{}, 1)}
}

func (e *errands) add(organizationID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ids[organizationID] = struct{}{}
	select {
	case e.more <- struct{}{}:
	default:
	}
}

// take empties the list.
func (e *errands) take() map[string]struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	ids := e.ids
	e.ids = map[string]struct{}{}
	return ids
}

// askTimeout bounds how long one holder's errand keeps the others waiting.
const askTimeout = 10 * time.Second

// tellHolders does the errands until ctx ends: holders hear of it through the database.
func (d *Daemon) tellHolders(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.errands.more:
		}
		for id := range d.errands.take() {
			limited, cancel := context.WithTimeout(ctx, askTimeout)
			_, err := d.db.Request(limited, id)
			cancel()
			if err != nil && ctx.Err() == nil && !errors.Is(err, mirror.ErrNoMirror) {
				d.log.Warn("the mirror's holder could not be told", "organization_id", id, "error", err)
			}
		}
	}
}
