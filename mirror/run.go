package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Request says what a run is for. Nothing in it is a fact about either side.
type Request struct {
	RunID   string
	Trigger string // "webhook", "poll", "database", "request", "audit", "start"
	// Look asks the remote where the branch is; without it the remote is taken as
	// last seen, and the push proves it.
	Look bool
	// Full compares all three states completely.
	Full bool
	// Edits has the working tree looked at for what somebody edited there.
	Edits bool
	// Record the run even if it has nothing to do.
	Record  bool
	preview bool // see Query.Preview
	limit   int  // see Query.Limit
	// PullRequests of the repository; nil where the host has none that we could use.
	PullRequests PullRequests
	// LookAtPullRequest: something may have become of the mirror's own.
	LookAtPullRequest bool
	// Person: somebody asked for this run, who may have lifted a restriction just now.
	Person bool
	// Refused is the fault of a push that was refused for good: exports are left
	// pending under it, and the push is not tried.
	Refused *Fault
}

// Runner carries out runs. It keeps nothing between them and may serve many mirrors at once.
type Runner struct {
	Store     Store
	Rules     Rules
	Scanner   Scanner   // nil: exports are not scanned for credentials
	Committer Signature // author of commits that name no person
	Now       func() time.Time
	Logger    *slog.Logger
	// Part is about how many changes a round of a run plans, two thirds of it where they are
	// git's; 0 is all at once.
	Part int
	// AtWork, if set, bounds by its capacity how many runs are past their look at the remote
	// at once: many wait for remotes that have nothing new, and those that have something
	// hold it in memory.
	AtWork chan struct{}
	// Progress, if set, hears of each stage of a run.
	Progress func(Progress)
}

// Progress tells how far a run is.
type Progress struct {
	Organization string `json:"-"` // slug
	RunID        string `json:"run_id"`
	Stage        string `json:"stage"` // observe, import, commit, push, checkout
	Done         int    `json:"done"`
	Total        int    `json:"total"` // 0: not known
}

// maxRounds bounds how often one run plans anew because somebody was faster.
const maxRounds = 5

var (
	// errAgain ends a round whose plan was overtaken.
	errAgain = errors.New("overtaken")
	// errMore ends a round that planned a part of what was captured.
	errMore = errors.New("more to do")
)

// Run brings both sides together. The report is valid even when the error is not
// nil: it tells what was done before.
func (r *Runner) Run(ctx context.Context, m *Mirror, c Clone, req Request) (*Report, error) {
	run := &run{Runner: r, mirror: m, clone: c, req: req, log: r.Logger.With("organization", m.Organization, "run", req.RunID), logged: map[happening]int{}}
	defer run.saidMore()
	defer run.rest()
	run.req.limit = r.Part
	run.report = Report{RunID: req.RunID, Trigger: req.Trigger, StartedAt: r.Now(), State: StateOK, Commits: []Hash{}, SyncedCommit: m.Cursor}
	err := run.rounds(ctx)
	run.report.DurationMS = r.Now().Sub(run.report.StartedAt).Milliseconds()
	if err != nil {
		run.report.State = StateError
		if f := AsFault(err); f.Class == Permanent {
			run.report.State = StateBlocked
		}
	}
	return &run.report, err
}

// run is one run's state across its rounds.
type run struct {
	*Runner
	mirror  *Mirror
	clone   Clone
	req     Request
	log     *slog.Logger
	logged  map[happening]int // what the log says of single entities
	report  Report
	agenda  *agenda // nil until the first round made it
	rebuilt bool
	working bool // it counts in AtWork
	// sawRewrite: a round of this run found the branch's history rewritten, which holds
	// for what it left to the next one, too.
	sawRewrite bool
	// refusedNow is when the branch refused this run's push, which goes to the proposal
	// branch since.
	refusedNow     time.Time
	refusedIntents []*Intent
	// tooMuch is the size of the smallest push that the remote found too large, 0: none.
	tooMuch int64
}

// work waits until there is room for another run at work.
func (r *run) work(ctx context.Context) error {
	if r.AtWork == nil || r.working || r.req.preview {
		return nil
	}
	select {
	case r.AtWork <- struct{}{}:
		r.working = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *run) rest() {
	if r.working {
		<-r.AtWork
	}
}

func (r *run) rounds(ctx context.Context) error {
	for round := 1; ; round++ {
		var err error
		if r.req.Edits {
			err = r.takeEdits(ctx)
			r.req.Edits = err != nil
		}
		if err == nil {
			err = r.round(ctx)
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errMore):
			round = 0
		case errors.Is(err, ErrDamaged) && !r.rebuilt:
			// The clone is a cache: a fresh one heals every damage. Once is enough.
			r.log.Warn("clone is damaged, cloning again", "error", err)
			r.rebuilt = true
			if err := r.clone.Rebuild(ctx); err != nil {
				return err
			}
			r.req.Look = true
		case errors.Is(err, errAgain) || errors.Is(err, ErrStale):
			if round == maxRounds && errors.Is(err, errAgain) {
				return nil // all else is settled, and these rows are not forgotten
			}
			if round == maxRounds {
				return &Fault{
					Code:    CodeNetworkUnreachable,
					Message: "Others kept changing the same things during the run; it will be tried again.",
					Remedy:  "Nothing needs to be done.",
					Class:   Transient,
					Err:     err,
				}
			}
			r.req.Look = r.req.Look || errors.Is(err, ErrStale)
			r.log.Info("overtaken by another writer, planning again", "round", round, "cause", err)
		default:
			return err
		}
		m, err := r.Store.Mirror(ctx, r.mirror.OrganizationID)
		if err != nil {
			return err
		}
		m.Epoch = r.mirror.Epoch // the lease that this run was started under
		r.mirror = m
	}
}

