package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// Pauses of a mirror that is blocked before anything of it could be read.
const (
	firstBlock = time.Minute
	longBlock  = 20 * time.Minute
	// Deliveries are as many as people's pushes: each of the first ones is a reason to try,
	// after these one in so much time.
	deliveriesHeard = 6
	deliveryEarned  = 10 * time.Minute
	// startsHeard of an hour, of any daemon: one that is started again and again by its
	// supervisor tries no more often than one that runs.
	startsHeard = 5
)

// block is what keeps a mirror from being read: wrong credentials, a repository or branch
// that is not there. Polls and changes in the database are no reason to try before the pause
// is over, since each would cost the host requests that it refuses.
//
//	goes through at once    a person, changed settings, a delivery, a start, the audit;
//	                        and who shares a consumer that gets tokens again
//	is left to the next     polls, changes in the database
//
// A push that was refused is another matter: such a mirror is read as ever.
type block struct {
	fault *mirror.Fault // nil: none
	tries int           // in a row
	until time.Time
	heard time.Time // the time that deliveries have used up
	// recalled: what the database knows of an earlier block was considered.
	recalled bool
}

// judge takes note of how a run ended. One that settled has read all there is.
func (b *block) judge(err error, settled bool, now time.Time) {
	var f *mirror.Fault
	switch {
	case err == nil || settled:
		b.fault, b.tries = nil, 0
	case !errors.As(err, &f) || f.Class != mirror.Permanent || !costsRequests(f.Code):
		b.fault = nil // has pauses of its own
	default:
		b.tries++
		b.hold(f, now)
	}
}

func (b *block) hold(f *mirror.Fault, now time.Time) {
	b.fault = f
	pause := f.RetryAfter // of who shares the consumer
	if pause == 0 {
		pause = growing(firstBlock, longBlock, b.tries)
	}
	b.until = now.Add(pause)
}

// costsRequests reports whether trying again asks anything of the host.
func costsRequests(code string) bool {
	return code != mirror.CodeDatabaseFailed && code != mirror.CodeCloneFailed
}

// hear reports whether a delivery is a reason to try.
func (b *block) hear(now time.Time) bool {
	if b.heard.Before(now) {
		b.heard = now
	}
	if b.heard.Sub(now) >= deliveriesHeard*deliveryEarned {
		return false
	}
	b.heard = b.heard.Add(deliveryEarned)
	return true
}

// keepsOut reports whether a nudge is no reason to try a blocked mirror.
func (d *Daemon) keepsOut(ctx context.Context, m *mirror.Mirror, t *trouble, n Nudge) bool {
	b := &t.blocked
	first := !b.recalled
	b.recalled = true
	now := d.now()
	switch {
	case n.Person, n.Full, m.Requested > m.Covered:
		return false
	case first:
		d.recall(ctx, m, b, now)
	}
	switch {
	case b.fault == nil, !now.Before(b.until), n.Delivery && b.hear(now):
		return false
	case errors.Is(b.fault, mirror.ErrGrant) && d.connector.granted(m.Settings):
		return false
	}
	d.log.Debug("the mirror is blocked and not tried now", "organization", m.Organization, "trigger", n.Trigger, "code", b.fault.Code, "until", b.until)
	return true
}

// recall takes up a block that earlier daemons met at their starts too often.
func (d *Daemon) recall(ctx context.Context, m *mirror.Mirror, b *block, now time.Time) {
	detail := m.State.Detail
	if m.State.Name != mirror.StateBlocked || detail == nil || !costsRequests(detail.Code) || refusedPush(detail.Code) {
		return
	}
	runs, _, err := d.db.Runs(ctx, m.OrganizationID, db.Page{Limit: 2 * startsHeard})
	if err != nil {
		return // the run will tell
	}
	starts := 0
	for _, run := range runs {
		if run.Trigger == db.TriggerStart && run.State == mirror.StateBlocked && now.Sub(run.StartedAt) < time.Hour {
			starts++
		}
	}
	if starts < startsHeard {
		return
	}
	b.tries = starts
	b.hold(&mirror.Fault{Code: detail.Code, Message: detail.Message, Remedy: detail.Remedy, Class: mirror.Permanent}, now)
}
