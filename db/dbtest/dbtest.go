// Package dbtest gives tests real databases: a throw-away PostgreSQL server,
// one for each test process, and data directories for the embedded SQLite.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
// which stops the server after the last test and fails when goroutines leak.
// A test process that is killed takes its server along (see process_linux.go);
// what it leaves in the temporary directory is swept by the next one.
//
// There is no way to skip: a machine without PostgreSQL fails the test and is
// told what to install. The package does not import db, so that db's own tests
// can use it from inside.
package dbtest

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// Main runs a package's tests, stops the server and exits. Leaked goroutines fail the run.
func Main(m goleak.TestingM, options ...goleak.Option) {
	goleak.VerifyTestMain(stopping{m}, options...)
}

type stopping struct{ tests goleak.TestingM }

func (s stopping) Run() int {
	code := s.tests.Run()
	if err := stop(); err != nil {
		os.Stderr.WriteString("dbtest: " + err.Error() + "\n")
		if code == 0 {
			code = 1
		}
	}
	return code
}

// Target is a fresh database: what a configuration would say of it.
type Target struct {
	Dialect string // "postgres" or "sqlite"
	URL     string // "" for sqlite
	DataDir string // an empty directory, for both
}

// Each runs a test once on each database, as subtests "postgres" and "sqlite".
func Each(t *testing.T, test func(t *testing.T, target Target)) {
	t.Helper()
	t.Run("postgres", func(t *testing.T) {
		test(t, Target{Dialect: "postgres", URL: Postgres(t), DataDir: t.TempDir()})
	})
	t.Run("sqlite", func(t *testing.T) {
		test(t, Target{Dialect: "sqlite", DataDir: SQLite(t)})
	})
}

// SQLite returns an empty data directory.
func SQLite(t testing.TB) string { return t.TempDir() }

// Postgres returns the URL of a new, empty database, with a superuser's rights.
// It is dropped after the test, together with connections that are still open.
func Postgres(t testing.TB) string {
	t.Helper()
	s, err := running()
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	return create(t, s, "")
}

// create makes a database for one test and returns its URL.
func create(t testing.TB, s *server, options string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	if err := s.execute("CREATE DATABASE " + name + options); err != nil {
		t.Fatalf("dbtest: create database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.execute("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("dbtest: drop database: %v", err)
		}
	})
	return s.url(name)
}

// execute runs one statement as superuser, outside of any transaction.
func (s *server) execute(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// CopyPostgres returns the URL of a copy of a database that nobody is connected to.
func CopyPostgres(t testing.TB, address string) string {
	t.Helper()
	s, err := running()
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	return create(t, s, " TEMPLATE "+config.Database)
}
