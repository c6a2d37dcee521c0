package db

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
)

// BenchmarkStore moves 10,000 toolkits through each step of a run.
func BenchmarkStore(b *testing.B) {
	benchmarkEach(b, func(b *testing.B, target func() dbtest.Target) {
		for b.Loop() {
			benchmarkStore(b, target())
		}
	})
}

// benchmarkEach runs a benchmark on each database; target makes a new, empty one.
func benchmarkEach(b *testing.B, run func(b *testing.B, target func() dbtest.Target)) {
	for _, dialect := range []string{"postgres", "sqlite"} {
		b.Run(dialect, func(b *testing.B) {
			run(b, func() dbtest.Target {
				target := dbtest.Target{Dialect: dialect, DataDir: b.TempDir()}
				if dialect == "postgres" {
					target.URL = dbtest.Postgres(b)
				}
				return target
			})
		})
	}
}

func benchmarkStore(b *testing.B, target dbtest.Target) {
	const n = 10000
	d := open(b, target)
	ctx := b.Context()
	check := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	check(d.Migrate(ctx))
	o, err := d.CreateOrganization(ctx, "acme", "")
	check(err)
	check(d.gorm.Create(&connectionRow{ID: o.ID, OrganizationID: o.ID}).Error)
	m, err := d.Mirror(ctx, o.ID)
	check(err)
	check(d.Identify(ctx, m, testIdentity, mirror.Repository{}))
	m, err = d.Mirror(ctx, o.ID)
	check(err)

	var changes []*mirror.RowChange
	for i := range n {
		doc := toolkit(fmt.Sprintf("t-%d", i), "first")
		doc.Fields["integrations"] = map[string]any{"github": map[string]any{"tools": []any{"a", "b", "c"}}}
		changes = append(changes, create(doc))
	}
	report := func(step string, f func()) {
		start := b.Elapsed()
		f()
		b.ReportMetric((b.Elapsed() - start).Seconds(), "s-"+step)
	}
	var seen *mirror.Observation
	report("create", func() { _, err = d.Import(ctx, m, "", "r", changes); check(err) })
	report("full", func() { seen, err = d.Observe(ctx, m, (&world{TB: b, db: d, mirror: m}).everything()); check(err) })
	report("nothing", func() { _, err = d.Observe(ctx, m, mirror.Query{}); check(err) })
	changes = nil
	for _, r := range seen.Rows {
		doc := r.Document.Clone()
		doc.Fields["name"] = "second"
		changes = append(changes, update(r, doc))
	}
	report("update", func() { _, err = d.Import(ctx, m, "", "r", changes); check(err) })
	report("edit", func() { check(d.gorm.Exec("UPDATE toolkits SET name = 'third'").Error) })
	s := &mirror.Settlement{}
	report("observe", func() { seen, err = d.Observe(ctx, m, mirror.Query{}); check(err) })
	for _, c := range seen.Changes {
		s.Consumed = append(s.Consumed, c.ID)
	}
	for _, r := range seen.Rows {
		base := agreed(r.Document, r.ID)
		s.Bases = append(s.Bases, base)
		s.Statuses = append(s.Statuses, mirror.RowStatus{Kind: r.Kind, RowID: r.ID, Integration: mirror.GitIntegration{Path: base.Path, GitID: base.GitID}})
	}
	intents := make([]*mirror.Intent, len(s.Bases))
	for i, base := range s.Bases {
		intents[i] = &mirror.Intent{Base: *base}
	}
	report("intend", func() { check(d.Intend(ctx, m, "r", intents, nil)) })
	for _, i := range intents {
		s.DropIntents = append(s.DropIntents, i.ID)
	}
	report("settle", func() { check(d.Settle(ctx, m, s)) })
}

// BenchmarkOneChange is the database's part of a run with one changed row among 10,000
// entities: what comes before the push, and what comes after it.
func BenchmarkOneChange(b *testing.B) {
	benchmarkEach(b, func(b *testing.B, target func() dbtest.Target) {
		w := newWorld(b, target())
		w.crowd(10000)
		w.run(newBranch(), mirror.Request{Look: true})
		for _, slug := range []string{"toolkits/tk-7", "commands/cmd-7", "mcp_servers/srv-7", "mcp_clients/cli-7"} {
			table, slug, _ := strings.Cut(slug, "/")
			b.Run(table, func(b *testing.B) {
				n := 0
				for b.Loop() {
					b.StopTimer()
					w.exec(`UPDATE `+table+` SET description = ? WHERE slug = ?`, fmt.Sprint("edit ", n), slug)
					n++
					b.StartTimer()
					w.carryOut(slug)
				}
			})
		}
	})
}

// carryOut is what a run asks of the database for the changed entity.
func (w *world) carryOut(slug string) {
	o := w.observe(mirror.Query{})
	s := mirror.Settlement{State: mirror.State{Name: mirror.StateOK}, Consumed: []int64{o.Changes[0].ID}}
	for _, r := range o.Rows {
		if r.Slug == slug {
			base := agreed(r.Document, r.ID)
			intents := []*mirror.Intent{{Base: *base}}
			w.ok(w.db.Intend(w.Context(), w.mirror, "run", intents, nil))
			s.Bases, s.DropIntents = []*mirror.Base{base}, []int64{intents[0].ID}
			s.Statuses = []mirror.RowStatus{{Kind: r.Kind, RowID: r.ID, Integration: mirror.GitIntegration{Path: base.Path, GitID: base.GitID}}}
		}
	}
	w.settle(s)
}
