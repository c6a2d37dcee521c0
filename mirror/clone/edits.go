package clone

import (
	"context"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// People edit files in the working tree. A file is an edit if it is an ordinary one at the
// place of an entity, has been still for a while, and holds what was never checked out
// there: what is older than the working tree is nobody's new text. A missing or empty file is
// no edit, but brought back.

// edits is what is known of people's files.
type edits struct {
	// taken are the contents that Taken told of, by path.
	taken map[string]takenEdit
	// large are the sizes of files that are too large, by path: each was told once.
	large map[string]int64
	// strays were edited while a checkout replaced them, and stand aside. The writers of a
	// checkout add to them side by side, under straying; all else holds the clone's lock.
	strays   []stray
	straying sync.Mutex
}

// takenEdit is an edit that need not be told again. One that is in the database may be
// replaced in the working tree.
type takenEdit struct {
	id       plumbing.Hash
	imported bool
}

// stray is an edit that a checkout moved aside.
type stray struct {
	path, kept string
	from       plumbing.Hash // the commit that it was made on
	told       plumbing.Hash // the content that was told of last
}

// takenFile remembers imported edits over a restart: a row that was edited since is newer.
const takenFile = "confmirror/taken"

// walkTime bounds the look for a content in a path's history; what is older than that is
// taken for known.
const walkTime = 2 * time.Second

// Edits are what somebody wrote in the working tree and nobody was told of yet, and brings
// back files that are missing. It looks at every file of the mirrored directories.
func (c *Clone) Edits(ctx context.Context, still time.Duration) (*mirror.Edits, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	found, err := c.findEdits(ctx, still)
	if isBusy(err) {
		return &mirror.Edits{Later: true}, nil
	}
	return found, c.forgiving(err)
}

func (c *Clone) findEdits(ctx context.Context, still time.Duration) (*mirror.Edits, error) {
	if err := c.finishCheckout(ctx); err != nil {
		return nil, err
	}
	later := false
	if len(c.edits.strays) > 0 {
		aside := c.strayEdits(still)
		if later = aside.Later; len(aside.Changes) > 0 {
			aside.Later = true // the working files are looked at after these
			return aside, nil
		}
	}
	head := c.checkedOut()
	if head.IsZero() {
		return &mirror.Edits{Later: later}, nil
	}
	if what := c.underWay(); what != "" {
		return &mirror.Edits{Blocked: what}, nil
	}
	if _, err := c.loadIndex(ctx, head); err != nil {
		return nil, err
	}
	l := &editLook{c: c, ctx: ctx, still: still, found: &mirror.Edits{From: fromID(head)}, fresh: map[string]bool{}}
	if err := l.look(head); err != nil {
		return nil, err
	}
	if l.missing {
		if _, err := c.restore(ctx); err != nil {
			return nil, err
		}
	}
	l.found.Later = l.found.Later || later
	return l.found, nil
}

// underWay names what somebody's git has not ended, or where it has gone: the working files
// are those of other commits meanwhile.
func (c *Clone) underWay() string {
	for _, w := range []struct{ file, what string }{
		{"MERGE_HEAD", "a merge"}, {"rebase-merge", "a rebase"}, {"rebase-apply", "a rebase"},
		{"CHERRY_PICK_HEAD", "a cherry-pick"}, {"REVERT_HEAD", "a revert"},
	} {
		if exists(c.git, w.file) {
			return w.what
		}
	}
	if b, err := c.git.ReadFile("HEAD"); err != nil || strings.TrimSpace(string(b)) != "ref: "+c.branchRef() {
		return "another branch"
	}
	return ""
}

// entityPath is the path of the entity that a file belongs to.
func (c *Clone) entityPath(path string) string {
	dir := c.o.Layout.Dir(document.Skills) + "/"
	if rest, ok := strings.CutPrefix(path, dir); ok {
		slug, _, _ := strings.Cut(rest, "/")
		return dir + slug
	}
	return path
}

func (c *Clone) inSkill(path string) bool {
	return strings.HasPrefix(path, c.o.Layout.Dir(document.Skills)+"/")
}

// everHad reports whether a path had that content in the history of what is checked out, or
// of what somebody fetched. Somebody may have gone back to it; and a content of which the
// store has nothing was never anybody's.
func (c *Clone) everHad(ctx context.Context, path string, id plumbing.Hash) (bool, error) {
	if !c.store.has(id) {
		return false, nil
	}
	l := logWalk{c: c, path: strings.Split(path, "/"), seen: map[plumbing.Hash]bool{}}
	heads := []plumbing.Hash{c.checkedOut()}
	if tracked, ok := c.readRef(c.trackingRef()); ok && c.store.has(tracked) {
		heads = append(heads, tracked)
	}
	had := false
	older, err := l.walk(ctx, heads, time.Now().Add(walkTime), func(at *loggedCommit) bool {
		had = strings.HasSuffix(at.id, id.String())
		return !had
	})
	return had || older, err
}

// strayEdits are edits that a checkout moved aside, of one commit. Who wrote them may not be
// done with it.
func (c *Clone) strayEdits(still time.Duration) *mirror.Edits {
	found := &mirror.Edits{From: fromID(c.edits.strays[0].from)}
	var left []stray
	for _, s := range c.edits.strays {
		fi, err := c.root.Lstat(s.kept)
		if err != nil || !fi.Mode().IsRegular() {
			continue // somebody took it away
		}
		if s.from != c.edits.strays[0].from || justChanged(fi, still) {
			left, found.Later = append(left, s), true
			continue
		}
		content, err := readWhole(c.root, s.kept, c.o.Limits.MaxFileSize)
		if err != nil || len(content) == 0 {
			continue // it is kept, and that was told; or nobody filled it
		}
		s.told = hashObject(plumbing.BlobObject, content)
		left = append(left, s)
		found.Changes = append(found.Changes, mirror.FileChange{Path: s.path, Content: content, Executable: fi.Mode().Perm()&0o100 != 0})
	}
	c.edits.strays = left // until they are taken
	return found
}

// strayed notes an edit that a checkout met.
func (c *Clone) strayed(ch *change, kept string) {
	if _, _, err := c.checkPath(ch.path, false); err == nil && !c.checkingOut.IsZero() {
		c.edits.straying.Lock()
		defer c.edits.straying.Unlock()
		c.edits.strays = append(c.edits.strays, stray{path: ch.path, kept: kept, from: c.checkingOut})
	}
}

// Taken tells what became of edits: those that are in the database, and those that are not
// and never will be as they are. Neither is told of again.
func (c *Clone) Taken(ctx context.Context, changes []mirror.FileChange, imported func(path string) bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return err
	}
	for _, ch := range changes {
		id := hashObject(plumbing.BlobObject, ch.Content)
		c.edits.taken[ch.Path] = takenEdit{id: id, imported: imported(ch.Path)}
		c.edits.strays = slices.DeleteFunc(c.edits.strays, func(s stray) bool { return s.path == ch.Path && s.told == id })
	}
	var b strings.Builder
	for path, t := range c.edits.taken {
		if t.imported {
			b.WriteString(t.id.String() + " " + path + "\n")
		}
	}
	return c.replace(ctx, takenFile, []byte(b.String()))
}

