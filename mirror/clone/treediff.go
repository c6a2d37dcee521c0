package clone

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// maxPaths bounds what is checked out: a few small trees that name each other
// can stand for more files than any disk has.
const maxPaths = 1_000_000

var errTooManyPaths = errors.New("too many files")

// changes is a list of paths that differ, in the order of the index. It calls visit for
// each, and ends with the first error; it can be gone through more than once, and the
// list is nowhere in memory.
type changes func(ctx context.Context, visit func(*change) error) error

// errEnough ends a walk through changes that has found what it looked for.
var errEnough = errors.New("enough")

// any reports whether there is a change at all.
func (cs changes) any(ctx context.Context) (bool, error) {
	err := cs(ctx, func(*change) error { return errEnough })
	if err == errEnough {
		return true, nil
	}
	return false, err
}

// listed makes changes of a few that are sorted by path.
func listed(list []change) changes {
	return func(ctx context.Context, visit func(*change) error) error {
		for i := range list {
			if i%1000 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if err := visit(&list[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

// diffTrees are the paths that differ between two root trees, files before and after;
// directories are walked, equal ones skipped. Names that may not become files' names are
// left out.
func (c *Clone) diffTrees(from, to *tree) changes {
	told := false
	return func(ctx context.Context, visit func(*change) error) error {
		d := &treeDiff{c: c, ctx: ctx, visit: visit}
		if err := d.walk("", from, to, 0); err != nil {
			return err
		}
		if d.unsafe > 0 && !told {
			told = true
			c.log.Warn("files whose names are unsafe were not checked out", "count", d.unsafe)
		}
		return nil
	}
}

// rootDiff is diffTrees of two commits.
func (c *Clone) rootDiff(from, to plumbing.Hash) (changes, error) {
	a, err := c.store.rootOf(from)
	if err != nil {
		return nil, err
	}
	b, err := c.store.rootOf(to)
	if err != nil {
		return nil, err
	}
	return c.diffTrees(a, b), nil
}

// forgetReplaced drops from memory the trees of one commit that differ from those of
// another, and the bases of deltas: what a run leaves behind is what the next one needs.
func (c *Clone) forgetReplaced(from, to plumbing.Hash) {
	c.store.packs.bases.clear()
	a, err1 := c.store.rootOf(from)
	b, err2 := c.store.rootOf(to)
	if err1 == nil && err2 == nil {
		c.store.forgetReplaced(a, b)
	}
}

func (s *store) forgetReplaced(from, to *tree) {
	zipTrees(from, to, func(a, b *treeEntry) error {
		if a == nil || !a.isDir() {
			return nil
		}
		below := &tree{id: emptyTree}
		if b != nil {
			if below = s.trees.get(b.id); below == nil {
				return nil
			}
		}
		if t := s.trees.get(a.id); t != nil {
			s.forgetReplaced(t, below)
		}
		return nil
	})
	if from.id != to.id {
		s.trees.forget(from.id)
	}
}

type treeDiff struct {
	c             *Clone
	ctx           context.Context
	visit         func(*change) error
	found, unsafe int
}

func (d *treeDiff) walk(dir string, from, to *tree, depth int) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	if depth > 4*maxDepth || d.found > maxPaths {
		return fmt.Errorf("%w below %q", errTooManyPaths, dir)
	}
	return zipTrees(from, to, func(a, b *treeEntry) error { return d.pair(dir, a, b, depth) })
}

// pair handles what two trees have under one name, both of them directories or neither.
func (d *treeDiff) pair(dir string, a, b *treeEntry, depth int) error {
	one := a
	if a == nil {
		one = b
	}
	if !safeName(one.name) || len(dir)+len(one.name) > 4000 {
		d.unsafe++
		return nil
	}
	path := joinPath(dir, one.name)
	if !one.isDir() {
		ch := change{path: path}
		if a != nil {
			ch.old = *a
		}
		if b != nil {
			ch.new = *b
		}
		if ch.old.mode == ch.new.mode && (ch.old.mode == 0 || ch.old.id == ch.new.id) {
			return nil // also of entries that say they are nothing
		}
		d.found++
		return d.visit(&ch)
	}
	from, err := d.below(a)
	if err != nil {
		return err
	}
	to, err := d.below(b)
	if err != nil {
		return err
	}
	return d.walk(path, from, to, depth+1)
}

func (d *treeDiff) below(e *treeEntry) (*tree, error) {
	if e == nil {
		return &tree{id: emptyTree}, nil
	}
	return d.c.store.tree(e.id)
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
