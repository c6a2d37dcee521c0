package clone_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
	"github.com/confmirror/confmirror/mirror/document"
)

func TestHandEditIsKeptAside_H1(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1", "toolkits/b.json": "1", "toolkits/c.json": "1", "skills/s/x": "1"})
	w.pull(t)
	w.write(t, "toolkits/a.json", "mine")
	w.write(t, "toolkits/b.json", "B") // same size
	w.write(t, "skills/s/x", "mine too")
	w.commit("main", files{"toolkits/a.json": "2", "toolkits/b.json": "2", "skills": ""})
	w.pull(t)
	w.clean(t)
	if d := cmp.Diff(files{"toolkits/a.json": "mine", "toolkits/b.json": "B", "skills/s/x": "mine too"}, w.kept(t)); d != "" {
		t.Error(d)
	}
	if w.file(t, "toolkits/a.json") != "2" {
		t.Error("the branch's content is not there")
	}
}

func TestHandEditElsewhereStays_H1(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1", "toolkits/b.json": "1"})
	w.pull(t)
	w.write(t, "toolkits/a.json", "mine")
	w.commit("main", files{"toolkits/b.json": "2"})
	w.pull(t)
	if w.file(t, "toolkits/a.json") != "mine" || len(w.kept(t)) != 0 {
		t.Error("an edit that was in nobody's way was moved")
	}
	if out := git(t, w.dir, "status", "--porcelain"); out != "M toolkits/a.json" && out != " M toolkits/a.json" {
		t.Errorf("status: %q", out)
	}
	// The edit reaches the branch: the same content is no obstacle.
	w.push(t, w.head("main"), files{"toolkits/a.json": "mine"})
	w.clean(t)
	if len(w.kept(t)) != 0 {
		t.Error("kept what is on the branch")
	}
}

func TestUntrackedFilesSurvive_H2(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1", "dir/f": "1"})
	w.pull(t)
	w.write(t, "notes.txt", "notes")
	w.write(t, "toolkits/new.json", "untracked")
	w.write(t, "toolkits/same.json", "same")
	w.write(t, "commands", "a file where a directory comes")
	w.write(t, "skills/s/deep/own", "own")
	w.write(t, "dir/own", "own")
	w.commit("main", files{
		"toolkits/new.json": "theirs", "toolkits/same.json": "same", "commands/c.json": "1", "skills/s/deep": "a file", "dir/f": "",
	})
	w.pull(t)
	if out := git(t, w.dir, "status", "--porcelain", "-uall"); out != "?? dir/own\n?? notes.txt" {
		t.Errorf("status:\n%s", out)
	}
	want := files{"toolkits/new.json": "untracked", "commands": "a file where a directory comes", "skills/s/deep/own": "own"}
	if d := cmp.Diff(want, w.kept(t)); d != "" {
		t.Error(d)
	}
	if w.file(t, "notes.txt") != "notes" || w.file(t, "dir/own") != "own" {
		t.Error("untracked files changed")
	}
	w.sound(t)
}

func TestLinksAreNeverFollowed_H7_H10(t *testing.T) {
	w := newWorld(t)
	outside := t.TempDir()
	victim := filepath.Join(outside, "a.json")
	if err := os.WriteFile(victim, []byte("victim"), 0o644); err != nil {
		t.Fatal(err)
	}
	// The remote makes links: kept as they are, absolute ones too.
	w.commit("main", files{"l:toolkits": outside, "l:skills": ".git/hooks", "l:commands": ".git"})
	w.pull(t)
	w.clean(t)
	if got, _ := os.Readlink(filepath.Join(w.dir, "toolkits")); got != outside {
		t.Errorf("link to %q", got)
	}
	w.commit("main", files{"toolkits": "", "skills": "", "commands": "", "x": "1"})
	w.commit("main", files{"toolkits/a.json": "1", "skills/pre-commit": "1", "commands/config": "1"})
	w.pull(t)
	w.clean(t)
	// A person puts a link in place of a directory: it is moved aside.
	for _, target := range []string{outside, ".git/hooks"} {
		os.RemoveAll(filepath.Join(w.dir, "toolkits"))
		if err := os.Symlink(target, filepath.Join(w.dir, "toolkits")); err != nil {
			t.Fatal(err)
		}
		w.commit("main", files{"toolkits/a.json": target, "toolkits/b.json": target})
		w.pull(t)
		w.clean(t)
	}
	if b, _ := os.ReadFile(victim); string(b) != "victim" {
		t.Error("written outside the clone")
	}
	if e, _ := os.ReadDir(filepath.Join(w.dir, ".git", "hooks")); len(e) != 0 {
		t.Errorf("written into .git: %v", e)
	}
}

