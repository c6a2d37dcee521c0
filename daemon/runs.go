package daemon

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

var (
	// errNotHolder: another daemon runs this mirror.
	errNotHolder = errors.New("another daemon holds this mirror")
	errPaused    = errors.New("the mirror is paused")
)

// Pauses after failed runs.
const (
	firstPause = time.Second
	longPause  = 5 * time.Minute
	// A host that wants fewer requests gets fewer. Its limits are those of an hour.
	firstLimited = 30 * time.Second
	longLimited  = 20 * time.Minute
	// lockedPause is after a run that left rows to those who have locked them; it
	// is short because everybody else's edits wait for it, too.
	lockedPause = 2 * time.Second
	// checkoutPause is the longest after a run that did all but bring the working files
	// along: nobody's edits should wait for those.
	checkoutPause = 10 * time.Second
	// A push that was refused for good is tried again by itself after these.
	firstRefusal = time.Minute
	longRefusal  = time.Hour
)

// trouble is what a mirror's last runs met.
type trouble struct {
	failures int
	blocked  block
	// refused is the push that was refused for good, until when it is not tried again.
	refused  *mirror.Fault
	refusals int
	until    time.Time
}

// troubles keeps count for every mirror.
type troubles struct {
	mu sync.Mutex
	m  map[string]*trouble
}

func (t *troubles) of(id string) *trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		t.m = map[string]*trouble{}
	}
	if t.m[id] == nil {
		t.m[id] = &trouble{}
	}
	return t.m[id]
}

func (t *troubles) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.m, id)
}

// job is one run of one mirror: the queue's Job.
func (d *Daemon) job(ctx context.Context, id string, n Nudge) (Result, time.Duration) {
	epoch, held := d.leases.epoch(id)
	if !held {
		d.sessions.release(id)
		d.troubles.forget(id)
		d.webhooks.forget(id)
		d.reviews.forget(id)
		return Result{Err: errNotHolder}, 0
	}
	m, err := d.db.Mirror(ctx, id)
	if errors.Is(err, mirror.ErrNoMirror) {
		d.sessions.release(id)
		d.troubles.forget(id)
		d.webhooks.forget(id)
		d.reviews.forget(id)
		return Result{Err: err}, 0
	}
	t := d.troubles.of(id)
	if err != nil {
		d.log.Warn("mirror could not be loaded", "organization_id", id, "error", err)
		t.failures++
		return Result{Err: err}, t.pause(err)
	}
	m.Epoch = epoch
	if m.Paused {
		return Result{Err: errPaused}, 0
	}
	if d.keepsOut(ctx, m, t, n) {
		return Result{Err: t.blocked.fault}, 0
	}
	report, err := d.runMirror(ctx, m, t, n)
	switch {
	case err == nil:
		t.failures = 0
		d.health.success(id, d.now())
		if report.Open > 0 {
			return Result{Report: report}, lockedPause
		}
		return Result{Report: report}, 0
	case errors.Is(err, mirror.ErrLeaseLost):
		return Result{Report: report, Err: errNotHolder}, 0
	case ctx.Err() != nil:
		return Result{Report: report, Err: err}, 0
	}
	t.failures++
	pause := t.pause(err)
	if mirror.AsFault(err).Code == mirror.CodeCloneFailed {
		d.sessions.release(id) // opening it anew mends what can be mended
		if report.Settled {
			pause = min(pause, checkoutPause)
		}
	}
	return Result{Report: report, Err: err}, pause
}

// open opens a mirror that may run here.
func (d *Daemon) open(ctx context.Context, m *mirror.Mirror, c *configs.Config) (*session, error) {
	if m.Copied {
		return nil, db.Copied(m.Organization)
	}
	return d.sessions.acquire(ctx, m, c.Rules().Limits)
}

