package bitbucket

import (
	"fmt"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// Pauses after a consumer was refused a token for good, or for now because there were too
// many requests; then what the endpoint says of the time counts. It is the pause of all
// mirrors that share the consumer: a hundred of them ask no more often than one.
const (
	firstRefusedRest   = 2 * time.Minute
	longestRefusedRest = 20 * time.Minute
)

// noGrant is the token endpoint's last word on a consumer, where that is no. What passes by
// itself (it is down, or cannot be reached) is none.
type noGrant struct {
	fault *mirror.Fault // nil: none
	times int           // in a row
	until time.Time     // not asked again before
}

// note takes an outcome down, and returns it.
func (r *noGrant) note(err error, now time.Time) error {
	if err == nil {
		*r = noGrant{}
		return nil
	}
	f := *mirror.AsFault(err)
	pause := backOff(firstRefusedRest, longestRefusedRest, r.times)
	switch {
	case refusedForGood(err):
		f.Err = fmt.Errorf("%w: %w", mirror.ErrGrant, f.Err)
	case f.Code == mirror.CodeRateLimited:
		if pause = backOff(firstLimitedRest, longestLimitedRest, r.times); f.RetryAfter > 0 {
			pause = f.RetryAfter
		}
	default:
		return err
	}
	r.fault, r.until = &f, now.Add(pause)
	r.times++
	return r.lasts(now)
}

// lasts is the refusal while it is not to be asked again, nil then.
func (r *noGrant) lasts(now time.Time) error {
	if r.fault == nil || !now.Before(r.until) {
		return nil
	}
	f := *r.fault
	f.RetryAfter = r.until.Sub(now)
	return &f
}

func refusedForGood(err error) bool {
	return err != nil && mirror.AsFault(err).Class == mirror.Permanent
}

// Insist has the next one who wants a token ask for it, whatever was answered before: a
// person says that the cause is mended, or may be.
func (s *TokenSource) Insist() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noGrant.until = time.Time{}
}
