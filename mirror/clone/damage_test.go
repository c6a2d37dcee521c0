package clone_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// damages are what may happen to a file of .git. outside is a directory that is
// none of the clone's.
var damages = []struct {
	name string
	do   func(path, outside string) error
}{
	{"emptied", func(path, _ string) error { return os.Truncate(path, 0) }},
	{"cut in half", func(path, _ string) error {
		fi, err := os.Stat(path)
		if err != nil {
			return err
		}
		return os.Truncate(path, fi.Size()/2)
	}},
	{"noise", func(path, _ string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i := range b {
			b[i] ^= byte(0x55 + i)
		}
		return os.WriteFile(path, b, 0o644)
	}},
	{"deleted", func(path, _ string) error { return os.Remove(path) }},
	{"a directory", func(path, _ string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.MkdirAll(filepath.Join(path, "full", "of"), 0o755)
	}},
	{"a link", func(path, outside string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.Symlink(filepath.Join(outside, "secret"), path)
	}},
}

// templated is a world whose clone has all that .git may hold: what we write, and
// what a person's "git gc" makes of it.
func templated(t *testing.T) (w *world, template string) {
	t.Helper()
	w = newWorld(t)
	head := w.push(t, "", files{"toolkits/a.json": "1", "skills/s/SKILL.md": "text that is long enough to be cut", "x:skills/s/run": "run"})
	git(t, w.dir, "gc", "-q")
	git(t, w.dir, "commit-graph", "write")
	git(t, w.dir, "multi-pack-index", "write")
	git(t, w.dir, "fetch", "-q")
	head = w.push(t, head, files{"toolkits/a.json": "2", "toolkits/b.json": "2"})
	w.push(t, head, files{"toolkits/b.json": "3", "skills/s/new": "3"})
	w.clean(t)
	w.Clone.Close()
	template = w.dir + ".template"
	if err := os.Rename(w.dir, template); err != nil {
		t.Fatal(err)
	}
	return w, template
}

// copyTo makes dir a copy of what is at from.
func copyTo(t *testing.T, dir, from string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", from, dir).CombinedOutput(); err != nil {
		t.Fatal(string(out))
	}
}

// below lists the files below a directory.
func below(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			paths = append(paths, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// Whatever happens to whichever file of .git, while the clone is open or not, the
// clone heals, and nothing outside of it is touched.
func TestEveryFileOfGitMayBreak_S7_H6(t *testing.T) {
	w, template := templated(t)
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("somebody's"), 0o644); err != nil {
		t.Fatal(err)
	}
	broken := 0
	for _, name := range below(t, filepath.Join(template, ".git")) {
		if strings.HasPrefix(name, "logs/") || slices.Contains([]string{"COMMIT_EDITMSG", "FETCH_HEAD", "ORIG_HEAD", "gc.log"}, name) {
			continue // a person's git's own, and no part of what the clone is
		}
		for i, damage := range damages {
			copyTo(t, w.dir, template)
			running := (len(name)+i)%2 == 0 // each in one of the two ways: both would take twice as long
			if running {
				w.open(t)
			}
			path := filepath.Join(w.dir, ".git", name)
			if err := os.Chmod(path, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := damage.do(path, outside); err != nil {
				t.Fatal(err)
			}
			if !running {
				w.open(t)
			} else if !w.Stands() {
				w.reopen(t) // as the daemon does
			}
			if !t.Run(name+"/"+damage.name, func(t *testing.T) { w.heals(t) }) {
				t.Logf("running: %v", running)
			}
			w.Clone.Close()
			broken++
		}
	}
	if b, err := os.ReadFile(secret); err != nil || !bytes.Equal(b, []byte("somebody's")) {
		t.Errorf("a file outside was touched: %q, %v", b, err)
	}
	t.Logf("%d ways to break a clone", broken)
}

// What stands in the place of the clone's directory, or of one of .git's, and leads
// elsewhere is moved out of the way: nothing is written or deleted where it leads.
func TestLinksInTheClonesPlaceAreNotFollowed_S7(t *testing.T) {
	for _, place := range []string{"", ".git", ".git/objects", ".git/objects/pack", ".git/refs", ".git/confmirror", ".git/info"} {
		for _, running := range []bool{false, true} {
			w := newWorld(t)
			w.commit("main", files{"toolkits/a.json": "1", "toolkits/b.json": "1"})
			w.pull(t)
			elsewhere := filepath.Join(t.TempDir(), "elsewhere") // a clone that somebody works in, or a part of one
			git(t, "", "clone", "-q", w.url(), filepath.Join(elsewhere, "top"))
			before := snapshot(t, elsewhere)
			if !running {
				w.Clone.Close()
			}
			path := filepath.Join(w.dir, place)
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(elsewhere, "top", place), path); err != nil {
				t.Fatal(err)
			}
			if !running {
				w.open(t)
			} else if !w.Stands() {
				w.reopen(t)
			}
			w.commit("main", files{"toolkits/a.json": "", "toolkits/b.json": "2"})
			w.heals(t)
			w.Clone.Close()
			if after := snapshot(t, elsewhere); after != before {
				t.Errorf("%q (running: %v): what it led to has changed:\n%s\nwas\n%s", place, running, after, before)
			}
		}
	}
}

// A file in the place of the clone's directory is somebody's: it is kept.
func TestFileInTheClonesPlaceIsKept(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1"})
	w.Clone.Close()
	if err := os.RemoveAll(w.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.dir, []byte("somebody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.open(t)
	w.pull(t)
	w.clean(t)
	kept, _ := filepath.Glob(w.dir + ".kept-*")
	if len(kept) != 1 {
		t.Fatalf("kept: %v", kept)
	}
	if b, err := os.ReadFile(kept[0]); err != nil || string(b) != "somebody's" {
		t.Errorf("%q, %v", b, err)
	}
}

// snapshot tells names and contents of all that is below a directory.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, path := range below(t, dir) {
		content, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %x\n", path, sha256.Sum256(content))
	}
	return b.String()
}
