package daemon

import (
	"context"
	"time"
)

// Take claims what mirrors there are. The daemon does not run: a test makes its steps, by
// the clock that it sets.
func (d *Daemon) Take(ctx context.Context) error {
	d.holder, d.leases.holder = "stepped", "stepped"
	return d.leases.beat(ctx)
}

// Step is what a worker of the queue does for a nudge.
func (d *Daemon) Step(ctx context.Context, organizationID string, n Nudge) (r Result, again time.Duration) {
	return d.job(ctx, organizationID, n)
}

// Leave closes what the steps opened, as a process does that ends.
func (d *Daemon) Leave() {
	d.sessions.close()
	d.connector.git.CloseIdleConnections()
}