func TestEverythingTurnsIntoEverything(t *testing.T) {
	states := []files{
		{"p": "file"}, {"x:p": "file"}, {"l:p": "target"}, {"p/a": "1", "p/b/c": "2"}, {"m:p": someCommit}, {},
	}
	w := newWorld(t)
	var heads []mirror.Hash
	for _, s := range states {
		w.commit("main", files{"p": "", "other": "1"})
		if len(s) > 0 {
			w.commit("main", s)
		}
		heads = append(heads, w.head("main"))
	}
	w.pull(t)
	for _, from := range heads {
		for _, to := range heads {
			w.checkout(t, from)
			w.checkout(t, to)
			w.clean(t)
		}
	}
	if k := w.kept(t); len(k) != 0 {
		t.Errorf("kept %v", k)
	}
}

func TestConfigurationOfOthersDoesNotAct_H8_F6(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[core]\n\tautocrlf = true\n\teol = crlf\n\thooksPath = "+home+"\n[user]\n\tname = Wrong\n[filter \"up\"]\n\tclean = tr a-z A-Z\n\tsmudge = tr a-z A-Z\n"), 0o644)
	w := newWorld(t)
	head := w.commit("main", files{
		".gitattributes": "* text=auto eol=crlf ident\n*.json filter=up working-tree-encoding=UTF-16\n", "toolkits/a.json": "a\nb\r\n$Id$\n", ".gitignore": "*.json\n",
	})
	w.pull(t)
	w.clean(t)
	if got := w.file(t, "toolkits/a.json"); got != "a\nb\r\n$Id$\n" {
		t.Errorf("%q", got)
	}
	head = w.push(t, head, files{"toolkits/b.json": "x\r\ny\n"})
	w.clean(t)
	old := append([]string(nil), gitEnv...)
	defer func() { gitEnv = old }()
	gitEnv = append(gitEnv, "HOME="+home, "GIT_CONFIG_GLOBAL="+filepath.Join(home, ".gitconfig"))
	git(t, w.dir, "update-index", "--refresh")
	w.clean(t)
	if got := git(t, w.bare, "log", "-1", "--format=%an %cn", string(head)); got != "Ben confmirror" {
		t.Error(got)
	}
	if _, err := gitInput(t, w.bare, nil, "cat-file", "-e", "main:toolkits/b.json"); err != nil {
		t.Error(err)
	}
}

func TestAnOrdinaryClone(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1", "README.md": "r", ".ci/build.yml": "b"})
	w.pull(t)
	w.commit("main", files{"toolkits/a.json": "2"})
	git(t, w.dir, "pull", "-q")
	if out := git(t, w.dir, "status", "-sb"); out != "## main...origin/main" {
		t.Error(out)
	}
	if out := git(t, w.dir, "log", "--oneline"); strings.Count(out, "\n") != 1 {
		t.Error(out)
	}
	if out := git(t, w.dir, "diff", "HEAD~1", "--stat"); !strings.Contains(out, "toolkits/a.json | 2 +-") {
		t.Error(out)
	}
	w.commit("main", files{"toolkits/a.json": "3"})
	w.pull(t)
	w.clean(t)
	if len(w.kept(t)) != 0 {
		t.Error("what a person's own pull brought was taken for an edit")
	}
}

func TestLocalCommitsAreKept(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1"})
	w.pull(t)
	w.write(t, "toolkits/a.json", "mine")
	git(t, w.dir, "commit", "-qam", "local")
	local := git(t, w.dir, "rev-parse", "HEAD")
	w.commit("main", files{"toolkits/a.json": "2"})
	w.pull(t)
	w.clean(t)
	if out := git(t, w.dir, "for-each-ref", "--format=%(objectname)", "refs/confmirror/kept"); out != local {
		t.Errorf("kept refs: %q, want %s", out, local)
	}
	if w.kept(t)["toolkits/a.json"] != "mine" {
		t.Error("the file is lost")
	}
}

func TestDetachedHeadComesBack(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1"})
	w.commit("main", files{"toolkits/a.json": "2"})
	w.pull(t)
	git(t, w.dir, "checkout", "-q", "HEAD~1")
	w.commit("main", files{"toolkits/b.json": "2"})
	w.pull(t)
	w.sound(t)
}

