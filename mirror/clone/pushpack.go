package clone

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
)

// pushPack is the body of a push: the command, then the pack.
type pushPack struct {
	open   func() (io.ReadCloser, error)
	length int64
	thin   bool // it builds on trees that the remote has
}

// pushBody chooses the pack. Of few objects it is made in memory with trees as deltas.
// Of many it is the file that Build stored, as it is or, where the link is slower than
// the remote's work on deltas, with deltas in place of the trees that it has bases of.
func (c *Clone) pushBody(ctx context.Context, m move, bu *built) (*pushPack, error) {
	head := m.command()
	if bu == nil {
		p := &pushPack{}
		p.open, p.length = bytesBody(head)
		return p, nil
	}
	if !bu.pack.IsZero() && exists(c.git, packPath(bu.pack, ".pack")) {
		return c.storedPack(head, bu)
	}
	p := &pushPack{}
	buf := bytes.NewBuffer(head)
	if err := c.encodePush(ctx, buf, bu, p); err != nil {
		return nil, err
	}
	p.open, p.length = bytesBody(buf.Bytes())
	return p, nil
}

// encodePush writes the pack of a small push.
func (c *Clone) encodePush(ctx context.Context, w *bytes.Buffer, bu *built, push *pushPack) error {
	p, err := newPackWriter(w, len(bu.objects))
	if err != nil {
		return err
	}
	var entry bytes.Buffer
	for _, o := range bu.objects {
		if err := ctx.Err(); err != nil {
			return err
		}
		full := object{kind: o.kind, id: o.id, data: o.data}
		if full.data == nil { // stored in a pack that is gone
			if full.data, err = c.store.read(o.id, o.kind); err != nil {
				return err
			}
		}
		var delta []byte
		if len(full.data) >= thinAbove {
			delta = c.thinDelta(o)
		}
		push.thin = push.thin || delta != nil
		entry.Reset()
		encodePackEntry(&entry, full, o.base, delta)
		if err := p.add(o.id, entry.Bytes()); err != nil {
			return err
		}
	}
	_, err = p.finish()
	return err
}

// thinAbove: smaller trees are sent whole, in bytes.
const thinAbove = 512

// thinDelta is a tree's delta against the one it replaces, or nil to send it whole.
func (c *Clone) thinDelta(o builtObject) []byte {
	if o.base.IsZero() || o.kind != plumbing.TreeObject || c.remote.noThin {
		return nil
	}
	delta, err := c.store.treeDelta(o.base, o.id)
	if err != nil {
		return nil
	}
	return delta
}

// storedPack sends the file of a build's pack, but for trees whose deltas are worth it.
func (c *Clone) storedPack(head []byte, bu *built) (*pushPack, error) {
	var trees int64 // bytes that deltas would save, about
	for _, o := range bu.objects {
		if o.whole && !o.base.IsZero() && o.size >= thinAbove {
			trees += o.size
		}
	}
	thin := trees > c.remote.t.link.inTime(thinCost)
	p := &pushPack{length: int64(len(head)) + 12 + sha1.Size}
	type part struct { // of the file, or bytes of its own
		begin, size int64
		own         []byte
	}
	var parts []part
	for _, o := range bu.objects {
		if thin && o.whole && o.size >= thinAbove {
			if delta := c.thinDelta(o); delta != nil {
				var entry bytes.Buffer
				encodePackEntry(&entry, object{kind: o.kind, id: o.id}, o.base, delta)
				parts = append(parts, part{own: entry.Bytes(), size: int64(entry.Len())})
				p.length += int64(entry.Len())
				p.thin = true
				continue
			}
		}
		p.length += o.size
		if n := len(parts); n > 0 && parts[n-1].own == nil && parts[n-1].begin+parts[n-1].size == o.begin {
			parts[n-1].size += o.size
			continue
		}
		parts = append(parts, part{begin: o.begin, size: o.size})
	}
	header := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(bu.objects)))
	p.open = func() (io.ReadCloser, error) {
		f, err := c.git.Open(packPath(bu.pack, ".pack"))
		if err != nil {
			return nil, err
		}
		from := []io.Reader{bytes.NewReader(header)}
		for _, part := range parts {
			if part.own != nil {
				from = append(from, bytes.NewReader(part.own))
			} else {
				from = append(from, io.NewSectionReader(f, part.begin, part.size))
			}
		}
		sum := sha1.New()
		pack := io.TeeReader(bufio.NewReaderSize(io.MultiReader(from...), 64<<10), sum)
		trailer := readLater(func() []byte { return sum.Sum(nil) })
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(head), pack, &trailer), f}, nil
	}
	return p, nil
}

// readLater reads bytes that are known only when what comes before has been read.
func readLater(f func() []byte) lateReader { return lateReader{f: f} }

type lateReader struct {
	f    func() []byte
	left []byte
}

func (r *lateReader) Read(b []byte) (int, error) {
	if r.f != nil {
		r.left, r.f = r.f(), nil
	}
	if len(r.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.left)
	r.left = r.left[n:]
	return n, nil
}
