package db

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// pollFile watches SQLite. PRAGMA data_version changes, for one connection, with
// every commit of another one, in whatever process; it costs no read of the
// database. The connection is taken from the pool for good and never writes.
func (w *watcher) pollFile(ctx context.Context) error {
	conn, err := w.db.sql.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	hints, stop := w.hints()
	defer stop()
	var seen sql.NullInt64
	return w.poll(ctx, pollSQLite, hints, func(ctx context.Context) (bool, error) {
		var version int64
		if err := conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
			return false, fmt.Errorf("data_version: %w", err)
		}
		changed := !seen.Valid || seen.Int64 != version
		seen = sql.NullInt64{Int64: version, Valid: true}
		return changed, nil
	})
}

// Pauses between looks after a write to the log: its last page is written before the
// commit can be seen, and how long before is the disk's affair.
const (
	firstLook = 500 * time.Microsecond
	lastLook  = pollSQLite / 2
	// nextBurst bounds the looks while somebody writes all the time.
	nextBurst = 20 * time.Millisecond
)

// hints ticks a few times whenever the write-ahead log is written to, so that a
// commit is seen within a millisecond or two. Where files cannot be watched the
// regular ticks are left.
func (d *DB) hints() (ticks <-chan time.Time, stop func()) {
	files, err := fsnotify.NewWatcher()
	if err == nil {
		if err = files.Add(filepath.Dir(d.file)); err != nil {
			files.Close()
		}
	}
	if err != nil {
		d.log.Debug("the database's directory cannot be watched; it is looked at regularly", "error", err)
		return nil, func() {}
	}
	out := make(chan time.Time)
	ended := make(chan struct{})
	log := d.file + "-wal"
	go func() {
		defer close(ended)
		pause := lastLook
		timer := time.NewTimer(time.Hour)
		timer.Stop()
		var due <-chan time.Time
		var at, began time.Time
		var ready chan<- time.Time // out, while a tick waits to be taken
		for {
			select {
			case event, ok := <-files.Events:
				if !ok {
					return
				}
				if event.Name == log && time.Since(began) > nextBurst {
					began, pause = time.Now(), firstLook
					timer.Reset(pause)
					due = timer.C
				}
			case _, ok := <-files.Errors: // lost events: the regular ticks are left
				if !ok {
					return
				}
			case at = <-due:
				ready = out
				if due = nil; pause < lastLook {
					pause *= 2
					timer.Reset(pause)
					due = timer.C
				}
			case ready <- at:
				ready = nil
			}
		}
	}()
	return out, func() {
		files.Close()
		<-ended
	}
}
