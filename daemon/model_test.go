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
// CONFMIRROR_TEST_HISTORIES says, and new ones each time. Without it the same few are
// played, so that what a change broke is told from what nobody had met yet; -rapid.seed
// plays others.
func eachHistory(t *testing.T, kinds []*modelKind, play func(h *history) *tally) {
	set := func(name, value string) {
		before := flag.Lookup(name).Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { _ = flag.Set(name, before) })
	}
	if n := os.Getenv("CONFMIRROR_TEST_HISTORIES"); n != "" {
		set("rapid.checks", n)
	} else if flag.Lookup("rapid.seed").Value.String() == "0" {
		set("rapid.checks", "35")
		set("rapid.seed", "20261122")
	}
	migrated.Each(t, func(t *testing.T, target dbtest.Target) {
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
	eachHistory(t, []*modelKind{modelToolkits, modelServers, modelSkills}, func(h *history) *tally {
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
	eachHistory(t, []*modelKind{wholeToolkits, wholeCommands, wholeServers, wholeSkills}, func(h *history) *tally {
		all := h.edits()
		maps.Copy(all, h.oddities())
		maps.Copy(all, h.faults(h.editFileNow))
		all["fix a pull request"] = h.fixProposal
		all["be bounded"] = h.beBounded
		h.furnish()
		h.repeat("steps", 1, 30, 100, func() bool { h.play(all); return true })
		h.makeBranch()
		if h.rest() {
			h.judge()
		}
		return &tally{Steps: h.steps, Runs: h.runs, Judged: 1}
	})
}
