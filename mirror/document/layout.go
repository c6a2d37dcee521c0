package document

import (
	"bytes"
	"strings"
)

// styleOf learns from a file how its values are laid out.
func styleOf(src []byte, root *node) style {
	st := ownStyle
	if i := bytes.IndexByte(src, '\n'); i > 0 && src[i-1] == '\r' {
		st.newline = "\r\n"
	}
	if len(root.items) > 0 {
		if between := string(src[root.items[0].keyEnd:root.items[0].value.start]); !strings.Contains(between, "\n") {
			st.colon = between
		}
	}
	if strings.HasSuffix(st.colon, ":") {
		st.comma = ","
	}
	if unit, ok := unitOf(src, root); ok {
		st.unit = unit
	}
	return st
}

// unitOf is one level of indentation: that of the first container whose items
// stand on lines of their own.
func unitOf(src []byte, n *node) (string, bool) {
	if len(n.items) > 0 {
		lead := string(src[n.start+1 : n.items[0].keyStart])
		if i := strings.LastIndexByte(lead, '\n'); i >= 0 {
			return strings.CutPrefix(lead[i+1:], indentAt(src, n.start))
		}
	}
	for _, m := range n.items {
		if unit, ok := unitOf(src, m.value); ok {
			return unit, true
		}
	}
	return "", false
}

// indentAt is the white space that begins the line on which an offset stands.
func indentAt(src []byte, at int) string {
	line := src[bytes.LastIndexByte(src[:at], '\n')+1 : at]
	line = bytes.TrimPrefix(line, utf8BOM)
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

func (e *editor) indentAt(at int) string { return indentAt(e.src, at) }

// container is an object or array being edited: the white space around its old
// items, and the items that it shall have.
type container struct {
	old    []item
	leads  []string // what stands before an old item, after the bracket or comma
	trails []string // what stands after it, before the comma or bracket
	colon  string
	indent string // of the line that the container begins on
	comma  string // the editor's, for items on one line
	slots  []slot
}

// slot is an item of the edited container: an old one, or a new one (old is -1).
type slot struct {
	old  int
	text []byte // key, colon and value
	lead string // of a new one that is not the first
}

// container takes apart the layout of an object or array that is not empty.
func (e *editor) container(n *node) *container {
	c := &container{old: n.items, colon: e.style.colon, comma: e.style.comma, indent: e.indentAt(n.start)}
	at := n.start + 1
	for i, m := range n.items {
		c.leads = append(c.leads, string(e.src[at:m.keyStart]))
		end := n.end - 1
		if i+1 < len(n.items) {
			end = m.value.end + bytes.IndexByte(e.src[m.value.end:], ',')
		}
		c.trails = append(c.trails, string(e.src[m.value.end:end]))
		at = end + 1
	}
	if n.kind == objectNode {
		first := string(e.src[n.items[0].keyEnd:n.items[0].value.start])
		if !strings.Contains(first, "\n") && (len(n.items) == 1 || first == string(e.src[n.items[1].keyEnd:n.items[1].value.start])) {
			c.colon = first
		}
	}
	return c
}

// spread reports whether an old item begins a line of its own.
func (c *container) spread(i int) bool { return strings.Contains(c.leads[i], "\n") }

// keep lets an old item follow, with its text as edited.
func (c *container) keep(i int, text []byte) {
	c.slots = append(c.slots, slot{old: i, text: text})
}

// add lets a new item follow. write gets the indentation of the item's line,
// and whether what it holds goes on lines of its own.
func (c *container) add(write func(indent string, spread bool) []byte) {
	between := c.between(len(c.slots))
	lead := between
	if len(c.slots) == 0 {
		lead = c.leads[0]
	}
	indent, spread := c.indent, false
	if i := strings.LastIndexByte(lead, '\n'); i >= 0 {
		indent, spread = lead[i+1:], true
	}
	c.slots = append(c.slots, slot{old: -1, text: write(indent, spread), lead: between})
}

// between is the white space before an item that was not there, or was the
// first, and is not now: as before the old items near it, without empty lines.
func (c *container) between(at int) string {
	near := 0
	for i := at - 1; i >= 0 && near == 0; i-- {
		if c.slots[i].old < 0 {
			return c.slots[i].lead
		}
		near = c.slots[i].old
	}
	if near == 0 && len(c.leads) > 1 {
		near = 1
	}
	lead := c.leads[near]
	if i := strings.LastIndexByte(lead, '\n'); i >= 0 {
		if i > 0 && lead[i-1] == '\r' {
			i--
		}
		return lead[i:]
	}
	if near == 0 {
		return strings.TrimPrefix(c.comma, ",")
	}
	return lead
}

// text writes the container.
func (c *container) text(n *node) []byte {
	opening, closing := byte('{'), byte('}')
	if n.kind == arrayNode {
		opening, closing = '[', ']'
	}
	out := []byte{opening}
	if len(c.slots) == 0 {
		return append(out, closing)
	}
	last := len(c.old) - 1
	for i, slot := range c.slots {
		switch {
		case i == 0:
			out = append(out, c.leads[0]...)
		case slot.old > 0:
			out = append(append(out, ','), c.leads[slot.old]...)
		case slot.old == 0:
			out = append(append(out, ','), c.between(i)...)
		default:
			out = append(append(out, ','), slot.lead...)
		}
		out = append(out, slot.text...)
		if i+1 == len(c.slots) {
			break
		}
		if slot.old >= 0 && slot.old < last {
			out = append(out, c.trails[slot.old]...)
		} else if last > 0 {
			out = append(out, c.trails[0]...)
		}
	}
	return append(append(out, c.trails[last]...), closing)
}
