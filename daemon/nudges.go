package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/confmirror/confmirror/configs"
)

// watch turns the database's notifications into nudges.
func (d *Daemon) watch(ctx context.Context, notify bool) {
	err := d.db.Watch(ctx, notify, func(id string) {
		if _, held := d.leases.epoch(id); !held {
			// Perhaps a connection that was just made: nobody holds it yet.
			select {
			case d.leases.claimNow <- struct{}{}:
			default:
			}
			return
		}
		d.queue.Nudge(id, Nudge{Trigger: "database", Person: d.queue.Resting(id) && d.requested(ctx, id)})
	})
	if err != nil && ctx.Err() == nil {
		d.log.Error("the database is not watched; polling goes on", "error", err)
	}
}

// requested reports whether somebody waits for a run of a mirror that rests after
// a failure: a person's request does not wait for the pause to end.
func (d *Daemon) requested(ctx context.Context, id string) bool {
	m, err := d.db.Mirror(ctx, id)
	return err == nil && m.Requested > m.Covered
}

// schedule turns the clock's ticks into nudges.
func (d *Daemon) schedule(ctx context.Context) {
	var wg sync.WaitGroup
	for _, job := range []struct {
		expression func(*configs.Config) string
		tick       func(gap time.Duration) // until the next one
	}{
		{func(c *configs.Config) string { return c.Sync.Poll }, func(gap time.Duration) { d.poll(ctx, gap) }},
		{func(c *configs.Config) string { return c.Sync.Audit }, func(time.Duration) {
			for _, id := range d.leases.ids() {
				d.queue.Nudge(id, Nudge{Trigger: "audit", Look: true, Full: true, Background: true})
			}
		}},
	} {
		wg.Go(func() {
			follow(ctx, d.setting, job.expression, func(ctx context.Context, expression string) {
				when, err := configs.ParseSchedule(expression)
				if err != nil {
					d.log.Error("schedule cannot be read", "expression", expression, "error", err)
					return
				}
				ticks(ctx, when, time.Now, func() {
					now := time.Now()
					job.tick(when.Next(now).Sub(now).Round(time.Second))
				})
			})
		})
	}
	wg.Wait()
}

// housekeeping of the database, by whichever daemon comes first.
const housekeepingInterval = time.Hour

func (d *Daemon) housekeep(ctx context.Context) {
	tick := time.NewTicker(housekeepingInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := d.db.Housekeep(ctx); err != nil && ctx.Err() == nil {
				d.log.Warn("housekeeping failed", "error", err)
			}
		}
	}
}
