package document

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Integrations lists the MCP servers that a toolkit names, sorted; nil for other kinds.
func (d *Document) Integrations() []string { return d.References(MCPServers) }

// SameIntegrations reports whether two toolkits name the same MCP servers and want the same of them.
func (d *Document) SameIntegrations(other *Document) bool {
	return reflect.DeepEqual(d.Fields["integrations"], other.Fields["integrations"])
}

// Referable are the kinds whose entities a toolkit names by slug.
var Referable = []Kind{MCPServers, Commands, Skills}

// References lists the entities of a kind that a toolkit names: MCP servers sorted,
// commands and skills as they stand; nil for other kinds of documents.
func (d *Document) References(k Kind) []string {
	if d.Kind != Toolkits {
		return nil
	}
	if k == MCPServers {
		integrations, _ := d.Fields["integrations"].(map[string]any)
		return sortedKeys(integrations)
	}
	list, _ := d.Fields[string(k)].([]any)
	var slugs []string
	for _, item := range list {
		if slug, ok := item.(string); ok {
			slugs = append(slugs, slug)
		}
	}
	return slugs
}

// Renames are new slugs by kind and old slug.
type Renames map[Kind]map[string]string

// Following is a toolkit that names entities by their new slugs; d itself where it
// names none of them, and for other kinds. An integration stays where the toolkit has
// one of the new name already: which of the two counts is for people to say.
func (d *Document) Following(renames Renames) *Document {
	followed := d
	change := func(field string, value any) {
		if followed == d {
			followed = d.Clone()
		}
		followed.Fields[field] = value
	}
	for _, k := range Referable {
		for _, slug := range d.References(k) {
			to, renamed := renames[k][slug]
			switch {
			case !renamed:
			case k == MCPServers:
				if integrations := followed.Fields["integrations"].(map[string]any); integrations[to] == nil {
					integrations = maps.Clone(integrations)
					integrations[to] = integrations[slug]
					delete(integrations, slug)
					change("integrations", integrations)
				}
			default:
				change(string(k), replaced(followed.Fields[string(k)].([]any), slug, to))
			}
		}
	}
	return followed
}

// replaced is a set with another element in the place of one of its own.
func replaced(set []any, old, to string) []any {
	var out []any
	for _, item := range set {
		if item == old {
			item = to
		}
		if !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}

// ServerFacts tells what a reference check needs of an MCP server's document.
func (d *Document) ServerFacts() Server {
	tools, known := d.Fields["tools"].(map[string]any)
	if !known || d.Kind != MCPServers {
		return Server{}
	}
	facts := Server{ToolsKnown: true, Tools: make(map[string]bool, len(tools))}
	for name := range tools {
		facts.Tools[name] = true
	}
	return facts
}

// CheckReferences judges a toolkit's integrations against the organization's
// servers: MISSING_INTEGRATION, then MISSING_TOOL. Other kinds have no problem.
func CheckReferences(d *Document, servers map[string]Server) *Problem {
	var missing, lacking, tools []string
	var first string // where the first of the tools is named
	for _, slug := range d.Integrations() {
		server, known := servers[slug]
		if !known {
			missing = append(missing, slug)
			continue
		}
		absent := d.absentTools(slug, server)
		if len(absent) > 0 {
			lacking = append(lacking, slug)
			if first == "" {
				first = pointer([]any{"integrations", slug, "tools", slices.Index(d.namedTools(slug), any(absent[0]))})
			}
		}
		for _, tool := range absent {
			tools = append(tools, fmt.Sprintf("tool %s of MCP server %s", quoteKey(tool), quoteKey(slug)))
		}
	}
	p := &Problem{WaitsFor: append(slices.Clone(missing), lacking...)}
	slices.Sort(p.WaitsFor)
	switch {
	case len(missing) > 0:
		p.Code, p.Pointer = MissingIntegration, pointer([]any{"integrations", missing[0]})
		for i, slug := range missing {
			missing[i] = quoteKey(slug)
		}
		p.Message = "integrations: the organization does not have " + plural(len(missing), "the MCP server ", "the MCP servers ") + enumerate(missing)
	case len(tools) > 0:
		p.Code, p.Pointer = MissingTool, first
		p.Message = "integrations: not listed by the server: " + enumerate(tools)
	default:
		return nil
	}
	return p
}

// absentTools lists the tools that d names of a server and the server does not
// list. "*" names none.
func (d *Document) absentTools(slug string, server Server) []string {
	if !server.ToolsKnown {
		return nil
	}
	var absent []string
	for _, t := range d.namedTools(slug) {
		if tool, ok := t.(string); ok && !server.Tools[tool] {
			absent = append(absent, tool)
		}
	}
	slices.Sort(absent)
	return slices.Compact(absent)
}

// namedTools are the tools that d names of a server, as they stand; nil for "*".
func (d *Document) namedTools(slug string) []any {
	integrations, _ := d.Fields["integrations"].(map[string]any)
	integration, _ := integrations[slug].(map[string]any)
	named, _ := integration["tools"].([]any)
	return named
}

// mostNamed is how many names a message lists.
const mostNamed = 10

func enumerate(names []string) string {
	if extra := len(names) - mostNamed; extra > 0 {
		return strings.Join(names[:mostNamed], ", ") + fmt.Sprintf(" and %d more", extra)
	}
	return strings.Join(names, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
