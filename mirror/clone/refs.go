package clone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

func (c *Clone) branchRef() string   { return "refs/heads/" + c.o.Branch }
func (c *Clone) trackingRef() string { return "refs/remotes/origin/" + c.o.Branch }

// readRef resolves a ref to a commit; ok is false when it is absent or broken.
func (c *Clone) readRef(name string) (plumbing.Hash, bool) {
	for range 5 { // symbolic refs
		b, err := c.git.ReadFile(name)
		if err != nil {
			return c.packedRef(name)
		}
		text := strings.TrimSpace(string(b))
		if target, ok := strings.CutPrefix(text, "ref: "); ok && safePath(target) {
			name = target
			continue
		}
		return toID(mirror.Hash(text))
	}
	return plumbing.ZeroHash, false
}

// packedRef looks where somebody's "git gc" puts refs.
func (c *Clone) packedRef(name string) (plumbing.Hash, bool) {
	b, err := c.git.ReadFile("packed-refs")
	if err != nil {
		return plumbing.ZeroHash, false
	}
	for line := range strings.Lines(string(b)) {
		hex, ref, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && ref == name {
			return toID(mirror.Hash(hex))
		}
	}
	return plumbing.ZeroHash, false
}

// setRef writes a ref under its lock.
func (c *Clone) setRef(ctx context.Context, name string, id plumbing.Hash) error {
	if at, ok := c.readRef(name); ok && at == id {
		return nil
	}
	return c.replace(ctx, name, []byte(id.String()+"\n"))
}

// How long somebody's lock is waited for, and after how long it is taken for a
// dead process's.
const (
	lockWait  = 2 * time.Second
	lockStale = 10 * time.Second
	lockStep  = 20 * time.Millisecond
)

// replace writes a file of .git the way git does: with <name>.lock held, by a
// rename. Ours is complete before it becomes the lock, so a kill leaves either
// no lock of ours or, for an instant, one that is soon taken for stale.
func (c *Clone) replace(ctx context.Context, name string, data []byte) error {
	const tmp = "confmirror/tmp-file"
	c.git.Remove(tmp)
	if err := writeNew(c.git, tmp, data, 0o644); err != nil {
		return cloneFault("The clone cannot be written.", err)
	}
	defer c.git.Remove(tmp)
	lock := name + ".lock"
	if err := c.acquire(ctx, tmp, lock); err != nil {
		return err
	}
	if err := c.git.Rename(lock, name); err != nil {
		// An empty directory of a branch that is gone may be in the way.
		if c.clearDirs(name) != nil || c.git.Rename(lock, name) != nil {
			c.git.Remove(lock)
			return cloneFault("The clone cannot be written.", err)
		}
	}
	return nil
}

// acquire links tmp to lock, which fails while somebody holds it.
func (c *Clone) acquire(ctx context.Context, tmp, lock string) error {
	deadline := time.Now().Add(lockWait)
	for {
		err := c.git.Link(tmp, lock)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) {
			if err = c.makeParents(lock); err == nil {
				err = c.git.Link(tmp, lock)
			}
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return cloneFault("The clone cannot be written.", err)
		}
		if c.dropStale(lock) {
			continue
		}
		if time.Now().After(deadline) {
			return cloneFault("Another program holds a lock in the clone.", fmt.Errorf("%s exists", lock))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockStep):
		}
	}
}

// dropStale removes a lock whose holder must be dead. git holds locks for less
// than seconds; nothing tells who made one.
func (c *Clone) dropStale(lock string) bool {
	fi, err := c.git.Lstat(lock)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	age := c.o.Now().Sub(fi.ModTime())
	if age < lockStale && age > -lockStale {
		return false
	}
	c.log.Warn("removed a stale lock in the clone", "lock", lock, "age", age.Round(time.Second))
	return c.git.Remove(lock) == nil
}

// makeParents makes a ref's directories, and moves a ref aside that stands where
// a directory must be (branch a, now a/b).
func (c *Clone) makeParents(name string) error {
	dir := path.Dir(name)
	err := c.git.MkdirAll(dir, 0o755)
	if err == nil || !strings.HasPrefix(name, "refs/") {
		return err
	}
	for at := dir; strings.Count(at, "/") > 1; at = path.Dir(at) {
		if fi, err := c.git.Lstat(at); err == nil && !fi.IsDir() {
			c.log.Warn("removed a ref that is in the way", "ref", at)
			c.git.Remove(at)
		}
	}
	return c.git.MkdirAll(dir, 0o755)
}

// clearDirs removes empty directories in a ref's place.
func (c *Clone) clearDirs(name string) error {
	fi, err := c.git.Lstat(name)
	if err != nil || !fi.IsDir() {
		return errors.New("nothing to clear")
	}
	d, err := c.git.Open(name)
	if err != nil {
		return err
	}
	entries, err := d.ReadDir(-1)
	d.Close()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			c.clearDirs(path.Join(name, e.Name()))
		}
	}
	return c.git.Remove(name) // fails when a ref is left in it
}

// exists reports whether something stands at a path of .git.
func exists(root *os.Root, name string) bool {
	_, err := root.Lstat(name)
	return err == nil
}
