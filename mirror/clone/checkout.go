package clone

import (
	"context"
	"errors"
	"io/fs"
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
	defer func() { c.store.recent = recentBlobs{} }()
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
	c.housekeep()
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
	if err := c.moveRefs(ctx, from, to); err != nil {
		return err
	}
	c.forgetReplaced(from, to)
	return nil
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
	changes, err := c.rootDiff(from, to)
	if err != nil {
		return err
	}
	if changes, err = c.addPulled(ctx, changes, from, to); err != nil {
		return err
	}
	if some, err := changes.any(ctx); err != nil || !some && c.indexOurs() {
		return err
	}
	l, err := c.holdIndex(ctx, from, true)
	if err != nil {
		return err
	}
	defer l.release()
	if err := c.writeJournal(from, to); err != nil {
		return err
	}
	c.checkingOut = from
	defer func() { c.checkingOut = plumbing.ZeroHash }()
	patch, err := c.applyChanges(ctx, changes, resumed)
	if err != nil {
		return err
	}
	if err := c.writeIndex(l, patch); err != nil {
		return err
	}
	if err := syncAll(c.lock); err != nil {
		return err
	}
	return nil
}

// addPulled takes into account that somebody pulled in the clone: the working
// files are then those of a commit between from and to, and nobody's edits.
func (c *Clone) addPulled(ctx context.Context, ours changes, from, to plumbing.Hash) (changes, error) {
	at, ok := c.readRef(c.branchRef())
	if !ok || at == from || at == to {
		return ours, nil
	}
	if in, err := c.contains(ctx, to, at); err != nil || !in {
		return ours, ctx.Err()
	}
	theirs, err := c.rootDiff(at, to)
	if err != nil {
		return nil, err
	}
	var all []change
	known := make(map[string]int)
	err = ours(ctx, func(ch *change) error {
		known[ch.path] = len(all)
		all = append(all, *ch)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = theirs(ctx, func(p *change) error {
		if i, ok := known[p.path]; ok {
			all[i].also = p.old.id
		} else { // changed and changed back
			all = append(all, change{path: p.path, old: p.old, new: p.new, also: p.new.id})
		}
		return nil
	})
	slices.SortFunc(all, func(a, b change) int { return strings.Compare(a.path, b.path) })
	return listed(all), err
}

// applyChanges deletes, then writes; it returns what changes in the index.
func (c *Clone) applyChanges(ctx context.Context, changes changes, resumed bool) (*indexPatch, error) {
	w := &checkoutRun{c: c, ctx: ctx, keep: c.newKeeper()}
	if resumed {
		w.swept = make(map[string]bool)
	}
	if err := w.deletions(changes); err != nil {
		return nil, err
	}
	if err := w.writes(changes); err != nil {
		return nil, err
	}
	return &w.patch, nil
}

// checkoutRun is one batch of working files.
type checkoutRun struct {
	c    *Clone
	ctx  context.Context
	keep *keeper
	// swept are the directories that were cleared of temporary files, once each; nil
	// unless an earlier attempt may have left some.
	swept map[string]bool
	dir   *workDir // the open directory, of the goroutine that plans
	patch indexPatch

	mu  sync.Mutex
	err error
}

func (w *checkoutRun) resumed() bool { return w.swept != nil }

// enter makes dir the open directory. It goes down from the one that is open, if that
// leads there.
func (w *checkoutRun) enter(dir string, create bool) error {
	if w.dir != nil && w.dir.path == dir {
		return nil
	}
	if w.dir != nil && w.dir.path != "" && !strings.HasPrefix(dir, w.dir.path+"/") {
		w.leave()
	}
	d, err := w.c.openDir(w.dir, dir, create, w.keep)
	w.leave()
	if err != nil {
		return err
	}
	w.dir = d
	if w.resumed() && !w.swept[dir] {
		w.swept[dir] = true
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

func (w *checkoutRun) deletions(changes changes) error {
	defer w.leave()
	emptied := make(map[string]bool)
	err := changes(w.ctx, func(ch *change) error {
		if ch.new.mode != 0 {
			return nil
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
		w.patch.gone = append(w.patch.gone, ch.path)
		dir, name := splitPath(ch.path)
		if err := w.enter(dir, false); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		emptied[dir] = true
		return w.c.removeFile(w.dir, name, ch, w.keep)
	})
	if err != nil {
		return err
	}
	w.leave()
	dirs := make([]string, 0, len(emptied))
	for d := range emptied {
		dirs = append(dirs, d)
	}
	slices.SortFunc(dirs, func(a, b string) int { return len(b) - len(a) })
	for _, d := range dirs {
		for ; d != ""; d, _ = splitPath(d) {
			if w.c.root.Remove(d) != nil {
				break // not empty
			}
		}
	}
	return nil
}

// writes hands the files to a few workers. Objects are read here: the store has
// one reader.
func (w *checkoutRun) writes(changes changes) error {
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
	err := changes(w.ctx, func(ch *change) error {
		if ch.new.mode == 0 {
			return nil
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if w.failed() {
			return errEnough
		}
		dir, name := splitPath(ch.path)
		if err := w.enter(dir, true); err != nil {
			return err
		}
		return w.write(ch, name, tasks)
	})
	close(tasks)
	wg.Wait()
	w.leave()
	if err == errEnough {
		err = nil // a worker has the reason
	}
	return errors.Join(err, w.err)
}

func (w *checkoutRun) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err != nil
}

// streamFile: larger files are copied here, one at a time, instead of queueing
// up in memory.
const streamFile = 1 << 20

func (w *checkoutRun) write(ch *change, name string, tasks chan<- func()) error {
	d := w.dir
	if ch.new.isSubmodule() {
		return w.submodule(d, name, ch)
	}
	file := w.patch.written.add(ch.path, indexMode(ch.new), ch.new.id)
	if w.resumed() || ch.old.id == ch.new.id && ch.old.mode == ch.new.mode {
		if stat, ok := w.c.already(d, name, ch.new); ok {
			file.setStat(stat)
			return nil
		}
	}
	data, size := w.c.store.recent.get(ch.new.id), int64(0)
	if data == nil {
		var err error
		if data, size, err = w.c.store.blob(ch.new.id, streamFile); err != nil {
			return err
		}
	}
	if size > streamFile {
		r, err := w.c.store.stream(ch.new.id)
		if err != nil {
			return err
		}
		defer r.Close()
		stat, err := w.c.placeFile(d, name, ch, content{stream: r, id: ch.new.id, size: size}, w.keep)
		w.done(file, stat, err)
		return err
	}
	d.uses.Add(1)
	tasks <- func() {
		defer d.release()
		stat, err := w.c.placeFile(d, name, ch, content{data: data}, w.keep)
		w.done(file, stat, err)
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
	w.patch.written.add(ch.path, modeSubmodule, ch.new.id)
	return nil
}

// done notes what became of a file.
func (w *checkoutRun) done(file indexedFile, stat fileStat, err error) {
	if err == nil {
		file.setStat(stat)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
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