func TestForeignIndexes_H6_H22(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, w *world){
		"version 4":       func(t *testing.T, w *world) { git(t, w.dir, "update-index", "--index-version=4") },
		"untracked cache": func(t *testing.T, w *world) { git(t, w.dir, "update-index", "--force-untracked-cache") },
		"split":           func(t *testing.T, w *world) { git(t, w.dir, "update-index", "--split-index") },
		"with trees":      func(t *testing.T, w *world) { git(t, w.dir, "read-tree", "HEAD") },
		"intent to add": func(t *testing.T, w *world) {
			w.write(t, "toolkits/n.json", "n")
			git(t, w.dir, "add", "-N", "toolkits/n.json")
			git(t, w.dir, "rm", "-q", "--cached", "toolkits/n.json")
			os.Remove(filepath.Join(w.dir, "toolkits/n.json"))
		},
		"cut":    func(t *testing.T, w *world) { os.Truncate(filepath.Join(w.dir, ".git/index"), 50) },
		"empty":  func(t *testing.T, w *world) { os.Truncate(filepath.Join(w.dir, ".git/index"), 0) },
		"absent": func(t *testing.T, w *world) { os.Remove(filepath.Join(w.dir, ".git/index")) },
		"noise":  func(t *testing.T, w *world) { w.write(t, ".git/index", strings.Repeat("DIRC noise ", 20)) },
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(name, restart), func(t *testing.T) {
				w := newWorld(t)
				w.commit("main", files{"toolkits/a.json": "1", "toolkits/b.json": "1", "l:ln": "x", "x:skills/s/run": "1"})
				w.pull(t)
				spoil(t, w)
				if restart {
					w.reopen(t)
				}
				w.commit("main", files{"toolkits/a.json": "2"})
				w.pull(t)
				w.clean(t)
				if len(w.kept(t)) != 0 {
					t.Error("kept", w.kept(t))
				}
			})
		}
	}
}

func TestInterruptedCheckoutIsFinished_S6(t *testing.T) {
	interrupted := 0
	for n := range 40 {
		restart := n%2 == 1
		w := newWorld(t)
		f := files{}
		for i := range 20 {
			f[fmt.Sprintf("toolkits/t%d.json", i)] = "1"
			f[fmt.Sprintf("skills/s%d/x", i)] = "1"
		}
		w.commit("main", f)
		w.pull(t)
		for path := range f {
			f[path] = "2"
		}
		f["toolkits/t7.json"] = ""
		f["skills/s9"] = ""
		delete(f, "skills/s9/x")
		w.commit("main", f)
		h, _ := w.Remote(ctx)
		if err := w.Fetch(ctx, h.Hash); err != nil {
			t.Fatal(err)
		}
		if err := w.Checkout(after(5*n), h.Hash); err == nil {
			w.clean(t)
			if interrupted < 3 {
				t.Errorf("only %d attempts were interrupted half way", interrupted)
			}
			return
		} else if !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want Canceled", err)
		}
		if journal, _ := filepath.Glob(filepath.Join(w.dir, ".git/confmirror/checkout-*")); len(journal) == 1 {
			w.write(t, "toolkits/.confmirror-tmp-left", "of a killed process")
			interrupted++
		}
		if restart {
			w.reopen(t)
		}
		w.checkout(t, h.Hash)
		w.clean(t)
		if k := w.kept(t); len(k) != 0 {
			t.Errorf("half a checkout was taken for edits: %v", k)
		}
	}
	t.Error("no checkout went through")
}

// after is a context that is cancelled when it has been asked n times.
func after(n int) context.Context { return &countdown{Context: ctx, n: n} }

type countdown struct {
	context.Context
	n int
}

func (c *countdown) Err() error {
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

func TestMissingFilesAreRestored(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1", "toolkits/b.json": "1", "skills/s/d/x": "1", "l:ln": "t", "empty": "x"})
	w.pull(t)
	spoil := func() {
		os.Remove(filepath.Join(w.dir, "toolkits/a.json"))
		os.Remove(filepath.Join(w.dir, "ln"))
		os.RemoveAll(filepath.Join(w.dir, "skills"))
		os.Truncate(filepath.Join(w.dir, "empty"), 0)
		w.write(t, "toolkits/b.json", "edited")
	}
	spoil()
	got, err := w.Restore(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"empty", "ln", "skills/s/d/x", "toolkits/a.json"}, sorted(got)); d != "" {
		t.Error(d)
	}
	w.reopen(t)
	spoil()
	w.reopen(t)
	if out := git(t, w.dir, "status", "--porcelain"); strings.TrimSpace(out) != "M toolkits/b.json" {
		t.Error(out)
	}
	if w.file(t, "toolkits/b.json") != "edited" || w.file(t, "empty") != "x" {
		t.Error("content")
	}
}

func TestModeChangesReachTheFile(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"skills/s/run": "1"})
	w.pull(t)
	w.commit("main", files{"x:skills/s/run": "1"})
	w.pull(t)
	w.clean(t)
	fi, err := os.Stat(filepath.Join(w.dir, "skills/s/run"))
	if err != nil || fi.Mode().Perm()&0o100 == 0 {
		t.Error(fi, err)
	}
}

