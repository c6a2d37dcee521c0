package clone_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
	"github.com/confmirror/confmirror/mirror/document"
)

func sorted(s []string) []string { slices.Sort(s); return s }

// heals runs what a daemon does with a clone that may be damaged.
func (w *world) heals(t *testing.T) {
	t.Helper()
	h, err := w.Remote(ctx)
	if err != nil {
		t.Fatal(err)
	}
	run := func() error {
		if err := w.Fetch(ctx, h.Hash); err != nil {
			return err
		}
		entries, err := w.Diff(ctx, "", h.Hash)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if _, problem, err := w.Read(ctx, e); err != nil {
				return err
			} else if problem != nil {
				t.Errorf("%s: %v", e.Path, problem)
			}
		}
		if err := w.Checkout(ctx, h.Hash); err != nil {
			return err
		}
		_, err = w.Restore(ctx)
		return err
	}
	err = run()
	if errors.Is(err, mirror.ErrDamaged) {
		if err = w.Rebuild(ctx); err == nil {
			err = run()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	w.clean(t)
}

func TestDamagedCloneHeals_S7_H6(t *testing.T) {
	glob := func(t *testing.T, w *world, pattern string) string {
		t.Helper()
		m, _ := filepath.Glob(filepath.Join(w.dir, ".git", pattern))
		if len(m) == 0 {
			t.Fatal("nothing matches", pattern)
		}
		return m[0]
	}
	truncate := func(pattern string, size int64) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			path := glob(t, w, pattern)
			os.Chmod(path, 0o644)
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(pattern string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			if err := os.RemoveAll(glob(t, w, pattern)); err != nil {
				t.Fatal(err)
			}
		}
	}
	object := func(name string, size int64) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			id := git(t, w.dir, "rev-parse", name)
			path := filepath.Join(w.dir, ".git/objects", id[:2], id[2:])
			os.Chmod(path, 0o644)
			if size < 0 {
				os.Remove(path)
			} else if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range map[string]func(*testing.T, *world){
		"all gone":           func(t *testing.T, w *world) { os.RemoveAll(w.dir) },
		".git gone":          func(t *testing.T, w *world) { os.RemoveAll(filepath.Join(w.dir, ".git")) },
		"objects gone":       remove("objects"),
		"refs gone":          remove("refs"),
		"config gone":        remove("config"),
		"config noise":       func(t *testing.T, w *world) { w.write(t, ".git/config", "[[[") },
		"attributes gone":    remove("info"),
		"HEAD empty":         truncate("HEAD", 0),
		"HEAD gone":          remove("HEAD"),
		"branch empty":       truncate("refs/heads/main", 0),
		"branch noise":       func(t *testing.T, w *world) { w.write(t, ".git/refs/heads/main", "zzzz") },
		"branch to nowhere":  func(t *testing.T, w *world) { w.write(t, ".git/refs/heads/main", someCommit+"\n") },
		"tracking empty":     truncate("refs/remotes/origin/main", 0),
		"our record empty":   truncate("confmirror/head", 0),
		"our record gone":    remove("confmirror"),
		"journal empty":      func(t *testing.T, w *world) { w.write(t, ".git/confmirror/checkout-", "") },
		"journal to nowhere": func(t *testing.T, w *world) { w.write(t, ".git/confmirror/checkout-"+someCommit+"-"+someCommit, "") },
		"blob empty":         object("HEAD:skills/s/SKILL.md", 0),
		"blob cut":           object("HEAD:skills/s/SKILL.md", 10),
		"blob gone":          object("HEAD:skills/s/SKILL.md", -1),
		"tree cut":           object("HEAD:skills", 10),
		"root gone":          object("HEAD^{tree}", -1),
		"root empty":         object("HEAD^{tree}", 0),
		"commit cut":         object("HEAD", 5),
		"parent gone":        object("HEAD~1", -1),
		"index cut":          truncate("index", 40),
		"a directory as index": func(t *testing.T, w *world) {
			remove("index")(t, w)
			os.MkdirAll(filepath.Join(w.dir, ".git/index/x"), 0o755)
		},
		"working files gone": func(t *testing.T, w *world) { os.RemoveAll(filepath.Join(w.dir, "skills")) },
		"temporary files": func(t *testing.T, w *world) {
			w.write(t, ".git/objects/pack/tmp_pack_x", "x")
			w.write(t, ".git/objects/tmp_obj_x", "x")
			w.write(t, ".git/objects/pack/pack-"+someCommit+".pack", "x") // killed before its index had a name
		},
		"branch is a directory": func(t *testing.T, w *world) {
			remove("refs/heads/main")(t, w)
			os.MkdirAll(filepath.Join(w.dir, ".git/refs/heads/main"), 0o755)
		},
		"a git file": func(t *testing.T, w *world) {
			os.RemoveAll(filepath.Join(w.dir, ".git"))
			w.write(t, ".git", "gitdir: /elsewhere")
		},
		"shallow noise":     func(t *testing.T, w *world) { w.write(t, ".git/shallow", "noise") },
		"shallow empty":     func(t *testing.T, w *world) { w.write(t, ".git/shallow", "") },
		"made shallow":      func(t *testing.T, w *world) { git(t, w.dir, "fetch", "-q", "--depth", "1") },
		"packed refs noise": func(t *testing.T, w *world) { w.write(t, ".git/packed-refs", "noise\n") },
		"somebody's ref noise": func(t *testing.T, w *world) {
			w.write(t, ".git/refs/heads/mine", "")
			w.write(t, ".git/refs/tags/v1", "noise")
		},
		"alternates to nowhere":    func(t *testing.T, w *world) { w.write(t, ".git/objects/info/alternates", "/nowhere/objects\n") },
		"grafts noise":             func(t *testing.T, w *world) { w.write(t, ".git/info/grafts", "noise\n") },
		"another common directory": func(t *testing.T, w *world) { w.write(t, ".git/commondir", "/nowhere\n") },
		"merge in progress":        func(t *testing.T, w *world) { w.write(t, ".git/MERGE_HEAD", someCommit+"\n") },
		"pack cut": func(t *testing.T, w *world) {
			git(t, w.dir, "repack", "-adq")
			truncate("objects/pack/*.pack", 100)(t, w)
		},
		"pack gone": func(t *testing.T, w *world) { git(t, w.dir, "repack", "-adq"); remove("objects/pack/*.pack")(t, w) },
		"pack's index cut": func(t *testing.T, w *world) {
			git(t, w.dir, "repack", "-adq")
			truncate("objects/pack/*.idx", 100)(t, w)
		},
		"pack's index empty": func(t *testing.T, w *world) { git(t, w.dir, "repack", "-adq"); truncate("objects/pack/*.idx", 0)(t, w) },
		"pack damaged inside": func(t *testing.T, w *world) {
			git(t, w.dir, "repack", "-adq")
			flip(t, glob(t, w, "objects/pack/*.pack"))
		},
	} {
		for _, running := range []bool{false, true} {
			if running && slices.Contains([]string{"a git file", "all gone", ".git gone"}, name) {
				continue // the daemon opens it anew
			}
			t.Run(strings.ReplaceAll(name, " ", "_")+map[bool]string{true: "/running"}[running], func(t *testing.T) {
				w := newWorld(t)
				head := w.push(t, "", files{"toolkits/a.json": "1"})
				w.push(t, head, files{"toolkits/a.json": "1 and more than a few bytes", "skills/s/SKILL.md": "text that is long enough to be cut", "skills/s/y": "y"})
				if !running {
					w.Clone.Close()
				}
				damage(t, w)
				if !running {
					w.open(t)
				}
				w.heals(t)
				if left := tempFiles(t, w.dir); len(left) > 0 && !running {
					t.Errorf("left behind: %v", left)
				}
			})
		}
	}
}

