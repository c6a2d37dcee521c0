package clone

import (
	"context"
	"path"

	"github.com/go-git/go-git/v5/plumbing"
)

// loadIndex reads .git/index. One that cannot be read, or that somebody's git
// wrote in another form, is made anew from the commit that is checked out; remade
// says that it still has to be written.
func (c *Clone) loadIndex(ctx context.Context, head plumbing.Hash) (remade bool, err error) {
	if c.index != nil && c.indexOurs() {
		return false, nil
	}
	c.index = nil
	b, err := c.git.ReadFile("index")
	if err == nil {
		if x, err := decodeIndex(b); err == nil {
			c.setIndex(x)
			at, sum := c.readHead() // of an earlier process of ours?
			c.indexForeign = sum.IsZero() || at != head || sum != x.sum
			return false, nil
		}
		c.log.Warn("the clone's index cannot be read and is made anew")
	}
	return c.remakeIndex(ctx, head)
}

// holdIndex takes the index's lock, and loads what the index holds by then.
func (c *Clone) holdIndex(ctx context.Context, head plumbing.Hash, strict bool) (*lockFile, error) {
	l, err := c.hold(ctx, "index")
	if err != nil {
		return nil, err
	}
	if _, err = c.loadIndex(ctx, head); err == nil {
		err = c.reconcileIndex(ctx, head, strict)
	}
	if err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

// indexOurs reports whether the index file is still the one last read or written.
func (c *Clone) indexOurs() bool {
	fi, err := c.git.Lstat("index")
	return err == nil && statOf(fi) == c.indexStat
}

func (c *Clone) setIndex(x *index) {
	c.index = x
	c.indexStat = fileStat{}
	c.indexForeign = false
	if fi, err := c.git.Lstat("index"); err == nil {
		c.indexStat = statOf(fi)
	}
}

// writeIndex replaces .git/index, whose lock is held, by what becomes of it with changed.
func (c *Clone) writeIndex(l *lockFile, changed map[string]*indexEntry) error {
	x := c.index.patch(changed)
	c.index = nil // what failed here is read again
	if err := l.commit(x.encode()); err != nil {
		return err
	}
	c.setIndex(x)
	return nil
}

// reconcileIndex gives an index that somebody else wrote the entries of the
// commit that is checked out. What was removed from it ("git rm") comes back;
// with strict, what was staged goes: a checkout is about to bring another commit.
// Without a stat, git looks at the content.
func (c *Clone) reconcileIndex(ctx context.Context, head plumbing.Hash, strict bool) error {
	if !c.indexForeign {
		return nil
	}
	root, err := c.store.rootOf(head)
	if err != nil {
		return err
	}
	all, err := c.diffTrees(ctx, &tree{id: emptyTree}, root)
	if err != nil {
		return err
	}
	patch := make(map[string]*indexEntry)
	for i := range all {
		e := indexEntry{path: all[i].path, mode: indexMode(all[i].new), id: all[i].new.id}
		have, ok := c.index.find(e.path)
		if !ok || strict && (have.mode != e.mode || have.id != e.id) {
			patch[e.path] = &e
		}
	}
	if strict && len(c.index.entries) > len(all)-len(patch) {
		known := make(map[string]bool, len(all))
		for i := range all {
			known[all[i].path] = true
		}
		for _, e := range c.index.entries {
			if !known[e.path] {
				patch[e.path] = nil
			}
		}
	}
	if len(patch) > 0 {
		c.index = c.index.patch(patch)
	}
	return nil
}

// remakeIndex makes the index of a commit, in memory. A working file counts as
// unchanged only if its content is looked at.
func (c *Clone) remakeIndex(ctx context.Context, head plumbing.Hash) (remade bool, err error) {
	root, err := c.store.rootOf(head)
	if err != nil {
		return false, err
	}
	changes, err := c.diffTrees(ctx, &tree{id: emptyTree}, root)
	if err != nil {
		return false, err
	}
	changed := make(map[string]*indexEntry, len(changes))
	w := &checkoutRun{c: c, ctx: ctx}
	defer w.leave()
	for i := range changes {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		ch := &changes[i]
		e := &indexEntry{path: ch.path, mode: indexMode(ch.new), id: ch.new.id}
		if !ch.new.isSubmodule() && w.enter(path.Dir(ch.path), false) == nil {
			if stat, ok := c.already(w.dir, path.Base(ch.path), ch.new); ok {
				e.stat = stat
			}
		}
		changed[ch.path] = e
	}
	c.setIndex((&index{}).patch(changed))
	if len(changed) == 0 && !exists(c.git, "index") {
		return false, nil // nothing was ever checked out
	}
	c.indexStat = fileStat{} // what is on the disk is something else
	return true, nil
}
