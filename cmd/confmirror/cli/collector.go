package cli

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// collectFrom is the heap, in bytes, below which garbage is not worth collecting: a
	// daemon at rest holds a quarter of it, and a run that doubles that again and again
	// spends more than a tenth of its time on collections that a few megabytes more spare.
	collectFrom = 48 << 20
	// collectAt is the growth, in percent, that a larger heap is collected after. It is half
	// of what Go does by itself: of a daemon that mostly waits, memory counts more than time.
	collectAt = 50
)

// spareCollections has the garbage collector wait until there is something to collect.
// Whoever sets GOGC knows better.
func spareCollections() {
	if os.Getenv("GOGC") == "" {
		afterCollection()
	}
}

// afterCollection sets when the next collection begins, now and after each one: the
// runtime has no setting for it, but an object that nothing refers to tells of each.
func afterCollection() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(growthOver(live[0].Value.Uint64()))
	next := new(*int)
	runtime.AddCleanup(next, func(struct{}) { afterCollection() }, struct{}{})
}

// growthOver is by how much of what is live the heap may grow, in percent.
func growthOver(live uint64) int {
	const most = 2000
	if live == 0 {
		return most
	}
	return min(most, max(collectAt, int(100*collectFrom/live)-100))
}
