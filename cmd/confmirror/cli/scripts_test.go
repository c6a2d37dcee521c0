package cli

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/db/dbtest"
)

type command = func(ts *testscript.TestScript, neg bool, args []string)

// scriptCommands are what the scripts know beside testscript's own.
func scriptCommands(t *testing.T) map[string]command {
	return map[string]command{
		"exits":     exits,
		"expand":    expand,
		"freeport":  freeport,
		"await":     await,
		"terminate": terminate,
		"hangup":    hangup,
		"sql":       runSQL,
		"remember":  remember,
		"bitbucket": runBitbucket,
		"proxy":     runProxy,
		// postgres NAME sets NAME to the URL of a fresh database.
		"postgres": func(ts *testscript.TestScript, _ bool, args []string) {
			ts.Setenv(args[0], dbtest.Postgres(t))
		},
	}
}

// exits CODE PROGRAM ARGS... runs a program that has to end with exactly that status.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var ended *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &ended) {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, not %d", got, want)
	}
}

// expand FILE... replaces $NAME in files.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// remember NAME sets NAME to what was printed last.
func remember(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// freeport NAME sets NAME to an address that nothing listens on.
func freeport(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

// waitLimit is generous: a machine may be slow, and a test must not be.
const waitLimit = 30 * time.Second

func eventually(ts *testscript.TestScript, what string, ok func() bool) {
	deadline := time.After(waitLimit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("did not happen: %s", what)
		}
	}
}

// await STATUS URL [TEXT] waits until a URL answers with a status, and with a text in its body.
func await(ts *testscript.TestScript, _ bool, args []string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(ts, strings.Join(args, " "), func() bool {
		answer, err := client.Get(args[1])
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return err == nil && strconv.Itoa(answer.StatusCode) == args[0] && (len(args) < 3 || strings.Contains(string(body), args[2]))
	})
}

// terminate sends SIGTERM to what runs in the background, hangup sends SIGHUP.
func terminate(ts *testscript.TestScript, _ bool, _ []string) { tell(ts, syscall.SIGTERM) }
func hangup(ts *testscript.TestScript, _ bool, _ []string)    { tell(ts, syscall.SIGHUP) }

func tell(ts *testscript.TestScript, signal syscall.Signal) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(signal))
	}
}

// sql STATEMENT runs a statement on the embedded database in ./data as another
// program would, and prints the rows, columns separated by "|". With "until VALUE"
// before it, it waits until that is what it prints.
func runSQL(ts *testscript.TestScript, _ bool, args []string) {
	// The file's connection is closed at the end: the program finds no other one's leftovers.
	database, err := sql.Open("sqlite3", "file:"+filepath.Join(ts.MkAbs("data"), db.FileName)+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(on)")
	ts.Check(err)
	defer database.Close()
	if args[0] == "until" {
		last := ""
		defer func() { ts.Logf("%s", last) }()
		eventually(ts, args[1], func() bool {
			last = strings.TrimSpace(query(ts, database, args[2]))
			return last == args[1]
		})
		return
	}
	fmt.Fprint(ts.Stdout(), query(ts, database, args[0]))
}

func query(ts *testscript.TestScript, database *sql.DB, statement string) string {
	rows, err := database.Query(statement)
	ts.Check(err)
	defer rows.Close()
	columns, err := rows.Columns()
	ts.Check(err)
	var out strings.Builder
	for rows.Next() {
		cells, values := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			values[i] = &cells[i]
		}
		ts.Check(rows.Scan(values...))
		for i, cell := range cells {
			if i > 0 {
				out.WriteByte('|')
			}
			out.WriteString(cell.String)
		}
		out.WriteByte('\n')
	}
	ts.Check(rows.Err())
	return out.String()
}
