package db

import (
	"context"
	"testing"
	"time"

	"github.com/confmirror/confmirror/db/dbtest"
)

// watching is a watcher under test.
type watching struct {
	t     *testing.T
	ticks chan time.Time
	ready chan struct{} // one for each time that the watcher says so
	woken chan string
}

func watch(t *testing.T, d *DB, notify bool) *watching {
	t.Helper()
	return watchWith(t, d, notify, func() (<-chan time.Time, func()) { return nil, func() {} })
}

func watchWith(t *testing.T, d *DB, notify bool, hints func() (<-chan time.Time, func())) *watching {
	t.Helper()
	w := &watching{t: t, ticks: make(chan time.Time), ready: make(chan struct{}, 1000), woken: make(chan string, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- (&watcher{
			db: d, wake: func(id string) { w.woken <- id }, keepalive: 20 * time.Millisecond, notified: 200 * time.Millisecond, firstPause: time.Millisecond,
			tick:     func(time.Duration) (<-chan time.Time, func()) { return w.ticks, func() {} },
			hints:    hints,
			watching: func() { w.ready <- struct{}{} },
		}).run(ctx, notify)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	w.wait()
	return w
}

// wait waits until the watcher watches (again).
func (w *watching) wait() {
	w.t.Helper()
	select {
	case <-w.ready:
	case <-time.After(time.Minute):
		w.t.Fatal("the watcher does not watch")
	}
}

// tick lets a polling watcher look once, and waits until it has.
func (w *watching) tick() {
	w.t.Helper()
	w.ticks <- time.Time{}
	w.wait()
}

// next is the next organization that is woken.
func (w *watching) next() string {
	w.t.Helper()
	select {
	case id := <-w.woken:
		return id
	case <-time.After(time.Minute):
		w.t.Fatal("nobody was woken")
		return ""
	}
}

// all are those woken so far.
func (w *watching) all() map[string]int {
	woken := map[string]int{}
	for {
		select {
		case id := <-w.woken:
			woken[id]++
		default:
			return woken
		}
	}
}

func settled(t *testing.T, d *DB) {
	t.Helper()
	run(t, d, "DELETE FROM mirror_changes")
	run(t, d, "UPDATE bitbucket_connections SET covered = requested")
}

func insert(t *testing.T, d *DB, id, slug string) {
	t.Helper()
	run(t, d, "INSERT INTO toolkits (organization_id, slug, name) VALUES (?, ?, 'T')", id, slug)
}

func TestWatchByPolling(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		one, two := connect(t, d, "one"), connect(t, d, "two")
		settled(t, d)
		insert(t, d, two, "before")
		w := watch(t, d, false)
		if woken := w.all(); len(woken) != 1 || woken[two] != 1 {
			t.Errorf("at the start: %v", woken)
		}
		w.tick()
		if woken := w.all(); len(woken) != 0 {
			t.Errorf("woken again for the same: %v", woken)
		}
		insert(t, d, one, "a")
		w.tick()
		if woken := w.all(); len(woken) != 1 || woken[one] != 1 {
			t.Errorf("after an insert: %v", woken)
		}
		if _, err := d.Request(t.Context(), two); err != nil {
			t.Fatal(err)
		}
		w.tick()
		if woken := w.all(); len(woken) != 1 || woken[two] != 1 {
			t.Errorf("after a request: %v", woken)
		}
		settled(t, d)
		w.tick()
		if woken := w.all(); len(woken) != 0 {
			t.Errorf("woken by a settle: %v", woken)
		}
		if err := d.Disconnect(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		insert(t, d, one, "b")
		w.tick()
		if woken := w.all(); len(woken) != 0 {
			t.Errorf("woken without a connection: %v", woken)
		}
	})
}

func TestWatchByNotification(t *testing.T) {
	d := postgresDB(t)
	one, two := connect(t, d, "one"), connect(t, d, "two")
	settled(t, d)
	insert(t, d, two, "before")
	w := watch(t, d, true)
	if woken := w.all(); len(woken) != 1 || woken[two] != 1 {
		t.Errorf("at the start: %v", woken)
	}
	insert(t, d, one, "a")
	if id := w.next(); id != one {
		t.Errorf("after an insert: %s", id)
	}
	// A forged payload wakes nobody; the request behind it does.
	run(t, d, "SELECT pg_notify('confmirror', 'x'' OR true')")
	if _, err := d.Request(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if id := w.next(); id != one {
		t.Errorf("after a request: %s", id)
	}

	// While nobody listens a notification is lost, the change is not.
	settled(t, d)
	w.all()
	run(t, d, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = ?", listenerName)
	run(t, d, "INSERT INTO toolkits (organization_id, slug, name) VALUES (?, 'late', 'T')", two)
	w.wait()
	for id := w.next(); id != two; id = w.next() {
	}
	insert(t, d, one, "after")
	for id := w.next(); id != one; id = w.next() {
	}
}

// TestWatchFile: another process's commit is seen.
func TestWatchFile(t *testing.T) {
	target := migrated.SQLite(t)
	here, there := open(t, target), open(t, target)
	id := connect(t, here, "acme")
	settled(t, here)
	w := watch(t, here, true)
	insert(t, there, id, "a")
	w.tick()
	if id2 := w.next(); id2 != id {
		t.Errorf("woken %s", id2)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		id := connect(t, d, "acme")
		ctx, cancel := context.WithCancel(t.Context())
		woken := make(chan string, 1)
		done := make(chan error)
		go func() { done <- d.Watch(ctx, true, func(id string) { woken <- id }) }()
		if got := <-woken; got != id {
			t.Errorf("woken %s", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// postgresDB is a fresh, migrated PostgreSQL database.
func postgresDB(t *testing.T) *DB {
	t.Helper()
	return open(t, migrated.Postgres(t))
}

// Without any tick: the log of the database tells of each commit.
func TestWatchSQLiteByItsLog(t *testing.T) {
	d := open(t, dbtest.Target{Dialect: "sqlite", DataDir: dbtest.SQLite(t)})
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	one := connect(t, d, "one")
	settled(t, d)
	w := watchWith(t, d, false, d.hints)
	w.all()
	for _, slug := range []string{"a", "b", "c"} {
		insert(t, d, one, slug)
		if id := w.next(); id != one {
			t.Fatalf("%s was woken", id)
		}
		settled(t, d)
	}
}
