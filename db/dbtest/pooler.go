package dbtest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pooler returns the URL of a PgBouncer of the test's own, in transaction mode, before the
// database of another URL.
func Pooler(t testing.TB, address string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil { // Debian; not in everybody's PATH
			t.Fatalf("dbtest: no PgBouncer on this machine (Debian: apt-get install pgbouncer): %v", err)
		}
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	as, err := unprivileged()
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	file, err := os.CreateTemp("", "confmirror-pgbouncer-*.ini")
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() { os.Remove(file.Name()) })
	fmt.Fprintf(file, `[databases]
* = host=%s port=%d user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
server_round_robin = 1
`, config.Host, config.Port, config.User, port)
	if err := os.Chmod(file.Name(), 0o644); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	file.Close()
	cmd := exec.Command(program, "-q", filepath.Clean(file.Name()))
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", environment(), attributes(as)
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // it ends with the thread that started it
		started <- cmd.Start()
		<-ended
	}()
	if err := <-started; err != nil {
		t.Fatalf("dbtest: start PgBouncer: %v", err)
	}
	t.Cleanup(func() {
		defer close(ended)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	through, err := url.Parse(address)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	through.Host = fmt.Sprintf("127.0.0.1:%d", port)
	answer := time.Now().Add(30 * time.Second)
	for {
		conn, err := pgx.Connect(t.Context(), through.String())
		if err == nil {
			conn.Close(t.Context())
			return through.String()
		}
		if time.Now().After(answer) {
			t.Fatalf("dbtest: PgBouncer does not answer: %v", err)
		}
	}
}
