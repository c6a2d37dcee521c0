package daemon_test

import (
	"flag"
	"maps"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/confmirror/confmirror/db/dbtest"
)

// eachHistory plays random histories on both databases, as many as
// CONFMIRROR_TEST_HISTORIES says (or -rapid.checks).
func eachHistory(t *testing.T, kinds []*modelKind, play func(h *history) *tally) {
	if n := os.Getenv("CONFMIRROR_TEST_HISTORIES"); n != "" {
		before := flag.Lookup("rapid.checks").Value.String()
		if err := flag.Set("rapid.checks", n); err != nil {
			t.Fatalf("CONFMIRROR_TEST_HISTORIES: %v", err)
		}
		t.Cleanup(func() { _ = flag.Set("rapid.checks", before) })
	}
	dbtest.Each(t, func(t *testing.T, target dbtest.Target) {
		t.Parallel() // most of the time is waited for others
		w := newWorld(t, target)
		var total tally
		rapid.Check(t, func(rt *rapid.T) {
			h := newHistory(w, rt, kinds...)
			total.add(play(h))
		})
		t.Logf("%+v", total)
	})
}

// tally counts what was played.
type tally struct{ Histories, Steps, Runs, Judged, JudgedLoosely int }

func (t *tally) add(o *tally) {
	t.Histories++
	t.Steps += o.Steps
	t.Runs += o.Runs
	t.Judged += o.Judged
	t.JudgedLoosely += o.JudgedLoosely
}

// TestModel plays random histories against the reference model: in each phase both
// sides are edited, then runs meet every fault, then it comes to rest. Faults must
// never change what comes of the edits.
func TestModel(t *testing.T) {
	eachHistory(t, []*modelKind{modelToolkits, modelServers}, func(h *history) *tally {
		m := newModel(h)
		if edits := h.edits(); m.phase(h.furnish) {
			h.repeat("phases", 1, 2, 5, func() bool {
				return m.phase(func() { h.repeat("edits", 1, 7, 16, func() bool { h.play(edits); return true }) })
			})
		}
		return &tally{Steps: h.steps, Runs: h.runs, Judged: m.judged, JudgedLoosely: m.loose}
	})
}

// TestHistories plays random histories in which edits and faults mix in any order, and
// asks at rest what must hold whatever happened: nothing lost, nothing twice, no secret
// told, both sides equal.
func TestHistories(t *testing.T) {
	eachHistory(t, []*modelKind{wholeToolkits, wholeCommands, wholeServers, modelSkills}, func(h *history) *tally {
		all := h.edits()
		maps.Copy(all, h.oddities())
		maps.Copy(all, h.faults(h.editFileNow))
		h.furnish()
		h.repeat("steps", 1, 30, 100, func() bool { h.play(all); return true })
		h.makeBranch()
		if h.rest() {
			h.judge()
		}
		return &tally{Steps: h.steps, Runs: h.runs, Judged: 1}
	})
}
