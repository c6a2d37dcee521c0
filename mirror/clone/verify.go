package clone

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// Damage is met when what is damaged is read. What nothing reads for months, an
// old file or an old commit, is looked at here: at Open only whether packs are
// whole, which costs next to nothing, and with Restore every byte of them.

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", mirror.ErrDamaged, fmt.Sprintf(format, args...))
}

// packFiles are the files of objects/pack.
func (c *Clone) packFiles() (names []string) {
	for _, e := range readDir(c.git, "objects/pack") {
		names = append(names, "objects/pack/"+e.Name())
	}
	return names
}

// checkPacks compares what packs and their indexes say of each other. A pack that
// was cut off does not end as its index says.
func (c *Clone) checkPacks() error {
	for _, idx := range c.packFiles() {
		name, ok := strings.CutSuffix(idx, ".idx")
		if !ok {
			continue
		}
		said, err1 := c.tail(idx, 2*sha1.Size)
		ends, err2 := c.tail(name+".pack", sha1.Size)
		if err1 != nil || err2 != nil || !bytes.Equal(said[:sha1.Size], ends) {
			return damaged("%s is not the pack of its index", name)
		}
	}
	return nil
}

// tail reads the last n bytes of a file of .git.
func (c *Clone) tail(name string, n int64) ([]byte, error) {
	f, err := c.git.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err = f.ReadAt(b, fi.Size()-n)
	return b, err
}

// verify reads every object, and looks for those that are gone. Files that git derives
// from others are removed when they are damaged; git makes them again.
func (c *Clone) verify(ctx context.Context) error {
	if err := c.checkPacks(); err != nil {
		return err
	}
	for _, name := range append(c.packFiles(), "objects/info/commit-graph") {
		whole, err := c.sumFits(ctx, name)
		if err != nil {
			return err
		}
		switch {
		case whole:
		case strings.HasSuffix(name, ".pack"), strings.HasSuffix(name, ".idx"):
			return damaged("%s has another checksum than it says", name)
		case strings.HasSuffix(name, ".rev"), strings.HasSuffix(name, ".bitmap"), strings.HasSuffix(name, ".mtimes"),
			strings.HasSuffix(name, "/multi-pack-index"), strings.HasSuffix(name, "/commit-graph"):
			c.removeBroken(name)
		}
	}
	if err := c.verifyLoose(ctx); err != nil {
		return err
	}
	return c.verifyReachable(ctx, c.checkedOut())
}

// sumFits reports whether a file ends with the SHA-1 of what comes before. One
// that is not there fits.
func (c *Clone) sumFits(ctx context.Context, name string) (bool, error) {
	f, err := c.git.Open(name)
	if err != nil {
		return !exists(c.git, name), nil
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() || fi.Size() < sha1.Size {
		return false, err
	}
	body, h := io.LimitReader(f, fi.Size()-sha1.Size), sha1.New()
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if _, err := io.CopyN(h, body, 4<<20); err == io.EOF {
			break
		} else if err != nil {
			return false, nil // it cannot be read
		}
	}
	end := make([]byte, sha1.Size)
	_, err = io.ReadFull(f, end)
	return err == nil && bytes.Equal(h.Sum(nil), end), nil
}

// verifyLoose removes damaged loose objects. One that no pack has is missing then.
func (c *Clone) verifyLoose(ctx context.Context) error {
	for _, o := range looseFiles(c.git) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.looseIsWhole(o.id) {
			continue
		}
		c.removeBroken(loosePath(o.id))
		if err := c.store.check(o.id); err != nil {
			return err
		}
	}
	return nil
}

func (c *Clone) looseIsWhole(id plumbing.Hash) bool {
	kind, size, r, err := c.store.openLooseContent(id)
	if err != nil {
		return false
	}
	defer r.Close()
	h := sha1.New()
	h.Write(objectHeader(kind, size))
	n, err := io.Copy(h, io.LimitReader(r, size+1))
	return err == nil && n == size && id == plumbing.Hash(h.Sum(nil))
}

// verifyReachable looks for objects that are gone: in the tree that is checked out,
// and in what the commits changed whose own objects are loose. A pack has no holes.
func (c *Clone) verifyReachable(ctx context.Context, head plumbing.Hash) error {
	c.store.trees = newTreeCache() // the disk counts
	if err := c.verifyTree(ctx, plumbing.ZeroHash, head); err != nil || head.IsZero() {
		return err
	}
	return c.walkHistory(ctx, head, plumbing.ZeroHash, func(id plumbing.Hash, cm *commit) error {
		if len(cm.parents) == 0 || !exists(c.git, loosePath(id)) {
			return nil
		}
		return c.verifyTree(ctx, cm.parents[0], id)
	})
}

// verifyTree looks for the objects that one commit has and another has not.
func (c *Clone) verifyTree(ctx context.Context, from, to plumbing.Hash) error {
	changes, err := c.rootDiff(from, to)
	if err != nil {
		return err
	}
	return changes(ctx, func(ch *change) error {
		e := ch.new
		if e.mode == 0 || e.isSubmodule() {
			return nil
		}
		if at, known := c.reported[e.id]; known && at < c.generation {
			return nil // missing over there, too
		}
		return c.store.check(e.id)
	})
}