// loadTaken reads what an earlier process took.
func (c *Clone) loadTaken() {
	c.edits = edits{taken: map[string]takenEdit{}, large: map[string]int64{}}
	b, _ := c.git.ReadFile(takenFile)
	for line := range strings.Lines(string(b)) {
		hex, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if id, valid := toID(mirror.Hash(hex)); ok && valid {
			c.edits.taken[path] = takenEdit{id: id, imported: true}
		}
	}
}

// readWhole reads a file of at most so many bytes.
func readWhole(root *os.Root, name string, most int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fs.ErrInvalid
	}
	return b, err
}

// Touched reports whether any of these paths is not as the last checkout left it, or was not
// when a checkout came: an edit, most likely. known is false while something else works with the clone.
func (c *Clone) Touched(paths []string) (touched, known bool) {
	if !c.mu.TryLock() {
		return false, false
	}
	defer c.mu.Unlock()
	if c.closed || len(c.edits.strays) > 0 {
		return !c.closed, true
	}
	for _, path := range paths {
		fi, err := c.root.Lstat(path)
		if err == nil && fi.IsDir() {
			return true, true // its files may be older than its watch
		}
		if _, _, bad := c.checkPath(path, false); bad != nil {
			continue
		}
		if c.index == nil || c.indexForeign {
			return true, true // somebody's git has noted the edit as it is
		}
		if at, ok := c.index.find(path); ok != (err == nil) || ok && !at.sameStat(statOf(fi)) {
			return true, true
		}
	}
	return false, true
}
