package clone

import (
	"bufio"
	"bytes"
	"container/list"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// packSet reads the packs of a store. Their indexes stay in memory, 28 bytes for an
// object, and are read once: a new pack costs by its own size, not by that of all.
type packSet struct {
	git   *os.Root
	packs []*packReader
	bases baseCache
}

// packReader reads one pack.
type packReader struct {
	packIndex
	name  string // without extension
	file  *lazyFile
	info  os.FileInfo // of the pack
	size  int64
	mtime time.Time // of the index
}

// refresh looks at what packs there are now. One whose index cannot be read is as good
// as absent; what it had is then missing, and that has its own remedy.
func (s *packSet) refresh() {
	old := make(map[string]*packReader, len(s.packs))
	for _, p := range s.packs {
		old[p.name] = p
	}
	s.packs = s.packs[:0]
	for _, e := range readDir(s.git, "objects/pack") {
		name, ok := strings.CutSuffix(e.Name(), ".idx")
		fi, err := e.Info()
		if !ok || err != nil {
			continue
		}
		if p := old[name]; p != nil && p.mtime.Equal(fi.ModTime()) && p.stands(s.git) {
			s.packs = append(s.packs, p)
			delete(old, name)
			continue
		}
		if p, err := openPack(s.git, name); err == nil {
			p.mtime = fi.ModTime()
			s.packs = append(s.packs, p)
		}
	}
	for _, p := range old {
		p.file.close()
		s.bases.forget(p)
	}
}

func openPack(git *os.Root, name string) (*packReader, error) {
	b, err := git.ReadFile("objects/pack/" + name + ".idx")
	if err != nil {
		return nil, err
	}
	idx, err := parsePackIndex(b)
	if err != nil {
		return nil, err
	}
	pack := "objects/pack/" + name + ".pack"
	fi, err := git.Stat(pack)
	if err != nil {
		return nil, err
	}
	return &packReader{packIndex: idx, name: name, file: &lazyFile{pool: &openPacks, dir: git, name: pack}, info: fi, size: fi.Size()}, nil
}

// stands reports whether the pack is still the one of its name.
func (p *packReader) stands(git *os.Root) bool {
	there, err := git.Stat("objects/pack/" + p.name + ".pack")
	return err == nil && os.SameFile(there, p.info) && there.Size() == p.size
}

func (s *packSet) close() {
	for _, p := range s.packs {
		p.file.close()
	}
	s.packs, s.bases = nil, baseCache{limit: s.bases.limit}
}

// find looks an object up; the pack that had the last one is asked first.
func (s *packSet) find(id plumbing.Hash) (p *packReader, offset int64, err error) {
	for i, p := range s.packs {
		if n, ok := p.search(id); ok {
			s.packs[0], s.packs[i] = s.packs[i], s.packs[0]
			offset := p.offset(n)
			if offset < 12 || offset >= p.size-20 {
				return nil, 0, fmt.Errorf("%w: offset in the index", errPack)
			}
			return p, offset, nil
		}
	}
	return nil, 0, plumbing.ErrObjectNotFound
}

// maxPackChain bounds a chain of deltas; git itself makes none that is longer.
const maxPackChain = 4096

// read inflates an object; its hash is the caller's to verify.
func (s *packSet) read(id plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	p, offset, err := s.find(id)
	if err != nil {
		return 0, nil, err
	}
	return s.readAt(p, offset, 0, maxDeltaObject)
}

// readUpTo is read for an object of at most limit bytes; the error is a largeError if it
// has more. Of a delta nothing but itself is inflated to know that.
func (s *packSet) readUpTo(id plumbing.Hash, limit int64) (plumbing.ObjectType, []byte, error) {
	p, offset, err := s.find(id)
	if err != nil {
		return 0, nil, err
	}
	return s.readAt(p, offset, 0, limit)
}

// largeError is the size of an object that has more bytes than were asked for.
type largeError int64

func (e largeError) Error() string { return fmt.Sprintf("has %d bytes", int64(e)) }

// readAt inflates the object at an offset. limit counts for that object: bases and deltas
// are bounded otherwise.
func (s *packSet) readAt(p *packReader, offset int64, depth int, limit int64) (plumbing.ObjectType, []byte, error) {
	e, err := p.entry(offset)
	if err != nil {
		return 0, nil, err
	}
	if e.kind < plumbing.OFSDeltaObject && e.size > limit && depth == 0 {
		e.done()
		return 0, nil, largeError(e.size)
	}
	data, err := e.content()
	if err != nil || e.kind < plumbing.OFSDeltaObject {
		return e.kind, data, err
	}
	if size, err := resultSize(bytes.NewReader(data)); err != nil {
		return 0, nil, err
	} else if size > limit && depth == 0 {
		return 0, nil, largeError(size)
	}
	if depth++; depth > maxPackChain {
		return 0, nil, fmt.Errorf("%w: chain of deltas", errPack)
	}
	if e.kind == plumbing.REFDeltaObject {
		n, ok := p.search(e.baseID)
		if !ok {
			return 0, nil, fmt.Errorf("%w: delta without its base", errPack)
		}
		e.baseOffset = p.offset(n)
	}
	at := basePlace{p, e.baseOffset}
	base, ok := s.bases.get(at)
	if !ok {
		if base.kind, base.data, err = s.readAt(p, e.baseOffset, depth, limit); err != nil {
			return 0, nil, err
		}
		s.bases.put(at, base)
	}
	data, err = applyDelta(base.data, data)
	return base.kind, data, err
}

// objectSize is an object's size; of a delta only the first bytes are inflated.
func (s *packSet) objectSize(id plumbing.Hash) (int64, error) {
	p, offset, err := s.find(id)
	if err != nil {
		return 0, err
	}
	e, err := p.entry(offset)
	if err != nil {
		return 0, err
	}
	defer e.done()
	if e.kind < plumbing.OFSDeltaObject {
		return e.size, nil
	}
	z, err := newInflater(e.r)
	if err != nil {
		return 0, err
	}
	defer inflaters.Put(z)
	return resultSize(bufio.NewReaderSize(z, 32))
}

// resultSize is the size of what a delta makes, which its beginning says.
func resultSize(delta io.ByteReader) (int64, error) {
	if _, err := binary.ReadUvarint(delta); err != nil {
		return 0, unexpected(err)
	}
	size, err := binary.ReadUvarint(delta)
	if err != nil || size > maxDeltaObject {
		return 0, errPack
	}
	return int64(size), nil
}

// stream gives an object as it is inflated, unless it is a delta.
func (s *packSet) stream(id plumbing.Hash) (io.ReadCloser, error) {
	p, offset, err := s.find(id)
	if err != nil {
		return nil, err
	}
	e, err := p.entry(offset)
	if err != nil {
		return nil, err
	}
	if e.kind >= plumbing.OFSDeltaObject {
		e.done()
		_, data, err := s.readAt(p, offset, 0, maxDeltaObject)
		return io.NopCloser(bytes.NewReader(data)), err
	}
	z, err := newInflater(e.r)
	if err != nil {
		e.done()
		return nil, err
	}
	return &entryStream{z, e}, nil
}

type entryStream struct {
	io.ReadCloser
	e *packedEntry
}

func (s *entryStream) Close() error {
	inflaters.Put(s.ReadCloser)
	s.e.done()
	return nil
}

// basePlace is where the base of a delta stands.
type basePlace struct {
	pack   *packReader
	offset int64
}

type packBase struct {
	kind plumbing.ObjectType
	data []byte
}

// baseCache keeps the bases of deltas that were read last, within limit bytes:
// deltas of one base follow each other.
type baseCache struct {
	limit int
	used  int
	order list.List // of *cachedBase, last used first
	at    map[basePlace]*list.Element
}

type cachedBase struct {
	place basePlace
	packBase
}

func (c *baseCache) get(at basePlace) (packBase, bool) {
	e, ok := c.at[at]
	if !ok {
		return packBase{}, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedBase).packBase, true
}

func (c *baseCache) put(at basePlace, b packBase) {
	if len(b.data) > c.limit/4 {
		return
	}
	if c.at == nil {
		c.at = make(map[basePlace]*list.Element)
	}
	c.at[at] = c.order.PushFront(&cachedBase{at, b})
	for c.used += len(b.data); c.used > c.limit; {
		c.drop(c.order.Back())
	}
}

func (c *baseCache) drop(e *list.Element) {
	b := c.order.Remove(e).(*cachedBase)
	delete(c.at, b.place)
	c.used -= len(b.data)
}

func (c *baseCache) clear() { *c = baseCache{limit: c.limit} }

// forget drops what is of a pack that goes.
func (c *baseCache) forget(p *packReader) {
	for e := c.order.Front(); e != nil; {
		next := e.Next()
		if e.Value.(*cachedBase).place.pack == p {
			c.drop(e)
		}
		e = next
	}
}
