package clone

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"sort"

	"github.com/go-git/go-git/v5/plumbing"
)

// index is the clone's .git/index: what was checked out last. It serves people's
// "git status", and us to find what is missing from the working tree. It is kept as
// the file has it, in blocks: an entry costs its bytes there, and a change those of its block.
type index struct {
	blocks []*indexBlock // none is empty
	// sum is the checksum of the file that was read or written; zero before that.
	sum plumbing.Hash
}

// indexBlock holds entries that follow each other, sorted by path.
type indexBlock struct {
	b  []byte   // entries of a file of version 2
	at []uint16 // where each begins
}

// indexBlockSize bounds a block, unless a single entry is larger.
const indexBlockSize = 1 << 16

// fileStat is what git remembers of a file to see that it is unchanged. The
// zero value makes git look at the content.
type fileStat struct {
	ctimeSec, ctimeNsec uint32
	mtimeSec, mtimeNsec uint32
	dev, ino, uid, gid  uint32
	size                uint32
}

var errIndex = errors.New("unreadable index")

// indexFixed is how many bytes an entry has before its path: stat and mode, id, flags.
const (
	indexFixed   = 62
	indexIDAt    = 40
	indexFlagsAt = 60
)

// indexedFile is one entry, as the file has it.
type indexedFile []byte

// pathSize is how long the path is: an entry ends with at least one NUL.
func (f indexedFile) pathSize() int {
	n := len(f)
	for f[n-1] == 0 {
		n--
	}
	return n - indexFixed
}

func (f indexedFile) u32(at int) uint32 { return binary.BigEndian.Uint32(f[at:]) }

// path is part of the index; whoever keeps it makes a string of it.
func (f indexedFile) path() []byte      { return f[indexFixed : indexFixed+f.pathSize()] }
func (f indexedFile) mode() uint32      { return f.u32(24) }
func (f indexedFile) size() uint32      { return f.u32(36) }
func (f indexedFile) id() plumbing.Hash { return plumbing.Hash(f[indexIDAt:indexFlagsAt]) }

// sameStat reports whether the working file was noted so.
func (f indexedFile) sameStat(s fileStat) bool {
	var noted [indexFixed]byte
	copy(noted[:], f)
	indexedFile(noted[:]).setStat(s)
	return bytes.Equal(noted[:], f[:indexFixed])
}

// setStat notes the state of the working file.
func (f indexedFile) setStat(s fileStat) {
	for i, v := range [...]uint32{s.ctimeSec, s.ctimeNsec, s.mtimeSec, s.mtimeNsec, s.dev, s.ino} {
		binary.BigEndian.PutUint32(f[4*i:], v)
	}
	for i, v := range [...]uint32{s.uid, s.gid, s.size} {
		binary.BigEndian.PutUint32(f[28+4*i:], v)
	}
}

// indexEntrySize is what an entry takes: one to eight NULs make it a multiple of eight.
func indexEntrySize(pathSize int) int { return (indexFixed + pathSize + 8) &^ 7 }

func (k *indexBlock) file(i int) indexedFile {
	if i+1 < len(k.at) {
		return indexedFile(k.b[k.at[i]:k.at[i+1]])
	}
	return indexedFile(k.b[k.at[i]:])
}

func (k *indexBlock) find(path string) (indexedFile, bool) {
	i := sort.Search(len(k.at), func(i int) bool { return string(k.file(i).path()) >= path })
	if i == len(k.at) || string(k.file(i).path()) != path {
		return nil, false
	}
	return k.file(i), true
}

// room begins a new block when the last one cannot take size bytes more.
func (x *index) room(size int) *indexBlock {
	if n := len(x.blocks); n > 0 && len(x.blocks[n-1].b)+size <= cap(x.blocks[n-1].b) {
		return x.blocks[n-1]
	}
	most := indexBlockSize
	if len(x.blocks) == 0 {
		most = indexBlockSize / 16 // few files change at a time
	}
	k := &indexBlock{b: make([]byte, 0, max(size, most))}
	x.blocks = append(x.blocks, k)
	return k
}