// round observes, plans and carries out one plan.
func (r *run) round(ctx context.Context) error {
	r.progress("observe", 0, 0)
	v, err := r.observe(ctx)
	if err != nil {
		return err
	}
	r.sawRewrite = r.sawRewrite || v.rewritten
	if v.looked && v.head != r.mirror.RemoteSeen {
		r.report.Judged = v.head
	}
	in := r.input(v, r.mirror)
	in.HistoryRewritten = r.sawRewrite
	plan := NewPlan(in)
	a := newApply(r, v, plan)
	if a.idle() {
		r.report.SyncedCommit = v.head
		return a.checkout(ctx) // a crash may have come between an earlier settle and its checkout
	}
	if err := a.importRows(ctx); err != nil {
		return err
	}
	defer a.beginCheckout(ctx)()
	if err := a.keep(ctx); err != nil {
		return err
	}
	pushFault := a.export(ctx)
	if errors.Is(pushFault, ErrStale) || errors.Is(pushFault, errAgain) {
		return pushFault
	}
	if err := a.settle(ctx, pushFault); err != nil {
		return err
	}
	if a.more() && pushFault == nil {
		// What waits does not wait for the working files: the last part brings them along.
		if err := a.strikeOut(ctx); err != nil {
			return err
		}
		if len(a.s.Consumed)+len(v.portion.rows)+len(v.portion.entries) > 0 {
			return errMore
		}
		r.req.limit = 0 // nothing of this part can be done without the others
		return errAgain
	}
	r.agenda = nil
	if err := a.checkout(ctx); err != nil {
		return err
	}
	if pushFault != nil {
		return pushFault
	}
	if r.report.Open = a.raced; a.raced > 0 {
		return errAgain
	}
	return nil
}

// strikeOut takes what the round settled off the agenda.
func (a *apply) strikeOut(ctx context.Context) error {
	a.agenda.done(a.portion)
	var written []Entry
	if len(a.agenda.entries) > 0 && a.head != a.view.head {
		var err error
		if written, err = a.clone.Diff(ctx, a.view.head, a.head); err != nil {
			return err
		}
	}
	a.agenda.pushed(a.head, written)
	return nil
}

// beginCheckout brings the working files along while the round is settled, where nothing
// else needs the clone any more; the function returned waits for it. Not before the rows
// are there: whoever waits, waits for those.
func (a *apply) beginCheckout(ctx context.Context) (wait func()) {
	if a.more() || a.head == "" || slices.ContainsFunc(a.plan.Decisions, func(d *Decision) bool { return d.toFile }) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- a.clone.Checkout(ctx, a.head) }()
	a.checkedOut = sync.OnceValue(func() error { return <-done })
	return func() {
		cancel() // a round that failed waits for nobody
		_ = a.checkedOut()
	}
}

// checkout ends a round: people see in the clone what the branch holds. It costs
// nothing where the clone is there already.
func (a *apply) checkout(ctx context.Context) error {
	if a.head == "" {
		return nil
	}
	a.progress("checkout", 0, 0)
	checkout := a.checkedOut
	if checkout == nil {
		checkout = func() error { return a.clone.Checkout(ctx, a.head) }
	}
	if err := checkout(); err != nil || !a.req.Full {
		return err
	}
	restored, err := a.clone.Restore(ctx)
	if len(restored) > 0 {
		a.log.Info("working files were missing and are back", "files", restored)
	}
	return err
}

// Plan is what a run would do now. It writes nothing.
func (r *Runner) Plan(ctx context.Context, m *Mirror, c Clone) ([]Action, error) {
	run := &run{Runner: r, mirror: m, clone: c, req: Request{Look: true, preview: true}}
	v, err := run.observe(ctx)
	if err != nil {
		return nil, err
	}
	return newApply(run, v, NewPlan(r.input(v, m))).describe(), nil
}

func (r *Runner) input(v *view, m *Mirror) Input {
	return Input{
		Subjects: v.subjects, Servers: v.servers, Layout: m.Settings.Layout(),
		Policy: m.Settings.Conflict, Rules: r.Rules, Scanner: r.Scanner, HistoryRewritten: v.rewritten,
		Mirrored: v.obs.LargestMirrored, Deleted: v.obs.Deleted, Held: v.obs.Held,
	}
}

// plannedBy names the rules of the runner's plans; equal rules have equal names.
func (r *Runner) plannedBy() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v scan=%t", r.Rules, r.Scanner != nil))
	return hex.EncodeToString(sum[:8])
}

func (r *run) progress(stage string, done, total int) {
	if r.Progress != nil {
		r.Progress(Progress{r.mirror.Organization, r.req.RunID, stage, done, total})
	}
}
