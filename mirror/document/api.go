package document

// ParseFile reads and validates one file of a JSON kind. slug is the file's
// stem. A problem's position is that of the offending key or value.
func ParseFile(k Kind, slug string, content []byte, limits Limits) (*Document, *Problem) {
	panic("to do")
}

// ParseSkill validates a skill directory's files (sorted or not).
func ParseSkill(slug string, files []File, limits Limits) (*Document, *Problem) { panic("to do") }

// Validate checks a document that came from the database or the API by the same
// rules as a file's.
func (d *Document) Validate(limits Limits) *Problem { panic("to do") }

// Normalize brings Fields into the normal form that Document describes, sorts Files; it returns d.
func (d *Document) Normalize() *Document { panic("to do") }

// Digest of the document (which must be normal).
func (d *Document) Digest() Digest { panic("to do") }

// Name is the document's display name (skills: the slug).
func (d *Document) Name() string { panic("to do") }

// Clone copies the document deeply (file contents are shared: they are never written to).
func (d *Document) Clone() *Document { panic("to do") }

// Encode writes a new file of a JSON kind: two spaces, keys in the contract's
// order, then unknown keys sorted, one final newline. Equal documents give equal bytes.
func Encode(d *Document) []byte { panic("to do") }

// Edit changes an existing file of a JSON kind so that it parses to exactly d,
// changing only the bytes of values that differ. A file that does not parse is
// replaced by Encode's.
func Edit(file []byte, d *Document) []byte { panic("to do") }

// UnknownKeys lists d's top-level keys that the kind does not define, sorted.
func (d *Document) UnknownKeys() []string { panic("to do") }

// DropUnknown removes unknown top-level keys for which keep is false. Keys that
// begin with "x-" or "$" always stay.
func (d *Document) DropUnknown(keep func(key string) bool) { panic("to do") }

// Redact turns the stored form of a document into file form: secret entries of
// env and headers lose their values, forbidden keys go, normal form.
func Redact(stored *Document) *Document { panic("to do") }

// Absorb turns a file-form document into stored form: secret entries take their
// values from current, the stored form of the same row (nil for a new row).
// CheckSecrets must have found no problem.
func Absorb(file, current *Document) *Document { panic("to do") }

// CheckSecrets refuses a file that carries a value, a string or "secret": false
// for an entry that row (file form of the database's row; nil for none) holds as secret.
func CheckSecrets(file, row *Document) *Problem { panic("to do") }

// SecretsHeld reports whether a stored document holds any secret value.
func SecretsHeld(stored *Document) bool { panic("to do") }

// Integrations lists the MCP servers that a toolkit names, sorted; nil for other kinds.
func (d *Document) Integrations() []string { panic("to do") }

// ServerFacts tells what a reference check needs of an MCP server's document.
func (d *Document) ServerFacts() Server { panic("to do") }

// CheckReferences judges a toolkit's integrations against the organization's
// servers: MISSING_INTEGRATION, then MISSING_TOOL. Other kinds have no problem.
func CheckReferences(d *Document, servers map[string]Server) *Problem { panic("to do") }

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

// Frontmatter returns name and description of a skill's SKILL.md ("" where
// absent or unreadable).
func (d *Document) Frontmatter() (name, description string) { panic("to do") }

// WithDescription is a skill with its frontmatter's description edited in place.
func (d *Document) WithDescription(description string) *Document { panic("to do") }

// MarshalFields writes d as one JSON object for conflicts and the API (skills:
// {"slug", "files": [{"path", "content" or "content_base64", "executable"}]}).
func (d *Document) MarshalJSON() ([]byte, error) { panic("to do") }

// UnmarshalDocument reads what MarshalJSON wrote, and the API's documents. It does not validate.
func UnmarshalDocument(k Kind, data []byte, limits Limits) (*Document, *Problem) { panic("to do") }
