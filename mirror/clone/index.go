package clone

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// index is the clone's .git/index: what was checked out last. It serves people's
// "git status", and us to find what is missing from the working tree.
type index struct {
	entries []indexEntry // sorted by path
	// encoded is the file of these entries, and at where in it each of them begins.
	// They are made by encode, and kept for the next patch.
	encoded []byte
	at      []uint32
	// sum is the checksum of the file that was read or written; zero before that.
	sum plumbing.Hash
}

type indexEntry struct {
	path string
	mode uint32
	id   plumbing.Hash
	stat fileStat
}

// fileStat is what git remembers of a file to see that it is unchanged. The
// zero value makes git look at the content.
type fileStat struct {
	ctimeSec, ctimeNsec uint32
	mtimeSec, mtimeNsec uint32
	dev, ino, uid, gid  uint32
	size                uint32
}

var errIndex = errors.New("unreadable index")

const indexEntryFixed = 62 // bytes before the path

func (x *index) search(path string) (int, bool) {
	return slices.BinarySearchFunc(x.entries, path, func(e indexEntry, p string) int { return strings.Compare(e.path, p) })
}

func (x *index) find(path string) (indexEntry, bool) {
	i, ok := x.search(path)
	if !ok {
		return indexEntry{}, false
	}
	return x.entries[i], true
}

// patch replaces, adds and (nil) removes entries. It may use x itself for the result,
// so x is good for nothing else afterwards.
func (x *index) patch(changed map[string]*indexEntry) *index {
	if x.patchInPlace(changed) {
		return x
	}
	added := make([]indexEntry, 0, len(changed))
	for _, e := range changed {
		if e != nil {
			added = append(added, *e)
		}
	}
	byPath := func(a, b indexEntry) int { return strings.Compare(a.path, b.path) }
	slices.SortFunc(added, byPath)
	out := make([]indexEntry, 0, len(x.entries)+len(added))
	for _, e := range x.entries {
		if _, ok := changed[e.path]; ok {
			continue
		}
		for len(added) > 0 && added[0].path < e.path {
			out, added = append(out, added[0]), added[1:]
		}
		out = append(out, e)
	}
	return &index{entries: append(out, added...)}
}

// patchInPlace replaces entries in an index that is encoded already: most changes are
// of files that stand in it, and the rest of a large index need not be touched.
func (x *index) patchInPlace(changed map[string]*indexEntry) bool {
	if x.encoded == nil || len(changed) > len(x.entries)/8 {
		return false
	}
	where := make([]int, 0, len(changed))
	for path, e := range changed {
		i, ok := x.search(path)
		if e == nil || !ok {
			return false
		}
		where = append(where, i)
	}
	for _, i := range where {
		e := changed[x.entries[i].path]
		x.entries[i] = *e
		e.appendFixed(x.encoded[:x.at[i]])
	}
	return true
}

// encode writes version 2 without extensions, which every git reads.
func (x *index) encode() []byte {
	if x.encoded == nil {
		x.encodeEntries()
	}
	body := x.encoded[:len(x.encoded)-sha1.Size]
	x.sum = sha1.Sum(body)
	x.encoded = append(body, x.sum[:]...)
	return x.encoded
}

func (x *index) encodeEntries() {
	size := 12 + sha1.Size
	for _, e := range x.entries {
		size += (indexEntryFixed + len(e.path) + 8) &^ 7
	}
	b := make([]byte, 0, size)
	b = append(b, "DIRC\x00\x00\x00\x02"...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(x.entries)))
	x.at = make([]uint32, len(x.entries))
	for i := range x.entries {
		e := &x.entries[i]
		x.at[i] = uint32(len(b))
		b = append(e.appendFixed(b), e.path...)
		for pad := 8 - (indexEntryFixed+len(e.path))%8; pad > 0; pad-- {
			b = append(b, 0)
		}
	}
	x.encoded = b[:len(b)+sha1.Size]
}

// appendFixed encodes what comes before the path.
func (e *indexEntry) appendFixed(b []byte) []byte {
	s := &e.stat
	for _, v := range [...]uint32{s.ctimeSec, s.ctimeNsec, s.mtimeSec, s.mtimeNsec, s.dev, s.ino, e.mode, s.uid, s.gid, s.size} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	b = append(b, e.id[:]...)
	return binary.BigEndian.AppendUint16(b, uint16(min(len(e.path), 0xfff)))
}

// decodeIndex reads version 2 or 3. Other versions, a split or sparse index,
// unmerged entries and a bad checksum are errors: the index is then made anew
// from the commit.
func decodeIndex(b []byte) (*index, error) {
	if len(b) < 12+sha1.Size || string(b[:4]) != "DIRC" {
		return nil, errIndex
	}
	body := b[:len(b)-sha1.Size]
	if sum := sha1.Sum(body); !bytes.Equal(sum[:], b[len(body):]) {
		return nil, errIndex
	}
	version, count := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	if version != 2 && version != 3 || int64(count) > int64(len(b)/indexEntryFixed) {
		return nil, errIndex
	}
	x := &index{entries: make([]indexEntry, 0, count)}
	copy(x.sum[:], b[len(body):])
	pos := 12
	for range count {
		n, err := x.decodeEntry(body[pos:])
		if err != nil {
			return nil, err
		}
		pos += n
	}
	for pos+8 <= len(body) { // optional extensions begin with a capital letter
		if body[pos] < 'A' || body[pos] > 'Z' {
			return nil, errIndex
		}
		pos += 8 + int(binary.BigEndian.Uint32(body[pos+4:]))
	}
	if pos != len(body) {
		return nil, errIndex
	}
	return x, nil
}

func (x *index) decodeEntry(b []byte) (int, error) {
	if len(b) < indexEntryFixed {
		return 0, errIndex
	}
	var v [10]uint32
	for i := range v {
		v[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	e := indexEntry{mode: v[6], stat: fileStat{v[0], v[1], v[2], v[3], v[4], v[5], v[7], v[8], v[9]}}
	copy(e.id[:], b[40:60])
	flags := binary.BigEndian.Uint16(b[60:])
	fixed := indexEntryFixed
	if flags&0x4000 != 0 {
		fixed += 2
	}
	if flags&0x3000 != 0 || len(b) < fixed {
		return 0, errIndex
	}
	n := bytes.IndexByte(b[fixed:], 0)
	if n <= 0 {
		return 0, errIndex
	}
	e.path = string(b[fixed : fixed+n])
	size := (fixed + n + 8) &^ 7
	if size > len(b) || len(x.entries) > 0 && x.entries[len(x.entries)-1].path >= e.path {
		return 0, errIndex
	}
	x.entries = append(x.entries, e)
	return size, nil
}
