package clone

import (
	"context"

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

// writeIndex replaces .git/index, whose lock is held, by what becomes of it with p.
func (c *Clone) writeIndex(l *lockFile, p *indexPatch) error {
	x := c.index.patch(p)
	c.index = nil // what failed here is read again
	if err := l.commit(x.encode()...); err != nil {
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
	all, err := c.rootDiff(plumbing.ZeroHash, head)
	if err != nil {
		return err
	}
	var patch indexPatch
	have := c.index.cursor()
	skip := func(end string) { // what the commit does not have
		for f := have.file(); f != nil && (end == "" || string(f.path()) < end); f = have.next() {
			if strict {
				patch.gone = append(patch.gone, string(f.path()))
			}
		}
	}
	err = all(ctx, func(ch *change) error {
		skip(ch.path)
		mode, id := indexMode(ch.new), ch.new.id
		f := have.file()
		there := f != nil && string(f.path()) == ch.path
		if !there || strict && (f.mode() != mode || f.id() != id) {
			patch.written.add(ch.path, mode, id)
		}
		if there {
			have.next()
		}
		return nil
	})
	if err != nil {
		return err
	}
	skip("")
	if len(patch.gone) > 0 || len(patch.written.blocks) > 0 {
		c.index = c.index.patch(&patch)
	}
	return nil
}

// remakeIndex makes the index of a commit, in memory. A working file counts as
// unchanged only if its content is looked at.
func (c *Clone) remakeIndex(ctx context.Context, head plumbing.Hash) (remade bool, err error) {
	changes, err := c.rootDiff(plumbing.ZeroHash, head)
	if err != nil {
		return false, err
	}
	x := &index{}
	w := &checkoutRun{c: c, ctx: ctx}
	defer w.leave()
	err = changes(ctx, func(ch *change) error {
		f := x.add(ch.path, indexMode(ch.new), ch.new.id)
		dir, name := splitPath(ch.path)
		if !ch.new.isSubmodule() && w.enter(dir, false) == nil {
			if stat, ok := c.already(w.dir, name, ch.new); ok {
				f.setStat(stat)
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return false, err
	}
	c.setIndex(x)
	if len(x.blocks) == 0 && !exists(c.git, "index") {
		return false, nil // nothing was ever checked out
	}
	c.indexStat = fileStat{} // what is on the disk is something else
	return true, nil
}
