package document

import (
	"bytes"
	"fmt"
)

// ParseFile reads and validates one file of a JSON kind. slug is the file's
// stem. A problem's position is that of the offending key or value.
func ParseFile(k Kind, slug string, content []byte, limits Limits) (*Document, *Problem) {
	limits = limits.orDefault()
	if schemas[k] == nil {
		return nil, Invalid("files of this kind are not JSON")
	}
	if !ValidSlug(k, slug) {
		return nil, Invalid("the file's name must be a slug (%s), followed by .json", slugRule(k))
	}
	if p := readable(content, limits); p != nil {
		return nil, p
	}
	reader := borrowParser()
	defer reader.giveBack()
	root, bad := reader.parse(content, limits.MaxDepth)
	if bad != nil {
		return nil, bad.problem(content)
	}
	if root.kind != objectNode {
		return nil, Invalid("the file must hold a JSON object").at(content, root.start)
	}
	fields := root.any().(map[string]any)
	if f := noForbiddenKey(fields); f != nil {
		return nil, f.problem().locate(content, root)
	}
	makeNormal(k, fields)
	if f := validateFields(k, slug, fields, limits); f != nil {
		return nil, f.problem().locate(content, root)
	}
	return &Document{Kind: k, Slug: slug, Fields: fields}, nil
}

var lfsPointer = []byte("version https://git-lfs.github.com/spec/")

// readable refuses content that is not the file's own, or too much.
func readable(content []byte, limits Limits) *Problem {
	if int64(len(content)) > limits.MaxFileSize {
		return &Problem{Code: FetchFailed, Message: fmt.Sprintf("the file is larger than %d bytes", limits.MaxFileSize)}
	}
	if bytes.HasPrefix(content, lfsPointer) {
		return &Problem{Code: FetchFailed, Message: "the file is a Git LFS pointer, its content is not in the repository"}
	}
	return nil
}
