package clone

import (
	"encoding/binary"

	"github.com/go-git/go-git/v5/plumbing"
)

// treeDelta is the delta that makes the tree id of base; nil when one is not worth it.
func (s *store) treeDelta(base, id plumbing.Hash) ([]byte, error) {
	from, err := s.tree(base)
	if err != nil {
		return nil, err
	}
	to, err := s.tree(id)
	if err != nil {
		return nil, err
	}
	return treeDelta(from, to), nil
}

// treeDelta describes next as a delta of base, entry by entry: a tree of many
// thousand files in which one changed becomes a few dozen bytes. It is nil when
// a delta is not worth it, or base is not encoded as we would encode it.
func treeDelta(base, next *tree) []byte {
	if base.size == 0 || base.shuffled || base.size != encodedSize(base.entries) {
		return nil // unsorted or oddly padded: offsets would lie
	}
	d := binary.AppendUvarint(nil, uint64(base.size))
	d = binary.AppendUvarint(d, uint64(encodedSize(next.entries)))
	var copyFrom, copyLen int
	var insert []byte
	flushCopy := func() {
		for copyLen > 0 {
			n := min(copyLen, 0xffffff)
			d = appendCopy(d, copyFrom, n)
			copyFrom, copyLen = copyFrom+n, copyLen-n
		}
	}
	flushInsert := func() {
		for len(insert) > 0 {
			n := min(len(insert), 127)
			d = append(append(d, byte(n)), insert[:n]...)
			insert = insert[n:]
		}
	}
	i, at := 0, 0 // in base
	for _, e := range next.entries {
		for i < len(base.entries) && compareEntries(base.entries[i], e) < 0 {
			at += entrySize(base.entries[i])
			i++
		}
		if i < len(base.entries) && base.entries[i].name == e.name && base.entries[i].same(e) {
			flushInsert()
			n := entrySize(e)
			if copyLen > 0 && copyFrom+copyLen == at {
				copyLen += n
			} else {
				flushCopy()
				copyFrom, copyLen = at, n
			}
			continue
		}
		flushCopy()
		insert = append(insert, encodeTree([]treeEntry{e})...)
		if len(d)+len(insert) > encodedSize(next.entries)/2 {
			return nil
		}
	}
	flushCopy()
	flushInsert()
	return d
}

func encodedSize(entries []treeEntry) int {
	n := 0
	for _, e := range entries {
		n += entrySize(e)
	}
	return n
}

// entrySize is the encoded size of one entry: mode, space, name, NUL, id.
func entrySize(e treeEntry) int {
	digits := 1
	for m := e.mode >> 3; m > 0; m >>= 3 {
		digits++
	}
	return digits + 1 + len(e.name) + 1 + 20
}

// appendCopy adds a copy instruction; offset below 2^32, size below 2^24.
func appendCopy(d []byte, offset, size int) []byte {
	at := len(d)
	d = append(d, 0x80)
	for i := range 4 {
		if b := byte(offset >> (8 * i)); b != 0 {
			d[at] |= 1 << i
			d = append(d, b)
		}
	}
	if size == 0x10000 {
		return d
	}
	for i := range 3 {
		if b := byte(size >> (8 * i)); b != 0 {
			d[at] |= 0x10 << i
			d = append(d, b)
		}
	}
	return d
}
