package document

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// position counts line and column of an offset from 1, columns in bytes. A byte
// order mark is not counted: no editor shows it.
func position(src []byte, offset int) (line, column int) {
	before := src[:min(offset, len(src))]
	line = 1 + bytes.Count(before, []byte("\n"))
	column = len(before) - (bytes.LastIndexByte(before, '\n') + 1) + 1
	if line == 1 && bytes.HasPrefix(before, utf8BOM) {
		column -= len(utf8BOM)
	}
	return line, column
}

// at gives a problem its position in src, and names it in the message, which
// travels without the fields.
func (p *Problem) at(src []byte, offset int) *Problem {
	p.Line, p.Column = position(src, offset)
	p.Message = fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, p.Message)
	return p
}

// problem is the syntax error as one for people.
func (e *syntaxError) problem(src []byte) *Problem {
	return (&Problem{Code: e.code, Message: e.rule}).at(src, e.offset)
}

// longestKey is how much of a key a message shows, in characters.
const longestKey = 64

// quoteKey shows a key in a message: quoted, bounded, and without characters
// that would break the line or a terminal.
func quoteKey(key string) string { return `"` + showKey(key) + `"` }

func showKey(key string) string {
	var out strings.Builder
	n := 0
	for _, r := range key {
		if n++; n > longestKey {
			out.WriteString("...")
			break
		}
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			r = '?'
		}
		out.WriteRune(r)
	}
	return out.String()
}
