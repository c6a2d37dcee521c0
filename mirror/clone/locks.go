package clone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// What people's git writes, too, is written as git does it: under <name>.lock, by
// a rename. A lock that stands already is
//
//	ours           of a process of ours that died: removed at the next Open
//	somebody's     while a git of theirs runs in the clone: waited for a moment, then
//	               left alone. Nothing of theirs is touched, and nothing else waits
//	               for it: what people would see in the clone comes with a later run
//	nobody's       older than lockStale, and no git runs here: removed
//
// A lock's age goes by its modification time. One in the future (a clock was set
// back) is put to the present, and so is old soon.
const (
	lockWait  = 2 * time.Second
	lockStale = 10 * time.Second
	lockStep  = 20 * time.Millisecond
	// busyPatience is how long somebody's git may keep the working files back before
	// the mirror reports it.
	busyPatience = time.Minute
)

// busyError: somebody's git is at work in the clone. It ends by itself.
type busyError struct {
	lock string
	age  time.Duration
}

func (e *busyError) Error() string { return e.lock + " is somebody's" }

func isBusy(err error) bool {
	_, ok := errors.AsType[*busyError](err)
	return ok
}

// forgiving lets a lock of somebody's pass as long as it does not stay for long.
func (c *Clone) forgiving(err error) error {
	busy, ok := errors.AsType[*busyError](err)
	switch {
	case !ok:
		return err
	case busy.age < busyPatience:
		c.log.Info("working files wait for somebody's git", "lock", busy.lock, "age", busy.age.Round(time.Second))
		return nil
	}
	f := cloneFault("Somebody's git holds a lock in the clone, and the working files wait for it.", err)
	f.Remedy = "End the git program that works in the clone's directory, or remove the file " + path.Join(c.o.Dir, ".git", busy.lock) + ". Imports and exports go on."
	return f
}

// lockFile is a lock that we hold on a file of .git.
type lockFile struct {
	c    *Clone
	name string   // of what is locked
	mark string   // the lock's second name: it shows the next process whose it is
	file *os.File // the lock itself, which becomes the new content
}

// hold takes the lock on name, or fails with a *busyError. Callers release it.
func (c *Clone) hold(ctx context.Context, name string) (*lockFile, error) {
	l := &lockFile{c: c, name: name, mark: "confmirror/tmp-" + strconv.FormatUint(tmpCount.Add(1), 36)}
	var err error
	if l.file, err = c.git.OpenFile(l.mark, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644); err != nil {
		return nil, cloneFault("The clone cannot be written.", err)
	}
	if err := l.acquire(ctx); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

// acquire links the mark to the lock, which fails while somebody holds it.
func (l *lockFile) acquire(ctx context.Context) error {
	c, lock := l.c, l.name+".lock"
	for started := time.Now(); ; {
		err := c.git.Link(l.mark, lock)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) {
			if err = makeDir(c.git, path.Dir(lock)); err == nil {
				err = c.git.Link(l.mark, lock)
			}
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return cloneFault("The clone cannot be written.", err)
		}
		age, gone := c.dropStale(lock)
		if gone {
			continue
		}
		step, waited := lockStep, time.Since(started)
		if waited >= lockWait || age >= lockStale {
			if age >= lockStale || waited > lockStale+lockWait || c.gitAtWork() {
				return &busyError{lock, age}
			}
			step *= 10 // it gets old
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(step):
		}
	}
}

// holds reports whether the lock is there and still ours.
func (l *lockFile) holds() bool {
	mine, err1 := l.file.Stat()
	there, err2 := l.c.git.Lstat(l.name + ".lock")
	return err1 == nil && err2 == nil && os.SameFile(mine, there)
}

