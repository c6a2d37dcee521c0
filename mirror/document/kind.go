package document

import (
	"path"
	"strings"
)

// Kind is one of the five kinds of entity. Its value is the directory's name in
// the repository, and the name in the API and on the command line.
type Kind string

const (
	MCPServers Kind = "mcp-servers"
	MCPClients Kind = "mcp-clients"
	Skills     Kind = "skills"
	Commands   Kind = "commands"
	Toolkits   Kind = "toolkits"
)

// Kinds lists all kinds in dependency order: what a toolkit names comes before
// the toolkits.
var Kinds = []Kind{MCPServers, MCPClients, Skills, Commands, Toolkits}

// Valid reports whether k is one of the five.
func (k Kind) Valid() bool {
	switch k {
	case MCPServers, MCPClients, Skills, Commands, Toolkits:
		return true
	}
	return false
}

// Singular is the kind's name for one entity in messages: "toolkit", "MCP server".
func (k Kind) Singular() string {
	switch k {
	case MCPServers:
		return "MCP server"
	case MCPClients:
		return "MCP client"
	}
	return strings.TrimSuffix(string(k), "s")
}

// Plural is the kind's name for several entities in messages: "toolkits", "MCP servers".
func (k Kind) Plural() string { return k.Singular() + "s" }

// Order is the kind's place in Kinds.
func (k Kind) Order() int {
	for i, other := range Kinds {
		if other == k {
			return i
		}
	}
	return len(Kinds)
}

// Longest slugs, in characters (which are bytes: slugs are ASCII).
const (
	MaxSlug      = 128
	MaxSkillSlug = 64
)

// ValidSlug reports whether slug may name an entity of the kind. An
// organization's slug follows the rule of every kind but skills.
func ValidSlug(k Kind, slug string) bool {
	joints, longest := k.slugForm()
	return len(slug) <= longest && joinedBy(joints, slug)
}

// slugForm is what may join the parts of a kind's slugs, and how long they may be.
func (k Kind) slugForm() (joints string, longest int) {
	if k == Skills {
		return "-", MaxSkillSlug
	}
	return "-_.", MaxSlug
}

// joinedBy reports whether a slug is of lower-case letters and digits, with one of the
// joints between any two parts.
func joinedBy(joints, slug string) bool {
	inPart := false
	for i := range len(slug) {
		switch c := slug[i]; {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			inPart = true
		case inPart && strings.IndexByte(joints, c) >= 0:
			inPart = false
		default:
			return false
		}
	}
	return inPart
}

// Layout places the kinds' directories in a repository.
type Layout struct {
	// Prefix is the directory that holds the five directories: "" or a clean
	// relative slash path without a slash at either end ("src", "config/ai").
	Prefix string
}

// Dir is the directory of a kind.
func (l Layout) Dir(k Kind) string { return path.Join(l.Prefix, string(k)) }

// Path is where an entity stands: its JSON file, or a skill's directory.
// The slug must be valid.
func (l Layout) Path(k Kind, slug string) string {
	if k == Skills {
		return path.Join(l.Prefix, string(k), slug)
	}
	return path.Join(l.Prefix, string(k), slug+".json")
}
