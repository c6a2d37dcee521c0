package clone

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// ErrBusy: a run works with the clone; who only looks does not wait for it.
var ErrBusy = errors.New("a run works with the clone")

// logTime bounds how long a look at the history keeps a run waiting.
const logTime = 300 * time.Millisecond

// Look tells what the mirrored branch, as it was last seen, has of an entity, and the latest
// commits that changed it: at most that many, as "git log -- path" would tell, and only as
// far back as can be looked in a fraction of a second. It asks nobody, and fails with
// [ErrBusy] while anything else works with the clone.
func (c *Clone) Look(ctx context.Context, at mirror.Place, most int) (*mirror.Sight, error) {
	if !c.mu.TryLock() {
		return nil, ErrBusy
	}
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	head, ok := c.readRef(c.trackingRef())
	if !ok {
		return &mirror.Sight{}, nil
	}
	entries, err := c.lookup(ctx, fromID(head), []mirror.Place{at})
	if err != nil {
		return nil, err
	}
	s := &mirror.Sight{Head: fromID(head), Entry: entries[0]}
	if s.Entry.GitID != "" {
		if s.Content, s.Problem, err = c.read(ctx, s.Entry); err != nil {
			return nil, err
		}
	}
	l := logWalk{c: c, path: strings.Split(c.o.Layout.Dir(at.Kind)+"/"+fileName(at.Kind, at.Slug), "/"), seen: map[plumbing.Hash]bool{}}
	s.Older, err = l.walk(ctx, []plumbing.Hash{head}, time.Now().Add(logTime), func(at *loggedCommit) bool {
		if len(s.Commits) < most {
			s.Commits = append(s.Commits, at.Logged)
			return true
		}
		return false
	})
	return s, err
}

// logWalk goes through the history, the latest commit first, and leaves out the sides of a
// merge that brought the path nothing: what one parent has as the merge has it came from
// there.
type logWalk struct {
	c     *Clone
	path  []string
	seen  map[plumbing.Hash]bool
	queue logQueue
}

type loggedCommit struct {
	mirror.Logged
	commit
	id   string // of what stands at the path
	when int64
}

// walk visits the commits that changed the path, until it is told to stop; older: there may
// be more.
func (l *logWalk) walk(ctx context.Context, heads []plumbing.Hash, deadline time.Time, visit func(*loggedCommit) (on bool)) (older bool, err error) {
	for _, head := range heads {
		if err := l.push(head); err != nil {
			return false, err
		}
	}
	for len(l.queue) > 0 {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if time.Now().After(deadline) {
			return true, nil
		}
		at := heap.Pop(&l.queue).(*loggedCommit)
		parents := make([]*loggedCommit, len(at.parents))
		same := -1
		for i, id := range at.parents {
			if parents[i], err = l.load(id); err != nil {
				return false, err
			}
			if parents[i].id == at.id && same < 0 {
				same = i
			}
		}
		if same >= 0 {
			l.add(parents[same])
			continue
		}
		for _, p := range parents {
			l.add(p)
		}
		if (len(parents) > 0 || at.id != "") && !visit(at) {
			return true, nil
		}
	}
	return false, nil
}

func (l *logWalk) push(id plumbing.Hash) error {
	at, err := l.load(id)
	if err == nil {
		l.add(at)
	}
	return err
}

func (l *logWalk) add(at *loggedCommit) {
	id, _ := toID(at.Hash)
	if !l.seen[id] {
		l.seen[id] = true
		heap.Push(&l.queue, at)
	}
}

func (l *logWalk) load(id plumbing.Hash) (*loggedCommit, error) {
	data, err := l.c.store.read(id, plumbing.CommitObject)
	if err != nil {
		return nil, err
	}
	cm, err := parseCommit(data)
	if err != nil {
		return nil, &missingError{id, err}
	}
	at := &loggedCommit{commit: *cm}
	at.Hash = fromID(id)
	at.Author, at.when, at.Subject = describeCommit(data)
	at.id, err = l.idAt(cm.tree)
	return at, err
}

// idAt is the mode and id of what stands at the path. Trees that are only passed by are not
// kept in memory.
func (l *logWalk) idAt(root plumbing.Hash) (string, error) {
	e := treeEntry{mode: modeDir, id: root}
	for _, name := range l.path {
		if !e.isDir() {
			return "", nil
		}
		t, err := l.c.store.passingTree(e.id)
		if err != nil {
			return "", err
		}
		found := false
		if e, found = t.find(name); !found {
			return "", nil
		}
	}
	return strconv.FormatUint(uint64(e.mode), 8) + e.id.String(), nil
}

// describeCommit reads who made a commit, when (committed, Unix seconds) and its first line.
func describeCommit(data []byte) (author mirror.Signature, when int64, subject string) {
	head, message, _ := bytes.Cut(data, []byte("\n\n"))
	for line := range bytes.Lines(head) {
		line = bytes.TrimRight(line, "\n")
		if rest, ok := bytes.CutPrefix(line, []byte("author ")); ok && author.Email == "" {
			author = parseSignature(string(rest))
		} else if rest, ok := bytes.CutPrefix(line, []byte("committer ")); ok && when == 0 {
			when = parseSignature(string(rest)).When.Unix()
		}
	}
	first, _, _ := strings.Cut(strings.TrimLeft(string(message), "\n"), "\n")
	return author, when, shorten(first)
}

// parseSignature reads "Name <email> seconds zone"; what is not so stays empty.
func parseSignature(line string) mirror.Signature {
	name, rest, _ := strings.Cut(line, "<")
	email, rest, _ := strings.Cut(rest, ">")
	seconds, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseInt(seconds, 10, 64)
	return mirror.Signature{Name: shorten(strings.TrimSpace(name)), Email: shorten(email), When: time.Unix(n, 0).UTC()}
}

// shorten bounds a text of a stranger's commit.
func shorten(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxLogText {
		s = strings.ToValidUTF8(s[:maxLogText], "") + "…"
	}
	return s
}

// maxLogText is the bytes of a name or a first line that are shown.
const maxLogText = 200

// logQueue has the latest commit at its top.
type logQueue []*loggedCommit

func (q logQueue) Len() int           { return len(q) }
func (q logQueue) Less(i, j int) bool { return q[i].when > q[j].when }
func (q logQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *logQueue) Push(x any)        { *q = append(*q, x.(*loggedCommit)) }
func (q *logQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
