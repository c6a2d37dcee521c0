package cli

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// service tells systemd how the daemon is. Without systemd all of it does nothing.
type service struct{ log *slog.Logger }

func newSystemd(log *slog.Logger) service { return service{log} }

func (s service) notify(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		s.log.Warn("systemd was not told", "state", state, "error", err)
	}
}

// reloading says so, until reloaded; systemd wants to know since when.
func (s service) reloading() {
	s.notify(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", systemd.SdNotifyReloading, monotonic().Microseconds()))
}

func (s service) stopping() { s.notify(systemd.SdNotifyStopping) }

// waiting asks for another minute before systemd calls the start a failure.
func (s service) waiting(why string) {
	s.notify("STATUS=" + why + "\nEXTEND_TIMEOUT_USEC=60000000")
}

// reloaded ends what reloading began.
func (s service) reloaded() { s.notify(systemd.SdNotifyReady) }

// ready says so, and feeds the watchdog until ctx ends, as long as the daemon is alive.
func (s service) ready(ctx context.Context, alive func() bool) {
	s.notify("STATUS=\n" + systemd.SdNotifyReady)
	interval, err := systemd.SdWatchdogEnabled(false)
	if err != nil || interval <= 0 {
		return
	}
	go func() {
		tick := time.NewTicker(interval / 2)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if alive() {
					s.notify(systemd.SdNotifyWatchdog)
				} else {
					s.log.Error("the daemon is stuck: systemd will start it anew")
				}
			}
		}
	}()
}
