package bitbuckettest_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func head(t *testing.T, r *bitbuckettest.Repo, branch string) mirror.Hash {
	t.Helper()
	return must[mirror.Hash](t)(r.Head(branch))
}

func TestCutConnections(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fault    bitbuckettest.Fault
		accepted bool
	}{
		{"request lost", bitbuckettest.Fault{CutRequest: true}, false},
		{"answer lost", bitbuckettest.Fault{CutAnswer: true}, true},
		{"answer cut", bitbuckettest.Fault{CutAfter: 10}, true},
		{"answered 500", bitbuckettest.Fault{Status: 500}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, bitbuckettest.Options{})
			before := commit(t, w.repo, "main", "a", "1")
			dir := w.clone(t)
			edit(t, dir, "a", "2")
			undo := w.Inject(tt.fault, bitbuckettest.EndpointPush)
			if _, err := git(t, dir, "", "push", "origin", "main"); err == nil {
				t.Error("git noticed nothing")
			}
			if moved := head(t, w.repo, "main") != before; moved != tt.accepted {
				t.Errorf("the branch moved: %v", moved)
			}
			undo()
			mustGit(t, dir, "", "push", "origin", "main")
			if files, _ := w.repo.Files("main"); files["a"] != "2" {
				t.Errorf("%v", files)
			}
		})
	}
}

func TestCutFetch(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	commit(t, w.repo, "main", "a", strings.Repeat("random enough ", 10_000))
	for _, f := range []bitbuckettest.Fault{{CutRequest: true}, {CutAnswer: true}, {CutAfter: 20}} {
		undo := w.Inject(f, bitbuckettest.EndpointFetch)
		if _, err := git(t, "", "you:you", "clone", w.repo.URL(), filepath.Join(t.TempDir(), "c")); err == nil {
			t.Errorf("%+v: git noticed nothing", f)
		}
		undo()
	}
	w.clone(t)
}

// A foreign commit that arrives between look and push: the loser is told so.
func TestLostRace(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	commit(t, w.repo, "main", "a", "1")
	dir := w.clone(t)
	edit(t, dir, "a", "2")
	w.Inject(bitbuckettest.Fault{Times: 1, Do: func() { commit(t, w.repo, "main", "b", "1") }}, bitbuckettest.EndpointPush)
	_, err := git(t, dir, "", "push", "origin", "main")
	wantText(t, err, "[remote rejected] main -> main")
	_, err = git(t, dir, "", "push", "origin", "main")
	wantText(t, err, "(fetch first)")
	mustGit(t, dir, "", "pull", "--quiet", "--rebase", "origin", "main")
	mustGit(t, dir, "", "push", "--quiet", "origin", "main")
	if files, _ := w.repo.Files("main"); files["a"] != "2" || files["b"] != "1" {
		t.Errorf("%v", files)
	}
}

func TestFaultIsLimited(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	token := w.token(t)
	get := func() int {
		status, _ := w.rest(t, "repositories/acme-corp/webrix-sync", token)
		return status
	}
	w.Inject(bitbuckettest.Fault{Status: 503, Body: "{}", Times: 2}, bitbuckettest.EndpointREST)
	undo := w.Inject(bitbuckettest.Fault{Status: 502, Body: "{}", Repository: "acme-corp/another"})
	defer undo()
	if a, b, c := get(), get(), get(); a != 503 || b != 503 || c != 200 {
		t.Errorf("%d %d %d", a, b, c)
	}
	undo()
	undo() // harmless
}

func TestStallIsReleased(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	token := w.token(t)
	arrived := make(chan struct{})
	undo := w.Inject(bitbuckettest.Fault{Stall: true, Do: func() { close(arrived) }, Times: 1}, bitbuckettest.EndpointREST)
	var wg sync.WaitGroup
	wg.Go(func() {
		if status, _ := w.rest(t, "repositories/acme-corp/webrix-sync", token); status != 200 {
			t.Errorf("%d", status)
		}
	})
	<-arrived
	undo()
	wg.Wait()
}

// Many people push at once: each push is taken whole or refused, and each that is
// taken is told to the webhook once, from where the one before it ended.
func TestConcurrentPushes(t *testing.T) {
	rc := newReceiver(t)
	w, h := hookWorld(t, rc)
	commit(t, w.repo, "main", "seed", "1")
	const people, pushes = 4, 3
	var wg sync.WaitGroup
	for i := range people {
		dir := w.clone(t)
		wg.Go(func() {
			for j := range pushes {
				edit(t, dir, fmt.Sprintf("file-%d-%d", i, j), "x")
				for {
					if _, err := git(t, dir, "", "push", "--quiet", "origin", "main"); err == nil {
						break
					}
					if _, err := git(t, dir, "", "pull", "--quiet", "--rebase", "origin", "main"); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	wait(t, h)
	if files, _ := w.repo.Files("main"); len(files) != 1+people*pushes {
		t.Errorf("%d files", len(files))
	}
	previous := ""
	for i := range rc.bodies {
		c := rc.changes(t, i)[0]
		hash := func(side string) string {
			ref, _ := c[side].(map[string]any)
			target, _ := ref["target"].(map[string]any)
			h, _ := target["hash"].(string)
			return h
		}
		if hash("old") != previous {
			t.Errorf("delivery %d starts at %q, the one before ended at %q", i, hash("old"), previous)
		}
		previous = hash("new")
	}
	if len(rc.bodies) != 1+people*pushes {
		t.Errorf("%d deliveries", len(rc.bodies))
	}
}
