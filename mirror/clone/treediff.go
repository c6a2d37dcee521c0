package clone

import (
	"context"
	"errors"
	"fmt"
)

// maxPaths bounds what is checked out: a few small trees that name each other
// can stand for more files than any disk has.
const maxPaths = 1_000_000

var errTooManyPaths = errors.New("too many files")

// diffTrees lists every path that differs between two root trees, files before
// and after; directories are walked, equal ones skipped. Names that may not
// become files' names are left out and counted.
func (c *Clone) diffTrees(ctx context.Context, from, to *tree) ([]change, error) {
	d := &treeDiff{c: c, ctx: ctx}
	if err := d.walk("", from, to, 0); err != nil {
		return nil, err
	}
	if d.unsafe > 0 {
		c.log.Warn("files whose names are unsafe were not checked out", "count", d.unsafe)
	}
	return d.out, nil
}

type treeDiff struct {
	c      *Clone
	ctx    context.Context
	out    []change
	unsafe int
}

func (d *treeDiff) walk(dir string, from, to *tree, depth int) (err error) {
	if cerr := d.ctx.Err(); cerr != nil {
		return cerr
	}
	if depth > 4*maxDepth || len(d.out) > maxPaths {
		return fmt.Errorf("%w below %q", errTooManyPaths, dir)
	}
	mergeTrees(from, to, func(a, b *treeEntry) {
		if err == nil {
			err = d.pair(dir, a, b, depth)
		}
	})
	return err
}

func (d *treeDiff) pair(dir string, a, b *treeEntry, depth int) error {
	var old, new treeEntry
	if a != nil {
		old = *a
	}
	if b != nil {
		new = *b
	}
	name := old.name
	if b != nil {
		name = new.name
	}
	if !safeName(name) || len(dir)+len(name) > 4000 {
		d.unsafe++
		return nil
	}
	path := joinPath(dir, name)
	if old.mode != 0 && old.isDir() || new.mode != 0 && new.isDir() {
		from, to := &tree{id: emptyTree}, &tree{id: emptyTree}
		var err error
		if old.mode != 0 && old.isDir() {
			if from, err = d.c.store.tree(old.id); err != nil {
				return err
			}
			old = treeEntry{}
		}
		if new.mode != 0 && new.isDir() {
			if to, err = d.c.store.tree(new.id); err != nil {
				return err
			}
			new = treeEntry{}
		}
		if err := d.walk(path, from, to, depth+1); err != nil {
			return err
		}
	}
	if old.mode == 0 && new.mode == 0 || old.mode == new.mode && old.id == new.id {
		return nil
	}
	d.out = append(d.out, change{path: path, old: old, new: new})
	return nil
}

// indexMode is the mode that git's index has for a tree entry.
func indexMode(e treeEntry) uint32 {
	if e.isSubmodule() {
		return modeSubmodule
	}
	if !e.isRegular() {
		return e.mode & modeFormat
	}
	if e.mode&0o111 != 0 {
		return modeExecutable
	}
	return modeFile
}
