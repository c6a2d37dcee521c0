package document

import "testing"

func TestTarget(t *testing.T) {
	tests := []struct{ name, fields, want string }{
		{"a command", `"type":"stdio","command":"npx","args":["-y","server"]`, "stdio npx"},
		{"a command and a url left over", `"type":"stdio","command":"npx","url":"https://a.example"`, "stdio npx"},
		{"a url", `"type":"http","url":"https://a.example/mcp?x=1#y"`, "http https://a.example:443"},
		{"the scheme's port, said", `"type":"http","url":"https://a.example:443"`, "http https://a.example:443"},
		{"a port", `"type":"sse","url":"http://a.example:8080/"`, "sse http://a.example:8080"},
		{"plain http", `"type":"sse","url":"http://a.example"`, "sse http://a.example:80"},
		{"upper case", `"type":"http","url":"HTTPS://A.Example/X"`, "http https://a.example:443"},
		{"an address", `"type":"http","url":"https://[2001:DB8::1]/"`, "http https://[2001:db8::1]:443"},
		{"another word for http", `"type":"streamable-http","url":"https://a.example"`, "http https://a.example:443"},
		{"a password", `"type":"http","url":"https://user:hunter2@a.example"`, "http https://a.example:443"},
		{"no type", `"url":"https://a.example"`, ""},
		{"no url", `"type":"http","command":"npx"`, ""},
		{"no command", `"type":"stdio","url":"https://a.example"`, ""},
		{"another scheme", `"type":"http","url":"ftp://a.example"`, ""},
		{"no host", `"type":"http","url":"https:///path"`, ""},
		{"no URL", `"type":"http","url":"https://a b\u007f"`, ""},
		{"no text", `"type":"http","url":["https://a.example"]`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Target(stored(t, `{"slug":"a",`+test.fields+`}`)); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
	for _, d := range []*Document{nil, {Kind: Skills}, {Kind: Toolkits, Fields: map[string]any{"type": "stdio", "command": "x"}}} {
		if got := Target(d); got != "" {
			t.Errorf("%v has the target %q", d, got)
		}
	}
}
