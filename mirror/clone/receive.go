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

// received is one entry of a pack on its way in.
type received struct {
	id     plumbing.Hash
	kind   plumbing.ObjectType // of the entry until resolved, then of the object
	crc    uint32
	offset int64
	size   int64 // inflated; of the delta for deltas
	body   int64 // offset of the zlib stream
	// base of a delta: an offset in the pack, or an id.
	baseOffset int64
	baseID     plumbing.Hash
}

// packReceiver reads a pack from a stream, checks it and names every object in
// it. Memory is bounded by the number of objects and by the largest delta chain.
type packReceiver struct {
	objects []received
	sum     plumbing.Hash
	at      io.ReaderAt // the pack's bytes, complete after scan
	// outside finds the base of a thin pack's delta.
	outside func(plumbing.Hash) (plumbing.ObjectType, []byte, error)
	buf     []byte
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
	p.objects = make([]received, 0, min(count, 1<<16))
	for range count {
		if err := ctx.Err(); err != nil {
			return err
		}
		o, err := p.scanEntry(s)
		if err != nil {
			return unexpected(err)
		}
		p.objects = append(p.objects, o)
	}
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

func (p *packReceiver) scanEntry(s *packStream) (received, error) {
	o := received{offset: s.offset}
	s.crc = 0
	c, err := s.ReadByte()
	if err != nil {
		return o, err
	}
	o.kind = plumbing.ObjectType(c >> 4 & 7)
	o.size = int64(c & 0x0f)
	for shift := 4; c&0x80 != 0; shift += 7 {
		if c, err = s.ReadByte(); err != nil {
			return o, err
		}
		if shift > 53 {
			return o, errPack
		}
		o.size |= int64(c&0x7f) << shift
	}
	switch o.kind {
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
	case plumbing.REFDeltaObject:
		if _, err := io.ReadFull(s, o.baseID[:]); err != nil {
			return o, err
		}
	case plumbing.OFSDeltaObject:
		back, err := readOffset(s)
		if err != nil {
			return o, err
		}
		if o.baseOffset = o.offset - back; back <= 0 || o.baseOffset < 12 {
			return o, errPack
		}
	default:
		return o, errPack
	}
	o.body = s.offset
	z, err := newInflater(s)
	if err != nil {
		return o, err
	}
	defer inflaters.Put(z)
	var h hash.Hash = discard{}
	if o.kind < plumbing.OFSDeltaObject {
		h = githash.New(crypto.SHA1)
		h.Write(objectHeader(o.kind, o.size))
	}
	if err := p.consume(z, &o, h); err != nil {
		return o, err
	}
	if o.kind < plumbing.OFSDeltaObject {
		h.Sum(o.id[:0])
	}
	o.crc = s.crc
	return o, s.err
}

// consume inflates an entry into its hash.
func (p *packReceiver) consume(z io.Reader, o *received, h hash.Hash) error {
	if p.buf == nil {
		p.buf = make([]byte, 32<<10)
	}
	n, err := io.CopyBuffer(h, io.LimitReader(z, o.size+1), p.buf)
	if err == nil && n != o.size {
		err = errSize
	}
	return err
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
func (p *packReceiver) content(o *received) ([]byte, error) {
	if o.size > maxDeltaObject {
		return nil, fmt.Errorf("%w: object of %d bytes under a delta", errPack, o.size)
	}
	z, err := newInflater(bufio.NewReader(io.NewSectionReader(p.at, o.body, 1<<62)))
	if err != nil {
		return nil, err
	}
	defer inflaters.Put(z)
	return inflateExactly(z, o.size)
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
