package cli

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestGrowthOver(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 2000, 1 << 20: 2000, 12 << 20: 300, 24 << 20: 100, 32 << 20: 50, 36 << 20: 50, 1 << 30: 50,
	} {
		if got := growthOver(live); got != want {
			t.Errorf("over %d bytes: %d %%, want %d %%", live, got, want)
		}
	}
}

// A small heap is collected when it is worth it, and that again and again.
func TestCollectionsAreSpared(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(collectAt))
	runtime.GC()
	afterCollection()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var kept [16][]byte
	const total = 1 << 30
	for i := range total >> 16 {
		kept[i%len(kept)] = make([]byte, 1<<16)
	}
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	usual := uint32(total / collectFrom)
	if n := after.NumGC - before.NumGC; n < usual/2 || n > 3*usual {
		t.Errorf("%d collections of a gigabyte, about %d are worth it", n, usual)
	}
}