// runMirror opens the mirror's session, runs it and records a fault.
func (d *Daemon) runMirror(ctx context.Context, m *mirror.Mirror, t *trouble, n Nudge) (*mirror.Report, error) {
	req := mirror.Request{
		RunID: uuid.NewString(), Trigger: n.Trigger, Full: n.Full,
		Look:   n.Look || t.failures > 0, // a push whose answer was lost may have arrived
		Record: n.Record,
		Person: n.Person,
	}
	if m.Requested > m.Covered {
		req.Look, req.Record = true, true
	}
	if t.refused != nil && !n.Person && d.now().Before(t.until) {
		req.Refused = t.refused
	}
	d.events.publish(web.Event{Type: "run.started", Organization: m.Organization, Data: map[string]string{"run_id": req.RunID, "trigger": n.Trigger}})
	started, began := time.Now(), d.now()
	asked := n.Person || n.Delivery || m.Requested > m.Covered // here or at another daemon
	if asked {
		d.connector.insist(m.Settings)
	}
	report := &mirror.Report{RunID: req.RunID, Trigger: n.Trigger, StartedAt: began.UTC(), Commits: []mirror.Hash{}, SyncedCommit: m.Cursor}
	c := d.config() // this run's, whatever is taken up meanwhile
	session, err := d.open(ctx, m, c)
	if err == nil {
		if session.host != nil {
			req.PullRequests, req.LookAtPullRequest = session.host, asked
		}
		req.Edits = n.Full || d.trees.due(m.OrganizationID, req.Look)
		traced := d.traceRun(ctx, m, req)
		runner := d.runner(c)
		publish := runner.Progress
		runner.Progress = func(p mirror.Progress) {
			traced.progress(p)
			publish(p)
		}
		report, err = runner.Run(traced.ctx, m, session.clone, req)
		traced.end(report, err)
		if err != nil && req.Edits {
			report.EditsAgain = editsRetry // nobody knows how far it came
		}
		d.trees.ran(m.OrganizationID, report.EditsAgain)
		d.sessions.ran(m.OrganizationID)
		if session.host != nil {
			d.judge(m, session.host, report)
			d.reviews.ran(m, report.SyncedCommit, m.Requested > m.Covered, d.now())
		}
		if err == nil || report.Settled {
			d.afterRun(ctx, m, session.host, seen{began: began, looked: req.Look || report.Judged != "", pushed: report.Judged != ""})
		}
	}
	if err != nil {
		d.webhooks.stumbled(m.OrganizationID)
	}
	t.refusal(err, report.Settled, req.Refused, d.now())
	t.blocked.judge(err, report.Settled, d.now())
	d.metrics.run(report, err, time.Since(started))
	if err != nil && ctx.Err() == nil && !errors.Is(err, mirror.ErrLeaseLost) {
		d.fault(ctx, m, report, err)
	}
	if err != nil || report.State != m.State.Name {
		d.health.poke()
	}
	d.events.publish(web.Event{Type: "run.finished", Organization: m.Organization, Data: report})
	return report, err
}

// fault records why a run failed, where people see it.
func (d *Daemon) fault(ctx context.Context, m *mirror.Mirror, report *mirror.Report, err error) {
	f := mirror.AsFault(err)
	state := mirror.State{Name: mirror.StateError, Conditions: []mirror.Detail{},
		Detail: &mirror.Detail{Code: f.Code, Message: f.Message, Remedy: f.Remedy, Since: d.now().UTC()}}
	if f.Class == mirror.Permanent {
		state.Name = mirror.StateBlocked
	}
	report.State, report.Detail = state.Name, state.Detail
	d.log.Warn("run failed", "organization", m.Organization, "run", report.RunID, "code", f.Code, "message", f.Message, "remedy", f.Remedy, "error", err)
	if err := d.db.RecordFault(ctx, m, state, report); err != nil && !errors.Is(err, mirror.ErrLeaseLost) {
		d.log.Warn("the fault could not be recorded", "organization", m.Organization, "error", err)
	}
}

// pause is how long a failed mirror rests: transient faults with growing pauses
// and jitter, permanent ones until something nudges it; see block and refusal.
func (t *trouble) pause(err error) time.Duration {
	f := mirror.AsFault(err)
	if f.Class == mirror.Permanent {
		return 0
	}
	first, long := firstPause, longPause
	if f.Code == mirror.CodeRateLimited {
		first, long = firstLimited, longLimited
	}
	// Those who were all told the same time do not come back together.
	asked := f.RetryAfter + time.Duration(rand.Int64N(int64(f.RetryAfter)/10+1))
	return max(asked, growing(first, long, t.failures))
}

// refusal remembers a push that was refused for good. A run that ended before it settled
// did not come to push.
func (t *trouble) refusal(err error, settled bool, withheld *mirror.Fault, now time.Time) {
	var f *mirror.Fault
	switch {
	case err == nil:
		t.refused, t.refusals = nil, 0
	case withheld != nil, !settled: // not tried
	case errors.As(err, &f) && f.Class == mirror.Permanent && refusedPush(f.Code):
		t.refusals++
		t.refused, t.until = f, now.Add(growing(firstRefusal, longRefusal, t.refusals))
	}
}

func refusedPush(code string) bool {
	switch code {
	case mirror.CodeBranchRestricted, mirror.CodePushRefused, mirror.CodeRepositoryFull,
		mirror.CodeSignedCommitsRequired, mirror.CodePermissionDenied:
		return true
	}
	return false
}

// growing doubles from first to last with the count, less up to a fifth at random.
func growing(first, last time.Duration, count int) time.Duration {
	pause := last
	if shift := count - 1; shift < 16 && first<<shift < last {
		pause = first << max(shift, 0)
	}
	return pause - time.Duration(rand.Int64N(int64(pause)/5+1))
}
