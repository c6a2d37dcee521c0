package document

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// nodeKind is the JSON type of a node.
type nodeKind uint8

const (
	nullNode nodeKind = iota
	boolNode
	numberNode
	stringNode
	arrayNode
	objectNode
)

// node is a value of a JSON text with its place in the bytes, so that a problem
// can name a position and an edit can leave everything else as it was.
type node struct {
	kind       nodeKind
	truth      bool
	start, end int
	text       string // a string decoded, a number in canonical form
	items      []item // an array's elements, an object's members
}

// item is an element of an array, or a member of an object.
type item struct {
	key              string
	keyStart, keyEnd int // of the key with its quotes; equal for array elements
	value            *node
}

// member finds the value of a key, nil if n has none.
func (n *node) member(key string) *node {
	for i := range n.items {
		if n.items[i].key == key {
			return n.items[i].value
		}
	}
	return nil
}

// maxExpansion bounds the digits of all numbers of one text written out in
// full, in bytes: 1e131071 is nine bytes that PostgreSQL writes as 131,072.
const maxExpansion = 4 << 20

// fileDepth bounds nesting where no limit is given: of a file that is edited.
const fileDepth = 1000

var utf8BOM = []byte("\xef\xbb\xbf")

// parser reads JSON as RFC 8259 writes it, and refuses what cannot be stored
// the same way on both sides.
type parser struct {
	src      []byte
	pos      int
	depth    int
	maxDepth int
	expanded int

	workspace
}

// syntaxError is what stops a parser: a rule and the offset of what broke it.
type syntaxError struct {
	code   Code
	offset int
	rule   string
}

// parseJSON reads one JSON text. It is linear in len(src) and its recursion is
// bounded by maxDepth.
func parseJSON(src []byte, maxDepth int) (root *node, err *syntaxError) {
	return new(parser).parse(src, maxDepth)
}

// parse is parseJSON by a parser that has not read anything.
func (p *parser) parse(src []byte, maxDepth int) (root *node, err *syntaxError) {
	if e := checkEncoding(src); e != nil {
		return nil, e
	}
	p.src, p.maxDepth = src, maxDepth
	if bytes.HasPrefix(src, utf8BOM) {
		p.pos = len(utf8BOM)
	}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*syntaxError)
			if !ok {
				panic(r)
			}
			root, err = nil, e
		}
	}()
	p.space()
	root = p.value()
	p.space()
	if p.pos < len(src) {
		p.fail("unexpected text after the end of the JSON value")
	}
	return root, nil
}

// checkEncoding finds the first byte that is not UTF-8, and names the encodings
// that editors write by mistake.
func checkEncoding(src []byte) *syntaxError {
	for _, bom := range []struct{ mark, name string }{
		{"\xff\xfe\x00\x00", "UTF-32"}, {"\x00\x00\xfe\xff", "UTF-32"},
		{"\xff\xfe", "UTF-16"}, {"\xfe\xff", "UTF-16"},
	} {
		if strings.HasPrefix(string(src[:min(4, len(src))]), bom.mark) {
			return &syntaxError{InvalidJSON, 0, "the file is " + bom.name + ", save it as UTF-8"}
		}
	}
	if i := invalidUTF8(src); i >= 0 {
		return &syntaxError{InvalidJSON, i, "the file is not UTF-8"}
	}
	return nil
}

// invalidUTF8 is the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(src []byte) int {
	if utf8.Valid(src) {
		return -1
	}
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// fail stops the parser at its position: the text is not JSON.
func (p *parser) fail(format string, args ...any) { p.stop(InvalidJSON, p.pos, format, args...) }

func (p *parser) stop(code Code, offset int, format string, args ...any) {
	panic(&syntaxError{code, offset, fmt.Sprintf(format, args...)})
}

