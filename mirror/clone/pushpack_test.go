package clone_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/confmirror/confmirror/mirror"
)

// wideWorld has a branch with a directory of 2,000 files.
func wideWorld(t *testing.T) (*world, mirror.Hash) {
	t.Helper()
	w := newWorld(t)
	wide := files{}
	for i := range 2000 {
		wide[fmt.Sprintf("toolkits/t%d.json", i)] = fmt.Sprint(i)
	}
	return w, w.push(t, "", wide)
}

// some are n changes.
func some(n int, what string) files {
	f := files{}
	for i := range n {
		f[fmt.Sprintf("toolkits/t%d.json", i*31)] = fmt.Sprint(what, i)
	}
	return f
}

// packet is a line of git's protocol.
func packet(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }

// refuseThin makes a server that takes no pack which builds on what it has: it gives
// each to a git that has nothing, and answers for it as receive-pack does.
func (w *world) refuseThin(t *testing.T, unpack string) (refused *int) {
	t.Helper()
	alone := filepath.Join(t.TempDir(), "alone.git")
	git(t, "", "init", "-q", "--bare", alone)
	refused = new(int)
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if !isPush(r) {
			next.ServeHTTP(rw, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if _, err := gitInput(t, alone, body[bytes.Index(body, []byte("PACK")):], "index-pack", "--stdin"); err == nil && unpack == "" {
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(rw, r)
			return
		}
		*refused++
		rw.Header().Set("Content-Type", "application/x-git-receive-pack-result")
		io.WriteString(rw, packet("\x01"+packet("unpack index-pack abnormal exit\n")+packet("ng refs/heads/main unpacker error\n")+"0000")+"0000")
	}
	return refused
}

// A server that refuses thin packs gets whole ones, and is asked once only.
func TestServerThatRefusesThinPacks(t *testing.T) {
	for _, count := range []int{1, 60} {
		w, head := wideWorld(t)
		w.SetLinkSpeed(1000)
		refused := w.refuseThin(t, "")
		head = w.push(t, head, some(count, "x"))
		w.push(t, head, some(count, "y"))
		if *refused != 1 {
			t.Errorf("%d changes: refused %d times", count, *refused)
		}
		if w.show("main", "toolkits/t0.json") != "y0" {
			t.Error("the push did not arrive")
		}
		fsck(t, w.bare)
		w.clean(t)
	}
}

// One that takes no pack at all is not asked for ever, and gets thin packs again later.
func TestServerThatCannotUnpack(t *testing.T) {
	w, head := wideWorld(t)
	refused := w.refuseThin(t, "broken")
	b := w.build(t, head, some(1, "x"))
	fault(t, w.Push(ctx, b), mirror.CodePushRefused, mirror.Transient)
	fault(t, w.Push(ctx, b), mirror.CodePushRefused, mirror.Transient)
	if *refused != 4 {
		t.Errorf("%d packs for two pushes", *refused)
	}
	w.around = nil
	if err := w.Push(ctx, b); err != nil {
		t.Fatal(err)
	}
	w.checkout(t, b.Head())
	w.clean(t)
}

// Many objects go out thin where the link is slow, and else as they are.
func TestLinkDecidesAboutDeltas(t *testing.T) {
	for _, speed := range []int64{0, 1000, 1 << 30} {
		w, head := wideWorld(t)
		w.SetLinkSpeed(speed)
		var sent int64
		w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			sent += r.ContentLength
			next.ServeHTTP(rw, r)
		}
		head = w.push(t, head, some(60, "x"))
		if thin := sent < 20_000; thin != (speed == 1000) {
			t.Errorf("%d bytes at %d bytes a second", sent, speed)
		}
		// The later commits of a push build on its first one in any case.
		sent = 0
		var sets []files
		for i := range 40 {
			sets = append(sets, some(1, fmt.Sprint("z", i)))
		}
		head = w.push(t, head, sets...)
		if sent > 80_000 { // each tree has 30 kB, deflated
			t.Errorf("%d bytes for 40 commits at %d bytes a second", sent, speed)
		}
		if w.head("main") != head || w.show("main", "toolkits/t0.json") != "z390" {
			t.Error("the push did not arrive")
		}
		fsck(t, w.bare)
		w.clean(t)
		w.reopen(t)
		if _, err := w.Diff(ctx, "", head); err != nil {
			t.Error(err)
		}
	}
}
