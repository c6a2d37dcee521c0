package document

// The schemas of the four JSON kinds.
var schemas = map[Kind]*schema{
	Toolkits: {shape: record, keys: []key{
		slugKey, nameKey, describedKey, statusKey,
		{name: "least_privilege", schema: aFlag, absent: false, about: "Whether the toolkit grants nothing beyond what it names."},
		{name: "integrations", about: "What the toolkit takes of each MCP server, by the server's slug.", schema: &schema{shape: table, rule: slugOf(MCPServers), each: &schema{shape: record, keys: []key{
			{name: "tools", schema: &schema{shape: list, each: aText, join: set, star: true}, about: `Tools of the server, or "*" for all; absent: none stated.`},
			{name: "prompts", schema: aTextSet, about: "Prompts of the server."},
			{name: "resources", schema: aTextSet, about: "Resources of the server."},
		}}}},
		{name: "skills", schema: slugs(Skills), about: "Slugs of skills."},
		{name: "commands", schema: slugs(Commands), about: "Slugs of commands."},
	}},
	Commands: {shape: record, keys: []key{
		slugKey, nameKey, describedKey, statusKey,
		{name: "prompt", schema: aFilledText, required: true, about: "The command's template."},
		{name: "arguments", about: "What the template is filled with, each under a name of its own.", schema: &schema{shape: list, join: byName, each: &schema{shape: record, keys: []key{
			{name: "name", schema: aFilledText, required: true, about: "What the template calls the argument."},
			{name: "title", schema: aText, about: "What people read."},
			{name: "description", schema: aText, about: "What to enter."},
			{name: "required", schema: aFlag, about: "Whether the command needs it."},
		}}}},
	}},
	MCPServers: {shape: record, fork: &fork{key: "type", value: "stdio", then: "command", otherwise: "url"}, keys: []key{
		slugKey, nameKey, describedKey, statusKey,
		{name: "type", required: true, about: "How the server is spoken to.", schema: &schema{
			shape: text, rule: oneOf("stdio", "http", "sse"), alias: map[string]string{"streamable-http": "http"},
		}},
		{name: "command", schema: aText, about: "The program that is run: with type stdio only."},
		{name: "args", schema: &schema{shape: list, each: aText}, about: "The program's arguments."},
		{name: "url", schema: &schema{shape: text, rule: serverURL}, about: "Where the server is: with type http or sse only, without user and password."},
		{name: "env", schema: entries, about: "Environment of the program."},
		{name: "headers", schema: entries, about: "Headers of each request."},
		{name: "tools", about: "The server's tools, by name; absent: not known yet.", schema: &schema{shape: table, each: &schema{shape: record, keys: []key{
			{name: "enabled", schema: aFlag, about: "Whether the tool may be used."},
			{name: "description", schema: aText, about: "What the tool does."},
		}}}},
	}},
	MCPClients: {shape: record, keys: []key{
		slugKey, nameKey,
		{name: "description", schema: aText, about: "What it is for."},
		{name: "enabled", schema: aFlag, absent: true, about: "Whether the client may connect."},
		{name: "client_uri", schema: &schema{shape: text, rule: secureURL}, about: "The client's page."},
		{name: "logo_uri", schema: &schema{shape: text, rule: secureURL}, about: "The client's logo."},
		{name: "redirect_uris", about: "Where authorization may return to: https, http on a loopback host, or an app's own scheme.", schema: &schema{
			shape: list, join: set, each: &schema{shape: text, rule: redirectURI},
		}},
		{name: "grant_types", schema: aTextSet, about: "OAuth grant types."},
		{name: "response_types", schema: aTextSet, about: "OAuth response types."},
		{name: "token_endpoint_auth_method", schema: aText, about: "How the client authenticates at the token endpoint."},
		{name: "scope", schema: aText, about: "OAuth scopes, separated by spaces."},
	}},
}

// frontmatterKeys are those of a SKILL.md, as the Agent Skills specification has them. What
// is not required is kept as it stands.
var frontmatterKeys = &schema{shape: record, keys: []key{
	{name: "name", schema: &schema{shape: text, filled: true}, required: true, about: "The skill's slug: the name of its directory."},
	{name: "description", schema: &schema{shape: text, filled: true, max: maxDescription}, required: true, about: "What the skill does, and when to use it."},
	{name: "license", schema: unknown, about: "The skill's license, or the name of the file that holds it."},
	{name: "compatibility", schema: unknown, about: "What the skill needs of its surroundings."},
	{name: "metadata", schema: unknown, about: "Anything else, by name."},
	{name: "allowed-tools", schema: unknown, about: "Tools that the skill may use without asking."},
}}

// What several kinds have in common.
var (
	aText       = &schema{shape: text}
	aFilledText = &schema{shape: text, filled: true}
	aFlag       = &schema{shape: boolean}
	aTextSet    = &schema{shape: list, each: aText, join: set}

	slugKey      = key{name: "slug", schema: aText, required: true, about: "The entity's short name: the file's name without .json."}
	nameKey      = key{name: "name", schema: aFilledText, required: true, about: "The name that people read."}
	describedKey = key{name: "description", schema: &schema{shape: text, max: maxDescription}, about: "What it is for."}
	statusKey    = key{name: "status", schema: &schema{shape: text, rule: oneOf("draft", "active")}, absent: "active", about: "A draft is not offered to anybody."}

	// entries are env and headers of an MCP server.
	entries = &schema{shape: table, each: &schema{shape: record, entry: true, keys: []key{
		{name: "value", schema: aText, about: "A public value; a secret's stays in the database."},
		{name: "secret", schema: aFlag, stated: true, about: "Whether the database holds the value and no file does."},
		{name: "required", schema: aFlag, about: "Whether the server needs it."},
		{name: "description", schema: aText, about: "What it is for."},
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

// Forbidden reports whether a key never stands in a file.
func Forbidden(key string) bool { return forbidden[key] }

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
