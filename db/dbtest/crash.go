//go:build unix

package dbtest

import (
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL of one test's own, which may crash.
type Server struct{ s *server }

// StartServer starts one, with settings that differ from those of tests
// ("fsync=on"); it ends with the test.
func StartServer(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := start(settings...)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("dbtest: %v", err)
		}
	})
	return &Server{s}
}

// URL is of a new, empty database in which what is committed stays, whatever happens
// to the server. It must run when the test ends.
func (own *Server) URL(t testing.TB) string {
	t.Helper()
	url := create(t, own.s, "")
	// The server's own setting trades the last transactions of a crash for speed.
	config, err := pgx.ParseConfig(url)
	if err == nil {
		err = own.s.execute("ALTER DATABASE " + config.Database + " SET synchronous_commit = on")
	}
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	return url
}

// Crash ends the server at once and cuts all connections.
func (own *Server) Crash(t testing.TB) {
	t.Helper()
	own.s.halt(syscall.SIGQUIT)
}

// Restart starts a crashed server again, at its old address.
func (own *Server) Restart(t testing.TB) {
	t.Helper()
	if err := own.s.launch(); err != nil {
		t.Fatalf("dbtest: restart: %v", err)
	}
}