// add appends an entry whose path is behind all others. The result stays good for
// setStat while further entries are added, from any goroutine.
func (x *index) add(path string, mode uint32, id plumbing.Hash) indexedFile {
	size := indexEntrySize(len(path))
	k := x.room(size)
	begin := len(k.b)
	k.at = append(k.at, uint16(begin))
	k.b = k.b[:begin+size]
	f := indexedFile(k.b[begin:])
	binary.BigEndian.PutUint32(f[24:], mode)
	copy(f[indexIDAt:], id[:])
	binary.BigEndian.PutUint16(f[indexFlagsAt:], uint16(min(len(path), 0xfff)))
	copy(f[indexFixed:], path)
	return f
}

// copyFile appends an entry of another index.
func (x *index) copyFile(f indexedFile) {
	k := x.room(len(f))
	k.at = append(k.at, uint16(len(k.b)))
	k.b = append(k.b, f...)
}

func (x *index) count() (n int) {
	for _, k := range x.blocks {
		n += len(k.at)
	}
	return n
}

// each visits all entries, in order.
func (x *index) each(visit func(indexedFile) error) error {
	for _, k := range x.blocks {
		for i := range k.at {
			if err := visit(k.file(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *index) find(path string) (indexedFile, bool) {
	n := sort.Search(len(x.blocks), func(i int) bool { return string(x.blocks[i].file(0).path()) > path })
	if n == 0 {
		return nil, false
	}
	return x.blocks[n-1].find(path)
}

// indexPatch is what happens to an index: entries that are added or replaced, and paths
// that go. Both are sorted.
type indexPatch struct {
	written index
	gone    []string
}

// patch applies p. It uses the blocks of both for the result, so neither is good for
// anything else afterwards.
func (x *index) patch(p *indexPatch) *index {
	if len(x.blocks) == 0 {
		return &index{blocks: p.written.blocks}
	}
	out := &index{blocks: make([]*indexBlock, 0, len(x.blocks))}
	written, gone := p.written.cursor(), p.gone
	var files []indexedFile // of written, that belong into a block
	for i, k := range x.blocks {
		files = files[:0]
		n := len(gone)
		var end []byte // the first path of the next block
		if i+1 < len(x.blocks) {
			end = x.blocks[i+1].file(0).path()
			n, _ = slices.BinarySearch(gone, string(end))
		}
		for f := written.file(); f != nil && (end == nil || bytes.Compare(f.path(), end) < 0); f = written.next() {
			files = append(files, f)
		}
		if n == 0 && k.replace(files) {
			out.blocks = append(out.blocks, k)
		} else {
			out.blocks = append(out.blocks, k.patch(files, gone[:n])...)
		}
		gone = gone[n:]
	}
	return out
}

// patch makes the blocks that follow from one.
func (k *indexBlock) patch(written []indexedFile, gone []string) []*indexBlock {
	var out index
	for i := range k.at {
		old := k.file(i)
		path := old.path()
		for len(written) > 0 && bytes.Compare(written[0].path(), path) < 0 {
			out.copyFile(written[0])
			written = written[1:]
		}
		for len(gone) > 0 && gone[0] < string(path) {
			gone = gone[1:]
		}
		replaced := len(written) > 0 && bytes.Equal(written[0].path(), path)
		if !replaced && (len(gone) == 0 || gone[0] != string(path)) {
			out.copyFile(old)
		}
	}
	for _, f := range written {
		out.copyFile(f)
	}
	for _, k := range out.blocks {
		k.b = slices.Clone(k.b) // as large as it is
	}
	return out.blocks
}

// replace overwrites entries that are all there: most changes are of files that stand
// in the index, and nothing need move.
func (k *indexBlock) replace(written []indexedFile) bool {
	for i := range written {
		if _, ok := k.find(string(written[i].path())); !ok {
			return false
		}
	}
	for _, f := range written {
		old, _ := k.find(string(f.path()))
		copy(old, f)
	}
	return true
}

// indexCursor goes through an index.
type indexCursor struct {
	blocks []*indexBlock
	i      int
}

func (x *index) cursor() *indexCursor { return &indexCursor{blocks: x.blocks} }

// file is the entry at the cursor; nil at the end.
func (c *indexCursor) file() indexedFile {
	if len(c.blocks) == 0 {
		return nil
	}
	return c.blocks[0].file(c.i)
}

// next moves on, and returns the entry there.
func (c *indexCursor) next() indexedFile {
	if c.i++; c.i == len(c.blocks[0].at) {
		c.blocks, c.i = c.blocks[1:], 0
	}
	return c.file()
}
