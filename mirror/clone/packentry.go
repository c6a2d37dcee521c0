package clone

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// packIndex is the file of a pack's index, version 2, as it is.
type packIndex struct {
	b     []byte
	count int
}

var errPackIndex = errors.New("unreadable pack index")

const (
	idxFanout = 8
	idxIDs    = idxFanout + 4*256
	idxEntry  = 20 + 4 + 4 // id, checksum, offset
)

func parsePackIndex(b []byte) (packIndex, error) {
	x := packIndex{b: b}
	if len(b) < idxIDs+2*sha1.Size || !bytes.HasPrefix(b, []byte("\xfftOc\x00\x00\x00\x02")) {
		return x, errPackIndex
	}
	x.count = int(x.below(255))
	if int64(len(b)) < idxIDs+idxEntry*int64(x.count)+2*sha1.Size {
		return x, errPackIndex
	}
	for i := range 255 {
		if x.below(i) > x.below(i+1) {
			return x, errPackIndex
		}
	}
	body := b[:len(b)-sha1.Size]
	if sum := sha1.Sum(body); !bytes.Equal(sum[:], b[len(body):]) {
		return x, errPackIndex
	}
	return x, nil
}

func (x *packIndex) u32(at int) uint32 { return binary.BigEndian.Uint32(x.b[at:]) }

// below is how many ids begin with first or less.
func (x *packIndex) below(first int) uint32 { return x.u32(idxFanout + 4*first) }

func (x *packIndex) id(n int) []byte { return x.b[idxIDs+20*n : idxIDs+20*n+20] }

func (x *packIndex) crc(n int) uint32 { return x.u32(idxIDs + 20*x.count + 4*n) }

// search returns an object's number.
func (x *packIndex) search(id plumbing.Hash) (int, bool) {
	low, high := 0, int(x.below(int(id[0])))
	if id[0] > 0 {
		low = int(x.below(int(id[0]) - 1))
	}
	for low < high {
		n := int(uint(low+high) / 2)
		switch c := bytes.Compare(x.id(n), id[:]); {
		case c == 0:
			return n, true
		case c < 0:
			low = n + 1
		default:
			high = n
		}
	}
	return 0, false
}

// offset is where an object stands in the pack; one that makes no sense is 0.
func (x *packIndex) offset(n int) int64 {
	near := x.u32(idxIDs + 24*x.count + 4*n)
	if near < 1<<31 {
		return int64(near)
	}
	at := idxIDs + idxEntry*x.count + 8*int(near&^(1<<31))
	if at+8 > len(x.b)-2*sha1.Size {
		return 0
	}
	return int64(binary.BigEndian.Uint64(x.b[at:]))
}

// entries lists the objects in the order of the pack.
func (x *packIndex) entries() []packEntry {
	out := make([]packEntry, x.count)
	for n := range out {
		out[n] = packEntry{crc: x.crc(n), offset: uint64(x.offset(n))}
		copy(out[n].id[:], x.id(n))
	}
	slices.SortFunc(out, func(a, b packEntry) int {
		if a.offset < b.offset {
			return -1
		}
		return 1
	})
	return out
}

// packedEntry is an object in a pack, behind its header. Call content or done.
type packedEntry struct {
	kind plumbing.ObjectType
	size int64 // inflated; of the delta for deltas
	// base of a delta
	baseOffset int64
	baseID     plumbing.Hash
	r          *bufio.Reader
}

var entryReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4096) }}

func (p *packReader) entry(offset int64) (*packedEntry, error) {
	return openEntry(p.file, offset, p.size-sha1.Size)
}

// openEntry reads the header of the entry at an offset of a pack whose entries go up to end.
func openEntry(pack io.ReaderAt, offset, end int64) (*packedEntry, error) {
	if offset < 12 || offset >= end {
		return nil, errPack
	}
	e := &packedEntry{r: entryReaders.Get().(*bufio.Reader)}
	e.r.Reset(io.NewSectionReader(pack, offset, end-offset))
	if err := readEntryHeader(e.r, offset, e); err != nil {
		e.done()
		return nil, unexpected(err)
	}
	return e, nil
}

// readEntryHeader reads what stands before the zlib stream of the entry at offset.
func readEntryHeader(r io.ByteReader, offset int64, e *packedEntry) error {
	c, err := r.ReadByte()
	if err != nil {
		return err
	}
	e.kind = plumbing.ObjectType(c >> 4 & 7)
	e.size = int64(c & 0x0f)
	for shift := 4; c&0x80 != 0; shift += 7 {
		if c, err = r.ReadByte(); err != nil {
			return err
		}
		if shift > 53 {
			return errPack
		}
		e.size |= int64(c&0x7f) << shift
	}
	switch e.kind {
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
		return nil
	case plumbing.REFDeltaObject:
		for i := range e.baseID {
			if e.baseID[i], err = r.ReadByte(); err != nil {
				return err
			}
		}
		return nil
	case plumbing.OFSDeltaObject:
		back, err := readOffset(r)
		if e.baseOffset = offset - back; err == nil && (back <= 0 || e.baseOffset < 12) {
			err = errPack
		}
		return err
	}
	return errPack
}

// content inflates the entry, and is done with it.
func (e *packedEntry) content() ([]byte, error) {
	defer e.done()
	z, err := newInflater(e.r)
	if err != nil {
		return nil, err
	}
	defer inflaters.Put(z)
	return inflateExactly(z, e.size)
}

func (e *packedEntry) done() {
	if e.r != nil {
		e.r.Reset(nil)
		entryReaders.Put(e.r)
		e.r = nil
	}
}
