package db

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
)

func open(t testing.TB, target dbtest.Target) *DB {
	t.Helper()
	sealer, err := NewSealer(make([]byte, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), Options{URL: target.URL, DataDir: target.DataDir, Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestMigrateAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, target dbtest.Target) {
		first := open(t, target)
		if current, wanted, err := first.SchemaVersion(t.Context()); err != nil || current != 0 || wanted < 3 {
			t.Fatalf("version before: %d of %d, %v", current, wanted, err)
		}
		var wait sync.WaitGroup
		for range 4 {
			d := open(t, target)
			wait.Go(func() {
				if err := d.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if current, wanted, err := first.SchemaVersion(t.Context()); err != nil || current != wanted {
			t.Fatalf("version after: %d of %d, %v", current, wanted, err)
		}
		if err := first.Migrate(t.Context()); err != nil {
			t.Fatalf("again: %v", err)
		}
		if _, err := first.sql.Exec("INSERT INTO " + versionTable + " (version_id, is_applied) VALUES (99999, true)"); err != nil {
			t.Fatal(err)
		}
		if err := first.Migrate(t.Context()); !errors.Is(err, ErrNewerSchema) {
			t.Fatalf("newer schema: %v", err)
		}
	})
}

func TestOpenFaults(t *testing.T) {
	for name, o := range map[string]Options{
		"no server":    {URL: "postgres://somebody:hunter2@127.0.0.1:1/database"},
		"no url":       {URL: "postgres://somebody:hunter2@host:port/%zz"},
		"no directory": {DataDir: filepath.Join(os.DevNull, "hunter2")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), o)
			var fault *mirror.Fault
			if !errors.As(err, &fault) || fault.Code != mirror.CodeDatabaseFailed {
				t.Fatalf("%v", err)
			}
			if o.URL != "" && strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("the password is told: %v", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, Options{DataDir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
}

// A database file in a directory with an unusual name, opened by two at once.
func TestOpenSQLitePath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%e")
	for range 2 {
		d := open(t, dbtest.Target{DataDir: dir})
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{FileName, FileName + "-wal"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%s: %v %v", name, info, err)
		}
	}
}

// What waiting does not mend is not waited for.
func TestOpenUnusable(t *testing.T) {
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, FileName), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	blocked := filepath.Join(damaged, FileName, "below")
	for dir, want := range map[string]string{damaged: "damaged", blocked: "cannot be written"} {
		_, err := Open(t.Context(), Options{DataDir: dir})
		fault, ok := errors.AsType[*mirror.Fault](err)
		if !ok || fault.Class != mirror.Permanent || !strings.Contains(fault.Message, want) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// The tables may live in any schema, and capture finds them from any search_path.
func TestMigrateSchema(t *testing.T) {
	target := dbtest.Target{Dialect: "postgres", URL: dbtest.Postgres(t)}
	admin := open(t, target)
	if _, err := admin.sql.Exec(`CREATE SCHEMA "An App"`); err != nil {
		t.Fatal(err)
	}
	target.URL += `&search_path=%22An%20App%22`
	w := newWorld(t, target)
	if _, err := admin.sql.Exec(`INSERT INTO "An App".toolkits (organization_id, slug) VALUES ($1, 'a')`, w.org()); err != nil {
		t.Fatal(err)
	}
	w.equal(len(w.all().Changes), 1)
	if current, _, err := admin.SchemaVersion(t.Context()); err != nil || current != 0 {
		t.Fatalf("the public schema: version %d, %v", current, err)
	}
}

// A cancelled context ends a call, and says so, on both databases.
func TestCancelled(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, target dbtest.Target) {
		w := newWorld(t, target)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, observing := w.db.Observe(ctx, w.mirror, mirror.Query{})
		_, importing := w.db.Import(ctx, w.mirror, "", "r", []*mirror.RowChange{create(toolkit("a", "A"))})
		for _, err := range []error{observing, importing, w.db.Settle(ctx, w.mirror, &mirror.Settlement{})} {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
	})
}

// A connection that broke is replaced, or its fault is a transient one.
func TestConnectionLost(t *testing.T) {
	w := newWorld(t, dbtest.Target{Dialect: "postgres", URL: dbtest.Postgres(t)})
	tx := w.begin()
	other := w.begin()
	w.in(other, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	_, err := tx.Exec(`SELECT 1`)
	var fault *mirror.Fault
	if err := w.db.fault(err); !errors.As(err, &fault) || fault.Class != mirror.Transient {
		t.Fatalf("%v", err)
	}
	_ = tx.Rollback()
	w.ok(other.Rollback())
	w.equal(len(w.all().Rows), 0)
}
