package daemon

import (
	"testing"
	"time"
)

func TestBeating(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct {
		ended time.Time
		want  bool
	}{
		{time.Time{}, true}, // it has just begun
		{now, true},
		{now.Add(-beatTimeout - leaseBeat), true}, // one that ended by its timeout
		{now.Add(-time.Minute), false},
	} {
		l := &leases{ended: tc.ended}
		if got := l.beating(now); got != tc.want {
			t.Errorf("the last one ended at %v of %v: %v", tc.ended, now, got)
		}
	}
}
