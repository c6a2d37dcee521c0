package db

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Watching turns what others commit into nudges: wake says "look at this
// organization's mirror", nothing more. A lost, repeated or forged one changes
// nothing but latency, so all that a watcher has to guarantee is that a commit is
// followed by a wake sooner or later:
//
//	PostgreSQL, notify    the capture triggers NOTIFY; one connection LISTENs, apart
//	                      from the pool. What was sent while it was away is gone, so
//	                      after every (re)connect all that is pending is woken.
//	PostgreSQL, no notify the pending set is read each second: where one wants it, and
//	                      behind a pooler in transaction mode, which cannot LISTEN.
//	SQLite                when its log is written to, and ten times a second, it is asked
//	                      whether anybody has committed anything, and only then is the
//	                      pending set read.
//
// The pending set of a mirror are its captured changes and unanswered requests. A
// poll wakes a mirror when that set is another than at the poll before: one that
// is blocked keeps its changes, and is left in peace until one comes or goes.
const (
	pollPostgres = time.Second
	pollSQLite   = 100 * time.Millisecond
	// keepalive is how often the listening connection is tried: a silent one may be dead.
	keepalive = 30 * time.Second
	// notified is how long a notification may take that tells whether they arrive at all.
	notified = 5 * time.Second
)

// Watch calls wake, from one goroutine, with the id of each connected
// organization in which something was committed, until ctx ends. It begins with
// those that have something pending. notify false polls PostgreSQL.
func (d *DB) Watch(ctx context.Context, notify bool, wake func(organizationID string)) error {
	w := &watcher{
		db: d, wake: wake, keepalive: keepalive, notified: notified, firstPause: 100 * time.Millisecond, watching: func() {},
		tick: func(every time.Duration) (<-chan time.Time, func()) {
			t := time.NewTicker(every)
			return t.C, t.Stop
		},
		hints: d.hints,
	}
	return w.run(ctx, notify)
}

// watcher is one call of Watch; its fields are what tests replace.
type watcher struct {
	db         *DB
	wake       func(string)
	keepalive  time.Duration
	notified   time.Duration
	firstPause time.Duration
	tick       func(every time.Duration) (<-chan time.Time, func())
	hints      func() (<-chan time.Time, func())
	// watching is called when from now on nothing is missed.
	watching func()
}

// run keeps watching, over all failures.
func (w *watcher) run(ctx context.Context, notify bool) error {
	watch := w.listen
	switch {
	case !w.db.postgres:
		watch = w.pollFile
	case !notify:
		watch = w.pollServer
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = w.firstPause, 30*time.Second
	watching := w.watching
	w.watching = func() {
		pause.Reset()
		watching()
	}
	for {
		err := watch(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errNotNotified) {
			w.db.log.Warn("notifications do not come through the pooler before PostgreSQL (transaction mode?): the database is polled each second; database.notify: false says so at once")
			watch = w.pollServer
			continue
		}
		next := pause.NextBackOff()
		w.db.log.Warn("watching the database was interrupted", "error", err, "again_in", next)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// pollServer watches PostgreSQL without LISTEN.
func (w *watcher) pollServer(ctx context.Context) error {
	return w.poll(ctx, pollPostgres, nil, func(context.Context) (bool, error) { return true, nil })
}

// poll looks at the pending set at once and then, at every tick and hint, if changed
// says that it may have changed.
func (w *watcher) poll(ctx context.Context, every time.Duration, hints <-chan time.Time, changed func(context.Context) (bool, error)) error {
	ticks, stop := w.tick(every)
	defer stop()
	var before map[string]pending
	for {
		look, err := changed(ctx)
		if err != nil {
			return err
		}
		if look {
			now, err := w.db.pending(ctx)
			if err != nil {
				return err
			}
			for id, set := range now {
				if before[id] != set {
					w.wake(id)
				}
			}
			before = now
		}
		w.watching()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticks:
		case <-hints:
		}
	}
}

// pending identifies a mirror's pending set, well enough to see that it changed.
type pending struct {
	changes, oldest, newest, requested int64
}

// pending reads the pending sets of all connected mirrors that have one.
func (d *DB) pending(ctx context.Context) (map[string]pending, error) {
	var rows []struct {
		OrganizationID                     string
		Changes, Oldest, Newest, Requested int64
	}
	err := d.gorm.WithContext(ctx).Raw(`
		SELECT c.organization_id, coalesce(p.changes, 0) AS changes, coalesce(p.oldest, 0) AS oldest, coalesce(p.newest, 0) AS newest,
			CASE WHEN c.requested > c.covered THEN c.requested ELSE 0 END AS requested
		FROM bitbucket_connections AS c
		LEFT JOIN (SELECT organization_id, count(*) AS changes, min(id) AS oldest, max(id) AS newest
			FROM mirror_changes GROUP BY organization_id) AS p ON p.organization_id = c.organization_id
		WHERE c.disconnected_at IS NULL AND (p.changes > 0 OR c.requested > c.covered)`).Scan(&rows).Error
	sets := make(map[string]pending, len(rows))
	for _, r := range rows {
		sets[r.OrganizationID] = pending{r.Changes, r.Oldest, r.Newest, r.Requested}
	}
	return sets, d.fault(err)
}
