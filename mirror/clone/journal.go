package clone

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// Below .git/confmirror stand the commit that is checked out, with the checksum of the
// index that was written for it, and, while a checkout is going on, an empty file named
// after the commits it goes from and to.
const (
	headFile      = "confmirror/head"
	journalPrefix = "checkout-"
)

// checkedOut is the commit whose files are in the working tree; zero for none.
// It is not the branch's ref: people commit in the clone.
func (c *Clone) checkedOut() plumbing.Hash {
	id, _ := c.readHead()
	return id
}

// readHead reads the record of the last checkout. The checksum is zero where none is known.
func (c *Clone) readHead() (head, indexSum plumbing.Hash) {
	b, err := c.git.ReadFile(headFile)
	if err != nil {
		return head, indexSum
	}
	commit, sum, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	head, ok := toID(mirror.Hash(commit))
	if !ok {
		return plumbing.ZeroHash, plumbing.ZeroHash
	}
	if indexSum, ok = toID(mirror.Hash(sum)); !ok {
		indexSum = plumbing.ZeroHash
	}
	return head, indexSum
}

// writeJournal notes a checkout before its first write: half of one must not
// look like somebody's edits. All of it is in the file's name: file systems that
// keep a journal of their own bring names to the disk in order, without a flush.
func (c *Clone) writeJournal(from, to plumbing.Hash) error {
	if _, _, name := c.readJournal(); name != "" {
		return nil // the same one, resumed: another would have been finished before
	}
	return writeNew(c.git, "confmirror/"+journalPrefix+from.String()+"-"+to.String(), nil, 0o644)
}

// readJournal returns an interrupted checkout; name "" is none.
func (c *Clone) readJournal() (from, to plumbing.Hash, name string) {
	for _, e := range readDir(c.git, "confmirror") {
		hexes, ok := strings.CutPrefix(e.Name(), journalPrefix)
		if !ok {
			continue
		}
		a, z, _ := strings.Cut(hexes, "-")
		from, ok1 := toID(mirror.Hash(a))
		to, ok2 := toID(mirror.Hash(z))
		if ok1 && ok2 {
			return from, to, "confmirror/" + e.Name()
		}
	}
	return from, to, ""
}

// finishCheckout completes what a kill or a cancelled context interrupted.
func (c *Clone) finishCheckout(ctx context.Context) error {
	from, to, name := c.readJournal()
	if name == "" {
		return nil
	}
	c.log.Info("finishing an interrupted checkout", "from", from, "to", to)
	return c.checkoutTo(ctx, from, to, true)
}

// moveRefs ends a checkout: branch, HEAD and our own record, then the journal goes.
func (c *Clone) moveRefs(ctx context.Context, from, to plumbing.Hash) error {
	if to.IsZero() {
		return c.endJournal()
	}
	if at, ok := c.readRef(c.branchRef()); ok && at != from && at != to {
		c.keepCommits(ctx, at, to)
	}
	if err := c.setRef(ctx, c.branchRef(), to); err != nil {
		return err
	}
	if err := c.pointHEAD(ctx); err != nil {
		return err
	}
	sum := plumbing.ZeroHash
	if c.index != nil && !c.indexForeign {
		sum = c.index.sum
	}
	if head, known := c.readHead(); head != to || known != sum && !sum.IsZero() {
		if err := c.replace(ctx, headFile, []byte(to.String()+" "+sum.String()+"\n")); err != nil {
			return err
		}
	}
	return c.endJournal()
}

func (c *Clone) endJournal() error {
	_, _, name := c.readJournal()
	if name == "" {
		return nil
	}
	if err := c.git.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cloneFault("The clone cannot be written.", err)
	}
	return nil
}

func (c *Clone) pointHEAD(ctx context.Context) error {
	want := "ref: " + c.branchRef() + "\n"
	if b, err := c.git.ReadFile("HEAD"); err == nil && string(b) == want {
		return nil
	}
	return c.replace(ctx, "HEAD", []byte(want))
}

// keepCommits gives commits that somebody made in the clone a ref of their own
// before the branch leaves them.
func (c *Clone) keepCommits(ctx context.Context, at, to plumbing.Hash) {
	if in, err := c.contains(ctx, to, at); err == nil && in {
		return
	}
	if !c.store.has(at) {
		return
	}
	name := "refs/confmirror/kept/" + c.newKeeper().stamp + "-" + at.String()[:8] // unique even if a clock was set back
	if err := c.setRef(ctx, name, at); err != nil {
		c.log.Error("local commits could not be kept", "commit", at, "error", err)
		return
	}
	c.log.Warn("commits that somebody made in the clone were kept under another ref", "commit", at, "ref", name)
}
