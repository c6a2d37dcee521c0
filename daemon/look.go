package daemon

import (
	"context"
	"errors"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
)

// Look reads the clone that the mirror's worker has open, between two steps of its runs.
func (e engine) Look(ctx context.Context, organizationID string, at mirror.Place, most int) (*mirror.Sight, error) {
	c := e.sessions.openedClone(organizationID)
	if c == nil {
		return nil, web.ErrNoClone
	}
	sight, err := c.Look(ctx, at, most)
	if errors.Is(err, clone.ErrBusy) {
		return nil, web.ErrCloneBusy
	}
	return sight, err
}

// openedClone is a mirror's clone if it is open now, or nil.
func (s *sessions) openedClone(organizationID string) *clone.Clone {
	s.mu.Lock()
	defer s.mu.Unlock()
	if current := s.open[organizationID]; current != nil {
		return current.clone
	}
	return nil
}
