package clone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Options says what to clone, where to, and with what.
type Options struct {
	// Dir is the clone's directory. Nothing outside it is ever touched.
	Dir string
	// URL of the repository, http(s), without credentials.
	URL string
	// Branch that is mirrored, without refs/heads/.
	Branch string
	Layout document.Layout
	// Limits bound what Read accepts; zero fields take document.DefaultLimits.
	Limits document.Limits
	// Committer of the daemon's commits; its When is ignored, Now counts.
	Committer mirror.Signature
	// Credentials for the repository's origin; nil is anonymous.
	Credentials mirror.Credentials
	// Client to use; nil for one with sensible timeouts. Its redirect policy and
	// total timeout are not used.
	Client *http.Client
	Now    func() time.Time
	Logger *slog.Logger
	// StallTimeout ends a transfer in which nothing has moved for so long; 0 is a minute.
	StallTimeout time.Duration
}

// Clone is a working-tree clone; it implements mirror.Clone.
type Clone struct {
	mu     sync.Mutex
	o      Options
	log    *slog.Logger
	root   *os.Root // the working tree
	git    *os.Root // its .git
	lock   *os.File
	store  *store
	remote *remote
	upkeep *upkeep // nil: nothing is being merged
	edits  edits   // people's, in the working tree
	index  *index  // what was checked out; nil until it is needed
	// indexStat is the state of the file that index was read from or written to.
	indexStat fileStat
	// checkingOut is the commit that a checkout under way leaves; zero when there is none.
	checkingOut plumbing.Hash
	// indexForeign: another git, or an earlier process, wrote the index.
	indexForeign bool
	// generation counts rebuilds; reported remembers in which one a missing
	// object was reported, so that one which stays missing is not reported for ever.
	generation int
	reported   map[plumbing.Hash]int
	closed     bool
}

var _ mirror.Clone = (*Clone)(nil)

// ErrLocked: another process uses the clone.
var ErrLocked = errors.New("the clone is used by another process")

