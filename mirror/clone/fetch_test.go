package clone_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
)

func isFetch(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/git-upload-pack") && r.Method == http.MethodPost
}

func TestRemoteIsOneRequest_P10(t *testing.T) {
	w := newWorld(t)
	want := w.commit("main", files{"a": "1"})
	w.commit("main2", files{"a": "2"}) // shares the prefix
	before := w.requests.Load()
	h, err := w.Remote(ctx)
	if err != nil || !reflect.DeepEqual(h, mirror.Head{Hash: want, Main: "main"}) {
		t.Fatalf("%+v, %v", h, err)
	}
	if n := w.requests.Load() - before; n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestRemoteBranchAbsent(t *testing.T) {
	w := newWorld(t)
	w.commit("trunk", files{"a": "1"})
	if h, err := w.Remote(ctx); err != nil || !reflect.DeepEqual(h, mirror.Head{}) {
		t.Fatalf("%+v, %v; want no hash, not empty", h, err)
	}
}

// Servers that know only v0: those that ignore the header everywhere.
func TestServerWithoutProtocolV2(t *testing.T) {
	w := newWorld(t)
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		r.Header.Del("Git-Protocol")
		next.ServeHTTP(rw, r)
	}
	if h, err := w.Remote(ctx); err != nil || !h.Empty {
		t.Fatalf("%+v, %v", h, err)
	}
	first := w.push(t, "", files{"toolkits/a.json": "1"})
	w.commit("main", files{"toolkits/b.json": "1"})
	second := w.pull(t)
	w.clean(t)
	if ok, err := w.Contains(ctx, second, first); err != nil || !ok {
		t.Error(ok, err)
	}
	w.reopen(t) // a fresh clone learns it again, on a fetch too
	third := w.commit("main", files{"toolkits/c.json": "1"})
	if err := w.Fetch(ctx, third); err != nil {
		t.Fatal(err)
	}
}

func TestServerThatKnowsV2OnlyByGet(t *testing.T) {
	w := newWorld(t)
	first := true
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if isFetch(r) && first {
			first = false
			http.Error(rw, "not yet", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(rw, r)
	}
	want := w.commit("main", files{"a": "1"})
	if h, err := w.Remote(ctx); err != nil || h.Hash != want {
		t.Fatalf("%+v, %v", h, err)
	}
}

func TestFetchAfterForcePush_F1_H18(t *testing.T) {
	w := newWorld(t)
	old := w.commit("main", files{"toolkits/a.json": "1"})
	newer := w.commit("main", files{"toolkits/a.json": "2"})
	w.pull(t)
	git(t, w.bare, "update-ref", "refs/heads/main", string(old))
	if got := w.pull(t); got != old {
		t.Fatalf("at %s", got)
	}
	w.clean(t)
	if ok, err := w.Contains(ctx, old, newer); err != nil || ok {
		t.Error("an older commit contains a newer one", err)
	}
	if ok, err := w.Contains(ctx, newer, old); err != nil || !ok {
		t.Error(ok, err)
	}
	// Another history altogether.
	git(t, w.bare, "update-ref", "-d", "refs/heads/main")
	other := w.commit("main", files{"toolkits/z.json": "9"})
	w.pull(t)
	w.clean(t)
	if ok, _ := w.Contains(ctx, other, newer); ok {
		t.Error("unrelated histories")
	}
	if _, err := w.Contains(ctx, other, mirror.Hash(strings.Repeat("1", 40))); !errors.Is(err, mirror.ErrNoCommit) {
		t.Errorf("got %v, want ErrNoCommit", err)
	}
}

func TestFetchCommitThatIsGone(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"a": "1"})
	err := w.Fetch(ctx, mirror.Hash(strings.Repeat("1", 40)))
	if !errors.Is(err, mirror.ErrStale) {
		t.Errorf("got %v, want ErrStale", err)
	}
	w.pull(t)
	w.clean(t)
}

func TestFetchSendsOnlyWhatIsNew_H20(t *testing.T) {
	w := newWorld(t)
	f := files{}
	for i := range 300 {
		f[fmt.Sprintf("toolkits/t%d.json", i)] = fmt.Sprint(i, time.Unix(int64(i), 0))
	}
	w.commit("main", f)
	w.pull(t)
	// Commits of ours that nobody has, then one of theirs.
	head := w.head("main")
	for i := range 70 {
		head = w.build(t, head, files{"toolkits/x.json": fmt.Sprint(i)}).Head()
	}
	w.checkout(t, head)
	w.commit("main", files{"toolkits/t1.json": "changed"})
	var got int
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		got = rec.Body.Len()
		rw.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		rw.Write(rec.Body.Bytes())
	}
	w.pull(t)
	w.clean(t)
	if got > 12<<10 {
		t.Errorf("%d bytes for one changed file", got)
	}
}

func tempFiles(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	filepath.Walk(dir, func(path string, fi os.FileInfo, err error) error {
		if err == nil && (strings.Contains(fi.Name(), "tmp") || strings.HasSuffix(fi.Name(), ".lock")) {
			out = append(out, path)
		}
		if pack, ok := strings.CutSuffix(path, ".pack"); ok {
			if _, err := os.Stat(pack + ".idx"); err != nil {
				out = append(out, path)
			}
		}
		return nil
	})
	return out
}

