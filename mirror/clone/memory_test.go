package clone_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
)

// memory is what a benchmark needs of it: peak-MiB is how far the resident set rises above
// what it was before, held-MiB what is still in use afterwards.
type memory struct {
	b          *testing.B
	peak, held int64 // bytes, the most of all rounds
}

func watch(b *testing.B) *memory {
	b.ReportAllocs()
	return &memory{b: b}
}

// round is what is measured once. Linux alone tells the peak; elsewhere it is 0.
func (m *memory) round(f func()) {
	m.b.StopTimer()
	held := heap()
	debug.FreeOSMemory()
	os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // the peak is now what there is
	start := ofProcess("VmRSS")
	m.b.StartTimer()
	f()
	m.b.StopTimer()
	m.peak = max(m.peak, ofProcess("VmHWM")-start)
	m.held = max(m.held, heap()-held)
	m.b.StartTimer()
}

func (m *memory) report() {
	m.b.ReportMetric(float64(m.peak)/(1<<20), "peak-MiB")
	m.b.ReportMetric(float64(m.held)/(1<<20), "held-MiB")
}

func heap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// ofProcess reads a line of the process's state; 0 where there is none.
func ofProcess(name string) (size int64) {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			fmt.Sscan(string(rest), &size)
		}
	}
	return size << 10
}
