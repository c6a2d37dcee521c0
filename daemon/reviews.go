package daemon

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// How often a mirror's pull requests are looked at. Whatever the pace: what was said is
// remembered, and a host is only told what is new.
const (
	reviewTimeout = 15 * time.Minute // a first clone may be large; one that stands still ends sooner
	// reviewPause is the least time between two looks, whoever asks for them.
	reviewPause = 15 * time.Second
	// movedPause is the same where only the mirrored branch moved: with every edit.
	movedPause = time.Minute
	// The host is asked by itself, where no delivery tells of pull requests, and where
	// deliveries do; not while more than half of its requests are spent.
	listPace, heardPace = 10 * time.Minute, time.Hour
	// After a failure.
	reviewRetry, reviewRest = time.Minute, 30 * time.Minute
)

// reviews are the mirrors whose pull requests this daemon looks at, one after another and
// beside the runs, which wait for nothing of it: in clones of their own, which hold nothing
// but history and are thrown away when no pull request is open.
//
//	a delivery told of one ------ the host is asked for the open ones
//	a while has passed ---------- the same
//	the mirrored branch moved --- those that are known are reviewed again, which asks git only
//
// A delivery is a nudge and no fact. Only the mirror's holder reviews; another daemon that
// gets the delivery tells it through the database.
type reviews struct {
	mu      sync.Mutex
	mirrors map[string]*reviewed // by organization's id
	left    []string             // organizations whose clones are of no more use
	more    chan struct{}        // of capacity 1
}

// reviewed is what a mirror's reviews go by.
type reviewed struct {
	organization string // its slug
	settings     mirror.Settings
	head         mirror.Hash // where the last run left the branch
	// asked: somebody told of a pull request since the host was last asked. unsure: somebody
	// may have, and the database knows.
	asked, unsure bool
	// doubt: something was not as the host had said. It is asked sooner.
	doubt bool
	// What the last look left behind.
	listedAt, heardAt time.Time
	open              int
	against           mirror.Hash // the head that all were reviewed against

	// since is when the host was not asked though it was time to, or of the first run here.
	since     time.Time
	looked    time.Time
	notBefore time.Time
	failures  int
	// clones counts how often the clone was used, 0: not since this daemon was started.
	clones int
}

func newReviews() *reviews {
	return &reviews{mirrors: map[string]*reviewed{}, more: make(chan struct{}, 1)}
}

// forget drops what was known of a mirror that this daemon runs no more.
func (r *reviews) forget(organizationID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.mirrors[organizationID]; m != nil {
		r.left = append(r.left, m.organization)
		delete(r.mirrors, organizationID)
		r.wake()
	}
}

// wake has the reviewer look what is due. Callers hold the lock.
func (r *reviews) wake() {
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// told notes that a delivery told of a pull request. The run that it nudged looks first.
func (r *reviews) told(organizationIDs []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range organizationIDs {
		if m := r.mirrors[id]; m != nil {
			m.asked = true
		}
	}
}

// ran notes where a run of a mirror with a REST interface left the branch. requested:
// somebody at another daemon, perhaps, asked for the run.
func (r *reviews) ran(m *mirror.Mirror, head mirror.Hash, requested bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.mirrors[m.OrganizationID]
	switch {
	case known == nil:
		known = &reviewed{organization: m.Organization, settings: m.Settings, unsure: true, since: now}
		r.mirrors[m.OrganizationID] = known
	case known.settings != m.Settings: // other credentials may do more
		known.settings, known.asked, known.notBefore, known.failures = m.Settings, true, time.Time{}, 0
	}
	known.head = head
	known.unsure = known.unsure || requested
	r.wake()
}

// due is when the mirror's pull requests are to be looked at.
func (m *reviewed) due() time.Time {
	due := m.listDue()
	switch {
	case m.unsure || m.asked:
		due = m.looked.Add(reviewPause)
	case m.open > 0 && m.head != m.against:
		if moved := m.looked.Add(movedPause); moved.Before(due) {
			due = moved
		}
	}
	if due.Before(m.notBefore) {
		return m.notBefore
	}
	return due
}

// listDue is when the host is asked for the open pull requests by itself.
func (m *reviewed) listDue() time.Time {
	pace := listPace
	if !m.heardAt.IsZero() && !m.doubt {
		pace = heardPace
	}
	due := m.since.Add(listPace)
	if next := m.listedAt.Add(pace); next.After(due) {
		return next
	}
	return due
}

// next is a mirror whose time has come, or how long until there is one.
func (r *reviews) next(now time.Time) (id string, m reviewed, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait = time.Hour
	for id, m := range r.mirrors {
		rest := m.due().Sub(now)
		if rest <= 0 {
			before := *m
			m.asked, m.unsure, m.looked = false, false, now
			return id, before, 0
		}
		wait = min(wait, rest)
	}
	return "", reviewed{}, wait
}

// takeLeft empties the list of those whose clones are of no more use.
func (r *reviews) takeLeft() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.left
	r.left = nil
	return left
}

// review looks at pull requests until ctx ends.
func (d *Daemon) review(ctx context.Context) {
	clones := filepath.Join(d.config().DataDir, "reviews")
	if err := os.RemoveAll(clones); err != nil { // an earlier daemon's
		d.log.Warn("clones of reviews cannot be removed", "error", err)
	}
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.reviews.more:
		case <-again.C:
		}
		for {
			for _, organization := range d.reviews.takeLeft() {
				if err := os.RemoveAll(filepath.Join(clones, organization)); err != nil {
					d.log.Warn("a clone of reviews cannot be removed", "error", err)
				}
			}
			id, m, wait := d.reviews.next(d.now())
			if id == "" {
				again.Reset(wait)
				break
			}
			if _, held := d.leases.epoch(id); !held {
				d.reviews.forget(id)
				continue
			}
			round := &reviewRound{d: d, known: m, log: d.log}
			limited, cancel := context.WithTimeout(ctx, reviewTimeout)
			err := round.run(limited, id)
			cancel()
			if ctx.Err() != nil {
				return
			}
			d.reviews.ended(id, round, err, d.now())
		}
	}
}

// ended notes what a look left behind.
func (r *reviews) ended(id string, round *reviewRound, err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.mirrors[id]
	if m == nil {
		return
	}
	if round.mirror != nil {
		m.listedAt, m.heardAt, m.against, m.open = round.last.ListedAt, round.last.HeardAt, round.last.Head, len(round.last.Reviews)
	}
	m.clones = round.known.clones
	m.doubt = round.doubt || m.doubt && !round.listed
	if !round.listed && !m.listDue().After(m.looked) {
		m.since = m.looked
	}
	if m.failures++; err == nil {
		m.failures, m.notBefore = 0, time.Time{}
		return
	}
	m.unsure, m.asked = true, m.asked || round.known.asked && !round.listed
	f := mirror.AsFault(err)
	m.notBefore = now.Add(max(growing(reviewRetry, reviewRest, m.failures), f.RetryAfter))
	round.log.Debug("pull requests are looked at later", "code", f.Code, "error", err)
}
