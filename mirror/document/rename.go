package document

import (
	"bytes"
	"maps"
	"slices"
)

// Renamed is d under another slug: Slug and the slug key, or the name in
// SKILL.md's frontmatter, edited in place.
func (d *Document) Renamed(slug string) *Document {
	if d.Kind == Skills {
		renamed := d.withFrontmatter("name", slug)
		renamed.Slug = slug
		return renamed
	}
	renamed := d.Clone()
	if renamed.Fields == nil {
		renamed.Fields = map[string]any{}
	}
	renamed.Slug, renamed.Fields["slug"] = slug, slug
	return renamed
}

// WithDescription is a skill with its frontmatter's description edited in place.
func (d *Document) WithDescription(description string) *Document {
	return d.withFrontmatter("description", description)
}

// withFrontmatter is a skill with another text in SKILL.md's frontmatter.
func (d *Document) withFrontmatter(key, text string) *Document {
	edited := d.Clone()
	i := edited.mainFile()
	if d.Kind != Skills || i < 0 {
		return edited
	}
	if front, p := readFrontmatter(edited.Files[i].Content); p == nil {
		edited.Files[i].Content = front.with(key, text)
	}
	return edited
}

// ClaimedSlug is the slug that a JSON file's content, or a SKILL.md, says it is of,
// whatever else is wrong with it; "" if it says none.
func ClaimedSlug(k Kind, content []byte) string {
	if k == Skills {
		front, p := readFrontmatter(content)
		if p != nil {
			return ""
		}
		return front.values["name"].text
	}
	root, bad := parseJSON(content, fileDepth)
	if bad != nil || root.kind != objectNode {
		return ""
	}
	for _, m := range root.items {
		if m.key == "slug" {
			slug, _ := m.value.any().(string)
			return slug
		}
	}
	return ""
}

// Nameless is the digest of the document without its slug and name (of a skill: the
// name in SKILL.md): documents that share it are equal but for these.
func (d *Document) Nameless() Digest {
	fields, _ := canonical(d.Fields)
	nameless := &Document{Kind: d.Kind, Fields: maps.Clone(fields.(map[string]any)), Files: slices.Clone(d.Files)}
	for _, key := range []string{"slug", "name"} {
		if _, has := nameless.Fields[key]; has {
			nameless.Fields[key] = ""
		}
	}
	if i := nameless.mainFile(); d.Kind == Skills && i >= 0 {
		nameless.Files[i].Content = unnamed(nameless.Files[i].Content)
	}
	return nameless.Digest()
}

// sameButName compares two files of skills; a name in SKILL.md does not count.
func sameButName(a, b File) bool {
	if a.Path != b.Path || a.Executable != b.Executable {
		return false
	}
	return bytes.Equal(a.Content, b.Content) || a.Path == SkillFile && bytes.Equal(unnamed(a.Content), unnamed(b.Content))
}

// unnamed is a SKILL.md without its frontmatter's name.
func unnamed(content []byte) []byte {
	front, p := readFrontmatter(content)
	if p != nil || !front.values["name"].isText {
		return content
	}
	start, end := front.span(front.values["name"])
	return slices.Concat(content[:start], content[end:])
}

// Similar reports whether a rename with an edit is likely: at least half of the
// top-level values equal, and for mcp-servers type, url and command unchanged.
// The slug does not count; for skills the values are the files.
func Similar(a, b *Document) bool {
	if a.Kind != b.Kind {
		return false
	}
	if a.Kind == Skills {
		return similarFiles(a.Files, b.Files)
	}
	if a.Kind == MCPServers {
		for _, name := range []string{"type", "url", "command"} {
			if !equal(a.Fields[name], b.Fields[name]) {
				return false
			}
		}
	}
	same, all := 0, len(b.Fields)
	for name, value := range a.Fields {
		other, has := b.Fields[name]
		switch {
		case name == "slug":
			all--
		case !has:
			all++
		case equal(value, other):
			same++
		}
	}
	return same > 0 && 2*same >= all
}

func similarFiles(a, b []File) bool {
	others := make(map[string]File, len(b))
	for _, f := range b {
		others[f.Path] = f
	}
	same, all := 0, len(b)
	for _, f := range a {
		other, has := others[f.Path]
		switch {
		case !has:
			all++
		case sameButName(f, other):
			same++
		}
	}
	return same > 0 && 2*same >= all
}
