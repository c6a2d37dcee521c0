package document

// Document is one entity in file form.
//
// For the JSON kinds Fields holds the top-level keys of the file, unknown ones
// included. Values are string, bool, json.Number, []any, map[string]any or nil.
// A document that came out of Parse or Redact is normal: no top-level null, "",
// [] or {} (but an mcp-server's tools), no default written as a value, type
// "streamable-http" read as "http", slug always present.
//
// For skills Files holds every file, sorted by path, SKILL.md among them, and
// Fields is nil.
type Document struct {
	Kind   Kind
	Slug   string
	Fields map[string]any
	Files  []File
}

// File is one file of a skill.
type File struct {
	// Path is relative to the skill's directory, with slashes.
	Path       string
	Executable bool
	Content    []byte
}

// Policy decides places that both sides changed.
type Policy string

const (
	PreferGit      Policy = "git"
	PreferDatabase Policy = "database"
)

// Digest identifies a document's content: "<version>:<hex SHA-256>" of the
// canonical file form. Equal documents have equal digests whatever their
// layout; it never depends on how an encoder writes.
type Digest string

// DigestVersion is the version of the canonical form that Digest hashes.
const DigestVersion = 1

// Limits bound what is accepted from either side.
type Limits struct {
	MaxFileSize   int64 // bytes of one file
	MaxSkillFiles int
	MaxSkillSize  int64 // bytes of all files of a skill
	MaxDepth      int   // nesting of a JSON document
}

// DefaultLimits are the limits of an unconfigured mirror.
var DefaultLimits = Limits{MaxFileSize: 1 << 20, MaxSkillFiles: 500, MaxSkillSize: 64 << 20, MaxDepth: 100}

// Server is what a reference check needs to know of an organization-level MCP server.
type Server struct {
	// ToolsKnown is false while the server lists no tools at all (key absent):
	// its tools are not checked then.
	ToolsKnown bool
	Tools      map[string]bool
}
