package daemon

import (
	"context"
	"time"

	"github.com/robfig/cron/v3"
)

// longestNap bounds how long ticks trusts the wall clock: a schedule by the hour of the
// day is worked out anew at least this often.
const longestNap = time.Hour

// ticks calls tick when the schedule says so, until ctx ends. What was waited for
// happens even if the wall clock was set back meanwhile (the poll is the net under lost
// webhooks: it must not sleep for the hour that a clock loses), and what a clock set
// forward has jumped over happens at once.
func ticks(ctx context.Context, when cron.Schedule, now func() time.Time, tick func()) {
	for {
		began := now()
		next := when.Next(began)
		wait := next.Sub(began)
		nap := time.NewTimer(min(wait, longestNap))
		select {
		case <-ctx.Done():
			nap.Stop()
			return
		case <-nap.C:
		}
		if wait <= longestNap || !now().Before(next) {
			tick()
		}
	}
}
