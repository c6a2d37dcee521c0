package document

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"unicode/utf8"
)

// compactStyle is how a document travels inside other JSON.
var compactStyle = style{colon: ":", comma: ","}

// MarshalJSON writes d as one JSON object for conflicts and the API (skills:
// {"slug", "files": [{"path", "content" or "content_base64", "executable"}]}).
func (d *Document) MarshalJSON() ([]byte, error) {
	if d.Kind != Skills {
		return compactStyle.appendValue(nil, schemaOf(d.Kind), nonNil(d.Fields), "", false), nil
	}
	out := appendString([]byte(`{"slug":`), d.Slug)
	out = append(out, `,"files":[`...)
	for i, f := range d.Files {
		if i > 0 {
			out = append(out, ',')
		}
		out = f.appendJSON(out)
	}
	return append(out, "]}"...), nil
}

// MarshalJSON writes f as its document does.
func (f File) MarshalJSON() ([]byte, error) { return f.appendJSON(nil), nil }

func (f File) appendJSON(out []byte) []byte {
	out = appendString(append(out, `{"path":`...), f.Path)
	if f.IsText() {
		out = appendString(append(out, `,"content":`...), string(f.Content))
	} else {
		out = appendString(append(out, `,"content_base64":`...), base64.StdEncoding.EncodeToString(f.Content))
	}
	return append(strconv.AppendBool(append(out, `,"executable":`...), f.Executable), '}')
}

// IsText reports whether the file can be shown, and merged, as lines of text.
func (f File) IsText() bool { return isText(f.Content) }

// isText reports whether content can be shown and merged as lines of text.
func isText(content []byte) bool {
	return utf8.Valid(content) && bytes.IndexByte(content, 0) < 0
}

// UnmarshalDocument reads what MarshalJSON wrote, and the API's documents. It does not validate.
func UnmarshalDocument(k Kind, data []byte, limits Limits) (*Document, *Problem) {
	root, bad := parseJSON(data, limits.orDefault().MaxDepth)
	if bad != nil {
		return nil, bad.problem(data)
	}
	if root.kind != objectNode {
		return nil, Invalid("the document must be a JSON object").at(data, root.start)
	}
	d := &Document{Kind: k}
	if slug := root.member("slug"); slug != nil && slug.kind == stringNode {
		d.Slug = slug.text
	}
	if k != Skills {
		d.Fields = root.any().(map[string]any)
		return d, nil
	}
	files, f := skillFiles(root.member("files"))
	if f != nil {
		return nil, f.below("files").problem().locate(data, root)
	}
	d.Files = files
	return d.Normalize(), nil
}

// skillFiles reads the list of a skill's files; other keys are the caller's.
func skillFiles(n *node) ([]File, *fault) {
	if n == nil || n.kind != arrayNode {
		return nil, broken("must be an array of files")
	}
	files := make([]File, 0, len(n.items))
	for i, e := range n.items {
		file, f := skillFile(e.value)
		if f != nil {
			return nil, f.below(i)
		}
		files = append(files, file)
	}
	return files, nil
}

func skillFile(n *node) (file File, f *fault) {
	path, text, encoded, executable := n.member("path"), n.member("content"), n.member("content_base64"), n.member("executable")
	switch {
	case path == nil || path.kind != stringNode:
		return file, broken("must be a string").below("path")
	case (text == nil) == (encoded == nil):
		return file, broken("must have either content or content_base64")
	case text != nil && text.kind != stringNode:
		return file, broken("must be a string").below("content")
	case encoded != nil && encoded.kind != stringNode:
		return file, broken("must be a string").below("content_base64")
	case executable != nil && executable.kind != boolNode:
		return file, broken("must be true or false").below("executable")
	}
	file = File{Path: path.text, Executable: executable != nil && executable.truth}
	if text != nil {
		file.Content = []byte(text.text)
		return file, nil
	}
	content, err := base64.StdEncoding.DecodeString(encoded.text)
	if err != nil {
		return file, broken("is not base64").below("content_base64")
	}
	file.Content = content
	return file, nil
}
