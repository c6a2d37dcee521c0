package main_test

import (
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestUpgradedOneAfterTheOther has the version before the last change of the schema and this
// one mirror side by side, as in a rolling upgrade. The old one goes on with the new schema,
// and takes over when the new one dies.
func TestUpgradedOneAfterTheOther(t *testing.T) {
	s := newSoak(t, rand.New(rand.NewPCG(1, 2)), older(t), 6, 2)
	first, second := s.members[0], s.members[1]
	s.start(first)
	s.start(second)
	s.settle(time.Minute)
	s.editFor(2*time.Second, 10)

	s.end(first)
	first.program = binary
	s.start(first) // it migrates while the other one works
	s.editFor(5*time.Second, 10)
	s.settle(time.Minute)
	s.judge()

	s.must(first.kill())
	first.process = nil
	s.editFor(longerThanALease, 10)
	s.settle(time.Minute)
	s.judge()

	s.start(first)
	s.end(second)
	second.program = binary
	s.start(second)
	s.editFor(5*time.Second, 10)
	s.settle(time.Minute)
	s.judge()
	for _, m := range s.members {
		if log := m.log.String(); strings.Contains(log, "SQLSTATE") {
			t.Errorf("%s: %s", m.name, tail(log, 4000))
		}
	}
}

// older builds the version before the last migration. Without a history to build it from, this
// version stands in for it: what is left is a restart of one after the other.
func older(t *testing.T) string {
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", filepath.Join("..", "..")}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	added, err := git("log", "-1", "--format=%H", "--diff-filter=A", "--", "db/migrations/postgres")
	archive := filepath.Join(t.TempDir(), "older.tar")
	if err == nil {
		_, err = git("archive", "--output", archive, added+"^")
	}
	if err != nil {
		t.Logf("there is no history with an older version: %v", err)
		return binary
	}
	source, program := t.TempDir(), filepath.Join(t.TempDir(), "confmirror")
	for _, cmd := range []*exec.Cmd{
		exec.CommandContext(t.Context(), "tar", "-xf", archive, "-C", source),
		exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/confmirror"),
	} {
		cmd.Dir = source
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
	}
	return program
}
