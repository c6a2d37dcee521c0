package db

import (
	"fmt"
	"testing"
	"time"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// BenchmarkImportOfMany is the database's part of a run that imports a push of 500
// changed entities of all kinds, among 10,000.
func BenchmarkImportOfMany(b *testing.B) {
	benchmarkEach(b, func(b *testing.B, target func() dbtest.Target) {
		w := newWorld(b, target())
		w.crowd(10000)
		w.run(newBranch(), mirror.Request{Look: true})
		entries := w.everyTwentieth()
		var observing, importing time.Duration
		n := 0
		for b.Loop() {
			n++
			start := time.Now()
			o := w.observe(mirror.Query{Entries: entries})
			observing += time.Since(start)
			b.StopTimer()
			changes := w.described(o, entries, fmt.Sprintf("Does it for the %dth time.", n))
			b.StartTimer()
			start = time.Now()
			w.importAll(changes...)
			importing += time.Since(start)
		}
		b.ReportMetric(float64(observing.Microseconds())/1000/float64(n), "ms-observe")
		b.ReportMetric(float64(importing.Microseconds())/1000/float64(n), "ms-import")
	})
}

// everyTwentieth names agreed entities of all kinds, as a difference in git does.
func (w *world) everyTwentieth() []mirror.Entry {
	w.Helper()
	var entries []mirror.Entry
	for _, k := range document.Kinds {
		pairs, err := w.db.Pairs(w.Context(), w.mirror, k)
		w.ok(err)
		for i, p := range pairs {
			if i%20 == 0 {
				entries = append(entries, mirror.Entry{Kind: k, Slug: p.Row.Slug, Path: p.Base.Path, GitID: "pushed"})
			}
		}
	}
	return entries
}

// described are the imports that give the entries' rows another description.
func (w *world) described(o *mirror.Observation, entries []mirror.Entry, text string) []*mirror.RowChange {
	w.Helper()
	pushed := map[mirror.Place]bool{}
	for _, e := range entries {
		pushed[mirror.Place{Kind: e.Kind, Slug: e.Slug}] = true
	}
	var changes []*mirror.RowChange
	for _, r := range o.Rows {
		if !pushed[mirror.Place{Kind: r.Kind, Slug: r.Slug}] {
			continue
		}
		doc := r.Document.WithDescription(text)
		if r.Kind != document.Skills {
			doc = r.Document.Clone()
			doc.Fields["description"] = text
		}
		changes = append(changes, update(r, doc))
	}
	if len(changes) != len(entries) {
		w.Fatalf("%d of %d entries have a row", len(changes), len(entries))
	}
	return changes
}
