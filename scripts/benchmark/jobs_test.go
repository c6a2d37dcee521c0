package benchmark_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// rounds of a job, fewer where one takes long.
func (w *world) rounds(normal int) int {
	if w.n > 10_000 {
		normal = normal * 2 / 3
	}
	if *quick {
		normal = min(normal, 3)
	}
	if w.n > 50_000 {
		normal = 1
	}
	return max(normal, 1)
}

func (w *world) job(name string, sizes ...int) bool {
	if !strings.Contains(name, *only) {
		return false
	}
	for _, n := range sizes {
		if n == w.n {
			return true
		}
	}
	return len(sizes) == 0
}

// run plays every job of the world's size.
func (w *world) run(r *report) {
	w.first(r)
	for _, name := range w.names(0) {
		w.say("%s: a lane with all entities on both sides", name)
		l := w.lane(name, w.n)
		l.begin()
		_, took, _ := l.first(l.actor.export, l.lastMove)
		w.say("%s: initial export took %s", name, took.Round(time.Millisecond))
		if p, ok := l.actor.(*product); ok {
			p.start()
			l.must(p.settled())
		}
		w.lanes = append(w.lanes, l)
	}
	if w.job("one change", 1_000, 10_000, 50_000, 100_000) {
		w.exports(r, "one change", 1, w.rounds(21))
	}
	if w.job("500 changes", 10_000, 50_000) {
		w.exports(r, "500 changes", 500, w.rounds(9))
	}
	if w.job("import 500", 10_000, 50_000) {
		w.importing(r, "import 500", 500, w.rounds(9))
	}
	if w.job("poll", 10_000) {
		w.polls(r, w.rounds(21))
	}
	if w.job("1,000 single changes", 10_000) {
		w.marathon(r)
	}
	for _, l := range w.lanes {
		if p, ok := l.actor.(*product); ok {
			r.add(w, "daemon's peak memory", l.name, "MiB", float64(p.state().Peak)/(1<<20))
		}
	}
}

// first are the initial export and the first import, each in a lane of its own.
func (w *world) first(r *report) {
	if !w.job("initial export", 10_000, 100_000) && !w.job("first import", 10_000, 100_000) {
		return
	}
	for round := range w.rounds(3) {
		for _, name := range w.names(round) {
			l := w.lane(name, w.n)
			l.begin()
			took, done, memory := l.first(l.actor.export, l.lastMove)
			r.add(w, "initial export", name, "ms", ms(took))
			r.add(w, "initial export: until at rest", name, "ms", ms(done))
			if memory > 0 {
				r.add(w, "initial export: peak memory", name, "MiB", float64(memory)/(1<<20))
			}
			w.say("%s: initial export %s", name, took.Round(time.Millisecond))
			w.firstImport(r, name, l)
			l.end()
		}
	}
}

// firstImport is of what a lane has exported.
func (w *world) firstImport(r *report, name string, from *lane) {
	if !w.job("first import", 10_000, 100_000) {
		return
	}
	l := w.lane(name, 0)
	l.must(w.server.RemoveRepository(l.repo))
	w.made++
	l.repo = w.copyOf(from, name)
	l.begin()
	took, done, memory := l.first(l.actor.imports, l.rowsThere)
	r.add(w, "first import", name, "ms", ms(took))
	r.add(w, "first import: until at rest", name, "ms", ms(done))
	if memory > 0 {
		r.add(w, "first import: peak memory", name, "MiB", float64(memory)/(1<<20))
	}
	w.say("%s: first import %s", name, took.Round(time.Millisecond))
	l.end()
}

func (w *world) exports(r *report, job string, count, rounds int) {
	floor := &http.Client{}
	var empty *lane
	for k := range rounds + 1 {
		for _, l := range w.turn(k) {
			if l.name == "product" && empty == nil {
				empty = &lane{b: w.b, name: "floor", server: w.server, repo: w.copyOf(l, "floor"+fmt.Sprint(count))}
			}
			if l.name == "go-git" && k > 5 {
				continue
			}
			w.server.ResetRequests()
			moved, done := l.export(count, k, w.n)
			if k == 0 {
				continue // warms up
			}
			requests, in, out := l.traffic()
			r.add(w, job, l.name, "ms", ms(moved))
			r.add(w, job+": until at rest", l.name, "ms", ms(done))
			r.add(w, job+": git requests", l.name, "", float64(requests))
			r.add(w, job+": bytes sent", l.name, "B", float64(in))
			r.add(w, job+": bytes received", l.name, "B", float64(out))
		}
		if empty != nil && k > 0 {
			r.add(w, "push of an empty commit", "floor", "ms", ms(empty.emptyPush(floor)))
		}
	}
	if empty != nil {
		empty.must(w.server.RemoveRepository(empty.repo))
	}
	w.say("%s: done", job)
}

func (w *world) importing(r *report, job string, count, rounds int) {
	for k := range rounds + 1 {
		for _, l := range w.turn(k) {
			if l.name == "go-git" && k > 3 {
				continue
			}
			w.server.ResetRequests()
			arrived, done := l.imports(count, k, w.n)
			if k == 0 {
				continue
			}
			requests, _, out := l.traffic()
			r.add(w, job, l.name, "ms", ms(arrived))
			r.add(w, job+": until at rest", l.name, "ms", ms(done))
			r.add(w, job+": git requests", l.name, "", float64(requests))
			r.add(w, job+": bytes received", l.name, "B", float64(out))
		}
	}
	w.say("%s: done", job)
}

func (w *world) polls(r *report, rounds int) {
	for k := range rounds + 1 {
		for _, l := range w.turn(k) {
			if p, ok := l.actor.(*product); ok {
				p.calm()
			}
			w.server.ResetRequests()
			start := time.Now()
			l.must(l.actor.poll())
			took := time.Since(start)
			if k == 0 {
				continue
			}
			requests, _, _ := l.traffic()
			r.add(w, "poll", l.name, "ms", ms(took))
			r.add(w, "poll: git requests", l.name, "", float64(requests))
		}
	}
	w.say("poll: done")
}

// marathon is the product alone: does the last change cost what the first did?
func (w *world) marathon(r *report) {
	const changes, part = 1_000, 100
	for _, l := range w.lanes {
		p, ok := l.actor.(*product)
		if !ok {
			continue
		}
		var times [changes]time.Duration
		var early state
		for k := range changes {
			times[k], _ = l.export(1, 10_000+k, w.n)
			if k+1 == part {
				early = p.state()
			}
		}
		late := p.state()
		mean := func(part []time.Duration) (sum float64) {
			for _, t := range part {
				sum += ms(t)
			}
			return sum / float64(len(part))
		}
		r.add(w, "1,000 single changes: first 100", l.name, "ms", mean(times[:part]))
		r.add(w, "1,000 single changes: last 100", l.name, "ms", mean(times[changes-part:]))
		for _, s := range []struct {
			when string
			state
		}{{"after 100", early}, {"after 1,000", late}} {
			r.add(w, "1,000 single changes: descriptors "+s.when, l.name, "", float64(s.Descriptors))
			r.add(w, "1,000 single changes: memory "+s.when, l.name, "MiB", float64(s.Resident)/(1<<20))
			r.add(w, "1,000 single changes: packs "+s.when, l.name, "", float64(s.Packs))
			r.add(w, "1,000 single changes: loose objects "+s.when, l.name, "", float64(s.Loose))
		}
	}
	w.say("1,000 single changes: done")
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
