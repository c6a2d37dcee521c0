package document

import "encoding/json"

// any is the value that a node stands for.
func (n *node) any() any {
	switch n.kind {
	case boolNode:
		return n.truth
	case numberNode:
		return json.Number(n.text)
	case stringNode:
		return n.text
	case arrayNode:
		out := make([]any, len(n.items))
		for i, e := range n.items {
			out[i] = e.value.any()
		}
		return out
	case objectNode:
		out := make(map[string]any, len(n.items))
		for _, m := range n.items {
			out[m.key] = m.value.any()
		}
		return out
	}
	return nil
}

// equals compares the value that a node stands for with another one.
func (n *node) equals(value any) bool {
	switch n.kind {
	case arrayNode:
		list, ok := value.([]any)
		if !ok || len(list) != len(n.items) {
			return false
		}
		for i := range list {
			if !n.items[i].value.equals(list[i]) {
				return false
			}
		}
		return true
	case objectNode:
		object, ok := value.(map[string]any)
		if !ok || len(object) != len(n.items) {
			return false
		}
		for i := range n.items {
			other, has := object[n.items[i].key]
			if !has || !n.items[i].value.equals(other) {
				return false
			}
		}
		return true
	}
	return equal(n.any(), value)
}

// equal compares two values; numbers by canonical form.
func equal(a, b any) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	case string:
		b, ok := b.(string)
		return ok && a == b
	case json.Number:
		b, ok := b.(json.Number)
		return ok && (a == b || canonicalLiteral(string(a)) == canonicalLiteral(string(b)))
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, value := range a {
			other, has := b[name]
			if !has || !equal(value, other) {
				return false
			}
		}
		return true
	}
	return false
}

// ParseValue reads one JSON value strictly, as a column of the database holds
// it: a string, bool, json.Number in canonical form, []any, map[string]any or nil.
func ParseValue(data []byte, limits Limits) (any, *Problem) {
	p := borrowParser()
	defer p.giveBack()
	root, err := p.parse(data, limits.orDefault().MaxDepth)
	if err != nil {
		return nil, err.problem(data)
	}
	return root.any(), nil
}
