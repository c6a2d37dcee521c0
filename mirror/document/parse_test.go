package document

import (
	"strings"
	"testing"
)

// minimal holds the smallest valid file of each JSON kind, without its braces,
// for the slug "a".
var minimal = map[Kind]string{
	Toolkits:   `"slug":"a","name":"A"`,
	Commands:   `"slug":"a","name":"A","prompt":"p"`,
	MCPServers: `"slug":"a","name":"A","type":"http","url":"https://example.com/mcp"`,
	MCPClients: `"slug":"a","name":"A"`,
}

func TestParseFile(t *testing.T) {
	stdio := `"slug":"a","name":"A","type":"stdio","command":"c"`
	tests := []struct {
		name, file string
		kind       Kind
		code       Code
		message    string // a part of it
		position   [2]int
	}{
		{name: "minimal toolkit", kind: Toolkits, file: "{" + minimal[Toolkits] + "}"},
		{name: "minimal command", kind: Commands, file: "{" + minimal[Commands] + "}"},
		{name: "minimal server", kind: MCPServers, file: "{" + minimal[MCPServers] + "}"},
		{name: "minimal client", kind: MCPClients, file: "{" + minimal[MCPClients] + "}"},
		{name: "byte order mark", kind: Toolkits, file: "\xef\xbb\xbf{" + minimal[Toolkits] + "}"},
		{name: "null is absent", kind: Toolkits, file: `{"slug":"a","name":"A","description":null,"skills":null,"status":null}`},
		{name: "nothing", kind: Toolkits, file: ``, code: InvalidJSON, message: "line 1, column 1: ", position: [2]int{1, 1}},
		{name: "comma missing", kind: Toolkits, file: "{\n  \"slug\": \"a\"\n  \"name\": 1}", code: InvalidJSON, message: "line 3, column 3: ", position: [2]int{3, 3}},
		{name: "trailing comma", kind: Toolkits, file: `{"slug":"a",}`, code: InvalidJSON, message: "comma", position: [2]int{1, 13}},
		{name: "trailing garbage", kind: Toolkits, file: "{}\n}", code: InvalidJSON, message: "after the end", position: [2]int{2, 1}},
		{name: "duplicate key", kind: Toolkits, file: `{"slug":"a","slug":"b"}`, code: InvalidJSON, message: `"slug" is there twice`, position: [2]int{1, 13}},
		{name: "duplicate key below", kind: Toolkits, file: `{"x":[{"b":1,"\u0062":2}]}`, code: InvalidJSON, message: "twice", position: [2]int{1, 14}},
		{name: "UTF-16", kind: Toolkits, file: "\xff\xfe{\x00}\x00", code: InvalidJSON, message: "UTF-16"},
		{name: "not UTF-8", kind: Toolkits, file: "{\"a\": \"\xe9\"}", code: InvalidJSON, message: "UTF-8", position: [2]int{1, 8}},
		{name: "control character", kind: Toolkits, file: "{\"a\": \"\t\"}", code: InvalidJSON, message: "control"},
		{name: "no object", kind: Toolkits, file: `[]`, code: ValidationFailed, message: "object", position: [2]int{1, 1}},
		{name: "NUL", kind: Toolkits, file: `{"a":"\u0000"}`, code: ValidationFailed, message: "U+0000", position: [2]int{1, 7}},
		{name: "lone surrogate", kind: Toolkits, file: `{"a":"\ud83d"}`, code: ValidationFailed, message: "surrogate", position: [2]int{1, 7}},
		{name: "two high surrogates", kind: Toolkits, file: `{"a":"\ud83d\ud83d"}`, code: ValidationFailed, message: "surrogate"},
		{name: "surrogate pair", kind: Toolkits, file: `{` + minimal[Toolkits] + `,"a":"\ud83d\ude00"}`},
		{name: "number too large", kind: Toolkits, file: `{"a":1e131072}`, code: ValidationFailed, message: "digits", position: [2]int{1, 6}},
		{name: "number too small", kind: Toolkits, file: `{"a":1e-16384}`, code: ValidationFailed, message: "digits"},
		{name: "many huge numbers", kind: Toolkits, file: `{"a":[` + strings.Repeat("1e131071,", 50) + `1]}`, code: ValidationFailed, message: "digits"},
		{name: "deep", kind: Toolkits, file: `{"a":` + strings.Repeat("[", 100), code: ValidationFailed, message: "nesting", position: [2]int{1, 105}},

		{name: "slug missing", kind: Toolkits, file: `{"name":"A"}`, code: ValidationFailed, message: "slug: is required", position: [2]int{1, 1}},
		{name: "slug is not the stem", kind: Toolkits, file: `{"slug":"b","name":"A"}`, code: ValidationFailed, message: "slug: must equal"},
		{name: "name empty", kind: Toolkits, file: `{"slug":"a","name":""}`, code: ValidationFailed, message: "name: is required"},
		{name: "name no string", kind: Toolkits, file: `{"slug":"a","name":1}`, code: ValidationFailed, message: "name: must be a string", position: [2]int{1, 13}},
		{name: "description of 1024 characters", kind: Toolkits, file: `{"slug":"a","name":"A","description":"` + strings.Repeat("é", 1024) + `"}`},
		{name: "description too long", kind: Toolkits, file: `{"slug":"a","name":"A","description":"` + strings.Repeat("é", 1025) + `"}`, code: ValidationFailed, message: "1024"},
		{name: "status", kind: Toolkits, file: `{"slug":"a","name":"A","status":"on"}`, code: ValidationFailed, message: "status: must be draft or active"},
		{name: "forbidden key", kind: Toolkits, file: `{"slug":"a","name":"A","id":null}`, code: ValidationFailed, message: "id: ", position: [2]int{1, 24}},
		{name: "extra is no key of a file", kind: Toolkits, file: `{"slug":"a","name":"A","extra":{}}`, code: ValidationFailed, message: "extra: "},
		{name: "client_secret", kind: MCPClients, file: `{"slug":"a","name":"A","client_secret":"hunter2"}`, code: ValidationFailed, message: "client_secret: "},
		{name: "integrations", kind: Toolkits, file: `{` + minimal[Toolkits] + `,"integrations":{"x.y":{"tools":"*","prompts":[],"resources":["r"],"other":1},"z":{}}}`},
		{name: "integration's slug", kind: Toolkits, file: `{` + minimal[Toolkits] + `,"integrations":{"X":{}}}`, code: ValidationFailed, message: "integrations.X: "},
		{name: "integration's tools", kind: Toolkits, file: `{` + minimal[Toolkits] + `,"integrations":{"x":{"tools":"all"}}}`, code: ValidationFailed, message: `integrations.x.tools: must be an array of strings, or "*"`},
		{name: "integration's prompts", kind: Toolkits, file: `{` + minimal[Toolkits] + `,"integrations":{"x":{"prompts":"*"}}}`, code: ValidationFailed, message: "integrations.x.prompts"},
		{name: "integration's tool", kind: Toolkits, file: `{` + minimal[Toolkits] + `,"integrations":{"x":{"tools":["a",1]}}}`, code: ValidationFailed, message: "integrations.x.tools[1]: must be a string"},
		{name: "skills", kind: Toolkits, file: `{` + minimal[Toolkits] + `,"skills":["a_b"]}`, code: ValidationFailed, message: "skills[0]"},
		{name: "commands", kind: Toolkits, file: `{` + minimal[Toolkits] + `,"commands":["a_b","c.d"]}`},

		{name: "prompt missing", kind: Commands, file: `{"slug":"a","name":"A"}`, code: ValidationFailed, message: "prompt: is required"},
		{name: "argument without name", kind: Commands, file: `{` + minimal[Commands] + `,"arguments":[{"title":"T"}]}`, code: ValidationFailed, message: "arguments[0].name: is required", position: [2]int{1, 50}},
		{name: "arguments of one name", kind: Commands, file: `{` + minimal[Commands] + `,"arguments":[{"name":"a"},{"name":"a"}]}`, code: ValidationFailed, message: "arguments[1].name"},
		{name: "argument", kind: Commands, file: `{` + minimal[Commands] + `,"arguments":[{"name":"a","title":"T","description":null,"required":false,"x":[]}]}`},

		{name: "type missing", kind: MCPServers, file: `{"slug":"a","name":"A","url":"https://x"}`, code: ValidationFailed, message: "type: is required"},
		{name: "type", kind: MCPServers, file: `{"slug":"a","name":"A","type":"ws"}`, code: ValidationFailed, message: "type: must be stdio, http or sse"},
		{name: "streamable-http", kind: MCPServers, file: `{"slug":"a","name":"A","type":"streamable-http","url":"https://x"}`},
		{name: "stdio", kind: MCPServers, file: `{` + stdio + `,"args":["a"]}`},
		{name: "stdio without command", kind: MCPServers, file: `{"slug":"a","name":"A","type":"stdio"}`, code: ValidationFailed, message: "command: is required"},
		{name: "stdio with url", kind: MCPServers, file: `{` + stdio + `,"url":"https://x"}`, code: ValidationFailed, message: "url: must not"},
		{name: "sse with command", kind: MCPServers, file: `{"slug":"a","name":"A","type":"sse","url":"https://x","command":"c"}`, code: ValidationFailed, message: "command: must not"},
		{name: "url with userinfo", kind: MCPServers, file: `{"slug":"a","name":"A","type":"sse","url":"https://u:p@x"}`, code: ValidationFailed, message: "url: must not hold"},
		{name: "url without host", kind: MCPServers, file: `{"slug":"a","name":"A","type":"sse","url":"https:///x"}`, code: ValidationFailed, message: "host"},
		{name: "url's scheme", kind: MCPServers, file: `{"slug":"a","name":"A","type":"sse","url":"ftp://x"}`, code: ValidationFailed, message: "http"},
		{name: "args", kind: MCPServers, file: `{` + stdio + `,"args":["a",1]}`, code: ValidationFailed, message: "args[1]"},
		{name: "env", kind: MCPServers, file: `{` + stdio + `,"env":{"A":"a","B":{"value":"b"},"C":{"secret":true,"value":null},"D":{"required":true,"description":"d"}}}`},
		{name: "env entry", kind: MCPServers, file: `{` + stdio + `,"env":{"A":1}}`, code: ValidationFailed, message: "env.A: must be a string or an object"},
		{name: "env is an array", kind: MCPServers, file: `{` + stdio + `,"env":["A"]}`, code: ValidationFailed, message: "env: must be an object"},
		{name: "secret with value", kind: MCPServers, file: `{` + stdio + `,"headers":{"A":{"secret":true,"value":"hunter2"}}}`, code: ValidationFailed, message: "headers.A.value: must not"},
		{name: "secret is no flag", kind: MCPServers, file: `{` + stdio + `,"env":{"A":{"secret":null}}}`, code: ValidationFailed, message: "env.A.secret"},
		{name: "tools", kind: MCPServers, file: `{` + stdio + `,"tools":{"createIssue":{"enabled":true,"description":"d"},"x":{}}}`},
		{name: "tools is an array", kind: MCPServers, file: `{` + stdio + `,"tools":[]}`, code: ValidationFailed, message: "tools: must be an object"},
		{name: "tool's flag", kind: MCPServers, file: `{` + stdio + `,"tools":{"x":{"enabled":"yes"}}}`, code: ValidationFailed, message: "tools.x.enabled"},

		{name: "client_uri", kind: MCPClients, file: `{` + minimal[MCPClients] + `,"client_uri":"http://x"}`, code: ValidationFailed, message: "client_uri: must be an https URL"},
		{name: "redirects", kind: MCPClients, file: `{` + minimal[MCPClients] + `,"redirect_uris":["https://x/cb","http://127.0.0.1:3000/cb","http://[::1]/","http://localhost","com.example.app:/cb","cursor://anysphere.cursor/cb"]}`},
		{name: "redirect over http", kind: MCPClients, file: `{` + minimal[MCPClients] + `,"redirect_uris":["http://x/cb"]}`, code: ValidationFailed, message: "redirect_uris[0]"},
		{name: "redirect to a script", kind: MCPClients, file: `{` + minimal[MCPClients] + `,"redirect_uris":["JavaScript:alert(1)"]}`, code: ValidationFailed, message: "redirect_uris[0]"},
		{name: "redirect to a relative", kind: MCPClients, file: `{` + minimal[MCPClients] + `,"redirect_uris":["/cb"]}`, code: ValidationFailed, message: "absolute"},
		{name: "enabled", kind: MCPClients, file: `{` + minimal[MCPClients] + `,"enabled":"yes"}`, code: ValidationFailed, message: "enabled: must be true or false"},

		{name: "too large", kind: Toolkits, file: strings.Repeat(" ", 1<<20+1), code: FetchFailed, message: "larger"},
		{name: "LFS pointer", kind: Toolkits, file: "version https://git-lfs.github.com/spec/v1\noid sha256:00\n", code: FetchFailed, message: "LFS"},
		{name: "key that would break the line", kind: MCPServers, file: `{` + stdio + `,"env":{"A\nB` + strings.Repeat("x", 100) + `":1}}`, code: ValidationFailed, message: "env.A?Bxxx"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, p := ParseFile(test.kind, "a", []byte(test.file), Limits{})
			if test.code == "" {
				if p != nil {
					t.Fatal(p)
				}
				if again := d.Validate(Limits{}); again != nil {
					t.Fatalf("valid as a file, not as a row: %v", again)
				}
				return
			}
			if p == nil {
				t.Fatalf("no problem, want %s", test.code)
			}
			if p.Code != test.code || !strings.Contains(p.Message, test.message) {
				t.Errorf("got %v, want %s: ...%s...", p, test.code, test.message)
			}
			if test.position != [2]int{} && test.position != [2]int{p.Line, p.Column} {
				t.Errorf("at %d:%d, want %v", p.Line, p.Column, test.position)
			}
			if strings.Contains(p.Message, "hunter2") {
				t.Errorf("the message repeats content: %s", p.Message)
			}
		})
	}
}
