package db

import (
	"fmt"
	"testing"
	"time"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
)

// BenchmarkBurst plays a burst of edits by one statement in parts, as runs do: the first
// export, and then one more edit of every row. A part costs the same wherever in the burst
// it is, and however large that is.
func BenchmarkBurst(b *testing.B) {
	const part = 2500
	for _, n := range []int{20000, 100000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			benchmarkEach(b, func(b *testing.B, target func() dbtest.Target) {
				for b.Loop() {
					w := newWorld(b, target())
					w.toolkits(n)
					w.playParts("export", part)
					w.exec(`UPDATE toolkits SET name = 'Edited ' || slug`)
					w.playParts("edit", part)
				}
			})
		})
	}
}

// toolkits adds many, by one statement of another program.
func (w *world) toolkits(n int) {
	w.Helper()
	series := "WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < ?)"
	if w.db.postgres {
		series = "WITH s AS (SELECT generate_series(1, CAST(? AS int)) AS i)"
	}
	w.exec(series+` INSERT INTO toolkits (organization_id, slug, name) SELECT ?, 'tk-' || i, 'Toolkit ' || i FROM s`, n, w.org())
}

// playParts observes and settles part after part until nothing waits, and reports what the
// first five and the last five cost.
func (w *world) playParts(name string, part int) {
	w.Helper()
	var observing, settling []time.Duration
	for waiting := true; waiting; {
		start := time.Now()
		o := w.observe(mirror.Query{Limit: part})
		observing = append(observing, time.Since(start))
		waiting = o.Waiting > 0
		start = time.Now()
		w.agreeOn(o)
		settling = append(settling, time.Since(start))
	}
	report := func(what string, took []time.Duration) {
		n := min(5, len(took))
		mean := func(parts []time.Duration) float64 {
			var sum time.Duration
			for _, d := range parts {
				sum += d
			}
			return float64(sum.Milliseconds()) / float64(len(parts))
		}
		b := w.TB.(*testing.B)
		b.ReportMetric(mean(took[:n]), "ms-"+name+"-"+what+"-first")
		b.ReportMetric(mean(took[len(took)-n:]), "ms-"+name+"-"+what+"-last")
	}
	report("observe", observing)
	report("settle", settling)
}

// agreeOn settles what was observed as if the branch had taken it all.
func (w *world) agreeOn(o *mirror.Observation) {
	w.Helper()
	s := mirror.Settlement{State: mirror.State{Name: mirror.StateOK}}
	var intents []*mirror.Intent
	for _, c := range o.Changes {
		s.Consumed = append(s.Consumed, c.ID)
	}
	for _, r := range o.Rows {
		base := agreed(r.Document, r.ID)
		intents = append(intents, &mirror.Intent{Base: *base})
		s.Bases = append(s.Bases, base)
		s.Statuses = append(s.Statuses, mirror.RowStatus{Kind: r.Kind, RowID: r.ID, Integration: mirror.GitIntegration{Path: base.Path, GitID: base.GitID}})
	}
	w.ok(w.db.Intend(w.Context(), w.mirror, "run", intents, nil))
	for _, i := range intents {
		s.DropIntents = append(s.DropIntents, i.ID)
	}
	w.settle(s)
}