func TestFetchCancelledLeavesAUsableClone_P7_H12_H16(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1"})
	want := w.pull(t)
	next := w.commit("main", files{"toolkits/a.json": strings.Repeat("much ", 1000)})
	half := make(chan struct{})
	gone := make(chan struct{})
	w.around = func(rw http.ResponseWriter, r *http.Request, h http.Handler) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		rw.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		rw.Write(rec.Body.Bytes()[:rec.Body.Len()-30])
		rw.(http.Flusher).Flush()
		close(half)
		<-r.Context().Done()
		close(gone)
	}
	c, cancel := context.WithCancel(ctx)
	go func() { <-half; cancel() }()
	if err := w.Fetch(c, next); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want Canceled", err)
	}
	<-gone
	w.idle()
	w.around = nil
	if left := tempFiles(t, w.dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if w.Has(ctx, next) || !w.Has(ctx, want) {
		t.Error("the clone has what it should not, or lacks what it had")
	}
	w.sound(t)
	w.pull(t)
	w.clean(t)
}

func TestStalledTransferEnds_H16(t *testing.T) {
	w := newWorld(t, func(o *clone.Options) { o.StallTimeout = 50 * time.Millisecond })
	want := w.commit("main", files{"a": "1"})
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	_, err := w.Remote(ctx)
	fault(t, err, mirror.CodeNetworkUnreachable, mirror.Transient)
	w.idle()
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		rw.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		io.Copy(io.Discard, r.Body)
		io.WriteString(rw, "00")
		rw.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	fault(t, w.Fetch(ctx, want), mirror.CodeNetworkUnreachable, mirror.Transient)
	w.idle()
}

func TestFetchDamagedPack(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)*2/3] },
		"flipped": func(b []byte) []byte { b[len(b)-40] ^= 0xff; return b },
		"no end":  func(b []byte) []byte { return b[:len(b)-30] },
		"error":   func([]byte) []byte { return []byte("000dpackfile\n0014\x03out of memory\n\n0000") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			want := w.commit("main", files{"toolkits/a.json": strings.Repeat("x y z ", 300), "b": "2"})
			w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
				rec := httptest.NewRecorder()
				next.ServeHTTP(rec, r)
				body := rec.Body.Bytes()
				if strings.Contains(string(body), "PACK") {
					body = spoil(body)
				}
				rw.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
				rw.Write(body)
			}
			fault(t, w.Fetch(ctx, want), mirror.CodeNetworkUnreachable, mirror.Transient)
			if w.Has(ctx, want) {
				t.Error("a broken pack was taken")
			}
			w.around = nil
			w.pull(t)
			w.clean(t)
		})
	}
}

func packs(t *testing.T, dir string) int {
	t.Helper()
	m, _ := filepath.Glob(filepath.Join(dir, ".git/objects/pack/*.pack"))
	return len(m)
}

func TestPacksDoNotPileUp_H13(t *testing.T) {
	w := newWorld(t)
	var all []mirror.Hash
	for i := range 75 {
		all = append(all, w.commit("main", files{"toolkits/a.json": fmt.Sprint(i), fmt.Sprintf("skills/s/f%d", i%9): fmt.Sprint(i)}))
		w.pull(t)
	}
	if n := packs(t, w.dir); n > 52 {
		t.Errorf("%d packs", n)
	}
	w.clean(t)
	w.reopen(t)
	for _, h := range all {
		if _, err := w.Diff(ctx, "", h); err != nil {
			t.Fatal(err)
		}
	}
	w.clean(t)
}

func TestLooseObjectsDoNotPileUp_H13(t *testing.T) {
	w := newWorld(t)
	head := w.push(t, "", files{"toolkits/a.json": "0"})
	for i := range 120 {
		var sets []files
		for j := range 10 {
			sets = append(sets, files{fmt.Sprintf("toolkits/t%d.json", j): fmt.Sprint(i, " ", j)})
		}
		b := w.build(t, head, sets[:9]...)
		head = b.Head()
	}
	w.checkout(t, head) // 27 objects each
	w.FinishUpkeep()
	for i := range 40 {
		head = w.build(t, head, files{"toolkits/a.json": fmt.Sprint("x", i)}, files{"commands/b.json": fmt.Sprint(i)}).Head()
		if i%10 == 9 {
			w.checkout(t, head)
			w.FinishUpkeep()
		}
	}
	for i := range 80 {
		var sets []files
		for j := range 9 {
			sets = append(sets, files{fmt.Sprintf("commands/t%d.json", j): fmt.Sprint(i, " ", j)})
		}
		head = w.build(t, head, sets...).Head()
	}
	w.checkout(t, head)
	w.FinishUpkeep()
	if n := git(t, w.dir, "count-objects"); !strings.HasPrefix(n, "0 objects") {
		t.Errorf("loose: %s", n)
	}
	w.clean(t)
}

func TestGarbageCollectedUnderUs_H14(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "", files{"toolkits/a.json": "1", "skills/s/SKILL.md": "x"})
	w.commit("main", files{"toolkits/b.json": "1"})
	w.pull(t)
	git(t, w.dir, "gc", "-q", "--prune=now")
	git(t, w.dir, "pack-refs", "--all")
	entries, err := w.Diff(ctx, "", first)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, problem, err := w.Read(ctx, e); problem != nil || err != nil {
			t.Fatal(problem, err)
		}
	}
	second := w.push(t, w.head("main"), files{"toolkits/a.json": "2"})
	git(t, w.dir, "gc", "-q", "--prune=now")
	w.commit("main", files{"toolkits/c.json": "1"})
	w.pull(t)
	w.clean(t)
	if ok, err := w.Contains(ctx, w.head("main"), second); !ok || err != nil {
		t.Error(ok, err)
	}
}
