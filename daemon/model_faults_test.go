package daemon_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
	"github.com/confmirror/confmirror/mirror/document"
)

var (
	// errCrash ends a run as a kill does: what was written stays, nothing more is.
	errCrash = errors.New("crash")
	// errBroken is a database or a network that fails once.
	errBroken = errors.New("broken")
)

// boundary is where something happens to a run: before or after its step-th write to
// database or remote, or its checkout, which may go on beside these; or before its
// read-th read of the database after the first look.
type boundary struct {
	step  int
	after bool
	read  int    // counted from 1; 0: at a write
	err   error  // what the run ends with; nil: it goes on
	do    func() // what happens meanwhile
	seen  int
	reads int
	dead  atomic.Bool
}

// atCheckout is the step that is the checkout.
const atCheckout = 5

// at performs one write, or what happens before or after it.
func (b *boundary) at(write func() error) error {
	here := b.seen == b.step && b.step != atCheckout
	b.seen++
	return b.perform(here, write)
}

func (b *boundary) perform(here bool, write func() error) error {
	if b.dead.Load() {
		return errCrash
	}
	if here && !b.after {
		if err := b.happen(); err != nil {
			return err
		}
	}
	err := write()
	if here && b.after {
		if err := b.happen(); err != nil {
			return err
		}
	}
	return err
}

// reading performs no read: it is what happens before one.
func (b *boundary) reading() {
	b.reads++
	if b.reads == b.read && b.do != nil {
		b.do()
	}
}

func (b *boundary) happen() error {
	if b.do != nil {
		b.do()
	}
	b.dead.Store(errors.Is(b.err, errCrash))
	return b.err
}

type failingStore struct {
	mirror.Store
	b *boundary
}

func (s failingStore) Import(ctx context.Context, m *mirror.Mirror, head mirror.Hash, runID string, changes []*mirror.RowChange) (out []mirror.Outcome, err error) {
	err = s.b.at(func() error { out, err = s.Store.Import(ctx, m, head, runID, changes); return err })
	return out, err
}

func (s failingStore) Intend(ctx context.Context, m *mirror.Mirror, runID string, intents []*mirror.Intent, conflicts []*mirror.Conflict) error {
	return s.b.at(func() error { return s.Store.Intend(ctx, m, runID, intents, conflicts) })
}

func (s failingStore) Settle(ctx context.Context, m *mirror.Mirror, settlement *mirror.Settlement) error {
	return s.b.at(func() error { return s.Store.Settle(ctx, m, settlement) })
}

func (s failingStore) Observe(ctx context.Context, m *mirror.Mirror, q mirror.Query) (*mirror.Observation, error) {
	if len(q.Entries)+len(q.Rows)+len(q.Servers) > 0 { // the first look goes on beside the remote's
		s.b.reading()
	}
	return s.Store.Observe(ctx, m, q)
}

func (s failingStore) Contents(ctx context.Context, m *mirror.Mirror, bases []*mirror.Base) error {
	s.b.reading()
	return s.Store.Contents(ctx, m, bases)
}

func (s failingStore) Servers(ctx context.Context, m *mirror.Mirror, slugs []string) (map[string]document.Server, error) {
	s.b.reading()
	return s.Store.Servers(ctx, m, slugs)
}

type failingClone struct {
	mirror.Clone
	b *boundary
}

func (c failingClone) Push(ctx context.Context, b mirror.Built) error {
	return c.b.at(func() error { return c.Clone.Push(ctx, b) })
}

func (c failingClone) PushBranch(ctx context.Context, branch string, old mirror.Hash, b mirror.Built) error {
	return c.b.at(func() error { return c.Clone.PushBranch(ctx, branch, old, b) })
}

func (c failingClone) DeleteBranch(ctx context.Context, branch string, old mirror.Hash) error {
	return c.b.at(func() error { return c.Clone.DeleteBranch(ctx, branch, old) })
}

func (c failingClone) Checkout(ctx context.Context, head mirror.Hash) error {
	return c.b.perform(c.b.step == atCheckout, func() error { return c.Clone.Checkout(ctx, head) })
}

func (h *history) boundary(err error, do func()) *boundary {
	return &boundary{step: h.between("step", 0, atCheckout), after: h.oneIn(2, "after"), err: err, do: do}
}

