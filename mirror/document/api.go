package document

// Edit changes an existing file of a JSON kind so that it parses to exactly d,
// changing only the bytes of values that differ. A file that does not parse is
// replaced by Encode's.
func Edit(file []byte, d *Document) []byte { panic("to do") }

// Merge joins two documents that both changed since base (nil: no common base).
// Places that only one side changed are taken from it; places both changed
// differently go by the policy, and are listed in lost (JSON pointers; for
// skills "path" or "path:line"). With lost empty the merge is clean.
func Merge(base, database, git *Document, policy Policy) (merged *Document, lost []string) {
	panic("to do")
}

// Renamed is d under another slug: Slug and the slug key, or the name in
// SKILL.md's frontmatter, edited in place.
func (d *Document) Renamed(slug string) *Document { panic("to do") }

// SameButName reports whether two documents of a kind are equal apart from slug
// and name (skills: all other files equal, SKILL.md equal but for name).
func SameButName(a, b *Document) bool { panic("to do") }

// Similar reports whether a rename with an edit is likely: at least half of the
// top-level values equal, and for mcp-servers type, url and command unchanged.
func Similar(a, b *Document) bool { panic("to do") }

// WithDescription is a skill with its frontmatter's description edited in place.
func (d *Document) WithDescription(description string) *Document { panic("to do") }
