package clone

import (
	"context"
	"path"

	"github.com/go-git/go-git/v5/plumbing"
)

// loadIndex reads .git/index. One that cannot be read, or that somebody's git
// wrote in another form, is made anew from the commit that is checked out.
func (c *Clone) loadIndex(ctx context.Context, head plumbing.Hash) error {
	if c.index != nil && c.indexOurs() {
		return nil
	}
	c.index = nil
	b, err := c.git.ReadFile("index")
	if err == nil {
		if x, err := decodeIndex(b); err == nil {
			c.setIndex(x)
			return nil
		}
		c.log.Warn("the clone's index cannot be read and is made anew")
	}
	return c.remakeIndex(ctx, head)
}

// indexOurs reports whether the index file is still the one last read or written.
func (c *Clone) indexOurs() bool {
	fi, err := c.git.Lstat("index")
	return err == nil && statOf(fi) == c.indexStat
}

func (c *Clone) setIndex(x *index) {
	c.index = x
	c.indexStat = fileStat{}
	if fi, err := c.git.Lstat("index"); err == nil {
		c.indexStat = statOf(fi)
	}
}

// writeIndex replaces .git/index.
func (c *Clone) writeIndex(ctx context.Context, x *index) error {
	if err := c.replace(ctx, "index", x.encode()); err != nil {
		return err
	}
	c.setIndex(x)
	return nil
}

// remakeIndex makes the index of a commit. A working file counts as unchanged
// only if its content is looked at.
func (c *Clone) remakeIndex(ctx context.Context, head plumbing.Hash) error {
	root, err := c.store.rootOf(head)
	if err != nil {
		return err
	}
	changes, err := c.diffTrees(ctx, &tree{id: emptyTree}, root)
	if err != nil {
		return err
	}
	changed := make(map[string]*indexEntry, len(changes))
	w := &checkoutRun{c: c, ctx: ctx, keep: c.newKeeper()}
	defer w.leave()
	for i := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		ch := &changes[i]
		e := &indexEntry{path: ch.path, mode: indexMode(ch.new), id: ch.new.id}
		if ch.new.mode&modeFormat != modeSubmodule && w.enter(path.Dir(ch.path), false) == nil {
			if stat, ok := c.already(w.dir, path.Base(ch.path), ch.new); ok {
				e.stat = stat
			}
		}
		changed[ch.path] = e
	}
	x := (&index{}).patch(changed)
	if len(x.entries) == 0 && !exists(c.git, "index") {
		c.setIndex(x)
		return nil
	}
	return c.writeIndex(ctx, x)
}
