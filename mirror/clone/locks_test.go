package clone_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror/clone"
)

// locks are those that somebody's git takes in a clone.
var locks = []string{
	"index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock", "refs/heads/main.lock", "refs/heads/other/one.lock",
	"refs/remotes/origin/main.lock", "objects/info/commit-graphs/commit-graph-chain.lock", "objects/pack/multi-pack-index.lock",
}

// lock leaves a lock as a killed git does, with an age.
func (w *world) lock(t *testing.T, name string, at time.Time) {
	t.Helper()
	w.write(t, ".git/"+name, "half an inde")
	if err := os.Chtimes(filepath.Join(w.dir, ".git", name), at, at); err != nil {
		t.Fatal(err)
	}
}

func (w *world) locked(name string) bool {
	_, err := os.Lstat(filepath.Join(w.dir, ".git", name))
	return err == nil
}

// clock is a clone's clock that tests set.
type clock struct{ offset time.Duration }

func (k *clock) now() time.Time { return time.Now().Add(k.offset) }

func (k *clock) set(o *clone.Options) { o.Now = k.now }

func TestOldLocksAreRemoved_H4_S1(t *testing.T) {
	for _, restart := range []bool{false, true} {
		w := newWorld(t)
		w.commit("main", files{"toolkits/a.json": "1"})
		w.pull(t)
		w.commit("main", files{"toolkits/a.json": "2"})
		for _, name := range locks {
			w.lock(t, name, time.Now().Add(-time.Minute))
		}
		if restart {
			w.reopen(t)
		}
		w.pull(t)
		w.clean(t)
		for _, name := range locks {
			if w.locked(name) {
				t.Errorf("%s is still there (restarted: %v)", name, restart)
			}
		}
		if left := tempFiles(t, w.dir); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// A lock that a git left a moment ago is waited for until it is old, and nobody
// hears of it.
func TestYoungLocksAreWaitedFor_H4_S1(t *testing.T) {
	for _, name := range []string{"index.lock", "refs/heads/main.lock", "refs/remotes/origin/main.lock"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.commit("main", files{"toolkits/a.json": "1"})
			w.pull(t)
			w.commit("main", files{"toolkits/a.json": "2"})
			w.lock(t, name, time.Now().Add(-9700*time.Millisecond))
			w.pull(t)
			w.clean(t)
			if w.locked(name) {
				t.Error("it is still there")
			}
		})
	}
}

// What a checkout does not need is left alone while it is young, and waited for by nobody.
func TestOthersLocksAreNotWaitedFor_H4_S1(t *testing.T) {
	var k clock
	w := newWorld(t, k.set)
	w.commit("main", files{"toolkits/a.json": "1"})
	w.pull(t)
	for _, name := range []string{"HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock"} {
		w.lock(t, name, k.now())
		w.commit("main", files{"toolkits/a.json": name})
		started := time.Now()
		head := w.pull(t)
		if took := time.Since(started); took > 5*time.Second {
			t.Errorf("%s: the checkout took %s", name, took)
		}
		if !w.locked(name) {
			t.Errorf("%s: a young lock was removed", name)
		}
		k.offset += time.Minute
		w.checkout(t, head)
		if w.locked(name) {
			t.Errorf("%s: an old lock stays", name)
		}
	}
	w.clean(t)
}

// A clock that was set back leaves locks from the future: they get old like others.
func TestLockFromTheFutureGetsOld_H4_S1(t *testing.T) {
	var k clock
	w := newWorld(t, k.set)
	w.commit("main", files{"toolkits/a.json": "1"})
	head := w.pull(t)
	w.lock(t, "index.lock", time.Now().Add(24*time.Hour))
	w.checkout(t, head) // needs no lock, and sees this one
	if !w.locked("index.lock") {
		t.Error("a lock that may be somebody's was removed at once")
	}
	k.offset = 11 * time.Second
	w.commit("main", files{"toolkits/a.json": "2"})
	w.pull(t)
	w.clean(t)
	if w.locked("index.lock") {
		t.Error("it is still there")
	}
}

// A kill of ours between taking a lock and using it holds nobody up, however young
// the lock is.
func TestOurOwnLockIsKnown_S1(t *testing.T) {
	for _, name := range []string{"index.lock", "HEAD.lock", "refs/heads/main.lock"} {
		w := newWorld(t)
		w.commit("main", files{"toolkits/a.json": "1"})
		w.pull(t)
		w.Clone.Close()
		w.write(t, ".git/confmirror/tmp-1", "half")
		if err := os.Link(filepath.Join(w.dir, ".git/confmirror/tmp-1"), filepath.Join(w.dir, ".git", name)); err != nil {
			t.Fatal(err)
		}
		w.lock(t, "packed-refs.lock", time.Now()) // somebody's
		w.open(t)
		if w.locked(name) {
			t.Errorf("%s is still there", name)
		}
		if !w.locked("packed-refs.lock") {
			t.Error("somebody's young lock was removed")
		}
		if left, _ := filepath.Glob(filepath.Join(w.dir, ".git/confmirror/tmp-*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}