func flip(t *testing.T, path string) {
	t.Helper()
	os.Chmod(path, 0o644)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 20; i < len(b)-30; i += 7 {
		b[i] ^= 0x55
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// An object that a rebuild does not bring back is the file's own trouble.
func TestMissingAfterRebuildIsTheFilesProblem(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1"})
	lose := func() mirror.Entry {
		head := w.pull(t)
		e, err := w.Lookup(ctx, head, place(document.Toolkits, "a"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{"pack-*.pack"} {
			m, _ := filepath.Glob(filepath.Join(w.dir, ".git/objects/pack", p))
			for _, pack := range m {
				b, _ := os.ReadFile(pack)
				os.Remove(pack)
				os.Remove(strings.TrimSuffix(pack, ".pack") + ".idx")
				if out, err := gitInput(t, w.dir, b, "unpack-objects", "-q"); err != nil {
					t.Fatal(out)
				}
			}
		}
		os.Remove(filepath.Join(w.dir, ".git/objects", e[0].GitID[:2], e[0].GitID[2:]))
		many := files{}
		for i := range 40 { // a new pack makes it look at the packs anew
			many[fmt.Sprintf("commands/c%d.json", i)] = fmt.Sprint(head, i)
		}
		w.build(t, head, many)
		return e[0]
	}
	e := lose()
	if _, _, err := w.Read(ctx, e); !errors.Is(err, mirror.ErrDamaged) {
		t.Fatalf("got %v, want ErrDamaged", err)
	}
	if err := w.Rebuild(ctx); err != nil {
		t.Fatal(err)
	}
	if w.Has(ctx, w.head("main")) {
		t.Error("a rebuilt clone has something")
	}
	e = lose()
	_, problem, err := w.Read(ctx, e)
	if err != nil || problem == nil || problem.Code != document.FetchFailed {
		t.Fatalf("%v, %v; want FETCH_FAILED", problem, err)
	}
}

func TestRebuildKeepsHandEditsAndDropsOurFiles(t *testing.T) {
	for _, index := range []bool{true, false} {
		w := newWorld(t)
		w.commit("main", files{"toolkits/a.json": "1", "toolkits/b.json": "1", "README.md": "r", "skills/s/x": "1"})
		w.pull(t)
		w.write(t, "toolkits/a.json", "mine")
		w.write(t, "notes", "n")
		if !index {
			w.write(t, ".git/index", "noise")
		}
		if err := w.Rebuild(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(w.dir, "toolkits/b.json")); err == nil {
			t.Error("an old file of ours stays, and would come back as somebody's new one")
		}
		w.commit("main", files{"toolkits/b.json": ""})
		w.pull(t)
		if out := git(t, w.dir, "status", "--porcelain"); out != "?? notes" {
			t.Error(out)
		}
		if w.kept(t)["toolkits/a.json"] != "mine" {
			t.Error("the edit is lost:", w.kept(t))
		}
	}
}

func TestOtherRepositoryOrBranchStartsAnew(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1"})
	w.commit("rel/1.x", files{"toolkits/b.json": "1"})
	w.pull(t)
	w.Clone.Close()
	w.o.Branch = "rel/1.x" // F3
	w.open(t)
	w.pull(t)
	w.clean(t)
	if _, err := os.Stat(filepath.Join(w.dir, "toolkits/a.json")); err == nil {
		t.Error("a file of the other branch stays")
	}
	w.Clone.Close()
	other := newServer(t)
	want := other.commit("rel/1.x", files{"toolkits/c.json": "1"})
	w.server, w.o.URL, w.o.Client = other, other.url(), other.Client()
	w.open(t)
	if got := w.pull(t); got != want {
		t.Error(got)
	}
	w.clean(t)
	if got := git(t, w.dir, "config", "remote.origin.url"); got != other.url() {
		t.Error(got)
	}
}

func TestForeignDirectoryIsTakenOver(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1"})
	w.Clone.Close()
	os.RemoveAll(w.dir)
	git(t, "", "clone", "-q", w.url(), w.dir) // made by hand
	w.write(t, "own.txt", "own")
	w.open(t)
	w.pull(t)
	if out := git(t, w.dir, "status", "--porcelain"); out != "?? own.txt" {
		t.Error(out)
	}
	w.sound(t)
}

func TestOneHolder_S2_L10(t *testing.T) {
	w := newWorld(t)
	if _, err := clone.Open(ctx, w.o); !errors.Is(err, clone.ErrLocked) {
		t.Fatalf("got %v, want ErrLocked", err)
	}
	w.reopen(t)
	w.Clone.Close()
	if _, err := w.Remote(ctx); err == nil {
		t.Error("a closed clone works")
	}
	if err := w.Clone.Close(); err != nil {
		t.Error("Close twice:", err)
	}
	w.open(t)
}

// The lock dies with its holder, however that ends.
func TestLockDiesWithItsHolder_S2(t *testing.T) {
	if dir := os.Getenv("CONFMIRROR_TEST_HOLD"); dir != "" {
		_, err := clone.Open(ctx, clone.Options{Dir: dir, URL: "http://localhost/x.git", Branch: "main"})
		if err != nil {
			os.Exit(3)
		}
		os.Stdout.WriteString("held\n")
		select {}
	}
	dir := filepath.Join(t.TempDir(), "c")
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockDiesWithItsHolder_S2$")
	cmd.Env = append(os.Environ(), "CONFMIRROR_TEST_HOLD="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Read(make([]byte, 5))
	o := clone.Options{Dir: dir, URL: "http://localhost/x.git", Branch: "main"}
	if _, err := clone.Open(ctx, o); !errors.Is(err, clone.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	c, err := clone.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestOpenRefusesNonsense(t *testing.T) {
	good := clone.Options{Dir: t.TempDir(), URL: "https://bitbucket.org/ws/repo.git", Branch: "main"}
	for name, change := range map[string]func(*clone.Options){
		"no dir":           func(o *clone.Options) { o.Dir = "" },
		"no branch":        func(o *clone.Options) { o.Branch = "" },
		"branch ..":        func(o *clone.Options) { o.Branch = "../../x" },
		"branch with lock": func(o *clone.Options) { o.Branch = "a.lock" },
		"branch -x":        func(o *clone.Options) { o.Branch = "-x" },
		"userinfo":         func(o *clone.Options) { o.URL = "https://u:secret@bitbucket.org/ws/repo.git" },
		"file":             func(o *clone.Options) { o.URL = "file:///etc" },
		"ssh":              func(o *clone.Options) { o.URL = "git@bitbucket.org:ws/repo.git" },
		"prefix":           func(o *clone.Options) { o.Layout.Prefix = "../x" },
	} {
		o := good
		change(&o)
		c, err := clone.Open(ctx, o)
		if err == nil {
			c.Close()
			t.Errorf("%s was accepted", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
	}
}
