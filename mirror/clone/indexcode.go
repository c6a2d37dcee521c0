package clone

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"slices"
)

const indexHeaderSize = 12

// encode gives the parts of the file: version 2 without extensions, which every git reads.
func (x *index) encode() [][]byte {
	head := append(make([]byte, 0, indexHeaderSize), "DIRC\x00\x00\x00\x02"...)
	parts := [][]byte{binary.BigEndian.AppendUint32(head, uint32(x.count()))}
	for _, k := range x.blocks {
		parts = append(parts, k.b)
	}
	h := sha1.New()
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(x.sum[:0])
	return append(parts, x.sum[:])
}

// decodeIndex reads version 2 or 3, and keeps b, which it brings into the form that we
// write. Other versions, a split or sparse index, unmerged entries and a bad checksum
// are errors: the index is then made anew from the commit.
func decodeIndex(b []byte) (*index, error) {
	if len(b) < indexHeaderSize+sha1.Size || string(b[:4]) != "DIRC" {
		return nil, errIndex
	}
	body := b[:len(b)-sha1.Size]
	x := &index{sum: sha1.Sum(body)}
	if !bytes.Equal(x.sum[:], b[len(body):]) {
		return nil, errIndex
	}
	version, count := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	if version != 2 && version != 3 || int64(count) > int64(len(b)/indexFixed) {
		return nil, errIndex
	}
	from, to := indexHeaderSize, indexHeaderSize // what is left to read; what is in its final form
	var last []byte
	for range count {
		read, size := moveIndexEntry(body, from, to)
		if read == 0 {
			return nil, errIndex
		}
		f := indexedFile(body[to : to+size])
		path := f.path()
		if last != nil && bytes.Compare(last, path) >= 0 {
			return nil, errIndex
		}
		last = path
		x.addInPlace(f)
		from, to = from+read, to+size
	}
	for from+8 <= len(body) { // optional extensions begin with a capital letter
		if body[from] < 'A' || body[from] > 'Z' {
			return nil, errIndex
		}
		from += 8 + int(binary.BigEndian.Uint32(body[from+4:]))
	}
	if from != len(body) {
		return nil, errIndex
	}
	for _, k := range x.blocks {
		k.b = slices.Clip(k.b) // what follows is another block's
	}
	return x, nil
}

// addInPlace appends an entry that stands in memory behind the one before it.
func (x *index) addInPlace(f indexedFile) {
	n := len(x.blocks)
	if n == 0 || len(x.blocks[n-1].b)+len(f) > indexBlockSize {
		x.blocks = append(x.blocks, &indexBlock{b: f[:0]})
		n++
	}
	k := x.blocks[n-1]
	k.at = append(k.at, uint16(len(k.b)))
	k.b = k.b[:len(k.b)+len(f)]
}

// moveIndexEntry moves the entry that begins at from to an earlier place, without what
// only a version 3 has, and returns how many bytes it took and takes; 0 is an error.
func moveIndexEntry(b []byte, from, to int) (read, size int) {
	e := b[from:]
	if len(e) < indexFixed {
		return 0, 0
	}
	flags := binary.BigEndian.Uint16(e[indexFlagsAt:])
	fixed := indexFixed
	if flags&0x4000 != 0 {
		fixed += 2
	}
	if flags&0x3000 != 0 || len(e) < fixed {
		return 0, 0
	}
	n := bytes.IndexByte(e[fixed:], 0)
	if n <= 0 {
		return 0, 0
	}
	read, size = (fixed+n+8)&^7, indexEntrySize(n)
	if read > len(e) {
		return 0, 0
	}
	f := b[to : to+size]
	copy(f, e[:indexFlagsAt])
	copy(f[indexFixed:], e[fixed:fixed+n])
	binary.BigEndian.PutUint16(f[indexFlagsAt:], uint16(min(n, 0xfff)))
	clear(f[indexFixed+n:])
	return read, size
}
