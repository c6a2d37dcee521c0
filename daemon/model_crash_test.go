package daemon_test

import (
	"context"
	"errors"
	"sync"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
)

// errCrash ends a run as a kill does: what was written stays, nothing more is.
var errCrash = errors.New("crash")

// crashPoint is a step boundary of a run: before or after the step-th write.
type crashPoint struct {
	step  int
	after bool
	seen  int
	dead  bool
}

// at performs one write, or dies before or after it.
func (p *crashPoint) at(write func() error) error {
	if p.dead {
		return errCrash
	}
	here := p.seen == p.step
	p.seen++
	if here && !p.after {
		p.dead = true
		return errCrash
	}
	err := write()
	if here {
		p.dead = true
		return errCrash
	}
	return err
}

type crashStore struct {
	mirror.Store
	p *crashPoint
}

func (s crashStore) Import(ctx context.Context, m *mirror.Mirror, head mirror.Hash, runID string, changes []*mirror.RowChange) (out []mirror.Outcome, err error) {
	err = s.p.at(func() error { out, err = s.Store.Import(ctx, m, head, runID, changes); return err })
	return out, err
}

func (s crashStore) Intend(ctx context.Context, m *mirror.Mirror, runID string, intents []*mirror.Intent, conflicts []*mirror.Conflict) error {
	return s.p.at(func() error { return s.Store.Intend(ctx, m, runID, intents, conflicts) })
}

func (s crashStore) Settle(ctx context.Context, m *mirror.Mirror, settlement *mirror.Settlement) error {
	return s.p.at(func() error { return s.Store.Settle(ctx, m, settlement) })
}

type crashClone struct {
	mirror.Clone
	p *crashPoint
}

func (c crashClone) Push(ctx context.Context, b mirror.Built) error {
	return c.p.at(func() error { return c.Clone.Push(ctx, b) })
}

func (c crashClone) Checkout(ctx context.Context, head mirror.Hash) error {
	return c.p.at(func() error { return c.Clone.Checkout(ctx, head) })
}

var modelTokens bitbucket.TokenSources
var modelMu sync.Mutex

// bitbuckettestToken is the credentials of the world's consumer.
func bitbuckettestToken(h *history) mirror.Credentials {
	modelMu.Lock()
	defer modelMu.Unlock()
	m := h.config.Mirrors[0]
	source, err := modelTokens.Source(bitbucket.Consumer{ID: m.ClientID, Secret: m.ClientSecret, URL: m.OAuthURL})
	h.must(err)
	return source
}
