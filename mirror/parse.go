package mirror

import "github.com/confmirror/confmirror/mirror/document"

// noLimits reads what was agreed under limits that may have been lowered since.
var noLimits = document.Limits{MaxFileSize: 1 << 40, MaxSkillFiles: 1 << 30, MaxSkillSize: 1 << 40, MaxDepth: 100}

// parse turns an entry's content into a document.
func parse(k document.Kind, slug string, c *Content, limits document.Limits) (*document.Document, *document.Problem) {
	if k == document.Skills {
		return document.ParseSkill(slug, c.Files, limits)
	}
	return document.ParseFile(k, slug, c.Bytes, limits)
}
