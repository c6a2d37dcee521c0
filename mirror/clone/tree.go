package clone

import (
	"bytes"
	"cmp"
	"container/list"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Modes of tree entries.
const (
	modeDir        = 0o040000
	modeFile       = 0o100644
	modeExecutable = 0o100755
	modeSymlink    = 0o120000
	modeSubmodule  = 0o160000
	modeFormat     = 0o170000 // the bits that tell what an entry is
	modeRegular    = 0o100000
)

var emptyTree = plumbing.NewHash("4b825dc642cb6eb9a060e54bf8d69288fbee4904")

// tree is a decoded tree object. It is immutable; entries are sorted as git
// sorts them even when the object's own were not.
type tree struct {
	id      plumbing.Hash
	entries []treeEntry
	size    int // of the encoded object
	// shuffled: the object itself is not sorted, so offsets in it are unknown.
	shuffled bool
}

type treeEntry struct {
	mode uint32
	id   plumbing.Hash
	name string
	// twice: the tree names it more than once, which git refuses.
	twice bool
}

func (e treeEntry) isDir() bool     { return e.mode&modeFormat == modeDir }
func (e treeEntry) isRegular() bool { return e.mode&modeFormat == modeRegular }

// isSubmodule reports whether the entry's object is another repository's: so git takes
// every mode that it does not know, and never sends such an object.
func (e treeEntry) isSubmodule() bool {
	format := e.mode & modeFormat
	return e.mode != 0 && format != modeDir && format != modeRegular && format != modeSymlink
}

// same reports whether two entries stand for the same thing.
func (e treeEntry) same(o treeEntry) bool {
	return e.id == o.id && e.mode == o.mode && e.twice == o.twice
}

var errTree = errors.New("malformed tree")

// parseTree decodes a tree object. Names are not judged here: who writes to a
// disk asks safeName.
func parseTree(id plumbing.Hash, data []byte) (*tree, error) {
	t := &tree{id: id, size: len(data), entries: make([]treeEntry, 0, len(data)/40)}
	text := string(data) // one allocation that all names share
	for pos := 0; pos < len(text); {
		space := strings.IndexByte(text[pos:min(pos+12, len(text))], ' ')
		if space < 1 {
			return nil, errTree
		}
		mode, err := strconv.ParseUint(text[pos:pos+space], 8, 32)
		if err != nil {
			return nil, errTree
		}
		pos += space + 1
		n := strings.IndexByte(text[pos:], 0)
		if n < 0 || pos+n+1+20 > len(text) {
			return nil, errTree
		}
		e := treeEntry{mode: uint32(mode), name: text[pos : pos+n]}
		pos += n + 1
		copy(e.id[:], text[pos:])
		pos += 20
		t.entries = append(t.entries, e)
	}
	t.normalize()
	return t, nil
}

// normalize sorts a tree that its writer did not sort. Of a name that stands in
// it more than once, be it as file and as directory, one marked entry is left.
func (t *tree) normalize() {
	if !slices.IsSortedFunc(t.entries, compareEntries) {
		slices.SortStableFunc(t.entries, compareEntries)
		t.shuffled = true
	}
	drop := make(map[int]bool)
	for i := range t.entries {
		e := &t.entries[i]
		if i > 0 && t.entries[i-1].name == e.name {
			e.twice, t.entries[i-1].twice, drop[i] = true, true, true
		}
		if !e.isDir() {
			continue
		}
		if j, ok := slices.BinarySearchFunc(t.entries, treeEntry{name: e.name, mode: modeFile}, compareEntries); ok {
			t.entries[j].twice, drop[i] = true, true
		}
	}
	if len(drop) == 0 {
		return
	}
	kept := t.entries[:0]
	for i, e := range t.entries {
		if drop[i] {
			continue
		}
		if n := len(kept); n > 0 && kept[n-1].name == e.name {
			continue // the first of three
		}
		kept = append(kept, e)
	}
	t.entries, t.shuffled = kept, true
}

// compareEntries is git's order: a directory sorts as if its name ended in a slash.
// Names that hold a slash themselves, which only a hand-made tree has, keep an order too.
func compareEntries(a, b treeEntry) int {
	n := min(len(a.name), len(b.name))
	if c := strings.Compare(a.name[:n], b.name[:n]); c != 0 {
		return c
	}
	return cmp.Or(int(endByte(a, n))-int(endByte(b, n)), len(a.name)-len(b.name))
}

func endByte(e treeEntry, n int) byte {
	if n < len(e.name) {
		return e.name[n]
	}
	if e.isDir() {
		return '/'
	}
	return 0
}

// find returns the entry of a name, be it a directory or not.
func (t *tree) find(name string) (treeEntry, bool) {
	for _, mode := range [2]uint32{modeFile, modeDir} {
		i, ok := slices.BinarySearchFunc(t.entries, treeEntry{name: name, mode: mode}, compareEntries)
		if ok {
			return t.entries[i], true
		}
	}
	return treeEntry{}, false
}

// encodeTree writes a tree object. Modes other than the usual ones (100664 of
// old gits) stay as they are.
func encodeTree(entries []treeEntry) []byte {
	size := 0
	for _, e := range entries {
		size += 28 + len(e.name)
	}
	var b bytes.Buffer
	b.Grow(size)
	for _, e := range entries {
		b.Write(strconv.AppendUint(b.AvailableBuffer(), uint64(e.mode), 8))
		b.WriteByte(' ')
		b.WriteString(e.name)
		b.WriteByte(0)
		b.Write(e.id[:])
	}
	return b.Bytes()
}

// treeCache keeps decoded trees, the last used ones, within limit bytes.
type treeCache struct {
	limit, used int
	order       list.List // of *tree, last used first
	byID        map[plumbing.Hash]*list.Element
}

func newTreeCache() *treeCache { return &treeCache{limit: treeCacheSize} }

// cost estimates a decoded tree's memory: names share the encoded text.
func (t *tree) cost() int { return t.size + 48*len(t.entries) }

func (c *treeCache) get(id plumbing.Hash) *tree {
	e, ok := c.byID[id]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*tree)
}

func (c *treeCache) put(t *tree) {
	if c.byID == nil {
		c.byID = make(map[plumbing.Hash]*list.Element)
	}
	if _, ok := c.byID[t.id]; ok {
		return
	}
	c.byID[t.id] = c.order.PushFront(t)
	c.used += t.cost()
	for c.used > c.limit && c.order.Len() > 1 {
		c.drop(c.order.Back())
	}
}

func (c *treeCache) drop(e *list.Element) {
	old := c.order.Remove(e).(*tree)
	delete(c.byID, old.id)
	c.used -= old.cost()
}

func (c *treeCache) forget(id plumbing.Hash) {
	if e, ok := c.byID[id]; ok {
		c.drop(e)
	}
}
