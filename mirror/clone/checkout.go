package clone

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// syncAll is flush, but in tests that would wait for a shared disk.
var syncAll = flush

// Checkout brings working files, index and the local branch to head.
func (c *Clone) Checkout(ctx context.Context, head mirror.Hash) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return err
	}
	to, err := c.commitID(head)
	if err != nil {
		return err
	}
	if err := c.initialize(ctx); err != nil {
		return err
	}
	c.sweepOthers()
	err = c.finishCheckout(ctx)
	if err == nil {
		err = c.checkoutTo(ctx, c.checkedOut(), to, false)
	}
	if err == nil {
		err = c.healTracking(ctx, to)
	}
	if err := c.forgiving(err); err != nil {
		return err
	}
	c.housekeep(ctx)
	return nil
}

// checkoutTo moves from one commit to another; resumed means that an earlier
// attempt may have done a part of it.
func (c *Clone) checkoutTo(ctx context.Context, from, to plumbing.Hash, resumed bool) error {
	remade, err := c.loadIndex(ctx, from)
	if err != nil {
		return err
	}
	if err := c.checkRoot(to); err != nil {
		return err
	}
	if from != to || resumed || remade {
		if err := c.moveFiles(ctx, from, to, resumed); err != nil {
			return checkoutFault(ctx, err)
		}
	}
	return c.moveRefs(ctx, from, to)
}

// checkRoot looks at the disk even when everything is in memory: somebody may
// have removed objects under a running daemon.
func (c *Clone) checkRoot(commit plumbing.Hash) error {
	if commit.IsZero() {
		return nil
	}
	cm, err := c.store.commit(commit)
	if err == nil && cm.tree != emptyTree {
		err = c.store.check(cm.tree)
	}
	return err
}

func checkoutFault(ctx context.Context, err error) error {
	var f *mirror.Fault
	if ctx.Err() != nil || errors.As(err, &f) || errors.Is(err, mirror.ErrDamaged) || isBusy(err) {
		return err
	}
	return cloneFault("The working files cannot be written.", err)
}

// moveFiles does what Checkout is about. The order: the index's lock, journal, files,
// index, one sync of all of it, and only then the refs.
func (c *Clone) moveFiles(ctx context.Context, from, to plumbing.Hash, resumed bool) error {
	a, err := c.store.rootOf(from)
	if err != nil {
		return err
	}
	b, err := c.store.rootOf(to)
	if err != nil {
		return err
	}
	changes, err := c.diffTrees(ctx, a, b)
	if err != nil {
		return err
	}
	if changes, err = c.addPulled(ctx, changes, from, to, b); err != nil {
		return err
	}
	if len(changes) == 0 && c.indexOurs() {
		return nil
	}
	l, err := c.holdIndex(ctx, from, true)
	if err != nil {
		return err
	}
	defer l.release()
	if err := c.writeJournal(from, to); err != nil {
		return err
	}
	changed, err := c.applyChanges(ctx, changes, resumed)
	if err != nil {
		return err
	}
	if err := c.writeIndex(l, changed); err != nil {
		return err
	}
	if err := syncAll(c.lock); err != nil {
		return err
	}
	return nil
}

// addPulled takes into account that somebody pulled in the clone: the working
// files are then those of a commit between from and to, and nobody's edits.
func (c *Clone) addPulled(ctx context.Context, changes []change, from, to plumbing.Hash, b *tree) ([]change, error) {
	at, ok := c.readRef(c.branchRef())
	if !ok || at == from || at == to {
		return changes, nil
	}
	if in, err := c.contains(ctx, to, at); err != nil || !in {
		return changes, ctx.Err()
	}
	a, err := c.store.rootOf(at)
	if err != nil {
		return nil, err
	}
	pulled, err := c.diffTrees(ctx, a, b)
	if err != nil {
		return nil, err
	}
	known := make(map[string]int, len(changes))
	for i := range changes {
		known[changes[i].path] = i
	}
	for _, p := range pulled {
		if i, ok := known[p.path]; ok {
			changes[i].also = p.old.id
		} else { // changed and changed back
			changes = append(changes, change{path: p.path, old: p.old, new: p.new, also: p.new.id})
		}
	}
	return changes, nil
}

// applyChanges deletes, then writes; it returns what changes in the index.
func (c *Clone) applyChanges(ctx context.Context, changes []change, resumed bool) (map[string]*indexEntry, error) {
	slices.SortFunc(changes, func(a, b change) int {
		if n := strings.Compare(path.Dir(a.path), path.Dir(b.path)); n != 0 {
			return n
		}
		return strings.Compare(a.path, b.path)
	})
	w := &checkoutRun{c: c, ctx: ctx, keep: c.newKeeper(), resumed: resumed, changed: make(map[string]*indexEntry, len(changes))}
	if err := w.deletions(changes); err != nil {
		return nil, err
	}
	if err := w.writes(changes); err != nil {
		return nil, err
	}
	return w.changed, nil
}

// checkoutRun is one batch of working files.
type checkoutRun struct {
	c       *Clone
	ctx     context.Context
	keep    *keeper
	resumed bool
	dir     *workDir // the open directory, of the goroutine that plans

	mu      sync.Mutex
	changed map[string]*indexEntry
	err     error
}

