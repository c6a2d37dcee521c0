package clone

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// packEntry is one line of a pack's index.
type packEntry struct {
	id     plumbing.Hash
	crc    uint32
	offset uint64
	size   int64
}

// packWriter writes a pack. There is no search for deltas: fresh documents
// delta badly, and the search costs more than it saves. A caller that knows a
// good base gives the delta itself.
type packWriter struct {
	w       io.Writer
	sum     hash.Hash
	offset  uint64
	entries []packEntry
}

func newPackWriter(w io.Writer, count int) (*packWriter, error) {
	p := &packWriter{w: w, sum: sha1.New(), entries: make([]packEntry, 0, count)}
	head := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(count))
	return p, p.write(head)
}

func (p *packWriter) write(b []byte) error {
	p.sum.Write(b)
	p.offset += uint64(len(b))
	_, err := p.w.Write(b)
	return err
}

// add writes one finished entry: header, base if any, deflated content.
func (p *packWriter) add(id plumbing.Hash, entry []byte) error {
	p.entries = append(p.entries, packEntry{id, crc32.ChecksumIEEE(entry), p.offset, int64(len(entry))})
	return p.write(entry)
}

// finish writes the trailer and returns the pack's checksum, which is its name.
func (p *packWriter) finish() (plumbing.Hash, error) {
	var id plumbing.Hash
	p.sum.Sum(id[:0])
	_, err := p.w.Write(id[:])
	return id, err
}

// encodePackEntry makes an entry of a whole object, or, with a base, of a delta.
func encodePackEntry(buf *bytes.Buffer, o object, base plumbing.Hash, delta []byte) {
	kind, content := o.kind, o.data
	if delta != nil {
		kind, content = plumbing.REFDeltaObject, delta
	}
	size := uint64(len(content))
	c := byte(kind)<<4 | byte(size&0x0f)
	for size >>= 4; size > 0; size >>= 7 {
		buf.WriteByte(c | 0x80)
		c = byte(size & 0x7f)
	}
	buf.WriteByte(c)
	if delta != nil {
		buf.Write(base[:])
	}
	deflate(buf, levelFor(o.kind), content)
}

// packItem is what a pack is to hold: an object, whole or as a delta of base.
type packItem struct {
	object
	base  plumbing.Hash
	delta []byte // nil: whole
}

// packSlot is where a worker encodes one entry.
type packSlot struct {
	item packItem
	buf  bytes.Buffer
	done chan struct{}
}

// writePackTo writes count objects, deflating on all processors; next is called
// in order, from one goroutine.
func writePackTo(ctx context.Context, w io.Writer, count int, next func(i int) (packItem, error)) (plumbing.Hash, []packEntry, error) {
	p, err := newPackWriter(w, count)
	if err != nil {
		return plumbing.ZeroHash, nil, err
	}
	width := min(runtime.GOMAXPROCS(0), max(count, 1))
	slots := make([]packSlot, 2*width)
	tasks := make(chan *packSlot, len(slots))
	var workers sync.WaitGroup
	for range width {
		workers.Go(func() {
			for s := range tasks {
				s.buf.Reset()
				encodePackEntry(&s.buf, s.item.object, s.item.base, s.item.delta)
				s.done <- struct{}{}
			}
		})
	}
	defer workers.Wait() // no goroutine outlives the call
	defer close(tasks)
	for i := range count + len(slots) {
		s := &slots[i%len(slots)]
		if before := i - len(slots); before >= 0 && before < count {
			<-s.done
			if err := p.add(s.item.id, s.buf.Bytes()); err != nil {
				return plumbing.ZeroHash, nil, err
			}
		}
		if i >= count {
			continue
		}
		if err := ctx.Err(); err != nil {
			return plumbing.ZeroHash, nil, err
		}
		if s.item, err = next(i); err != nil {
			return plumbing.ZeroHash, nil, err
		}
		if s.done == nil {
			s.done = make(chan struct{}, 1)
		}
		tasks <- s
	}
	id, err := p.finish()
	return id, p.entries, err
}

// encodePackIndex writes a version 2 pack index.
func encodePackIndex(entries []packEntry, pack plumbing.Hash) []byte {
	order := make([]uint32, len(entries))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return bytes.Compare(entries[a].id[:], entries[b].id[:]) })
	b := make([]byte, 0, 8+1024+28*len(entries)+40)
	b = append(b, 0xff, 't', 'O', 'c', 0, 0, 0, 2)
	n := 0
	for first := range 256 {
		for n < len(order) && int(entries[order[n]].id[0]) == first {
			n++
		}
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	for _, i := range order {
		b = append(b, entries[i].id[:]...)
	}
	for _, i := range order {
		b = binary.BigEndian.AppendUint32(b, entries[i].crc)
	}
	var far []uint64
	for _, i := range order {
		e := &entries[i]
		if e.offset < 1<<31 {
			b = binary.BigEndian.AppendUint32(b, uint32(e.offset))
			continue
		}
		b = binary.BigEndian.AppendUint32(b, 1<<31|uint32(len(far)))
		far = append(far, e.offset)
	}
	for _, o := range far {
		b = binary.BigEndian.AppendUint64(b, o)
	}
	b = append(b, pack[:]...)
	sum := sha1.Sum(b)
	return append(b, sum[:]...)
}
