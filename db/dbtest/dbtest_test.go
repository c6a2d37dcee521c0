package dbtest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { Main(m) }

func TestPostgresGivesFreshDatabases(t *testing.T) {
	ctx := t.Context()
	urls := map[string]bool{}
	for range 2 {
		url := Postgres(t)
		if urls[url] {
			t.Fatalf("%s came twice", url)
		}
		urls[url] = true
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, "CREATE TABLE mark (id int)"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDatabasesGoWithTheirTest(t *testing.T) {
	var gone string
	t.Run("inner", func(t *testing.T) {
		gone = Postgres(t)
		conn, err := pgx.Connect(t.Context(), gone)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn // left open on purpose
	})
	if conn, err := pgx.Connect(t.Context(), gone); err == nil {
		conn.Close(t.Context())
		t.Fatal("the database is still there")
	}
}

func TestMissingServerIsNamedWithItsRemedy(t *testing.T) {
	t.Setenv(BinariesEnv, t.TempDir())
	if _, err := binaries(); err == nil || !strings.Contains(err.Error(), BinariesEnv) {
		t.Fatalf("error %v", err)
	}
	if !strings.Contains(errNoBinaries.Error(), "apt-get install postgresql") {
		t.Fatal("no remedy")
	}
}

func TestSweepRemovesOnlyWhatNobodyHolds(t *testing.T) {
	temp := t.TempDir()
	held, left := filepath.Join(temp, prefix+"held"), filepath.Join(temp, prefix+"left")
	for _, dir := range []string{held, left} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		lock, err := lockDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if dir == held {
			defer lock.Close()
		} else {
			lock.Close()
		}
	}
	sweep(temp)
	if _, err := os.Stat(held); err != nil {
		t.Error("a directory in use was removed")
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Error("an abandoned directory stayed")
	}
}

func TestServerEndsWithItsDirectory(t *testing.T) {
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("the directory stayed")
	}
	if err := syscall.Kill(s.pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process stayed: %v", err)
	}
}
