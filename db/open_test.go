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
	info, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
}
