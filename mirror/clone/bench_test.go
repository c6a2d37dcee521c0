package clone_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
	"github.com/confmirror/confmirror/mirror/document"
)

// The jobs that decide how fast an edit arrives, against git's own server on this
// machine, whose work is in the figures (the job "floor" is a push without content).
// One size alone: -bench 'Jobs/n=10000'. Ratios of one run count, for benchstat.
func BenchmarkJobs(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 50_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			j := &jobs{world: newWorld(b), n: n}
			j.export(b)
			b.Run("poll", j.poll)
			b.Run("floor", j.floor)
			b.Run("change", func(b *testing.B) { j.change(b, 1) })
			b.Run("batch", func(b *testing.B) { j.change(b, min(500, n)) })
			b.Run("build", j.build)
			b.Run("checkout", j.checkout)
			b.Run("import", func(b *testing.B) { j.imports(b, min(500, n)) })
			b.Run("open", j.opens)
		})
	}
}

// BenchmarkWhole moves everything: a first export, a first import, and an audit.
func BenchmarkWhole(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			j := &jobs{n: n}
			b.Run("export", func(b *testing.B) {
				m := watch(b)
				for b.Loop() {
					b.StopTimer()
					j.world = newWorld(b)
					b.StartTimer()
					m.round(func() { j.export(b) })
				}
				m.report()
			})
			j.world = newWorld(b)
			j.export(b)
			j.Clone.Close() // its memory is not the import's
			b.Run("import", func(b *testing.B) {
				m := watch(b)
				for b.Loop() {
					b.StopTimer()
					w := &world{server: j.server, dir: b.TempDir(), o: j.o}
					w.o.Dir = w.dir
					w.open(b)
					b.StartTimer()
					m.round(func() { w.readAll(b, "", w.pull(b)) })
					b.StopTimer()
					w.Clone.Close()
					b.StartTimer()
				}
				m.report()
			})
			j.world.open(b)
			b.Run("open", func(b *testing.B) { j.watched(b, func() { j.reopen(b) }) })
			b.Run("change", func(b *testing.B) {
				j.watched(b, func() { j.head = j.world.push(b, j.head, j.files(j.at, 1)) })
			})
			b.Run("audit", func(b *testing.B) { j.watched(b, func() { j.audit(b) }) })
		})
	}
}

func (j *jobs) watched(b *testing.B, f func()) {
	m := watch(b)
	for b.Loop() {
		m.round(f)
	}
	m.report()
}

// jobs is a repository of n entities: half of them toolkits, a twentieth skills of
// seven files.
type jobs struct {
	*world
	n, at int
	head  mirror.Hash
}

func (j *jobs) path(i int) string {
	switch i %= j.n; {
	case i%20 == 19:
		return fmt.Sprintf("skills/s%06d/SKILL.md", i)
	case i%2 == 0:
		return fmt.Sprintf("toolkits/t%06d.json", i)
	default:
		return fmt.Sprintf("commands/c%06d.json", i)
	}
}

// text is a document of about 1.5 kB.
func (j *jobs) text(i int) string {
	j.at++
	var s strings.Builder
	fmt.Fprintf(&s, "{\n  \"slug\": \"t%06d\",\n  \"edit\": %d,\n", i, j.at)
	for k := range 16 {
		fmt.Fprintf(&s, "  \"key%d\": \"%x lorem ipsum dolor sit amet consectetur %d\",\n", k, (i+1)*(k+7)*2654435761, i*k)
	}
	s.WriteString("  \"end\": true\n}\n")
	return s.String()
}

// skillFiles is how many files a skill has.
const skillFiles = 7

// entity adds all files of an entity.
func (j *jobs) entity(f files, i int) {
	path := j.path(i)
	f[path] = j.text(i)
	if dir, ok := strings.CutSuffix(path, "SKILL.md"); ok {
		for k := 1; k < skillFiles; k++ {
			f[fmt.Sprintf("%sreferences/r%d.md", dir, k)] = j.text(i)
		}
	}
}

// files are changes of count entities, of one file each.
func (j *jobs) files(first, count int) files {
	f := make(files, count)
	for i := first; i < first+count; i++ {
		f[j.path(i*7919)] = j.text(i)
	}
	return f
}

// export is the first one, in parts, as the planner has it.
func (j *jobs) export(b *testing.B) {
	const part = 2500
	j.head = ""
	for first := 0; first < j.n; first += part {
		f := make(files, part)
		for i := first; i < min(first+part, j.n); i++ {
			j.entity(f, i)
		}
		j.head = j.world.push(b, j.head, f)
	}
}

