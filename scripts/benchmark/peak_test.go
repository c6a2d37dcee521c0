package benchmark_test

import (
	"os"
	"syscall"
)

// peak is an ended process's largest resident set, in bytes.
func peak(s *os.ProcessState) int64 {
	if usage, ok := s.SysUsage().(*syscall.Rusage); ok {
		return usage.Maxrss << 10
	}
	return 0
}