func (p *parser) space() {
	for p.pos < len(p.src) {
		switch p.src[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

// peek is the byte at the parser's position, 0 at the end.
func (p *parser) peek() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *parser) value() *node {
	n := p.node()
	switch c := p.peek(); {
	case c == '{':
		n.kind = objectNode
		p.nested(n, (*parser).members)
	case c == '[':
		n.kind = arrayNode
		p.nested(n, (*parser).elements)
	case c == '"':
		n.kind, n.text = stringNode, p.str()
	case c == '-' || '0' <= c && c <= '9':
		n.kind, n.text = numberNode, p.number()
	case p.literal("null"):
		n.kind = nullNode
	case p.literal("true"):
		n.kind, n.truth = boolNode, true
	case p.literal("false"):
		n.kind = boolNode
	case p.pos >= len(p.src):
		p.fail("unexpected end of the file, a value is missing")
	default:
		p.fail("a value must begin here")
	}
	n.end = p.pos
	return n
}

func (p *parser) literal(word string) bool {
	if !bytes.HasPrefix(p.src[p.pos:], []byte(word)) {
		return false
	}
	p.pos += len(word)
	return true
}

// nested reads an object or an array one level deeper.
func (p *parser) nested(n *node, read func(*parser)) {
	if p.depth++; p.depth > p.maxDepth {
		p.stop(ValidationFailed, p.pos, "nesting is deeper than %d levels", p.maxDepth)
	}
	p.pos++
	p.space()
	outer := len(p.open)
	read(p)
	n.items = p.close(outer)
	p.depth--
}

func (p *parser) members() {
	if p.peek() == '}' {
		p.pos++
		return
	}
	outer := len(p.open)
	var seen map[string]bool
	for {
		m := item{keyStart: p.pos}
		if p.peek() != '"' {
			p.fail("a key in double quotes must stand here")
		}
		m.key = p.str()
		m.keyEnd = p.pos
		if seen = p.remember(seen, outer); seen[m.key] || seen == nil && hasKey(p.open[outer:], m.key) {
			p.stop(InvalidJSON, m.keyStart, "the key %s is there twice", quoteKey(m.key))
		}
		p.space()
		if p.peek() != ':' {
			p.fail("a colon must follow the key %s", quoteKey(m.key))
		}
		p.pos++
		p.space()
		m.value = p.value()
		p.open = append(p.open, m)
		if p.separator('}') {
			return
		}
		if p.peek() == '}' {
			p.fail("a comma must not stand before the closing brace")
		}
	}
}

// fewKeys is how many keys are looked through as fast as a map finds them.
const fewKeys = 16

// remember keeps the keys of an object that has many in a map.
func (p *parser) remember(seen map[string]bool, outer int) map[string]bool {
	read := p.open[outer:]
	switch {
	case len(read) < fewKeys:
		return nil
	case seen == nil:
		seen = make(map[string]bool, 4*fewKeys)
		for _, m := range read {
			seen[m.key] = true
		}
	default:
		seen[read[len(read)-1].key] = true
	}
	return seen
}

func hasKey(items []item, key string) bool {
	for i := range items {
		if items[i].key == key {
			return true
		}
	}
	return false
}

func (p *parser) elements() {
	if p.peek() == ']' {
		p.pos++
		return
	}
	for {
		if p.peek() == ']' {
			p.fail("a comma must not stand before the closing bracket")
		}
		start := p.pos
		value := p.value()
		p.open = append(p.open, item{keyStart: start, keyEnd: start, value: value})
		if p.separator(']') {
			return
		}
	}
}

// separator reads what follows an item: a comma, or the end of its container.
func (p *parser) separator(closing byte) (done bool) {
	p.space()
	switch p.peek() {
	case closing:
		p.pos++
		return true
	case ',':
		p.pos++
		p.space()
		return false
	}
	if p.pos >= len(p.src) {
		p.fail("unexpected end of the file, %q is missing", closing)
	}
	p.fail("a comma or %q must stand here", closing)
	return true
}
