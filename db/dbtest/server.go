//go:build unix

package dbtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is the process-wide PostgreSQL.
type server struct {
	bin   string // where its programs are
	as    *syscall.Credential
	dir   string   // holds data, sockets and lock
	lock  *os.File // held while the process lives; see sweep
	port  int
	pid   int
	ended chan struct{} // closed when the process has ended
	log   tail
	// settings come after our own and so count more: "fsync=on".
	settings []string
}

var shared struct {
	sync.Mutex
	started bool
	server  *server
	err     error
	exits   []func() error // what else stop does
}

// atExit lets f run when the tests have ended.
func atExit(f func() error) {
	shared.Lock()
	defer shared.Unlock()
	shared.exits = append(shared.exits, f)
}

// running starts the server on first use. A failure is kept: the next test would
// only fail the same way, slower.
func running() (*server, error) {
	shared.Lock()
	defer shared.Unlock()
	if !shared.started {
		shared.started = true
		shared.server, shared.err = start()
	}
	return shared.server, shared.err
}

// stop ends the server, if there is one, and removes its directory.
func stop() error {
	shared.Lock()
	defer shared.Unlock()
	s := shared.server
	shared.started, shared.server, shared.err = false, nil, nil
	var errs []error
	for _, exit := range shared.exits {
		errs = append(errs, exit())
	}
	shared.exits = nil
	if s != nil {
		errs = append(errs, s.stop())
	}
	return errors.Join(errs...)
}

func (s *server) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

func start(settings ...string) (_ *server, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	sweep(os.TempDir())
	s := &server{bin: bin, as: as, settings: settings}
	if s.dir, err = os.MkdirTemp("", prefix); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	if s.lock, err = lockDir(s.dir); err != nil {
		return nil, err
	}
	if as != nil {
		// The directory itself stays root's, so that the lock does.
		if err := errors.Join(os.Chmod(s.dir, 0o755), os.Mkdir(s.data(), 0o700), os.Chown(s.data(), int(as.Uid), int(as.Gid))); err != nil {
			return nil, err
		}
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata", s.data(), "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--no-locale", "--no-sync", "--no-instructions")
	initdb.Dir, initdb.Env, initdb.SysProcAttr = s.dir, environment(), &syscall.SysProcAttr{Credential: as}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s(the directory %s must be reachable for %s; TMPDIR chooses another)",
			initdb.Path, err, out, s.dir, describe(as))
	}
	// A free port may be taken between looking and binding.
	for attempt := 1; ; attempt++ {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.launch(); err == nil || attempt == 5 || !strings.Contains(s.log.String(), "could not bind") {
			return s, err
		}
	}
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// launch starts postgres and waits until it takes connections.
func (s *server) launch() error {
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data(), "-p", strconv.Itoa(s.port), "-k", s.data(),
		"-c", "listen_addresses=127.0.0.1",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "wal_level=minimal", "-c", "max_wal_senders=0", // nothing here outlives the process
		"-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "autovacuum=off",
		"-c", "log_min_messages=warning", "-c", "log_statement=none", "-c", "logging_collector=off", "-c", "log_destination=stderr")
	if len(s.data()) > 80 { // a socket's path has at most 107 bytes
		cmd.Args = append(cmd.Args, "-c", "unix_socket_directories=")
	}
	for _, setting := range s.settings {
		cmd.Args = append(cmd.Args, "-c", setting)
	}
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.dir, environment(), attributes(s.as)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	started, ready := make(chan error, 1), make(chan struct{})
	s.ended = make(chan struct{})
	go func() {
		// The parent death signal belongs to the thread that forks: it must live as long as the server.
		runtime.LockOSThread()
		defer close(s.ended)
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		s.pid = cmd.Process.Pid
		started <- nil
		s.follow(stderr, ready)
		cmd.Wait()
	}()
	if err := <-started; err != nil {
		return err
	}
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	select {
	case <-ready:
		return nil
	case <-s.ended:
		return fmt.Errorf("postgres ended while starting:\n%s", s.log.String())
	case <-timeout.C:
		s.halt(syscall.SIGKILL)
		return fmt.Errorf("postgres did not start within a minute:\n%s", s.log.String())
	}
}

// follow reads the server's log until it ends, and closes ready at the line that says so.
func (s *server) follow(log io.Reader, ready chan struct{}) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.log.add(lines.Text())
		if ready != nil && strings.Contains(lines.Text(), "database system is ready to accept connections") {
			close(ready)
			ready = nil
		}
	}
	io.Copy(io.Discard, log) // a full pipe would stall the server
}

func (s *server) halt(signal syscall.Signal) {
	syscall.Kill(s.pid, signal)
	<-s.ended
}

func (s *server) stop() error {
	s.halt(syscall.SIGQUIT)
	return s.remove()
}

func (s *server) remove() error {
	err := os.RemoveAll(s.dir)
	if s.lock != nil {
		s.lock.Close()
	}
	return err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// environment: messages in English (follow reads them), no PG* variables of the developer's.
func environment() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, entry := range os.Environ() {
		if strings.HasPrefix(entry, "PATH=") || strings.HasPrefix(entry, "LD_LIBRARY_PATH=") {
			env = append(env, entry)
		}
	}
	return env
}

// tail keeps the last lines of a log.
type tail struct {
	sync.Mutex
	lines []string
}

func (l *tail) add(line string) {
	l.Lock()
	defer l.Unlock()
	if l.lines = append(l.lines, line); len(l.lines) > 50 {
		l.lines = l.lines[1:]
	}
}

func (l *tail) String() string {
	l.Lock()
	defer l.Unlock()
	return strings.Join(l.lines, "\n")
}
