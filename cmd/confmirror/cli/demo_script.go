package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// step is one step of the scripted round trip: it acts, waits until the other side
// shows it, and says in a few words what it saw.
type step struct {
	name string
	play func(*script, context.Context) (seen string, err error)
}

// steps, in order: each builds on the world that the one before left.
var steps = []step{
	{"the first run exports all five kinds, and no secret", (*script).export},
	{"an edit pushed to git arrives in the database", (*script).gitEdit},
	{"a bad file is reported, the rest of its push is imported", (*script).badFile},
	{"the next push mends it, and the error is gone", (*script).mendFile},
	{"edits on both sides are merged key by key", (*script).mergeBoth},
	{"a real conflict goes by the policy, the loser is kept", (*script).conflict},
	{"an edit in the database arrives in git, as one commit of its author", (*script).databaseEdit},
	{"nothing is left to do: no empty commit, a clean clone", (*script).quiet},
}

// script is a round trip under way.
type script struct {
	*world
	work string // the person's own clone, "" before the first push
}

func (p *Program) demoOnce(ctx context.Context) error {
	fmt.Fprintln(p.Stdout, "A round trip between an embedded database and a stand-in for Bitbucket:")
	fmt.Fprintln(p.Stdout)
	kept := &tail{}
	started := time.Now()
	w, err := newWorld(ctx, worldOptions{
		listen: "127.0.0.1:0", version: p.versionInfo().Version,
		log: slog.New(slog.NewTextHandler(kept, &slog.HandlerOptions{Level: slog.LevelInfo})),
	})
	if err != nil {
		return err
	}
	err = p.playScript(ctx, &script{world: w})
	if closing := w.close(); err == nil {
		err = closing
	}
	if err != nil {
		if ctx.Err() == nil {
			fmt.Fprintf(p.Stderr, "\nthe daemon's log ends with:\n%s", kept.String())
		}
		return err
	}
	fmt.Fprintf(p.Stdout, "\nAll %d steps passed in %s.\n", len(steps), took(time.Since(started)))
	return nil
}

func (p *Program) playScript(ctx context.Context, s *script) error {
	for i, step := range steps {
		started := time.Now()
		seen, err := step.play(s, ctx)
		if err != nil {
			fmt.Fprintf(p.Stdout, "  ✗ %d. %s\n", i+1, step.name)
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		fmt.Fprintf(p.Stdout, "  ✓ %d. %s (%s)\n       %s\n", i+1, step.name, took(time.Since(started)), seen)
	}
	return nil
}

// errNotYet is what a look says while it has not happened yet.
type errNotYet struct{ what string }

func (e errNotYet) Error() string { return e.what }

func notYet(format string, args ...any) error { return errNotYet{fmt.Sprintf(format, args...)} }

// until looks again and again until it is so. An error other than errNotYet ends it at once.
func until(ctx context.Context, look func(context.Context) error) error {
	deadline := time.NewTimer(demoDeadline)
	defer deadline.Stop()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := look(ctx)
		var open errNotYet
		if err == nil || !errors.As(err, &open) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return fmt.Errorf("it did not happen within %v: %w", demoDeadline, err)
		case <-tick.C:
		}
	}
}

// tail keeps the end of a log.
type tail struct {
	mu    sync.Mutex
	lines [][]byte
}

const tailLines = 30

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, bytes.Clone(p))
	if len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.Join(t.lines, nil))
}
