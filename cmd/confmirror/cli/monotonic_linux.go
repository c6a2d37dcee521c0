package cli

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is the kernel's CLOCK_MONOTONIC, which systemd orders reloads by.
func monotonic() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // a clock that every kernel has
	return time.Duration(now.Nano())
}
