package document

import "bytes"

// Encode writes a new file of a JSON kind: two spaces, keys in the contract's
// order, then unknown keys sorted, one final newline. Equal documents give equal bytes.
func Encode(d *Document) []byte {
	buffer := buffers.Get().(*[]byte)
	file := append(ownStyle.appendValue((*buffer)[:0], schemaOf(d.Kind), nonNil(d.Fields), "", true), '\n')
	exact := bytes.Clone(file)
	keep(buffer, file)
	return exact
}

func nonNil(fields map[string]any) map[string]any {
	if fields == nil {
		return map[string]any{}
	}
	return fields
}
