package daemon_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// disk is a small one of its own, mounted at a directory. Where a test may not mount
// (it is not root, or in a container), limits of the process do what they can in
// its place: no file grows beyond what is left, and the directory leads to a
// file system on which nobody can make anything.
type disk struct {
	t       *testing.T
	dir     string
	size    string // a mount option
	mounted bool
}

func newDisk(t *testing.T, dir string, size int) *disk {
	t.Helper()
	d := &disk{t: t, dir: dir, size: fmt.Sprintf("size=%d", size)}
	d.must(os.MkdirAll(dir, 0o755))
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, d.size)
	if err != nil && !errors.Is(err, unix.EPERM) {
		t.Fatalf("mount: %v", err)
	}
	if d.mounted = err == nil; d.mounted {
		t.Cleanup(func() { d.must(unix.Unmount(dir, unix.MNT_DETACH)) })
		return d
	}
	t.Logf("no disk can be mounted here (%v); limits of the process take its place", err)
	signal.Ignore(syscall.SIGXFSZ)
	t.Cleanup(func() { signal.Reset(syscall.SIGXFSZ) })
	return d
}

func (d *disk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill leaves so many bytes.
func (d *disk) fill(left int64) (empty func()) {
	d.t.Helper()
	if !d.mounted {
		var before unix.Rlimit
		d.must(unix.Getrlimit(unix.RLIMIT_FSIZE, &before))
		d.must(unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(left), Max: before.Max}))
		return func() { d.must(unix.Setrlimit(unix.RLIMIT_FSIZE, &before)) }
	}
	var s unix.Statfs_t
	d.must(unix.Statfs(d.dir, &s))
	d.must(os.WriteFile(d.ballast(), make([]byte, int64(s.Bfree)*s.Bsize-left), 0o600))
	return func() { d.must(os.Remove(d.ballast())) }
}

// lock makes the disk read-only.
func (d *disk) lock() (unlock func()) {
	d.t.Helper()
	if !d.mounted {
		aside := d.dir + ".aside"
		d.must(os.Rename(d.dir, aside))
		d.must(os.Symlink("/sys", d.dir))
		return func() { d.must(os.Remove(d.dir)); d.must(os.Rename(aside, d.dir)) }
	}
	remount := func(flags uintptr) error {
		return unix.Mount("", d.dir, "", unix.MS_REMOUNT|flags, d.size)
	}
	d.must(remount(unix.MS_RDONLY))
	return func() { d.must(remount(0)) }
}

// noise is text that does not get smaller.
func noise(n int) string {
	r := rand.NewChaCha8([32]byte{7})
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%016x\n", r.Uint64())
	}
	return b.String()[:n]
}

// largeSkill is a skill on the branch with one large file.
func largeSkill(slug, text string) []bitbuckettest.Change {
	return []bitbuckettest.Change{
		bitbuckettest.Write("skills/"+slug+"/SKILL.md", "---\nname: "+slug+"\ndescription: S\n---\nText.\n"),
		bitbuckettest.Write("skills/"+slug+"/large.txt", text),
	}
}

// A disk that is full, or that cannot be written, is said to be; nothing is lost by
// it, and when there is room again everything goes on by itself.
func TestDiskOfTheClones_P5(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(w *world, d *disk) (undo func())
		message string
		// imported: the edit on the branch reaches the database all the same.
		imported bool
	}{
		{name: "full while fetching", prepare: func(w *world, d *disk) func() {
			w.commit(largeSkill("large", noise(200<<10))...)
			return d.fill(40 << 10)
		}, message: "The disk that holds the clone is full."},
		{name: "full while building", prepare: func(w *world, d *disk) func() {
			undo := d.fill(20 << 10)
			w.insert("commands", "slug", "'large'", "name", "'Large'", "prompt", quote(noise(100<<10)))
			return undo
		}, message: "The disk that holds the clone is full."},
		{name: "full while checking out", prepare: func(w *world, d *disk) func() {
			w.commit(largeSkill("large", strings.Repeat("text ", 40<<10))...)
			return d.fill(80 << 10)
		}, message: "The disk that holds the clone is full.", imported: true},
		{name: "read-only", prepare: func(w *world, d *disk) func() {
			w.stop() // what has files open keeps a disk writable
			w.commit(largeSkill("large", "small")...)
			w.insert("commands", "slug", "'large'", "name", "'Large'", "prompt", "'small'")
			undo := d.lock()
			w.start()
			return undo
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, migrated.Postgres(t))
			d := newDisk(t, filepath.Join(w.config.DataDir, "clones"), 2<<20)
			w.start()
			w.insert("toolkits", "slug", "'a'", "name", "'A'")
			w.synced()
			undo := c.prepare(w, d)
			if report := w.sync(); report["state"] != "error" {
				t.Errorf("report: %v", report)
			}
			detail, _ := w.mirror()["detail"].(map[string]any)
			message, _ := detail["message"].(string)
			remedy, _ := detail["remedy"].(string)
			if detail["code"] != "CLONE_FAILED" || c.message != "" && message != c.message || !strings.Contains(remedy, "disk") && !strings.Contains(remedy, "data directory") {
				t.Errorf("detail: %v", detail)
			}
			there := w.query("SELECT count(*) FROM skills") == "1"
			if there != c.imported {
				t.Errorf("imported: %v", there)
			}
			undo()
			w.eventually("the mirror goes on by itself", func() bool { m := w.mirror(); return m["state"] == "ok" && m["pending_changes"].(float64) == 0 })
			w.checkClone()
			if rows, files := w.query("SELECT count(*) FROM commands"), w.files(); rows == "1" && files["commands/large.json"] == "" {
				t.Error("the database's edit was lost")
			} else if files["skills/large/large.txt"] != "" && w.query("SELECT count(*) FROM skill_files") != "2" {
				t.Error("the branch's edit was lost")
			}
			if left, _ := filepath.Glob(filepath.Join(w.cloneDir(), ".git", "objects", "pack", "tmp*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// The embedded database's disk may be full, too.
func TestDiskOfTheDatabase(t *testing.T) {
	target := migrated.SQLite(t)
	d := newDisk(t, target.DataDir, 16<<20)
	d.must(os.Symlink(t.TempDir(), filepath.Join(target.DataDir, "clones"))) // these have room
	w := newWorld(t, target)
	w.start()
	w.insert("toolkits", "slug", "'a'", "name", "'A'")
	w.synced()
	w.commit(largeSkill("large", noise(400<<10))...)
	undo := d.fill(0)
	status, answer := w.call("POST", "mirror/sync?wait=true", nil)
	if detail, _ := answer["detail"].(map[string]any); status < 500 && (answer["state"] != "error" || d.mounted && detail["code"] != "DATABASE_FAILED") {
		t.Errorf("sync without room for the database: %d %v", status, answer)
	}
	undo()
	w.eventually("the branch's edit is there", func() bool { return w.query("SELECT count(*) FROM skill_files") == "2" })
	w.insert("toolkits", "slug", "'b'", "name", "'B'")
	w.synced()
	if _, there := w.files()["toolkits/b.json"]; !there {
		t.Error("the database's edit was lost")
	}
	w.checkClone()
}
