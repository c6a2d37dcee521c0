package document

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Digest of the document (which must be normal).
//
// What is hashed is a line with the kind, then for the JSON kinds the fields as
// JSON without white space (keys sorted by bytes, numbers canonical, of the
// characters of a string only control characters, " and \ escaped), and for
// skills a line for each file: mode, SHA-256 of the content, length of the path, path.
func (d *Document) Digest() Digest {
	canonical := fmt.Appendf(nil, "confmirror document %d\n%s\n", DigestVersion, d.Kind)
	if d.Kind == Skills {
		for _, f := range d.Files {
			mode := "100644"
			if f.Executable {
				mode = "100755"
			}
			canonical = fmt.Appendf(canonical, "%s %x %d %s\n", mode, sha256.Sum256(f.Content), len(f.Path), f.Path)
		}
	} else {
		canonical = appendCanonical(canonical, d.Fields)
	}
	sum := sha256.Sum256(canonical)
	return Digest(strconv.Itoa(DigestVersion) + ":" + hex.EncodeToString(sum[:]))
}

// Current reports whether the digest is of the canonical form that Digest hashes now.
func (d Digest) Current() bool {
	return strings.HasPrefix(string(d), strconv.Itoa(DigestVersion)+":")
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
		for i, name := range sortedKeys(v) {
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
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\t':
			out = append(out, '\\', 't')
		case c == '\r':
			out = append(out, '\\', 'r')
		case c == '\b':
			out = append(out, '\\', 'b')
		case c == '\f':
			out = append(out, '\\', 'f')
		case c < ' ':
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}