func (h *history) request() mirror.Request {
	return mirror.Request{
		Look: h.oneIn(2, "look"),
		Full: h.oneIn(8, "full"),
	}
}

// The faults. None of them edits what is mirrored.

func (h *history) run() {
	_, err := h.attempt("run", h.request(), nil)
	h.tolerate(err)
}

// crash kills the process at a boundary.
func (h *history) crash() {
	_, err := h.attempt("crash", h.request(), h.boundary(errCrash, nil))
	if !errors.Is(err, errCrash) {
		h.tolerate(err)
	}
	h.dropClone(h.dir)
}

// fail lets one write fail; the process lives on.
func (h *history) fail() {
	_, err := h.attempt("fail", h.request(), h.boundary(errBroken, nil))
	if !errors.Is(err, errBroken) {
		h.tolerate(err)
	}
}

func (h *history) loseClone() {
	h.say("the clone is gone")
	h.dropClone(h.dir)
	h.must(os.RemoveAll(h.dir))
}

// loseAnswer: the push arrives, its answer does not.
func (h *history) loseAnswer() {
	undo := h.standIn.Inject(bitbuckettest.Fault{Repository: h.repo.FullName(), CutAnswer: true}, bitbuckettest.EndpointPush)
	_, _ = h.attempt("lose the push's answer", h.request(), nil)
	undo()
}

// beRaced: while a push is on its way somebody else's arrives.
func (h *history) beRaced(edit func()) {
	undo := h.standIn.Inject(bitbuckettest.Fault{Repository: h.repo.FullName(), Times: 1, Do: edit}, bitbuckettest.EndpointPush)
	_, _ = h.attempt("be raced", h.request(), nil)
	undo()
}

// beBounded: the remote takes small pushes only. What it found too large for that is saved
// once more when the limit is raised.
func (h *history) beBounded() {
	bound := bitbuckettest.TooLarge(int64(h.between("bound", 700, 2500)))
	bound.Repository = h.repo.FullName()
	undo := h.standIn.Inject(bound, bitbuckettest.EndpointPush)
	_, _ = h.attempt("be bounded", h.request(), nil)
	undo()
	for _, k := range h.kinds {
		h.exec("UPDATE %s SET name = name WHERE organization_id = '%s' AND CAST(git_integration AS text) LIKE '%%cannot be pushed%%'", k.table, h.org.ID)
	}
}

// editReadme is a commit that concerns nothing mirrored.
func (h *history) editReadme() {
	h.commitNow(bitbuckettest.Write("README.md", h.mark("readme")))
	h.say("git: README.md is edited")
}

// beOvertaken: at a boundary another daemon takes the lease over and makes a whole
// run; the first one goes on and does not know.
func (h *history) beOvertaken() {
	old, req := h.epoch, h.request()
	_, err := h.attemptAs("be overtaken", h.dir, old, req, h.boundary(nil, func() {
		h.exec("UPDATE bitbucket_connections SET lease_epoch = lease_epoch + 1 WHERE organization_id = '%s'", h.org.ID)
		h.epoch++
		_, err := h.attemptAs("  by another daemon", h.dir+"-other", h.epoch, mirror.Request{Look: true}, nil)
		h.tolerate(err)
	}))
	if !errors.Is(err, mirror.ErrLeaseLost) {
		h.tolerate(err)
	}
}

// beStale is a run of a daemon that lost the lease long ago.
func (h *history) beStale() {
	_, err := h.attemptAs("a stale daemon's run", h.dir, h.epoch-1, h.request(), nil)
	if !errors.Is(err, mirror.ErrLeaseLost) {
		h.tolerate(err)
	}
}

var (
	modelTokens   bitbucket.TokenSources
	modelTokensMu sync.Mutex
)

// credentials are those of the world's consumer.
func (h *history) credentials() mirror.Credentials { return h.tokens() }

func (h *history) tokens() *bitbucket.TokenSource {
	modelTokensMu.Lock()
	defer modelTokensMu.Unlock()
	m := h.config.Mirrors[0]
	source, err := modelTokens.Source(bitbucket.Consumer{ID: m.ClientID, Secret: m.ClientSecret, URL: m.OAuthURL})
	h.must(err)
	return source
}
