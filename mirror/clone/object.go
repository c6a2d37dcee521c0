package clone

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/klauspost/compress/zlib"

	"github.com/confmirror/confmirror/mirror"
)

// object is one git object in memory.
type object struct {
	kind plumbing.ObjectType
	id   plumbing.Hash
	data []byte
}

func newObject(kind plumbing.ObjectType, data []byte) object {
	return object{kind: kind, id: hashObject(kind, data), data: data}
}

// objectHeader is what git hashes and deflates before an object's content.
func objectHeader(kind plumbing.ObjectType, size int64) []byte {
	b := append(make([]byte, 0, 32), kind.String()...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, size, 10)
	return append(b, 0)
}

// hashObject names content of our own making. Content of others is hashed with
// collision detection, in receive.go.
func hashObject(kind plumbing.ObjectType, data []byte) plumbing.Hash {
	h := sha1.New()
	h.Write(objectHeader(kind, int64(len(data))))
	h.Write(data)
	var id plumbing.Hash
	h.Sum(id[:0])
	return id
}

// toID reads a hash of the interface; ok is false for anything but 40 hexadecimal digits.
func toID(h mirror.Hash) (id plumbing.Hash, ok bool) {
	if len(h) != 2*len(id) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(h))
	return id, err == nil && strings.ToLower(string(h)) == string(h)
}

func fromID(id plumbing.Hash) mirror.Hash {
	if id.IsZero() {
		return ""
	}
	return mirror.Hash(id.String())
}

// A new zlib writer per object costs three times the deflating of a small file,
// so writers are kept and reset.
var deflaters = map[int]*sync.Pool{
	zlib.NoCompression:      {New: func() any { w, _ := zlib.NewWriterLevel(nil, zlib.NoCompression); return w }},
	zlib.BestSpeed:          {New: func() any { w, _ := zlib.NewWriterLevel(nil, zlib.BestSpeed); return w }},
	zlib.DefaultCompression: {New: func() any { w, _ := zlib.NewWriterLevel(nil, zlib.DefaultCompression); return w }},
}

// levelFor: trees are mostly random ids, which no level makes much smaller.
func levelFor(kind plumbing.ObjectType) int {
	if kind == plumbing.BlobObject {
		return zlib.DefaultCompression
	}
	return zlib.BestSpeed
}

// storedAbove: larger trees are not deflated as loose objects. Housekeeping soon makes
// deltas of them; until then each change of a wide directory would cost that time.
const storedAbove = 64 << 10

func looseLevel(o object) int {
	if o.kind == plumbing.TreeObject && len(o.data) > storedAbove {
		return zlib.NoCompression
	}
	return levelFor(o.kind)
}

// deflate appends the zlib stream of parts to buf.
func deflate(buf *bytes.Buffer, level int, parts ...[]byte) {
	pool := deflaters[level]
	w := pool.Get().(*zlib.Writer)
	defer pool.Put(w)
	w.Reset(buf)
	for _, p := range parts {
		w.Write(p) // a bytes.Buffer takes everything
	}
	w.Close()
}

var inflaters sync.Pool // io.ReadCloser that is also a zlib.Resetter

func newInflater(r io.Reader) (io.ReadCloser, error) {
	if z, ok := inflaters.Get().(io.ReadCloser); ok {
		if err := z.(zlib.Resetter).Reset(r, nil); err != nil {
			inflaters.Put(z)
			return nil, err
		}
		return z, nil
	}
	return zlib.NewReader(r)
}

// errSize: a stream does not inflate to the size that was announced.
var errSize = errors.New("object has another size than its header says")

// inflateExactly reads size bytes, the end of the stream and its checksum. The
// buffer grows with what arrives: the announced size is not trusted with memory.
func inflateExactly(r io.Reader, size int64) ([]byte, error) {
	var buf bytes.Buffer
	if size >= 0 && size < 1<<20 {
		buf.Grow(int(size) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(r, size+1))
	if err != nil {
		return nil, err
	}
	if n != size {
		return nil, errSize
	}
	return buf.Bytes(), nil
}

// readLooseHeader reads "<kind> <size>\0".
func readLooseHeader(r io.ByteReader) (plumbing.ObjectType, int64, error) {
	var b []byte
	for {
		c, err := r.ReadByte()
		if err != nil {
			return 0, 0, err
		}
		if c == 0 {
			break
		}
		if b = append(b, c); len(b) > 32 {
			return 0, 0, errors.New("object header too long")
		}
	}
	name, digits, ok := strings.Cut(string(b), " ")
	if !ok {
		return 0, 0, errors.New("object header without size")
	}
	kind, err := plumbing.ParseObjectType(name)
	if err != nil || kind > plumbing.TagObject {
		return 0, 0, fmt.Errorf("object of unknown kind %q", name)
	}
	size, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || size < 0 {
		return 0, 0, fmt.Errorf("object of size %q", digits)
	}
	return kind, size, nil
}
