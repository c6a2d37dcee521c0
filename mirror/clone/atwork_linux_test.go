package clone_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// editing is a person's "git commit -a" whose editor is open: git keeps the lock of
// the index as long.
type editing struct {
	cmd         *exec.Cmd
	out         strings.Builder
	begun, done string // pipes of the editor
}

func (w *world) startEditing(t *testing.T) *editing {
	t.Helper()
	dir := t.TempDir()
	e := &editing{begun: filepath.Join(dir, "begun"), done: filepath.Join(dir, "done")}
	for _, pipe := range []string{e.begun, e.done} {
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e.cmd = exec.Command("git", "commit", "-a")
	e.cmd.Dir = filepath.Join(w.dir, "toolkits")
	e.cmd.Env = append(gitEnv, "GIT_EDITOR=edit() { echo > "+e.begun+"; read line < "+e.done+"; echo mine > $1; }; edit")
	e.cmd.Stdout, e.cmd.Stderr = &e.out, &e.out
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(e.begun); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *editing) finish(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(e.done, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Wait(); err != nil {
		t.Errorf("the person's commit failed: %v\n%s", err, e.out.String())
	}
}

// A person's git that holds the index is not trampled on, however long it takes;
// nothing but the working files waits for it, and somebody hears of it when it
// takes very long.
func TestLivingGitIsLeftAlone_H4_S1(t *testing.T) {
	for _, restart := range []bool{false, true} {
		var k clock
		w := newWorld(t, k.set)
		w.commit("main", files{"toolkits/a.json": "1", "toolkits/b.json": "1"})
		w.pull(t)
		w.write(t, "toolkits/a.json", "mine")
		person := w.startEditing(t)
		if restart {
			k.offset = 30 * time.Second // the lock is old
			w.reopen(t)
		}
		w.commit("main", files{"toolkits/b.json": "2"})
		head := w.pull(t)
		if !w.locked("index.lock") || w.file(t, "toolkits/b.json") != "1" {
			t.Error("the clone was changed under a person's hands")
		}
		head = func() mirror.Hash { // the remote does not wait
			b := w.build(t, head, files{"toolkits/c.json": "1"})
			if err := w.Push(ctx, b); err != nil {
				t.Fatal(err)
			}
			return b.Head()
		}()
		w.checkout(t, head)
		k.offset += 2 * time.Minute
		if restart {
			w.reopen(t) // as the daemon does after a fault: it must not be forgotten
		}
		f := fault(t, w.Checkout(ctx, head), mirror.CodeCloneFailed, mirror.Transient)
		if !strings.Contains(f.Remedy, filepath.Join(w.dir, ".git/index.lock")) {
			t.Errorf("remedy: %s", f.Remedy)
		}
		person.finish(t)
		mine := git(t, w.dir, "rev-parse", "HEAD")
		w.checkout(t, head)
		w.sound(t)
		if out := git(t, w.dir, "status", "--porcelain"); strings.TrimSpace(out) != "M toolkits/a.json" {
			t.Errorf("the person's edit is no edit any more: %q", out)
		}
		if out := git(t, w.dir, "for-each-ref", "--format=%(objectname)", "refs/confmirror/kept"); out != mine {
			t.Errorf("kept refs: %q, want %s", out, mine)
		}
		if w.file(t, "toolkits/b.json") != "2" || w.file(t, "toolkits/c.json") != "1" {
			t.Error("the branch's content is not there")
		}
	}
}
