package clone

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// heal brings a clone that was just opened into a usable state.
func (c *Clone) heal(ctx context.Context) error {
	b, err := c.git.ReadFile("confmirror/identity")
	if err != nil || string(b) != c.identity() {
		if exists(c.git, "objects") {
			c.log.Info("starting the clone anew", "reason", "it is of another repository or branch, or not ours")
		}
		return c.rebuild(ctx)
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	err = c.checkPacks()
	if err == nil {
		err = c.healTips(ctx)
	}
	if err == nil {
		err = c.finishCheckout(ctx)
	}
	if err == nil {
		_, err = c.restore(ctx)
	}
	if isBusy(err) {
		return nil // the next checkout comes to it
	}
	if errors.Is(err, mirror.ErrDamaged) {
		c.log.Warn("starting the clone anew", "reason", err)
		return c.rebuild(ctx)
	}
	return err
}

// start writes the skeleton and opens the store.
func (c *Clone) start(ctx context.Context) error {
	c.sweepKilled()
	if err := c.initialize(ctx); err != nil {
		return err
	}
	if c.store != nil {
		c.store.close()
	}
	c.store = openStore(c.git)
	c.store.loose = c.sweepObjects()
	c.index = nil
	c.loadTaken()
	return nil
}

// healTips drops refs that are cut off or name what is not there, and checks
// that what is checked out can be read.
func (c *Clone) healTips(ctx context.Context) error {
	head := c.checkedOut()
	if !head.IsZero() {
		if _, err := c.store.rootOf(head); err != nil {
			return err
		}
		if err := c.checkRecent(ctx, head); err != nil {
			return err
		}
		if at, ok := c.readRef(c.branchRef()); !ok || !c.store.has(at) {
			c.log.Warn("healed the branch's ref", "ref", c.branchRef())
			if err := c.replace(ctx, c.branchRef(), []byte(head.String()+"\n")); err != nil {
				return err
			}
		}
	}
	for _, ref := range []string{c.branchRef(), c.trackingRef()} {
		if !exists(c.git, ref) {
			continue
		}
		at, ok := c.readRef(ref)
		if ok {
			_, err := c.store.rootOf(at)
			ok = err == nil
		}
		if !ok {
			c.log.Warn("removed a broken ref", "ref", ref)
			c.git.Remove(ref)
		}
	}
	return nil
}

// healTracking sets the tracking ref where it is gone or names what is not there.
func (c *Clone) healTracking(ctx context.Context, head plumbing.Hash) error {
	if at, ok := c.readRef(c.trackingRef()); head.IsZero() || ok && c.store.has(at) {
		return nil
	}
	return c.setRef(ctx, c.trackingRef(), head)
}

// checkRecent reads the newest commits; older history is checked when it is walked.
func (c *Clone) checkRecent(ctx context.Context, at plumbing.Hash) error {
	for range 64 {
		cm, err := c.store.commit(at)
		if err != nil {
			return err
		}
		if len(cm.parents) == 0 {
			break
		}
		at = cm.parents[0]
	}
	return ctx.Err()
}

// Restore brings back working files that are missing or empty, and returns their
// paths. Deleting a file belongs on the branch or in the database. It also reads
// every object, so that no damage stays unseen.
func (c *Clone) Restore(ctx context.Context) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	if err := c.verify(ctx); err != nil {
		return nil, err
	}
	err := c.finishCheckout(ctx)
	var paths []string
	if err == nil {
		paths, err = c.restore(ctx)
	}
	return paths, c.forgiving(err)
}

func (c *Clone) restore(ctx context.Context) ([]string, error) {
	head := c.checkedOut()
	if head.IsZero() {
		return nil, nil
	}
	if _, err := c.loadIndex(ctx, head); err != nil {
		return nil, err
	}
	if err := c.reconcileIndex(ctx, head, false); err != nil {
		return nil, err
	}
	missing, err := c.missingFiles(ctx)
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	l, err := c.holdIndex(ctx, head, false)
	if err != nil {
		return nil, err
	}
	defer l.release()
	c.checkingOut = head
	defer func() { c.checkingOut = plumbing.ZeroHash }()
	patch, err := c.applyChanges(ctx, listed(missing), true)
	if err != nil {
		return nil, checkoutFault(ctx, err)
	}
	if err := c.writeIndex(l, patch); err != nil {
		return nil, err
	}
	paths := make([]string, len(missing))
	for i := range missing {
		paths[i] = missing[i].path
	}
	c.log.Info("restored missing working files", "count", len(paths))
	return paths, nil
}

