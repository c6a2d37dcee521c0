package clone

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// Files below .git/confmirror: the commit that is checked out, and, while a
// checkout is going on, the commits it goes from and to.
const (
	headFile    = "confmirror/head"
	journalFile = "confmirror/checkout"
)

// checkedOut is the commit whose files are in the working tree; zero for none.
// It is not the branch's ref: people commit in the clone.
func (c *Clone) checkedOut() plumbing.Hash {
	b, err := c.git.ReadFile(headFile)
	if err != nil {
		return plumbing.ZeroHash
	}
	id, ok := toID(mirror.Hash(strings.TrimSpace(string(b))))
	if !ok {
		return plumbing.ZeroHash
	}
	return id
}

// writeJournal notes a checkout before its first write, durably: half of one
// must not look like somebody's edits.
func (c *Clone) writeJournal(from, to plumbing.Hash) error {
	tmp := journalFile + ".new"
	f, err := c.git.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(from.String() + " " + to.String() + "\n")
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = c.git.Rename(tmp, journalFile)
	}
	return err
}

// readJournal returns an interrupted checkout.
func (c *Clone) readJournal() (from, to plumbing.Hash, ok bool) {
	b, err := c.git.ReadFile(journalFile)
	if err != nil {
		return from, to, false
	}
	a, z, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	from, ok1 := toID(mirror.Hash(a))
	to, ok2 := toID(mirror.Hash(z))
	return from, to, ok1 && ok2
}

// finishCheckout completes what a kill or a cancelled context interrupted.
func (c *Clone) finishCheckout(ctx context.Context) error {
	if !exists(c.git, journalFile) {
		return nil
	}
	from, to, ok := c.readJournal()
	if !ok {
		return c.git.Remove(journalFile) // it was cut off: nothing had been written yet
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
	if c.checkedOut() != to {
		if err := c.replace(ctx, headFile, []byte(to.String()+"\n")); err != nil {
			return err
		}
	}
	return c.endJournal()
}

func (c *Clone) endJournal() error {
	if err := c.git.Remove(journalFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
	name := "refs/confmirror/kept/" + c.newKeeper().stamp
	if err := c.setRef(ctx, name, at); err != nil {
		c.log.Error("local commits could not be kept", "commit", at, "error", err)
		return
	}
	c.log.Warn("commits that somebody made in the clone were kept under another ref", "commit", at, "ref", name)
}