func TestLargeFileIsStreamed_P3(t *testing.T) {
	w := newWorld(t)
	big := strings.Repeat("0123456789abcdef", 1<<20) // 16 MiB
	w.commit("main", files{"big.bin": big, "mid.bin": big[:3<<20]})
	w.pull(t)
	w.clean(t)
	w.commit("main", files{"big.bin": big + "x"})
	w.pull(t)
	w.clean(t)
}

func TestOneFlushForABatch_H6(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1", "toolkits/b.json": "1", "README.md": "r"})
	if n := clone.SyncCounted(func() { w.pull(t) }); n != 1 {
		t.Errorf("%d flushes", n)
	}
	if n := clone.SyncCounted(func() { w.checkout(t, w.head("main")) }); n != 0 {
		t.Errorf("%d flushes for nothing", n)
	}
}

// The index that a checkout wrote is not read again, though people's git may look at it.
func TestOwnIndexIsNotReadAgain_P2(t *testing.T) {
	w := newWorld(t)
	head := w.push(t, "", files{"toolkits/a.json": "1", "commands/b.json": "1"})
	for i := range 3 {
		if !w.KnowsIndex() {
			t.Fatalf("after checkout %d the index is somebody's", i)
		}
		git(t, w.dir, "--no-optional-locks", "status", "--porcelain")
		head = w.push(t, head, files{"toolkits/a.json": fmt.Sprint("x", i)})
	}
	w.reopen(t)
	if !w.KnowsIndex() {
		t.Error("after a restart the index is somebody's")
	}
	git(t, w.dir, "update-index", "--force-remove", "commands/b.json")
	if w.KnowsIndex() {
		t.Error("what somebody wrote is taken for ours")
	}
	w.reopen(t)
	if w.KnowsIndex() {
		t.Error("after a restart what somebody wrote is taken for ours")
	}
	w.push(t, head, files{"toolkits/a.json": "y"})
	w.clean(t)
}

func TestWhatSomebodyStagedOrRemoved(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1", "toolkits/b.json": "1", "toolkits/c.json": "1", "toolkits/d.json": "1"})
	w.pull(t)
	git(t, w.dir, "rm", "-q", "toolkits/a.json")
	git(t, w.dir, "rm", "-q", "--cached", "toolkits/b.json")
	w.write(t, "toolkits/c.json", "staged")
	w.write(t, "toolkits/new.json", "new")
	git(t, w.dir, "add", "toolkits/c.json", "toolkits/new.json")
	if got, err := w.Restore(ctx); err != nil || len(got) != 1 || got[0] != "toolkits/a.json" {
		t.Fatal(got, err)
	}
	if out := git(t, w.dir, "status", "--porcelain"); out != "M  toolkits/c.json\nA  toolkits/new.json" {
		t.Error(out)
	}
	git(t, w.dir, "rm", "-q", "toolkits/a.json")
	w.commit("main", files{"toolkits/d.json": "2"})
	w.pull(t)
	if got, err := w.Restore(ctx); err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	if out := git(t, w.dir, "status", "--porcelain"); out != "M toolkits/c.json\n?? toolkits/new.json" && out != " M toolkits/c.json\n?? toolkits/new.json" {
		t.Error(out)
	}
	w.sound(t)
}

// What was read to be imported is not inflated again for the working files; whoever wrote
// into it meanwhile changes no file.
func TestCheckoutAfterARead(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": `{"slug":"a"}`, "toolkits/b.json": `{"slug":"b"}`})
	w.pull(t)
	w.commit("main", files{"toolkits/a.json": `{"slug":"a","name":"A"}`, "toolkits/b.json": `{"slug":"b","name":"B"}`})
	h, err := w.Remote(ctx)
	if err == nil {
		err = w.Fetch(ctx, h.Hash)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, slug := range []string{"a", "b"} {
		e, err := w.Lookup(ctx, h.Hash, place(document.Toolkits, slug))
		if err != nil {
			t.Fatal(err)
		}
		content, problem, err := w.Read(ctx, e[0])
		if err != nil || problem != nil {
			t.Fatalf("%s: %v %v", slug, problem, err)
		}
		if slug == "b" {
			copy(content.Bytes, "written")
		}
	}
	w.checkout(t, h.Hash)
	if a, b := w.file(t, "toolkits/a.json"), w.file(t, "toolkits/b.json"); a != `{"slug":"a","name":"A"}` || b != `{"slug":"b","name":"B"}` {
		t.Errorf("a.json: %s, b.json: %s", a, b)
	}
	if out := git(t, w.dir, "status", "--porcelain"); out != "" {
		t.Error(out)
	}
}
