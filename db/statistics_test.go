package db

import (
	"testing"
	"time"
)

// A burst's parts do not each bring the statistics up: that would cost more than they do.
func TestRefreshesOfABurst(t *testing.T) {
	var r refreshes
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	count := func(parts int) (n int) {
		for range parts {
			now = now.Add(autovacuumComes / 10)
			if r.due(2500, now) {
				n++
			}
		}
		return n
	}
	if n := count(40); n != 6 { // after 1, 2, 4, 8, 16 and 32 parts
		t.Errorf("%d refreshes of a burst in 40 parts", n)
	}
	if n := count(1); n != 0 {
		t.Error("one more part of the burst is no reason")
	}
	now = now.Add(2 * autovacuumComes)
	if n := count(1); n != 1 {
		t.Error("another burst has to be seen from its beginning")
	}
}