// missingFiles lists the files of the index that are missing or empty in the working tree.
func (c *Clone) missingFiles(ctx context.Context) (changes []change, err error) {
	w := &checkoutRun{c: c, ctx: ctx}
	defer w.leave()
	looked := 0
	err = c.index.each(func(f indexedFile) error {
		if looked++; looked%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		path := string(f.path())
		if f.mode() == modeSubmodule || !safePath(path) {
			return nil
		}
		dir, name := splitPath(path)
		if w.enter(dir, false) == nil {
			now, err := w.dir.stat(name)
			if err == nil && (now.size > 0 || f.size() == 0) {
				return nil
			}
		}
		e := treeEntry{mode: f.mode(), id: f.id(), name: name}
		changes = append(changes, change{path: path, old: e, new: e})
		return nil
	})
	return changes, err
}

// Rebuild throws the clone away and starts an empty one.
func (c *Clone) Rebuild(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return err
	}
	return c.rebuild(ctx)
}

// rebuild clears the working tree of our files, so that none of them is taken
// for somebody's new one later, keeps what people changed, and empties .git.
func (c *Clone) rebuild(ctx context.Context) error {
	c.generation++
	c.dropUpkeep()
	if c.store != nil {
		c.store.close()
		c.store = nil
	}
	if err := c.clearFiles(ctx); err != nil {
		return checkoutFault(ctx, err)
	}
	for _, e := range readDir(c.git, ".") {
		if e.Name() == "confmirror" {
			continue
		}
		if err := c.git.RemoveAll(e.Name()); err != nil {
			return cloneFault("The clone cannot be cleared.", err)
		}
	}
	for _, e := range readDir(c.git, "confmirror") {
		if n := e.Name(); n != "lock" && n != "kept" {
			c.git.RemoveAll("confmirror/" + n)
		}
	}
	return c.start(ctx)
}

// clearFiles removes the working files that the index knows. Without an index
// nothing tells whose they are, and the mirrored directories are moved aside whole;
// files outside them stay.
func (c *Clone) clearFiles(ctx context.Context) error {
	k := c.newKeeper()
	b, err := c.git.ReadFile("index")
	var x *index
	if err == nil {
		x, err = decodeIndex(b)
	}
	if err != nil {
		for _, kind := range document.Kinds {
			if dir := c.o.Layout.Dir(kind); exists(c.root, dir) {
				if err := k.keep(dir, dir); err != nil {
					return err
				}
			}
		}
		return nil
	}
	var ours []change
	x.each(func(f indexedFile) error {
		if p := string(f.path()); safePath(p) {
			ours = append(ours, change{path: p, old: treeEntry{mode: f.mode(), id: f.id()}})
		}
		return nil
	})
	if from, to, name := c.readJournal(); name != "" {
		ours = c.addJournal(ctx, ours, from, to)
	}
	slices.SortFunc(ours, func(a, b change) int { return strings.Compare(a.path, b.path) })
	w := &checkoutRun{c: c, ctx: ctx, keep: k}
	return w.deletions(listed(ours))
}

// addJournal makes files that an interrupted checkout may have written count as ours.
func (c *Clone) addJournal(ctx context.Context, ours []change, from, to plumbing.Hash) []change {
	s := openStore(c.git)
	defer s.close()
	probe := &Clone{o: c.o, log: c.log, store: s}
	more, err := probe.rootDiff(from, to)
	if err != nil {
		return ours
	}
	known := make(map[string]bool, len(ours))
	for i := range ours {
		known[ours[i].path] = true
	}
	more(ctx, func(ch *change) error { // as far as it can be read
		if ch.new.mode != 0 && !known[ch.path] {
			ours = append(ours, change{path: ch.path, old: ch.new})
		}
		return nil
	})
	return ours
}
