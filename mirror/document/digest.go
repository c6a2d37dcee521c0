package document

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Digest of the document (which must be normal).
//
// What is hashed is a line with the kind, then for the JSON kinds the fields as
// JSON without white space (keys sorted by bytes, numbers canonical, of the
// characters of a string only control characters, " and \ escaped), and for
// skills a line for each file: mode, SHA-256 of the content, length of the path, path.
func (d *Document) Digest() Digest {
	buffer := buffers.Get().(*[]byte)
	canonical := append((*buffer)[:0], canonicalHead...)
	canonical = append(append(canonical, d.Kind...), '\n')
	if d.Kind == Skills {
		for _, f := range d.Files {
			mode := "100644"
			if f.Executable {
				mode = "100755"
			}
			sum := sha256.Sum256(f.Content)
			canonical = hex.AppendEncode(append(append(canonical, mode...), ' '), sum[:])
			canonical = strconv.AppendInt(append(canonical, ' '), int64(len(f.Path)), 10)
			canonical = append(append(append(canonical, ' '), f.Path...), '\n')
		}
	} else {
		canonical = appendCanonical(canonical, d.Fields)
	}
	sum := sha256.Sum256(canonical)
	keep(buffer, canonical)
	var digest [80]byte
	return Digest(hex.AppendEncode(append(digest[:0], digestHead...), sum[:]))
}

var (
	canonicalHead = fmt.Sprintf("confmirror document %d\n", DigestVersion)
	digestHead    = strconv.Itoa(DigestVersion) + ":"
)

// buffers are for texts that are written to be looked at, and not to stay.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keep gives a buffer back as it grew, unless it grew out of the ordinary.
func keep(buffer *[]byte, grown []byte) {
	if cap(grown) <= 64<<10 {
		*buffer = grown
		buffers.Put(buffer)
	}
}

// Current reports whether the digest is of the canonical form that Digest hashes now.
func (d Digest) Current() bool {
	return strings.HasPrefix(string(d), digestHead)
}

// appendCanonical writes a value in the one form that equal values share.
func appendCanonical(out []byte, value any) []byte {
	switch v := value.(type) {
	case bool:
		return strconv.AppendBool(out, v)
	case string:
		return appendString(out, v)
	case json.Number:
		return append(out, canonicalLiteral(string(v))...)
	case []any:
		out = append(out, '[')
		for i, e := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendCanonical(out, e)
		}
		return append(out, ']')
	case map[string]any:
		out = append(out, '{')
		var room [someKeys]string
		for i, name := range appendSorted(room[:0], v) {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendString(out, name), ':')
			out = appendCanonical(out, v[name])
		}
		return append(out, '}')
	}
	return append(out, "null"...)
}

// appendString writes a JSON string that escapes only what JSON demands.
func appendString(out []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	out = append(out, '"')
	run := 0 // where the bytes begin that stand for themselves
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		out = append(append(out, s[run:i]...), '\\')
		run = i + 1
		switch c {
		case '\n':
			c = 'n'
		case '\t':
			c = 't'
		case '\r':
			c = 'r'
		case '\b':
			c = 'b'
		case '\f':
			c = 'f'
		case '"', '\\':
		default:
			out = append(out, 'u', '0', '0', hexDigits[c>>4])
			c = hexDigits[c&15]
		}
		out = append(out, c)
	}
	out = append(out, s[run:]...)
	return append(out, '"')
}
