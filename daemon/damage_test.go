package daemon_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// damagedWorld is a world that compares everything each second: damage that no run
// meets is found by that.
func damagedWorld(t *testing.T) *world {
	w := newWorld(t, migrated.SQLite(t))
	w.config.Sync.Audit = "@every 1s"
	w.start()
	w.insert("toolkits", "slug", "'a'", "name", "'A'")
	w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`),
		bitbuckettest.Write("skills/s/SKILL.md", "---\nname: s\ndescription: S\n---\nText.\n"), bitbuckettest.Write("skills/s/more.txt", "more"))
	w.synced()
	return w
}

// roundTrip edits both sides, and expects both edits on both sides.
func (w *world) roundTrip(mark string) {
	w.t.Helper()
	w.exec("UPDATE toolkits SET description = %s WHERE slug = 'a'", quote(mark))
	w.commit(bitbuckettest.Write("toolkits/b.json", fmt.Sprintf(`{"slug":"b","name":"B","description":%q}`, mark)))
	w.synced()
	if !w.branchHas("toolkits/a.json", mark) {
		w.t.Errorf("%s: the database's edit is not on the branch", mark)
	}
	if got := w.query("SELECT description FROM toolkits WHERE slug = 'b'"); got != mark {
		w.t.Errorf("%s: the branch's edit is not in the database: %q", mark, got)
	}
}

// nothingElse makes sure that all that healed did no more than heal.
func (w *world) nothingElse(commits int) {
	w.t.Helper()
	if n := len(w.commits()); n != commits {
		w.t.Errorf("%d commits, want %d", n, commits)
	}
	if rows := w.query("SELECT count(*) FROM toolkits") + w.query("SELECT count(*) FROM skills"); rows != "21" {
		w.t.Errorf("rows of toolkits and skills: %s", rows)
	}
	for _, table := range []string{"conflicts", "rejected_files"} {
		if n := w.query("SELECT count(*) FROM %s", table); n != "0" {
			w.t.Errorf("%s %s", n, table)
		}
	}
	if n := strings.Count(w.log.String(), "level=ERROR"); n > 0 {
		w.t.Errorf("%d errors in the log", n)
	}
}

// sound reports whether git finds nothing to say about the clone.
func (w *world) sound() bool {
	for _, args := range [][]string{{"status", "--porcelain"}, {"fsck", "--strict", "--no-dangling", "--no-progress"}} {
		cmd := exec.CommandContext(w.t.Context(), "git", append([]string{"-C", w.cloneDir()}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.cloneDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_OPTIONAL_LOCKS=0"}
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			return false
		}
	}
	return true
}

// Whatever breaks in the clone under a running daemon, or while it is stopped: runs
// go on at once, and git finds nothing wrong soon after.
func TestDamagedCloneStopsNothing_S7_F4(t *testing.T) {
	w := damagedWorld(t)
	commits := len(w.commits())
	damage := []func(path string) error{
		func(path string) error { return os.Truncate(path, 0) },
		func(path string) error { return os.WriteFile(path, []byte("noise\x00noise"), 0o644) },
		os.Remove,
		func(path string) error {
			fi, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, fi.Size()/2)
		},
	}
	for n, name := range w.gitFiles() {
		path := filepath.Join(w.cloneDir(), ".git", name)
		if _, err := os.Lstat(path); err != nil {
			continue // healed differently before
		}
		w.must(os.Chmod(path, 0o644))
		restart := n%4 == 3
		if restart {
			w.stop()
		}
		w.must(damage[(n+n/4)%len(damage)](path))
		if restart {
			w.start()
		}
		w.roundTrip("after " + name)
		commits += 2
	}
	w.eventually("the clone is sound", w.sound)
	w.checkClone()
	w.nothingElse(commits)
}

// gitFiles lists the files of the clone's .git.
func (w *world) gitFiles() (names []string) {
	w.t.Helper()
	top := filepath.Join(w.cloneDir(), ".git")
	w.must(filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(top, path)
			names = append(names, name)
		}
		return err
	}))
	return names
}

// Nor does what becomes of whole directories, wherever a link in their place leads.
func TestCloneTakenAway_S7_F4(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.MkdirAll(filepath.Join(elsewhere, ".git", "objects"), 0o755); err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(elsewhere, "toolkits", "theirs.json")
	w := damagedWorld(t)
	commits := len(w.commits())
	w.must(os.MkdirAll(filepath.Dir(theirs), 0o755))
	w.must(os.WriteFile(theirs, []byte("theirs"), 0o644))
	for n, c := range []struct {
		name string
		do   func(dir string) error
	}{
		{"the clone gone", os.RemoveAll},
		{"all clones gone", func(dir string) error { return os.RemoveAll(filepath.Dir(dir)) }},
		{".git gone", func(dir string) error { return os.RemoveAll(filepath.Join(dir, ".git")) }},
		{"objects gone", func(dir string) error { return os.RemoveAll(filepath.Join(dir, ".git", "objects")) }},
		{"refs gone", func(dir string) error { return os.RemoveAll(filepath.Join(dir, ".git", "refs")) }},
		{"working files gone", func(dir string) error { return os.RemoveAll(filepath.Join(dir, "toolkits")) }},
		{".git a file", func(dir string) error {
			return firstOf(os.RemoveAll(filepath.Join(dir, ".git")), os.WriteFile(filepath.Join(dir, ".git"), []byte("gitdir: "+elsewhere+"/.git\n"), 0o644))
		}},
		{".git a link", func(dir string) error {
			return firstOf(os.RemoveAll(filepath.Join(dir, ".git")), os.Symlink(filepath.Join(elsewhere, ".git"), filepath.Join(dir, ".git")))
		}},
		{"the clone a link", func(dir string) error { return firstOf(os.RemoveAll(dir), os.Symlink(elsewhere, dir)) }},
		{"the clone a file", func(dir string) error { return firstOf(os.RemoveAll(dir), os.WriteFile(dir, []byte("theirs"), 0o644)) }},
		{"a kind's directory a link", func(dir string) error {
			toolkits := filepath.Join(dir, "toolkits")
			return firstOf(os.RemoveAll(toolkits), os.Symlink(filepath.Dir(theirs), toolkits))
		}},
	} {
		for _, restart := range []bool{false, true} {
			if restart {
				w.stop()
			}
			w.must(c.do(w.cloneDir()))
			if restart {
				w.start()
			}
			w.roundTrip(fmt.Sprintf("%d after %s, %v", n, c.name, restart))
			commits += 2
			w.eventually("the clone is sound after "+c.name, w.sound)
		}
	}
	w.checkClone()
	w.nothingElse(commits)
	if b, err := os.ReadFile(theirs); err != nil || string(b) != "theirs" {
		t.Errorf("what the links led to was touched: %q, %v", b, err)
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Locks of a git that was killed freeze nothing and are no problem to show, old or
// young.
func TestLocksOfAKilledGit_S1(t *testing.T) {
	w := damagedWorld(t)
	for _, age := range []time.Duration{time.Hour, 9 * time.Second, -time.Hour} {
		for _, name := range []string{"index", "HEAD", "config", "packed-refs", "shallow", "refs/heads/main", "refs/remotes/origin/main"} {
			path := filepath.Join(w.cloneDir(), ".git", name+".lock")
			w.must(os.WriteFile(path, nil, 0o644))
			at := time.Now().Add(-age)
			w.must(os.Chtimes(path, at, at))
		}
		w.roundTrip(age.String())
		w.eventually("all locks are gone", func() bool {
			left, err := filepath.Glob(filepath.Join(w.cloneDir(), ".git", "*.lock"))
			refs, _ := filepath.Glob(filepath.Join(w.cloneDir(), ".git", "refs", "*", "*.lock"))
			return err == nil && len(left)+len(refs) == 0
		})
	}
	w.checkClone()
	if strings.Contains(w.log.String(), "CLONE_FAILED") {
		t.Error("a lock was shown as a problem")
	}
}
