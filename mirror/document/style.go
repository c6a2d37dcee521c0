package document

// style is how JSON is laid out.
type style struct {
	unit    string // one level of indentation
	newline string
	colon   string // what stands between a key and its value
	comma   string // what stands between two values on one line
}

// ownStyle is how confmirror writes a file of its own.
var ownStyle = style{unit: "  ", newline: "\n", colon: ": ", comma: ", "}

// appendValue writes a value whose first line is indented by indent: its items
// each on a line of their own if spread, else all on one line.
func (st style) appendValue(out []byte, s *schema, value any, indent string, spread bool) []byte {
	inner := indent + st.unit
	switch v := value.(type) {
	case []any:
		out = append(out, '[')
		for i, e := range v {
			out = st.appendBreak(out, i == 0, inner, spread)
			out = st.appendValue(out, s.element(), e, inner, spread)
		}
		return st.appendEnd(out, len(v) == 0, ']', indent, spread)
	case map[string]any:
		out = append(out, '{')
		var room [someKeys]string
		for i, name := range s.appendOrdered(room[:0], v) {
			out = st.appendBreak(out, i == 0, inner, spread)
			out = append(appendString(out, name), st.colon...)
			out = st.appendValue(out, s.child(name), v[name], inner, spread)
		}
		return st.appendEnd(out, len(v) == 0, '}', indent, spread)
	}
	return appendCanonical(out, value)
}

// appendBreak writes what stands before an item.
func (st style) appendBreak(out []byte, first bool, indent string, spread bool) []byte {
	switch {
	case spread && first:
		return append(append(out, st.newline...), indent...)
	case spread:
		return append(append(append(out, ','), st.newline...), indent...)
	case !first:
		return append(out, st.comma...)
	}
	return out
}

// appendEnd closes a container.
func (st style) appendEnd(out []byte, empty bool, bracket byte, indent string, spread bool) []byte {
	if spread && !empty {
		out = append(append(out, st.newline...), indent...)
	}
	return append(out, bracket)
}
