package clone

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync/atomic"
)

// tmpPrefix begins the names of our temporary files in the working tree.
const tmpPrefix = ".confmirror-tmp-"

// workDir is an open directory of the working tree. All writing happens through
// it, by names without a slash: no symbolic link is ever followed.
type workDir struct {
	path string // in the repository, "" for the top
	root *os.Root
	file *os.File // the same, for renames
	uses atomic.Int32
}

func (d *workDir) release() {
	if d.uses.Add(-1) == 0 {
		d.file.Close()
		d.root.Close()
	}
}

func joinPath(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// splitPath gives the directory ("" for the top) and the name.
func splitPath(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// openDir opens a directory of the working tree, component by component, from one that
// leads there and is open already, or nil. With create, missing ones are made, and what is
// no directory is moved aside; without, fs.ErrNotExist says that there is no such directory.
func (c *Clone) openDir(from *workDir, dir string, create bool, k *keeper) (*workDir, error) {
	top, done := c.root, ""
	if from != nil {
		top, done = from.root, from.path
	}
	at, err := top.OpenRoot(".")
	if err != nil {
		return nil, err
	}
	for done != dir {
		part, _, _ := strings.Cut(strings.TrimPrefix(dir[len(done):], "/"), "/")
		done = joinPath(done, part)
		next, err := enter(at, part)
		if err != nil && create && safeName(part) {
			if fi, lerr := at.Lstat(part); lerr == nil && !fi.IsDir() {
				if err := k.keep(done, done); err != nil {
					at.Close()
					return nil, err
				}
			}
			if merr := at.Mkdir(part, 0o777); merr == nil || errors.Is(merr, fs.ErrExist) {
				next, err = enter(at, part)
			}
		}
		at.Close()
		if err != nil {
			return nil, fmt.Errorf("directory %s: %w", done, err)
		}
		at = next
	}
	file, err := at.Open(".")
	if err != nil {
		at.Close()
		return nil, err
	}
	d := &workDir{path: dir, root: at, file: file}
	d.uses.Store(1)
	return d, nil
}

// enter opens a subdirectory that is one itself, not a link to one.
func enter(at *os.Root, name string) (*os.Root, error) {
	before, err := at.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.IsDir() {
		return nil, fs.ErrNotExist
	}
	next, err := at.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	after, err := next.Stat(".")
	if err != nil || !os.SameFile(before, after) {
		next.Close()
		return nil, fs.ErrNotExist // exchanged under our hands
	}
	return next, nil
}

// keeper moves people's files out of the way, never deletes them.
type keeper struct {
	c     *Clone
	stamp string
}

// newKeeper starts a batch of kept files; the directory is made with the first.
func (c *Clone) newKeeper() *keeper {
	return &keeper{c: c, stamp: c.o.Now().UTC().Format(stampFormat)}
}

// keep moves what stands at from (a path of the working tree) aside, under the
// name of original.
func (k *keeper) keep(from, original string) error {
	_, err := k.moveAside(from, original)
	return err
}

// moveAside is keep, and tells where it stands now.
func (k *keeper) moveAside(from, original string) (to string, err error) {
	for i := range 1000 {
		dir := ".git/confmirror/kept/" + k.stamp
		if i > 0 {
			dir += fmt.Sprintf("-%d", i)
		}
		to = dir + "/" + original
		if exists(k.c.root, to) {
			continue
		}
		if err := k.c.root.MkdirAll(path.Dir(to), 0o755); err != nil {
			if errors.Is(err, errNotDir) || errors.Is(err, fs.ErrExist) {
				continue // kept before as a file, now as a directory
			}
			return "", err
		}
		if err := k.c.root.Rename(from, to); err != nil {
			return "", err
		}
		k.c.log.Warn("a file that somebody changed by hand was moved aside", "path", original, "kept", to)
		return to, nil
	}
	return "", fmt.Errorf("no room to keep %s", original)
}
