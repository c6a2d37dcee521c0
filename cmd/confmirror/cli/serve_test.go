package cli

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is confmirror in this process, on a directory of its own.
func program(t *testing.T, environ ...string) (p *Program, stdout, stderr *output) {
	t.Helper()
	stdout, stderr = &output{}, &output{}
	return &Program{
		Version: "test", Stdin: strings.NewReader(""), Stdout: stdout, Stderr: stderr,
		Environ: append(environ, "CONFMIRROR_DATA_DIR="+t.TempDir(), "CONFMIRROR_HTTP_LISTEN=127.0.0.1:0"),
	}, stdout, stderr
}

// output collects what goroutines write.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// A daemon that is stuck does not feed the watchdog.
func TestWatchdogGoesHungry(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "20000")
	var log bytes.Buffer
	asked := 0
	newSystemd(slog.New(slog.NewTextHandler(&log, nil))).ready(t.Context(), func() bool { asked++; return asked > 3 })
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1024)
	for said := ""; said != "WATCHDOG=1"; {
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		said = string(buffer[:n])
	}
	if asked != 4 || strings.Count(log.String(), "stuck") != 3 {
		t.Errorf("it was asked %d times\n%s", asked, log.String())
	}
}

// systemd hears when the daemon is ready and when it stops, and gets its watchdog fed.
func TestServeTellsSystemd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "100000")
	p, _, stderr := program(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() { done <- p.Run(ctx, []string{"serve"}) }()

	var heard []string
	hear := func(state string) {
		t.Helper()
		buffer := make([]byte, 1024)
		for !slices.Contains(heard, state) {
			if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, err := conn.Read(buffer)
			if err != nil {
				t.Fatalf("%s was not said, but %q: %v\n%s", state, heard, err, stderr)
			}
			heard = append(heard, strings.Split(string(buffer[:n]), "\n")...)
		}
	}
	hear("READY=1")
	hear("WATCHDOG=1")
	started := time.Now()
	stop()
	hear("STOPPING=1")
	if status := <-done; status != 0 || time.Since(started) > 10*time.Second {
		t.Errorf("exit status %d after %v\n%s", status, time.Since(started), stderr)
	}
}

// Told to stop while it waits for a database that never answered, it just ends.
func TestServeStopsWhileItWaits(t *testing.T) {
	p, stdout, stderr := program(t, "CONFMIRROR_DATABASE_URL=postgres://127.0.0.1:1/app")
	waiting := make(chan struct{})
	var once sync.Once
	p.Stderr = writerFunc(func(b []byte) (int, error) {
		once.Do(func() { close(waiting) })
		return stderr.Write(b)
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() { done <- p.Run(ctx, []string{"serve"}) }()
	<-waiting
	stop()
	if status := <-done; status != 0 || stdout.String() != "" {
		t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