// enter makes dir the open directory.
func (w *checkoutRun) enter(dir string, create bool) error {
	if dir == "." {
		dir = ""
	}
	if w.dir != nil && w.dir.path == dir {
		return nil
	}
	w.leave()
	d, err := w.c.openDir(dir, create, w.keep)
	if err != nil {
		return err
	}
	w.dir = d
	if w.resumed {
		sweepTemp(d)
	}
	return nil
}

func (w *checkoutRun) leave() {
	if w.dir != nil {
		w.dir.release()
		w.dir = nil
	}
}

func (w *checkoutRun) deletions(changes []change) error {
	defer w.leave()
	emptied := make(map[string]bool)
	for i := range changes {
		ch := &changes[i]
		if ch.new.mode != 0 {
			continue
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
		w.changed[ch.path] = nil
		if err := w.enter(path.Dir(ch.path), false); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return err
		}
		if err := w.c.removeFile(w.dir, path.Base(ch.path), ch, w.keep); err != nil {
			return err
		}
		emptied[path.Dir(ch.path)] = true
	}
	w.leave()
	dirs := make([]string, 0, len(emptied))
	for d := range emptied {
		dirs = append(dirs, d)
	}
	slices.SortFunc(dirs, func(a, b string) int { return len(b) - len(a) })
	for _, d := range dirs {
		for ; d != "."; d = path.Dir(d) {
			if w.c.root.Remove(d) != nil {
				break // not empty
			}
		}
	}
	return nil
}

// writes hands the files to a few workers. Objects are read here: the store has
// one reader.
func (w *checkoutRun) writes(changes []change) error {
	workers := min(max(4, 2*runtime.GOMAXPROCS(0)), 8)
	tasks := make(chan func(), workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for task := range tasks {
				task()
			}
		})
	}
	err := w.plan(changes, tasks)
	close(tasks)
	wg.Wait()
	w.leave()
	return errors.Join(err, w.err)
}

func (w *checkoutRun) plan(changes []change, tasks chan<- func()) error {
	for i := range changes {
		ch := &changes[i]
		if ch.new.mode == 0 {
			continue
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if w.failed() {
			return nil
		}
		if err := w.enter(path.Dir(ch.path), true); err != nil {
			return err
		}
		if err := w.write(ch, tasks); err != nil {
			return err
		}
	}
	return nil
}

func (w *checkoutRun) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err != nil
}

// streamFile: larger files are copied here, one at a time, instead of queueing
// up in memory.
const streamFile = 1 << 20

func (w *checkoutRun) write(ch *change, tasks chan<- func()) error {
	d, name := w.dir, path.Base(ch.path)
	if ch.new.isSubmodule() {
		return w.submodule(d, name, ch)
	}
	if w.resumed || ch.old.id == ch.new.id && ch.old.mode == ch.new.mode {
		if stat, ok := w.c.already(d, name, ch.new); ok {
			w.done(ch, stat, nil)
			return nil
		}
	}
	size, err := w.c.store.size(ch.new.id)
	if err != nil {
		return err
	}
	if size > streamFile {
		r, err := w.c.store.stream(ch.new.id)
		if err != nil {
			return err
		}
		defer r.Close()
		stat, err := w.c.placeFile(d, name, ch, content{stream: r, id: ch.new.id, size: size}, w.keep)
		w.done(ch, stat, err)
		return err
	}
	data, err := w.c.store.read(ch.new.id, plumbing.BlobObject)
	if err != nil {
		return err
	}
	d.uses.Add(1)
	tasks <- func() {
		defer d.release()
		stat, err := w.c.placeFile(d, name, ch, content{data: data}, w.keep)
		w.done(ch, stat, err)
	}
	return nil
}

// submodule makes the empty directory that stands for one.
func (w *checkoutRun) submodule(d *workDir, name string, ch *change) error {
	if fi, err := d.root.Lstat(name); err == nil && !fi.IsDir() {
		if w.c.isOurs(d, name, ch) {
			err = d.root.Remove(name)
		} else {
			err = w.keep.keep(ch.path, ch.path)
		}
		if err != nil {
			return err
		}
	}
	if err := d.root.Mkdir(name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	w.done(ch, fileStat{}, nil)
	return nil
}

func (w *checkoutRun) done(ch *change, stat fileStat, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.err = err
		return
	}
	w.changed[ch.path] = &indexEntry{path: ch.path, mode: indexMode(ch.new), id: ch.new.id, stat: stat}
}

// already reports whether the working file is what it should become.
func (c *Clone) already(d *workDir, name string, e treeEntry) (fileStat, bool) {
	fi, err := d.root.Lstat(name)
	if err != nil || fi.IsDir() || (fi.Mode()&fs.ModeSymlink != 0) != (e.mode&modeFormat == modeSymlink) {
		return fileStat{}, false
	}
	if e.isRegular() && (fi.Mode().Perm()&0o100 != 0) != (e.mode&0o111 != 0) {
		return fileStat{}, false
	}
	id, ok := hashFile(d.root, name, fi)
	return statOf(fi), ok && id == e.id
}
