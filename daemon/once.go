package daemon

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// ErrPaused: the mirror is paused, so nothing runs it.
var ErrPaused = errPaused

// holderPoll is how often a run at another daemon is looked for.
const holderPoll = 100 * time.Millisecond

// takeOverPoll is how often a command that waits for the holder looks whether the
// lease has become free.
const takeOverPoll = 2 * time.Second

// OnceOptions of Once.
type OnceOptions struct {
	// Progress hears of each stage; it may miss some.
	Progress func(mirror.Progress)
	// Asked is called once when another daemon holds the mirror and was asked.
	Asked func(holder string)
}

// Once runs a mirror one time, without serving. Beside a running daemon it asks
// the holder and waits for a run that covers every edit committed before the call;
// without one, or when the holder dies meanwhile, it takes the lease itself and
// gives it back. A run that ended in a fault is a report with its Detail, not an
// error; ErrPaused and mirror.ErrNoMirror are errors.
func (d *Daemon) Once(ctx context.Context, organizationID string, o OnceOptions) (*mirror.Report, error) {
	if err := d.db.Recognize(ctx); err != nil {
		return nil, err
	}
	m, err := d.db.Mirror(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	if m.Paused {
		return nil, ErrPaused
	}
	request, err := d.db.Request(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	if own, err := takeInstance(d.config().DataDir); err == nil {
		defer own.release()
		d.holder = own.holder
	} else if !errors.Is(err, errInUse) {
		return nil, err
	}
	told := false
	for {
		lease, mine, err := d.db.ClaimOne(ctx, organizationID, d.holder, leaseTTL)
		if err != nil {
			return nil, err
		}
		if mine {
			report, err := d.runLeased(ctx, lease, o.Progress)
			if !errors.Is(err, mirror.ErrLeaseLost) {
				return report, err
			}
			continue
		}
		if !told && o.Asked != nil {
			told = true
			if s, err := d.db.Status(ctx, organizationID); err == nil {
				o.Asked(s.Holder)
			}
		}
		report, err := d.awaitHolder(ctx, organizationID, request)
		if report != nil || err != nil {
			return report, err
		}
	}
}

// awaitHolder waits a moment for a run that covers the request; nil without one.
func (d *Daemon) awaitHolder(ctx context.Context, organizationID string, request int64) (*mirror.Report, error) {
	enough := time.NewTimer(takeOverPoll)
	defer enough.Stop()
	tick := time.NewTicker(holderPoll)
	defer tick.Stop()
	for {
		covered, runID, err := d.db.Covered(ctx, organizationID)
		if err != nil {
			return nil, err
		}
		if covered >= request && runID != "" {
			return d.db.Run(ctx, organizationID, runID)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-enough.C:
			return nil, nil
		case <-tick.C:
		}
	}
}

// runLeased runs a mirror whose lease was just taken, and gives the lease back.
func (d *Daemon) runLeased(ctx context.Context, lease db.Lease, progress func(mirror.Progress)) (*mirror.Report, error) {
	id := lease.OrganizationID
	defer func() {
		final, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := d.db.Release(final, d.holder, id); err != nil {
			d.log.Warn("the lease could not be given back; it ends by itself", "error", err)
		}
	}()
	m, err := d.db.Mirror(ctx, id)
	if err != nil {
		return nil, err
	}
	m.Epoch = lease.Epoch
	defer d.follow(progress)()
	run, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var renewing sync.WaitGroup
	defer renewing.Wait()
	defer cancel(nil)
	renewing.Go(func() { d.keepLease(run, lease, cancel) })

	// Closed before the lease goes back: whoever takes it next opens the same clone.
	defer d.sessions.release(id)
	report, err := d.runMirror(run, m, d.troubles.of(id), Nudge{Trigger: "request", Look: true, Record: true, Person: true})
	switch {
	case errors.Is(context.Cause(run), mirror.ErrLeaseLost):
		return report, mirror.ErrLeaseLost
	case err != nil && (ctx.Err() != nil || errors.Is(err, mirror.ErrLeaseLost)):
		return report, err
	}
	d.verdicts.deliver(ctx, d)
	return report, nil // a fault is in the report
}

// keepLease renews a lease until ctx ends, and cancels the run when it is lost.
func (d *Daemon) keepLease(ctx context.Context, lease db.Lease, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(leaseBeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, mine, err := d.db.ClaimOne(ctx, lease.OrganizationID, d.holder, leaseTTL)
		if err != nil {
			continue // the settle checks the epoch anyway
		}
		if !mine || now.Epoch != lease.Epoch {
			cancel(mirror.ErrLeaseLost)
			return
		}
	}
}

// follow hands the progress of runs to f until stop is called.
func (d *Daemon) follow(f func(mirror.Progress)) (stop func()) {
	if f == nil {
		return func() {}
	}
	events, cancel := d.events.subscribe()
	var listening sync.WaitGroup
	listening.Go(func() {
		for event := range events {
			if p, ok := event.Data.(mirror.Progress); ok {
				f(p)
			}
		}
	})
	return func() {
		cancel()
		listening.Wait()
	}
}
