package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/db"
)

// A changed file of the configuration is taken up when it has been still for a moment, and
// looked for each interval, should nobody tell of it.
const (
	fileSettle   = time.Second
	fileInterval = time.Minute
)

// reloader has a running daemon take up its configuration whenever that changes, and at
// SIGHUP. It has the daemon's log, whose level is the configuration's.
type reloader struct {
	p       *Program
	log     *slog.Logger
	level   *slog.LevelVar
	hangup  chan os.Signal
	files   []string        // that were read last
	taken   *configs.Config // what was taken up last
	refused bool            // what was read last is something else, and was not taken up
}

// newReloader listens for SIGHUP from now on: before a daemon runs it would end the process.
func (p *Program) newReloader(c *configs.Config) *reloader {
	r := &reloader{p: p, level: new(slog.LevelVar), hangup: make(chan os.Signal, 1), files: c.Files(), taken: c}
	r.level.Set(p.logLevel(c))
	r.log = p.loggerAt(c, r.level)
	signal.Notify(r.hangup, syscall.SIGHUP)
	return r
}

func (r *reloader) stop() { signal.Stop(r.hangup) }

// run works until ctx ends.
func (r *reloader) run(ctx context.Context, d *daemon.Daemon, database *db.DB) {
	system := newSystemd(r.log)
	configs.Watch(ctx, configs.Watching{
		Files: func() []string { return r.files }, Asked: r.hangup,
		Settle: fileSettle, Interval: fileInterval, Logger: r.log,
		Changed: func(asked bool) {
			if asked {
				r.log.Info("reading the configuration again")
				system.reloading()
				defer system.reloaded()
			}
			err := r.takeUp(ctx, d, database)
			r.refused = err != nil
			if err != nil && ctx.Err() == nil && d.RefuseConfig(err) {
				r.log.Error("the configuration is not taken up, and the one before is still in force", "error", err)
			}
		},
	})
}

// halfWritten is an error where there was a configuration file and now there is none, or
// nothing in it: that is no configuration of defaults, but somebody who is about to write it.
func (r *reloader) halfWritten(c *configs.Config) error {
	if r.taken.Path == "" {
		return nil
	}
	if c.Path == "" {
		return fmt.Errorf("the file %s is gone", r.taken.Path)
	}
	if info, err := os.Stat(c.Path); err != nil {
		return err
	} else if info.Size() == 0 {
		return fmt.Errorf("the file %s is empty", c.Path)
	}
	return nil
}

// takeUp reads the configuration, builds all of it, and only then has the daemon swap it.
func (r *reloader) takeUp(ctx context.Context, d *daemon.Daemon, database *db.DB) error {
	c, err := r.p.load()
	if err != nil {
		return err
	}
	if err := r.halfWritten(c); err != nil {
		return err
	}
	r.files = c.Files()
	if !r.refused && len(configs.Changes(r.taken, c)) == 0 {
		return nil
	}
	adoptable := d.Adoptable(c)
	token, _, err := adminToken(ctx, adoptable, database, r.log)
	if err != nil {
		return err
	}
	if err := d.Reload(ctx, c, token); err != nil {
		return err
	}
	r.taken = c
	r.level.Set(r.p.logLevel(adoptable))
	return nil
}
