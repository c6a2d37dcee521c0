package clone_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// usage is what a clone takes of the machine.
type usage struct {
	packs, loose, other int
	packBytes, index    int64
	looseBytes          int64
	descriptors         int
	heap                int64
}

func (w *world) usage(t *testing.T) (u usage) {
	t.Helper()
	top := filepath.Join(w.dir, ".git")
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		switch rel, _ := filepath.Rel(top, path); {
		case strings.HasSuffix(rel, ".pack"):
			u.packs++
			u.packBytes += fi.Size()
		case strings.HasPrefix(rel, "objects/pack/"):
		case strings.HasPrefix(rel, "objects/"):
			u.loose++
			u.looseBytes += fi.Size()
		case rel == "index":
			u.index = fi.Size()
		default:
			u.other++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	u.descriptors = len(fds)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.heap = int64(m.HeapAlloc)
	return u
}

// A run late in a clone's life finds as much lying about as an early one, and a change
// in a wide directory leaves no copy of that directory behind.
func TestManyRunsLeaveNothingBehind_P5_H13(t *testing.T) {
	const wide, rounds, runs = 2000, 4, 250
	w := newWorld(t)
	f := files{"skills/s/SKILL.md": "1"}
	for i := range wide {
		f[fmt.Sprintf("toolkits/toolkit-%04d.json", i)] = fmt.Sprint(i)
	}
	head := w.push(t, "", f)
	start := w.usage(t)
	var seen []usage
	for round := range rounds {
		for i := range runs {
			n := round*runs + i
			f := files{fmt.Sprintf("toolkits/toolkit-%04d.json", n*7%wide): fmt.Sprint("edit ", n)}
			if i%10 == 0 {
				f["skills/s/SKILL.md"] = fmt.Sprint(n)
			}
			head = w.build(t, head, f).Head()
			w.checkout(t, head)
			w.FinishUpkeep()
		}
		seen = append(seen, w.usage(t))
	}
	early, late := seen[1], seen[rounds-1]
	t.Logf("\nstart %+v\nearly %+v\nlate  %+v", start, early, late)
	for _, u := range seen {
		if u.packs > 51 || u.loose > 1100 || u.looseBytes > 40<<20 {
			t.Errorf("%+v", u)
		}
	}
	if late.descriptors > early.descriptors+3 || late.index != early.index || late.other > early.other {
		t.Error("descriptors, index or other files grow")
	}
	if late.heap > early.heap+8<<20 {
		t.Errorf("memory grows from %d to %d bytes", early.heap, late.heap)
	}
	if per := (late.packBytes - early.packBytes) / ((rounds - 2) * runs); per > 3000 { // the directory has 96 kB
		t.Errorf("%d bytes stay behind for each run", per)
	}
	w.clean(t)
	w.reopen(t)
	if got, err := w.Restore(ctx); err != nil || len(got) > 0 {
		t.Error(got, err)
	}
	if out := git(t, w.dir, "rev-list", "--count", "main"); out != fmt.Sprint(rounds*runs+1) {
		t.Errorf("%s commits", out)
	}
	git(t, w.dir, "rev-list", "--objects", "main") // every old tree can be read by git
	git(t, w.dir, "gc", "-q")
	w.clean(t)
}

// Packs are merged while the clone is used, closed in the middle of it, and made anew.
func TestMergedBesideWork_P5_H13(t *testing.T) {
	w := newWorld(t)
	head := w.push(t, "", files{"toolkits/a.json": "0", "skills/s/SKILL.md": "x"})
	merges := 0
	for round := range 3 {
		for i := 0; !w.Merging(); i++ {
			f := files{"toolkits/a.json": fmt.Sprint(round, " ", i)}
			for j := range 25 {
				f[fmt.Sprintf("toolkits/t%d.json", j)] = fmt.Sprint(round, " ", i, " ", j)
			}
			head = w.push(t, head, f)
		}
		merges++
		head = w.push(t, head, files{"commands/b.json": fmt.Sprint(round)})
		w.readAll(t, "", head)
		head = w.commit("main", files{"commands/c.json": fmt.Sprint(round)})
		w.pull(t)
		switch round {
		case 0:
			w.reopen(t)
			if w.Merging() || w.usage(t).loose > 1024 {
				t.Errorf("closing ended no merge: %+v", w.usage(t))
			}
		case 1:
			if err := w.Rebuild(ctx); err != nil {
				t.Fatal(err)
			}
			w.pull(t)
		}
		w.clean(t)
	}
	w.FinishUpkeep()
	u := w.usage(t)
	if merges != 3 || u.loose > 1024 {
		t.Errorf("%d merges, and then %+v", merges, u)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, ".git", "objects", "pack", "tmp_*")); len(left) > 0 {
		t.Errorf("%v was left behind", left)
	}
	w.clean(t)
}