func (j *jobs) poll(b *testing.B) {
	for b.Loop() {
		if _, err := j.Remote(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// floor pushes commits without content by the simplest means: what the server takes.
func (j *jobs) floor(b *testing.B) {
	git(b, j.bare, "update-ref", "refs/heads/floor", string(j.head))
	at := string(j.head)
	tree := git(b, j.bare, "rev-parse", at+"^{tree}")
	for b.Loop() {
		b.StopTimer()
		next := git(b, j.dir, "commit-tree", tree, "-p", at, "-m", "floor")
		pack, err := gitInput(b, j.dir, []byte(next+"\n"), "pack-objects", "--stdout", "-q")
		if err != nil {
			b.Fatal(err)
		}
		line := fmt.Sprintf("%s %s refs/heads/floor\x00 report-status", at, next)
		body := fmt.Sprintf("%04x%s0000%s", len(line)+4, line, pack)
		b.StartTimer()
		resp, err := j.Client().Post(j.url()+"/git-receive-pack", "application/x-git-receive-pack-request", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		var said bytes.Buffer
		said.ReadFrom(resp.Body)
		resp.Body.Close()
		if !strings.Contains(said.String(), "ok refs/heads/floor") {
			b.Fatal(said.String())
		}
		at = next
	}
}

// change pushes count changes in a commit, and checks them out.
func (j *jobs) change(b *testing.B, count int) {
	for b.Loop() {
		j.head = j.world.push(b, j.head, j.files(j.at, count))
	}
}

func (j *jobs) build(b *testing.B) {
	for b.Loop() {
		j.world.build(b, j.head, j.files(j.at, 1))
	}
}

// checkout switches between two commits that differ in one file.
func (j *jobs) checkout(b *testing.B) {
	heads := []mirror.Hash{j.head, j.world.build(b, j.head, j.files(j.at, 1)).Head()}
	for i := 1; b.Loop(); i++ {
		j.world.checkout(b, heads[i%2])
	}
	j.world.checkout(b, j.head)
}

// imports brings somebody's push of count changes, as a run does that finds it.
func (j *jobs) imports(b *testing.B, count int) {
	for b.Loop() {
		b.StopTimer()
		fastImport(b, j.bare, j.head, j.files(j.at, count))
		b.StartTimer()
		from := j.head
		j.head = j.pull(b)
		if got := j.readAll(b, from, j.head); got != count {
			b.Fatalf("%d entities read, %d changed", got, count)
		}
	}
}

func (w *world) readAll(b testing.TB, from, to mirror.Hash) int {
	entries, err := w.Diff(ctx, from, to)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		if e.Kind == document.Skills && e.GitID == "" {
			continue
		}
		if _, problem, err := w.Read(ctx, e); problem != nil || err != nil {
			b.Fatal(problem, err)
		}
	}
	return len(entries)
}

func (j *jobs) opens(b *testing.B) {
	for b.Loop() {
		j.reopen(b)
	}
}

// audit looks at all there is, as a full run does.
func (j *jobs) audit(b *testing.B) {
	if _, err := j.Diff(ctx, "", j.head); err != nil {
		b.Fatal(err)
	}
	if restored, err := j.Restore(ctx); len(restored) > 0 || err != nil {
		b.Fatal(restored, err)
	}
}

// fastImport commits to the server's main branch, whatever the size.
func fastImport(t testing.TB, repo string, parent mirror.Hash, f files) {
	t.Helper()
	var s bytes.Buffer
	fmt.Fprintf(&s, "commit refs/heads/main\ncommitter Ann <ann@example.com> 1700000000 +0000\ndata 4\nhand\nfrom %s\n", parent)
	for path, text := range f {
		fmt.Fprintf(&s, "M 100644 inline %s\ndata %d\n%s\n", path, len(text), text)
	}
	cmd := exec.Command("git", "fast-import", "--quiet", "--force")
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stderr = repo, gitEnv, &s, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkFlush is a checkout of one change with the flush that tests leave out.
func BenchmarkFlush(b *testing.B) {
	j := &jobs{world: newWorld(b), n: 10_000}
	j.export(b)
	for _, flush := range []bool{false, true} {
		b.Run(fmt.Sprintf("flush=%v", flush), func(b *testing.B) {
			if flush {
				defer clone.KeepSync()()
			}
			j.checkout(b)
		})
	}
}
