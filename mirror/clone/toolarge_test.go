package clone_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
)

// Texts of limits on a push or its files: the push may be tried in parts.
func TestPushTooLarge(t *testing.T) {
	for _, text := range []string{
		"fatal: pack exceeds maximum allowed size",
		"error: File skills/s/a.bin is 150.00 MB; this exceeds the file size limit of 100.00 MB",
		"skills/s/a.bin (157286400 bytes) is larger than the maximum of 104857600 bytes",
		"Push rejected: the following files are too large: a.bin",
		"Files over the limit of 100 MB are not accepted.",
	} {
		w := newWorld(t)
		first := w.push(t, "", files{"toolkits/a.json": "1"})
		w.hook("printf '%s\\n' '" + text + "' >&2\nexit 1\n")
		err := w.Push(ctx, w.build(t, first, files{"toolkits/a.json": "2"}))
		f := fault(t, err, mirror.CodePushRefused, mirror.Permanent)
		if !errors.Is(err, mirror.ErrTooLarge) || !strings.Contains(f.Message, text) {
			t.Errorf("%q: %v", text, err)
		}
		if w.head("main") != first {
			t.Errorf("%q: the branch moved", text)
		}
	}
}

// Texts that are about something else: parts of the push would fare no better.
func TestPushIsNotTooLarge(t *testing.T) {
	for _, text := range []string{
		"Repository is over the size limit (4 GB) and will not accept further additions.",
		"Commit message lacks a ticket: ABC-1",
		"Permission denied to update branch main.",
		"You have exceeded your patience",
	} {
		w := newWorld(t)
		w.hook("printf '%s\\n' '" + text + "' >&2\nexit 1\n")
		if err := w.Push(ctx, w.build(t, "", files{"toolkits/a.json": "1"})); err == nil || errors.Is(err, mirror.ErrTooLarge) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A proxy's limit is told as such, and the push is not repeated.
func TestPushTooLargeForAProxy(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "", files{"toolkits/a.json": "1"})
	pushes := 0
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			pushes++
			rw.Header().Set("Content-Type", "text/html")
			rw.Header().Set("Connection", "close")
			rw.WriteHeader(http.StatusRequestEntityTooLarge)
			fmt.Fprint(rw, "<html><head><title>413 Request Entity Too Large</title></head></html>")
			return
		}
		next.ServeHTTP(rw, r)
	}
	for _, size := range []int{10, 4 << 20} { // nginx answers while the body is still on its way
		err := w.Push(ctx, w.build(t, first, files{"toolkits/a.json": noise(size)}))
		f := fault(t, err, mirror.CodePushRefused, mirror.Permanent)
		if !errors.Is(err, mirror.ErrTooLarge) || !strings.Contains(f.Message, "413") || !strings.Contains(f.Remedy, "client_max_body_size") {
			t.Errorf("%v", f)
		}
	}
	if pushes != 2 || w.head("main") != first {
		t.Errorf("%d pushes, %s", pushes, w.head("main"))
	}
}

// What is too large as deltas is not sent whole: that is more.
func TestPushTooLargeIsNotSentWhole(t *testing.T) {
	w := newWorld(t)
	f := files{}
	for i := range 200 { // a tree that is worth a delta
		f[fmt.Sprintf("toolkits/t%d.json", i)] = fmt.Sprint(i)
	}
	first := w.push(t, "", f)
	git(t, w.bare, "config", "receive.maxInputSize", "10")
	before := w.requests.Load()
	err := w.Push(ctx, w.build(t, first, files{"toolkits/t1.json": "changed"}))
	if fault(t, err, mirror.CodePushRefused, mirror.Permanent); !errors.Is(err, mirror.ErrTooLarge) {
		t.Errorf("%v", err)
	}
	if n := w.requests.Load() - before; n != 1 {
		t.Errorf("%d requests", n)
	}
}

// noise cannot be compressed.
func noise(size int) string {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(b)
	return string(b)
}
