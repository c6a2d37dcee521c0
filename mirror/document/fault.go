package document

import (
	"fmt"
	"strings"
)

// fault is a broken rule at a place of a document. It becomes a Problem once
// it is known whether the document has bytes to point into.
type fault struct {
	path []any // keys (string) and indexes (int) from the root
	rule string
	code Code // "" is VALIDATION_FAILED
}

func broken(format string, args ...any) *fault { return &fault{rule: fmt.Sprintf(format, args...)} }

// below moves a fault found in the value of a key or index to the whole.
func (f *fault) below(step any) *fault {
	if f != nil {
		f.path = append([]any{step}, f.path...)
	}
	return f
}

// problem is the fault of a document without bytes.
func (f *fault) problem() *Problem {
	if f == nil {
		return nil
	}
	p := Invalid("%s", f.rule)
	if len(f.path) > 0 {
		p.Message = showPath(f.path) + ": " + f.rule
	}
	p.Pointer = pointer(f.path)
	if f.code != "" {
		p.Code = f.code
	}
	return p
}

// Locate gives a problem of a document the position in the file that the
// document was read from, if it has none yet. It returns p.
func (p *Problem) Locate(file []byte) *Problem {
	if p == nil || p.Line > 0 || p.File != "" {
		return p
	}
	root, err := parseJSON(file, fileDepth)
	if err != nil {
		return p
	}
	return p.locate(file, root)
}

func (p *Problem) locate(file []byte, root *node) *Problem {
	return p.at(file, offset(root, p.Pointer))
}

// offset is where the place begins that a JSON pointer names: its key, or the
// nearest place around it that is there.
func offset(n *node, pointer string) int {
	at := n.start
	if pointer == "" {
		return at
	}
	for _, step := range strings.Split(pointer[1:], "/") {
		found := n.find(unescapePointer(step))
		if found == nil {
			break
		}
		at, n = found.keyStart, found.value
	}
	return at
}

// find is the item of a container that a step of a pointer names.
func (n *node) find(step string) *item {
	for i := range n.items {
		if n.kind == objectNode && n.items[i].key == step || n.kind == arrayNode && fmt.Sprint(i) == step {
			return &n.items[i]
		}
	}
	return nil
}

var (
	pointerEscapes   = strings.NewReplacer("~", "~0", "/", "~1")
	pointerUnescapes = strings.NewReplacer("~1", "/", "~0", "~")
)

func unescapePointer(step string) string { return pointerUnescapes.Replace(step) }

// pointer writes a path as a JSON pointer (RFC 6901).
func pointer(path []any) string {
	var out strings.Builder
	for _, step := range path {
		out.WriteString("/" + pointerEscapes.Replace(fmt.Sprint(step)))
	}
	return out.String()
}

// showPath writes a path for people: env.API_KEY.value, arguments[2].name.
func showPath(path []any) string {
	var out strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(&out, "[%d]", step)
		case string:
			if out.Len() > 0 {
				out.WriteByte('.')
			}
			out.WriteString(showKey(step))
		}
	}
	return out.String()
}
