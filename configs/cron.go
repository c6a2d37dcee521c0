package configs

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// ParseSchedule reads a cron expression: five fields, "@daily" and its like, or
// "@every 1m", each with an optional "CRON_TZ=Europe/Berlin " before it.
//
// It stands before cron.ParseStandard, which panics on some inputs and takes some
// that never fire, or that fire otherwise than they read.
func ParseSchedule(expr string) (schedule cron.Schedule, err error) {
	defer func() {
		if recover() != nil { // "TZ=0": the parser slices up to a space that is not there
			schedule, err = nil, errors.New("malformed")
		}
	}()
	if schedule, err = cron.ParseStandard(expr); err != nil {
		return nil, err
	}
	if _, every, ok := strings.Cut(expr, "@every "); ok {
		// Every rounds silently: up to a second, and down to whole ones.
		if d, err := time.ParseDuration(every); err != nil || d < time.Second || d%time.Second != 0 {
			return nil, fmt.Errorf("%q is not a positive number of whole seconds", every)
		}
	}
	// Fields that no date satisfies, such as 30 February or ",", give a schedule too.
	if schedule.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, errors.New("it never comes due")
	}
	return schedule, nil
}

// A mirror without success for that many polls, and so long, is stalled. It is longer than any
// poll is left out while webhooks deliver.
const (
	pollsUntilStalled = 5
	leastPatience     = 15 * time.Minute
)

// Patience is for how long a mirror may be without success, from now on.
func (s *Sync) Patience(now time.Time) time.Duration {
	schedule, err := ParseSchedule(s.Poll)
	if err != nil {
		return leastPatience
	}
	due := now
	for range pollsUntilStalled {
		due = schedule.Next(due)
	}
	return max(due.Sub(now), leastPatience)
}
