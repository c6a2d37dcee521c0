package daemon

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/confmirror/confmirror/mirror/clone"
	"github.com/confmirror/confmirror/mirror/document"
)

// worktrees notice what people edit in the clones of open mirrors. One watcher serves all of
// them: the kernel gives a user few. It only tells where to look; what is an edit is the
// clone's to say, and where nothing can be watched each look at the remote looks there, too.
type worktrees struct {
	log   *slog.Logger
	nudge func(organizationID string)

	mu      sync.Mutex
	watcher *fsnotify.Watcher // nil: not running, or there is none to be had
	open    map[string]*worktree
	watched map[string]*worktree // by directory
}

// worktree is one open clone.
type worktree struct {
	id, dir string
	clone   *clone.Clone
	kinds   []string // directories of the mirrored kinds, from dir
	touched map[string]bool
	all     bool // look at all of it in the next run
	blind   bool // something in it is not watched
	timer   *time.Timer
}

const (
	// editSettle is how long after the last sign of an edit its file is looked at: a bit
	// longer than it has to be still.
	editSettle = 2*time.Second + 200*time.Millisecond
	// editsRetry is when a working tree is looked at again after a run that failed.
	editsRetry = time.Minute
	// mostTouched bounds the paths that are remembered; more of them are a look at all.
	mostTouched = 10000
)

func newWorktrees(log *slog.Logger, nudge func(organizationID string)) *worktrees {
	return &worktrees{log: log, nudge: nudge, open: map[string]*worktree{}, watched: map[string]*worktree{}}
}

// run watches until ctx ends.
func (w *worktrees) run(ctx context.Context) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		w.log.Warn("edits in working trees are noticed at the next poll: they cannot be watched", "error", err)
		return
	}
	defer watcher.Close()
	w.mu.Lock()
	w.watcher = watcher
	for _, t := range w.open {
		w.watchAll(t)
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.watcher = nil
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-watcher.Events:
			if !ok {
				return
			}
			w.noticed(e)
		case err, ok := <-watcher.Errors:
			if !ok {
				return
			}
			w.missed(err)
		}
	}
}

// add watches a clone that was opened. Its first run looks at all of it: people edit while
// no daemon runs.
func (w *worktrees) add(id, dir string, c *clone.Clone, l document.Layout) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := &worktree{id: id, dir: dir, clone: c, all: true, touched: map[string]bool{}}
	for _, k := range document.Kinds {
		t.kinds = append(t.kinds, filepath.FromSlash(l.Dir(k)))
	}
	w.open[id] = t
	w.watchAll(t)
}

func (w *worktrees) remove(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.open[id]
	if t == nil {
		return
	}
	delete(w.open, id)
	if t.timer != nil {
		t.timer.Stop()
	}
	for dir, of := range w.watched {
		if of == t {
			delete(w.watched, dir)
			if w.watcher != nil {
				_ = w.watcher.Remove(dir) // it may be gone
			}
		}
	}
}

// watchAll watches the directories that lead to the kinds', and all below those.
func (w *worktrees) watchAll(t *worktree) {
	if w.watcher == nil {
		return
	}
	w.watch(t, t.dir)
	for _, kind := range t.kinds {
		at := t.dir
		for part := range strings.SplitSeq(kind, string(filepath.Separator)) {
			at = filepath.Join(at, part)
			w.watch(t, at)
		}
		w.watchBelow(t, at)
	}
}

func (w *worktrees) watchBelow(t *worktree, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // there is none yet
	}
	for _, e := range entries {
		if e.IsDir() {
			w.watch(t, filepath.Join(dir, e.Name()))
			w.watchBelow(t, filepath.Join(dir, e.Name()))
		}
	}
}

func (w *worktrees) watch(t *worktree, dir string) {
	if fi, err := os.Lstat(dir); err != nil || !fi.IsDir() {
		return // what comes there later is noticed above it; no link leads out of the clone
	}
	if err := w.watcher.Add(dir); err != nil && !os.IsNotExist(err) {
		if !t.blind {
			w.log.Warn("some edits in a working tree are noticed at the next poll: a directory cannot be watched", "directory", dir, "error", err)
		}
		t.blind = true
		return
	}
	w.watched[dir] = t
}

// noticed is an event, of somebody's edit or of a checkout.
func (w *worktrees) noticed(e fsnotify.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.watched[filepath.Dir(e.Name)]
	if t == nil || clone.Passing(filepath.Base(e.Name)) || !t.mirrors(e.Name) {
		return
	}
	if e.Has(fsnotify.Create) && filepath.Ext(e.Name) != ".json" {
		if fi, err := os.Lstat(e.Name); err == nil && fi.IsDir() {
			w.watch(t, e.Name)
			w.watchBelow(t, e.Name)
		}
	}
	path, err := filepath.Rel(t.dir, e.Name)
	if err != nil {
		return
	}
	if t.touched[filepath.ToSlash(path)] = true; len(t.touched) > mostTouched {
		t.all = true
		clear(t.touched)
	}
	w.settle(t, editSettle)
}

// mirrors reports whether a path is, or leads to, a kind's directory, or is in one.
func (t *worktree) mirrors(path string) bool {
	return slices.ContainsFunc(t.kinds, func(kind string) bool {
		kind = filepath.Join(t.dir, kind)
		return path == kind || strings.HasPrefix(path, kind+string(filepath.Separator)) || strings.HasPrefix(kind, path+string(filepath.Separator))
	})
}

// missed: the kernel could not keep up.
func (w *worktrees) missed(err error) {
	w.log.Debug("some changes of working trees went unnoticed", "error", err)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.open {
		t.all = true
		w.settle(t, editSettle)
	}
}

// settle has a working tree looked at when it has been still for so long.
func (w *worktrees) settle(t *worktree, after time.Duration) {
	if t.timer != nil {
		t.timer.Stop()
	}
	t.timer = time.AfterFunc(after, func() { w.settled(t) })
}

func (w *worktrees) settled(t *worktree) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open[t.id] != t {
		return
	}
	edited, known := t.look()
	switch {
	case !known: // a run is under way, and what it checks out is touched, too
		w.settle(t, editSettle)
	case edited:
		t.all = true
		w.nudge(t.id)
	}
}

// look judges what was touched.
func (t *worktree) look() (edited, known bool) {
	if t.all {
		return true, true
	}
	paths := make([]string, 0, len(t.touched))
	for path := range t.touched {
		paths = append(paths, path)
	}
	if edited, known = t.clone.Touched(paths); known {
		clear(t.touched)
	}
	return edited, known
}

// due reports whether a run that begins should look for edits; looks: it looks at the remote.
func (w *worktrees) due(id string, looks bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.open[id]
	if t == nil {
		return false
	}
	edited, _ := t.look()
	edited = edited || looks && (t.blind || w.watcher == nil)
	t.all = false
	return edited
}

// ran has a working tree looked at a while after a run (0: only if the run met an edit),
// whatever happens there.
func (w *worktrees) ran(id string, after time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.open[id]
	if t == nil {
		return
	}
	if after == 0 {
		if met, known := t.clone.Touched(nil); !met || !known {
			return
		}
		after = editSettle
	}
	t.all = true
	w.settle(t, after)
}
