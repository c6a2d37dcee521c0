//go:build unix

package bitbuckettest_test

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// Close kills what git is doing, hooks included, and leaves nothing behind.
func TestCloseKillsGit(t *testing.T) {
	s, err := bitbuckettest.New(bitbuckettest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := &world{Server: s}
	if w.repo, err = s.CreateRepository("acme-corp", "webrix-sync"); err != nil {
		t.Fatal(err)
	}
	commit(t, w.repo, "main", "a", "1")
	dir := w.clone(t)
	edit(t, dir, "a", "2")

	// A hook that never ends holds a pipe open.
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nexec 9>'" + pipe + "'\necho started >&9\nsleep 600\n"
	if err := os.WriteFile(filepath.Join(w.repo.Dir(), "hooks", "pre-receive"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := git(t, dir, "", "push", "origin", "main"); err == nil {
			t.Error("the push succeeded")
		}
	})
	f, err := os.Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewReader(f)
	if line, err := in.ReadString('\n'); err != nil || line != "started\n" {
		t.Fatalf("%q %v", line, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := in.ReadByte(); err != io.EOF { // the last writer is gone
		t.Errorf("the hook lives: %v", err)
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
