package clone

import (
	"bytes"
	"container/heap"
	"context"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// What is known of a commit in a search for a common one.
const (
	ofOurs = 1 << iota
	ofTheirs
	behindCommon // an ancestor of a common commit
)

// MergeBase is a latest commit that is in both histories; "" if there is none.
func (c *Clone) MergeBase(ctx context.Context, a, b mirror.Hash) (mirror.Hash, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return "", err
	}
	ours, err := c.commitID(a)
	if err != nil {
		return "", err
	}
	theirs, err := c.commitID(b)
	if err != nil {
		return "", err
	}
	base, err := c.mergeBase(ctx, ours, theirs)
	return fromID(base), err
}

// mergeBase is a latest commit that is in both histories; zero if there is none. It
// visits the newest commits first, so that of a long history only the end is read.
func (c *Clone) mergeBase(ctx context.Context, ours, theirs plumbing.Hash) (plumbing.Hash, error) {
	s := &baseSearch{c: c, known: map[plumbing.Hash]int{}}
	if err := s.reach(ours, ofOurs); err != nil {
		return plumbing.ZeroHash, err
	}
	if err := s.reach(theirs, ofTheirs); err != nil {
		return plumbing.ZeroHash, err
	}
	var common []plumbing.Hash
	for s.undecided() {
		if err := ctx.Err(); err != nil {
			return plumbing.ZeroHash, err
		}
		at := heap.Pop(&s.queue).(dated)
		as := s.known[at.id]
		if as == ofOurs|ofTheirs {
			common = append(common, at.id)
			as |= behindCommon
		}
		for _, p := range at.parents {
			if err := s.reach(p, as); err != nil {
				return plumbing.ZeroHash, err
			}
		}
	}
	for _, id := range common {
		if s.known[id]&behindCommon == 0 {
			return id, nil
		}
	}
	return plumbing.ZeroHash, nil
}

// baseSearch is one mergeBase at work.
type baseSearch struct {
	c     *Clone
	known map[plumbing.Hash]int
	queue datedCommits
}

// dated is a commit with what orders the search.
type dated struct {
	id plumbing.Hash
	*commit
	when int64
}

// reach notes how a commit was come to, and visits it if that is news.
func (s *baseSearch) reach(id plumbing.Hash, as int) error {
	if id.IsZero() || s.known[id]&as == as {
		return nil
	}
	data, err := s.c.store.read(id, plumbing.CommitObject)
	if err != nil {
		return err
	}
	cm, err := parseCommit(data)
	if err != nil {
		return err
	}
	s.known[id] |= as
	heap.Push(&s.queue, dated{id, cm, committedAt(data)})
	return nil
}

// undecided reports whether a common commit may still be found, or outdone.
func (s *baseSearch) undecided() bool {
	for _, at := range s.queue {
		if s.known[at.id]&behindCommon == 0 {
			return true
		}
	}
	return false
}

// committedAt is a commit's date in seconds; 0 where it says none.
func committedAt(data []byte) int64 {
	header, _, _ := bytes.Cut(data, []byte("\n\n"))
	_, line, _ := bytes.Cut(header, []byte("\ncommitter "))
	line, _, _ = bytes.Cut(line, []byte("\n"))
	fields := bytes.Fields(line[bytes.LastIndexByte(line, '>')+1:])
	if len(fields) == 0 {
		return 0
	}
	when, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return when
}

// datedCommits is a heap, the newest first.
type datedCommits []dated

func (d datedCommits) Len() int           { return len(d) }
func (d datedCommits) Less(i, j int) bool { return d[i].when > d[j].when }
func (d datedCommits) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *datedCommits) Push(x any)        { *d = append(*d, x.(dated)) }
func (d *datedCommits) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	*d = (*d)[:last]
	return x
}
