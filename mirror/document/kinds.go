package document

// The schemas of the four JSON kinds.
var schemas = map[Kind]*schema{
	Toolkits: {shape: record, keys: []key{
		slugKey, nameKey, describedKey, statusKey,
		{name: "least_privilege", schema: aFlag, absent: false},
		{name: "integrations", schema: &schema{shape: table, rule: slugOf(MCPServers), each: &schema{shape: record, keys: []key{
			{name: "tools", schema: &schema{shape: list, each: aText, join: set, star: true}},
			{name: "prompts", schema: aTextSet},
			{name: "resources", schema: aTextSet},
		}}}},
		{name: "skills", schema: slugs(Skills)},
		{name: "commands", schema: slugs(Commands)},
	}},
	Commands: {shape: record, keys: []key{
		slugKey, nameKey, describedKey, statusKey,
		{name: "prompt", schema: aFilledText, required: true},
		{name: "arguments", schema: &schema{shape: list, join: byName, each: &schema{shape: record, keys: []key{
			{name: "name", schema: aFilledText, required: true},
			{name: "title", schema: aText},
			{name: "description", schema: aText},
			{name: "required", schema: aFlag},
		}}}},
	}},
	MCPServers: {shape: record, keys: []key{
		slugKey, nameKey, describedKey, statusKey,
		{name: "type", schema: &schema{shape: text, rule: oneOf("stdio", "http", "sse")}, required: true},
		{name: "command", schema: aText},
		{name: "args", schema: &schema{shape: list, each: aText}},
		{name: "url", schema: &schema{shape: text, rule: serverURL}},
		{name: "env", schema: entries},
		{name: "headers", schema: entries},
		{name: "tools", schema: &schema{shape: table, each: &schema{shape: record, keys: []key{
			{name: "enabled", schema: aFlag},
			{name: "description", schema: aText},
		}}}},
	}},
	MCPClients: {shape: record, keys: []key{
		slugKey, nameKey,
		{name: "description", schema: aText},
		{name: "enabled", schema: aFlag, absent: true},
		{name: "client_uri", schema: &schema{shape: text, rule: secureURL}},
		{name: "logo_uri", schema: &schema{shape: text, rule: secureURL}},
		{name: "redirect_uris", schema: &schema{shape: list, join: set, each: &schema{shape: text, rule: redirectURI}}},
		{name: "grant_types", schema: aTextSet},
		{name: "response_types", schema: aTextSet},
		{name: "token_endpoint_auth_method", schema: aText},
		{name: "scope", schema: aText},
	}},
}

// What several kinds have in common.
var (
	aText       = &schema{shape: text}
	aFilledText = &schema{shape: text, filled: true}
	aFlag       = &schema{shape: boolean}
	aTextSet    = &schema{shape: list, each: aText, join: set}

	slugKey      = key{name: "slug", schema: aText, required: true}
	nameKey      = key{name: "name", schema: aFilledText, required: true}
	describedKey = key{name: "description", schema: &schema{shape: text, max: maxDescription}}
	statusKey    = key{name: "status", schema: &schema{shape: text, rule: oneOf("draft", "active")}, absent: "active"}

	// entries are env and headers of an MCP server.
	entries = &schema{shape: table, each: &schema{shape: record, entry: true, keys: []key{
		{name: "value", schema: aText},
		{name: "secret", schema: aFlag},
		{name: "required", schema: aFlag},
		{name: "description", schema: aText},
	}}}
)

// knownNames are the keys of all kinds: documents have them in common, and not each its own.
var knownNames = func() map[string]string {
	names := map[string]string{}
	var collect func(*schema)
	collect = func(s *schema) {
		if s == nil {
			return
		}
		for _, k := range s.keys {
			names[k.name] = k.name
			collect(k.schema)
		}
		collect(s.each)
	}
	for _, s := range schemas {
		collect(s)
	}
	return names
}()

// maxDescription is the longest description, in characters.
const maxDescription = 1024

func slugs(k Kind) *schema {
	return &schema{shape: list, join: set, each: &schema{shape: text, rule: slugOf(k)}}
}

// forbidden are the keys that never stand in a file: the database's own, and
// what may be a credential.
var forbidden = map[string]bool{
	"id": true, "organization": true, "organization_id": true, "owner": true, "owner_id": true,
	"created_at": true, "updated_at": true, "deleted_at": true, "updated_by": true,
	"git_integration": true, "extra": true,
	"auth": true, "client_id": true, "client_secret": true,
}

// schemaOf is the schema of a kind's files; a kind without one has no known keys.
func schemaOf(k Kind) *schema {
	if s := schemas[k]; s != nil {
		return s
	}
	return &schema{shape: record}
}
