package clone

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	githash "github.com/go-git/go-git/v5/plumbing/hash"
)

// Bounds on what a remote may send.
const (
	maxPackObjects = 50_000_000
	// maxDeltaObject bounds an object that is held in memory to apply a delta.
	maxDeltaObject = 512 << 20
)

var errPack = errors.New("malformed pack")

// packReceiver reads a pack from a stream, checks it and names every object in
// it. Memory is bounded by the number of objects and by the largest delta chain.
type packReceiver struct {
	entries []packEntry // in the order of the pack; size is that of the inflated entry
	// kinds are of the entries until resolved, then of the objects.
	kinds []plumbing.ObjectType
	// Deltas, by what they build on.
	byOffset []deltaOf[int64]
	byID     []deltaOf[plumbing.Hash]
	sum      plumbing.Hash
	at       io.ReaderAt // the pack's bytes, complete after scan
	end      int64       // of the entries in it
	hash     hash.Hash
	buf      []byte
}

// deltaOf is a delta's number, and where or what its base is.
type deltaOf[B any] struct {
	base  B
	delta int32
}

// packStream counts, sums and tees what the scanner consumes, byte for byte.
type packStream struct {
	r      *bufio.Reader
	sink   *bufio.Writer
	sum    hash.Hash
	crc    uint32
	offset int64
	one    [1]byte
	err    error // of the sink
}

func (s *packStream) took(b []byte) {
	s.sum.Write(b)
	s.crc = crc32.Update(s.crc, crc32.IEEETable, b)
	s.offset += int64(len(b))
	if _, err := s.sink.Write(b); err != nil && s.err == nil {
		s.err = err
	}
}

func (s *packStream) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.took(p[:n])
	return n, err
}

// ReadByte lets zlib stop exactly at the end of an entry.
func (s *packStream) ReadByte() (byte, error) {
	c, err := s.r.ReadByte()
	if err == nil {
		s.one[0] = c
		s.took(s.one[:])
	}
	return c, err
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// scan reads the whole stream into sink and names all objects but deltas.
func (p *packReceiver) scan(ctx context.Context, r io.Reader, sink io.Writer) error {
	s := &packStream{r: bufio.NewReaderSize(r, 64<<10), sink: bufio.NewWriterSize(sink, 256<<10), sum: sha1.New()}
	var head [12]byte
	if _, err := io.ReadFull(s, head[:]); err != nil {
		return unexpected(err)
	}
	version, count := binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
	if string(head[:4]) != "PACK" || (version != 2 && version != 3) || count > maxPackObjects {
		return errPack
	}
	p.hash, p.buf = githash.New(crypto.SHA1), make([]byte, 32<<10)
	for i := range int(count) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i == len(p.kinds) { // the announced count is not trusted with memory
			more := min(int(count)-i, max(1<<16, 3*i))
			p.entries = slices.Grow(p.entries, more)
			p.kinds = append(p.kinds, make([]plumbing.ObjectType, more)...)
		}
		if err := p.scanEntry(s, i); err != nil {
			return unexpected(err)
		}
	}
	p.end = s.offset
	s.sum.Sum(p.sum[:0])
	var trailer plumbing.Hash
	if _, err := io.ReadFull(s, trailer[:]); err != nil {
		return unexpected(err)
	}
	if trailer != p.sum {
		return fmt.Errorf("%w: checksum", errPack)
	}
	if err := s.sink.Flush(); err != nil {
		return err
	}
	return s.err
}

// scanEntry reads the entry with number i.
func (p *packReceiver) scanEntry(s *packStream, i int) error {
	begin := s.offset
	s.crc = 0
	var e packedEntry
	if err := readEntryHeader(s, begin, &e); err != nil {
		return err
	}
	var h hash.Hash = discard{}
	switch e.kind {
	case plumbing.OFSDeltaObject:
		p.byOffset = append(p.byOffset, deltaOf[int64]{e.baseOffset, int32(i)})
	case plumbing.REFDeltaObject:
		p.byID = append(p.byID, deltaOf[plumbing.Hash]{e.baseID, int32(i)})
	default:
		h = p.hash
		h.Reset()
		h.Write(objectHeader(e.kind, e.size))
	}
	z, err := newInflater(s)
	if err != nil {
		return err
	}
	defer inflaters.Put(z)
	n, err := io.CopyBuffer(h, io.LimitReader(z, e.size+1), p.buf)
	if err == nil && n != e.size {
		err = errSize
	}
	if err != nil {
		return err
	}
	var id plumbing.Hash
	h.Sum(id[:0])
	p.entries = append(p.entries, packEntry{id: id, crc: s.crc, offset: uint64(begin), size: e.size})
	p.kinds[i] = e.kind
	return s.err
}

// discard is a hash that does nothing.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Sum(b []byte) []byte         { return b }
func (discard) Reset()                      {}
func (discard) Size() int                   { return 0 }
func (discard) BlockSize() int              { return 1 }

// readOffset reads the distance to an OFS_DELTA's base.
func readOffset(r io.ByteReader) (int64, error) {
	c, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	n := int64(c & 0x7f)
	for c&0x80 != 0 {
		if c, err = r.ReadByte(); err != nil {
			return 0, err
		}
		if n > 1<<50 {
			return 0, errPack
		}
		n = (n+1)<<7 | int64(c&0x7f)
	}
	return n, nil
}

// content inflates one entry again.
func (p *packReceiver) content(i int32) ([]byte, error) {
	o := &p.entries[i]
	if o.size > maxDeltaObject {
		return nil, fmt.Errorf("%w: object of %d bytes under a delta", errPack, o.size)
	}
	e, err := openEntry(p.at, int64(o.offset), p.end)
	if err != nil {
		return nil, err
	}
	return e.content()
}

// applyDelta guards the size a delta announces before memory is given to it.
func applyDelta(base, delta []byte) ([]byte, error) {
	r := bytes.NewReader(delta)
	if n, err := binary.ReadUvarint(r); err != nil || n != uint64(len(base)) {
		return nil, errPack
	}
	if n, err := binary.ReadUvarint(r); err != nil || n > maxDeltaObject {
		return nil, errPack
	} else if n == 0 {
		return []byte{}, nil
	}
	return packfile.PatchDelta(base, delta)
}