// commit makes the parts the content of what is locked.
func (l *lockFile) commit(parts ...[]byte) error {
	for _, part := range parts {
		if _, err := l.file.Write(part); err != nil {
			return cloneFault("The clone cannot be written.", err)
		}
	}
	if !l.holds() {
		return &busyError{lock: l.name + ".lock"} // somebody took it for nobody's
	}
	err := l.c.git.Rename(l.name+".lock", l.name)
	if fi, lerr := l.c.git.Lstat(l.name); err != nil && lerr == nil && fi.IsDir() {
		// For instance what is left of a branch main/x where the branch is now main.
		l.c.log.Warn("removed a directory that is in the way", "path", l.name)
		if err = l.c.git.RemoveAll(l.name); err == nil {
			err = l.c.git.Rename(l.name+".lock", l.name)
		}
	}
	if err != nil {
		return cloneFault("The clone cannot be written.", err)
	}
	l.c.git.Remove(l.mark) // the second name; without it the file's state is final
	return nil
}

// release gives the lock back; after commit it only tidies up.
func (l *lockFile) release() {
	if l.holds() {
		l.c.git.Remove(l.name + ".lock")
	}
	l.c.git.Remove(l.mark)
	l.file.Close()
}

// replace writes a file of .git under its lock.
func (c *Clone) replace(ctx context.Context, name string, data []byte) error {
	l, err := c.hold(ctx, name)
	if err != nil {
		return err
	}
	defer l.release()
	return l.commit(data)
}

// dropStale removes a lock that is nobody's. One that it leaves although it is stale
// is that of a git at work.
func (c *Clone) dropStale(lock string) (age time.Duration, gone bool) {
	fi, err := c.git.Lstat(lock)
	if err != nil {
		return 0, errors.Is(err, fs.ErrNotExist)
	}
	now := c.o.Now()
	age = now.Sub(fi.ModTime())
	switch {
	case age < 0 && c.git.Chtimes(lock, now, now) == nil:
		return 0, false
	case age >= 0 && age < lockStale, c.gitAtWork():
		return age, false
	}
	c.log.Warn("removed a stale lock in the clone", "lock", lock, "age", age.Round(time.Second))
	return age, c.git.RemoveAll(lock) == nil
}

// sweepLocks removes the locks that are nobody's, whatever they lock: people's git
// would fail on one that we never need.
func (c *Clone) sweepLocks() {
	for _, dir := range []string{".", "refs", "objects/info", "objects/pack"} {
		c.locksBelow(dir, func(lock string) { c.dropStale(lock) })
	}
}

// locksBelow finds the locks in a directory of .git, and below it unless it is the top.
func (c *Clone) locksBelow(dir string, found func(lock string)) {
	for _, e := range readDir(c.git, dir) {
		name := path.Join(dir, e.Name())
		switch {
		case strings.HasSuffix(name, ".lock"):
			found(name)
		case e.IsDir() && dir != ".":
			c.locksBelow(name, found)
		}
	}
}

// sweepOwn removes what a killed process of ours left: nobody else makes these
// while the clone is open.
func (c *Clone) sweepOwn() {
	for _, e := range readDir(c.git, "confmirror") {
		mark, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), "tmp-") {
			continue
		}
		for _, dir := range []string{".", "refs"} {
			c.locksBelow(dir, func(lock string) {
				if fi, err := c.git.Lstat(lock); err == nil && os.SameFile(fi, mark) {
					c.git.Remove(lock)
				}
			})
		}
		c.git.Remove("confmirror/" + e.Name())
	}
}

// makeDir makes a directory of .git, in place of whatever else stands there: a
// ref (branch a, now a/b), a file, a link to elsewhere.
func makeDir(git *os.Root, dir string) error {
	if fi, err := git.Lstat(dir); err == nil && fi.IsDir() {
		return nil
	}
	err := git.MkdirAll(dir, 0o755)
	if err == nil || dir == "." {
		return err
	}
	for at := dir; at != "."; at = path.Dir(at) {
		if fi, err := git.Lstat(at); err == nil && !fi.IsDir() {
			if err := git.Remove(at); err != nil {
				return fmt.Errorf("%s is in the way: %w", at, err)
			}
		}
	}
	return git.MkdirAll(dir, 0o755)
}
