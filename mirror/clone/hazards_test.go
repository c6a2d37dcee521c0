package clone_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

// Many goroutines on one clone wait for each other; nothing is torn.
func TestManyGoroutines_H5(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "", files{"toolkits/a.json": "1"})
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			for i := range 5 {
				b := w.build(t, first, files{fmt.Sprintf("toolkits/g%d.json", g): fmt.Sprint(i)})
				if err := w.Checkout(ctx, b.Head()); err != nil {
					t.Error(err)
				}
				entries, err := w.Lookup(ctx, b.Head(), place(document.Toolkits, fmt.Sprint("g", g)))
				if err != nil {
					t.Error(err)
					continue
				}
				if got, problem, err := w.Read(ctx, entries[0]); problem != nil || err != nil || string(got.Bytes) != fmt.Sprint(i) {
					t.Errorf("%d of %d: %v %v %v", i, g, got, problem, err)
				}
				if _, err := w.Remote(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	w.checkout(t, first)
	w.clean(t)
}

// A push holds neither its pack in memory nor anything by the size of the repository.
func TestPushNeedsLittleMemory_P3_H15(t *testing.T) {
	w := newWorld(t)
	noise := rand.NewChaCha8([32]byte{})
	big := files{}
	for i := range 60 {
		b := make([]byte, 256<<10)
		noise.Read(b)
		big[fmt.Sprintf("skills/s/f%d", i)] = string(b)
	}
	b := w.build(t, "", big)
	clear(big)
	var sent int64
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if !isPush(r) {
			next.ServeHTTP(rw, r)
			return
		}
		sent, _ = io.Copy(io.Discard, r.Body)
		rw.Header().Set("Content-Type", "application/x-git-receive-pack-result")
		io.WriteString(rw, packet("unpack ok\n")+packet("ok refs/heads/main\n")+"0000")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := w.Push(ctx, b); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if sent < 15<<20 {
		t.Fatalf("only %d bytes were sent", sent)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("a push of %d bytes took %d bytes of memory", sent, n)
	}
}

// The clone has the whole history. A person who cuts it short does not stop the mirror.
func TestShallowFetchOfSomebody_H21(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.commit("main", files{"toolkits/a.json": fmt.Sprint(i)})
	}
	first := w.pull(t)
	if out := git(t, w.dir, "rev-list", "--count", "main"); out != "5" {
		t.Errorf("%s commits", out)
	}
	w.commit("main", files{"toolkits/b.json": "1"})
	git(t, w.dir, "fetch", "-q", "--depth=1", "origin", "main")
	if !exists(w.dir, ".git/shallow") {
		t.Fatal("the history was not cut")
	}
	second := w.pull(t)
	if ok, err := w.Contains(ctx, second, first); !ok || err != nil {
		t.Error(ok, err)
	}
	w.push(t, second, files{"toolkits/c.json": "1"})
	w.clean(t)
	w.reopen(t)
	w.commit("main", files{"toolkits/d.json": "1"})
	w.pull(t)
	w.clean(t)
}

func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}

// The index that a checkout writes is, byte for byte, the one that git writes for the
// same files, but for git's extensions behind the entries.
func TestIndexIsGits(t *testing.T) {
	w := newWorld(t)
	head := w.commit("main", files{
		"README.md": "r", "x:bin/run": "#!/bin/sh\n", "l:link": "README.md", "toolkits/a.json": "1", "toolkits/a-b.json": "2",
		"skills/s/SKILL.md": "3", "skills/s/a/b": "4", "skills/s/a.b": "5", "toolkits/ü.json": "6", "toolkits/" + strings.Repeat("n", 200): "7",
	})
	w.pull(t)
	for i := range 3 {
		if i > 0 {
			head = w.push(t, head, files{"toolkits/a.json": fmt.Sprint("x", i), fmt.Sprintf("commands/c%d.json", i): "1"})
		}
		ours, err := os.ReadFile(filepath.Join(w.dir, ".git/index"))
		if err != nil {
			t.Fatal(err)
		}
		w.gitIndex(t, "read-tree", string(head))
		theirs := w.gitIndex(t, "update-index", "-q", "--refresh")
		entries := ours[:len(ours)-20] // without the checksum
		if len(theirs) < len(ours) || !bytes.Equal(entries, theirs[:len(entries)]) {
			t.Errorf("git writes another index:\n%q\n%q", ours, theirs)
		}
	}
}

// gitIndex runs git on an index of its own, and returns that.
func (w *world) gitIndex(t *testing.T, args ...string) []byte {
	t.Helper()
	at := filepath.Join(filepath.Dir(w.dir), "index")
	old := gitEnv
	gitEnv = append(gitEnv[:len(gitEnv):len(gitEnv)], "GIT_INDEX_FILE="+at)
	defer func() { gitEnv = old }()
	git(t, w.dir, args...)
	b, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
