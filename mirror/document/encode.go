package document

// Encode writes a new file of a JSON kind: two spaces, keys in the contract's
// order, then unknown keys sorted, one final newline. Equal documents give equal bytes.
func Encode(d *Document) []byte {
	return append(ownStyle.appendValue(nil, schemaOf(d.Kind), nonNil(d.Fields), "", true), '\n')
}

func nonNil(fields map[string]any) map[string]any {
	if fields == nil {
		return map[string]any{}
	}
	return fields
}