func (o *Options) complete() error {
	if o.Dir == "" {
		return errors.New("clone: no directory")
	}
	if err := mirror.CheckBranch(o.Branch); err != nil {
		return fmt.Errorf("clone: branch %q: %w", o.Branch, err)
	}
	if p := o.Layout.Prefix; p != "" && !safePath(p) {
		return fmt.Errorf("clone: path prefix %q", p)
	}
	d := document.DefaultLimits
	l := &o.Limits
	if l.MaxFileSize <= 0 {
		l.MaxFileSize = d.MaxFileSize
	}
	if l.MaxSkillFiles <= 0 {
		l.MaxSkillFiles = d.MaxSkillFiles
	}
	if l.MaxSkillSize <= 0 {
		l.MaxSkillSize = d.MaxSkillSize
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Open opens the clone in o.Dir, makes it when there is none, heals what a kill
// or a person broke, and finishes an interrupted checkout. It uses no network. A
// clone of another repository or branch, or one beyond healing, is started anew.
func Open(ctx context.Context, o Options) (_ *Clone, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	t, err := newTransport(o.URL, o.Credentials, o.Client, o.StallTimeout)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	c := &Clone{o: o, log: o.Logger, remote: &remote{t: t, log: o.Logger}, reported: make(map[plumbing.Hash]int)}
	defer func() {
		if err != nil {
			c.release()
		}
	}()
	if err := c.claim(); err != nil {
		if errors.Is(err, ErrLocked) {
			return nil, err
		}
		return nil, cloneFault("The clone's directory cannot be used.", err)
	}
	if err := c.heal(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// claim opens the directories and takes the lock.
func (c *Clone) claim() (err error) {
	if c.root, err = c.openTop(); err != nil {
		return err
	}
	if fi, err := c.root.Lstat(".git"); err == nil && !fi.IsDir() { // a link, or a worktree's pointer to somewhere else
		if err := c.root.Rename(".git", strayGit); err != nil {
			return err
		}
	}
	if err := c.root.MkdirAll(".git", 0o755); err != nil {
		return err
	}
	if c.git, err = c.root.OpenRoot(".git"); err != nil {
		return err
	}
	if err := makeDir(c.git, "confmirror"); err != nil {
		return err
	}
	if fi, err := c.git.Lstat(lockName); err == nil && !fi.Mode().IsRegular() {
		c.git.RemoveAll(lockName)
	}
	if c.lock, err = takeLock(c.git, lockName); err != nil {
		return err
	}
	if exists(c.root, strayGit) {
		return c.newKeeper().keep(strayGit, "dot-git")
	}
	return nil
}

// lockName is what keeps a second process out of an open clone.
const lockName = "confmirror/lock"

// strayGit is a .git that was no directory, on its way to what is kept.
const strayGit = ".confmirror-dot-git"

// openTop opens the clone's directory, and makes it. What stands in its place and
// is none is moved aside: a link there is never followed, because a clone may be
// cleared.
func (c *Clone) openTop() (*os.Root, error) {
	parent, name := filepath.Split(c.o.Dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	at, err := os.OpenRoot(parent)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	if fi, err := at.Lstat(name); err == nil && !fi.IsDir() {
		aside := name + ".kept-" + c.newKeeper().stamp
		if err := at.Rename(name, aside); err != nil {
			return nil, err
		}
		c.log.Warn("what stood in the place of the clone's directory was moved aside", "path", c.o.Dir, "kept", filepath.Join(parent, aside))
	}
	if err := at.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return enter(at, name)
}

// release closes everything that is open.
func (c *Clone) release() error {
	var errs []error
	if c.store != nil {
		c.store.close()
	}
	for _, r := range []*os.Root{c.git, c.root} {
		if r != nil {
			errs = append(errs, r.Close())
		}
	}
	if c.lock != nil {
		errs = append(errs, giveLock(c.lock))
	}
	return errors.Join(errs...)
}

// closeWithin bounds how long Close waits for a merge of packs.
const closeWithin = 5 * time.Second

// Close gives back the lock and all descriptors.
func (c *Clone) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.upkeep != nil { // a command that runs and ends never comes to it otherwise
		defer time.AfterFunc(closeWithin, c.upkeep.cancel).Stop()
		c.endUpkeep()
	}
	err := c.release()
	c.store, c.index = nil, nil // whoever still has c holds no memory by it
	return err
}

var errClosed = errors.New("the clone is closed")

// errHalfCleared: a rebuild failed half way, for instance because the disk is full.
var errHalfCleared = errors.New("the clone was not cleared to the end; it has to be opened anew")

// usable guards every operation; call it with the mutex held.
func (c *Clone) usable(ctx context.Context) error {
	switch {
	case c.closed:
		return errClosed
	case c.store == nil:
		return cloneFault("The clone cannot be used.", errHalfCleared)
	}
	c.store.wake()
	return ctx.Err()
}

// Rest gives back what an open clone holds in memory and can have again, which the next use
// of it reads anew. It does nothing while the clone is used.
func (c *Clone) Rest() {
	if !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	if c.closed || c.store == nil || c.upkeep != nil {
		return
	}
	c.store.rest()
	c.index = nil
}

// Stands reports whether the directories that the clone was opened on are still
// there. Where they are not, only opening it anew helps.
func (c *Clone) Stands() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || !sameDir(c.root, c.o.Dir) || !sameDir(c.git, filepath.Join(c.o.Dir, ".git")) {
		return false
	}
	for _, name := range []string{"objects", "refs", "confmirror/identity"} {
		if !exists(c.git, name) {
			return false
		}
	}
	return true
}

func sameDir(root *os.Root, dir string) bool {
	opened, err := root.Stat(".")
	if err != nil {
		return false
	}
	there, err := os.Lstat(dir) // a link to it is none
	return err == nil && os.SameFile(opened, there)
}

// Remote asks the remote for the branch's head.
func (c *Clone) Remote(ctx context.Context, others ...string) (mirror.Head, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return mirror.Head{}, err
	}
	return c.remote.branchHead(ctx, c.o.Branch, others...)
}

// Has reports whether the clone has the commit.
func (c *Clone) Has(ctx context.Context, commit mirror.Hash) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.usable(ctx) == nil && c.hasCommit(commit)
}

func (c *Clone) hasCommit(h mirror.Hash) bool {
	id, ok := toID(h)
	if !ok || !c.store.has(id) {
		return false
	}
	_, err := c.store.commit(id)
	return err == nil
}
