package document

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckReferences(t *testing.T) {
	servers := map[string]Server{
		"known":   mustDocument(t, MCPServers, `{"slug":"known","tools":{"x":{},"y":{"enabled":false}}}`).ServerFacts(),
		"none":    mustDocument(t, MCPServers, `{"slug":"none","tools":{}}`).ServerFacts(),
		"unknown": mustDocument(t, MCPServers, `{"slug":"unknown"}`).ServerFacts(),
	}
	tests := []struct {
		name, integrations string
		code               Code
		message            string
		pointer            string
		waits              []string
	}{
		{name: "fine", integrations: `"known":{"tools":["x","y"]},"unknown":{"tools":["z"]},"none":{"tools":[]}`},
		{name: "star", integrations: `"none":{"tools":"*"}`},
		{name: "prompts are not checked", integrations: `"none":{"prompts":["p"]}`},
		{name: "missing", integrations: `"b":{},"a":{},"known":{}`, code: MissingIntegration, message: `the MCP servers "a", "b"`, pointer: "/integrations/a", waits: []string{"a", "b"}},
		{name: "missing and lacking", integrations: `"z":{},"known":{"tools":["q"]}`, code: MissingIntegration, message: `the MCP server "z"`, pointer: "/integrations/z", waits: []string{"known", "z"}},
		{name: "lacking", integrations: `"known":{"tools":["z","x","q"]},"none":{"tools":["x"]}`, code: MissingTool,
			message: `tool "q" of MCP server "known", tool "z" of MCP server "known", tool "x" of MCP server "none"`, pointer: "/integrations/known/tools/2", waits: []string{"known", "none"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := mustDocument(t, Toolkits, `{"slug":"a","integrations":{`+test.integrations+`}}`)
			p := CheckReferences(d, servers)
			if test.code == "" {
				if p != nil {
					t.Error(p)
				}
				return
			}
			if p == nil || p.Code != test.code || !strings.Contains(p.Message, test.message) || p.Pointer != test.pointer || cmp.Diff(test.waits, p.WaitsFor) != "" {
				t.Errorf("got %+v", p)
			}
		})
	}
	if p := CheckReferences(mustDocument(t, Commands, `{"slug":"a","integrations":{"b":{}}}`), nil); p != nil {
		t.Error(p)
	}
}

func TestCheckReferencesNamesAFewAndWaitsForAll(t *testing.T) {
	var integrations []string
	for i := range 30 {
		integrations = append(integrations, fmt.Sprintf(`"s%d":{}`, i))
	}
	p := CheckReferences(mustDocument(t, Toolkits, `{"slug":"a","integrations":{`+strings.Join(integrations, ",")+`}}`), nil)
	if len(p.WaitsFor) != 30 || !strings.HasSuffix(p.Message, "and 20 more") {
		t.Errorf("%d: %s", len(p.WaitsFor), p.Message)
	}
}

func TestFollowing(t *testing.T) {
	kit := func(text string) *Document {
		d, problem := ParseFile(Toolkits, "kit", []byte(text), DefaultLimits)
		if problem != nil {
			t.Fatal(problem)
		}
		return d
	}
	renames := Renames{MCPServers: {"old": "new"}, Skills: {"old": "new"}}
	for _, c := range []struct{ name, before, after string }{
		{"a server", `"integrations": {"old": {"tools": "*"}, "x": {}}`, `"integrations": {"new": {"tools": "*"}, "x": {}}`},
		{"a skill", `"skills": ["a", "old", "b"]`, `"skills": ["a", "new", "b"]`},
		{"a skill whose new name stands there", `"skills": ["new", "old"]`, `"skills": ["new"]`},
		{"a command of that name is another thing", `"commands": ["old"]`, `"commands": ["old"]`},
		{"both integrations say something", `"integrations": {"old": {"tools": "*"}, "new": {}}`, `"integrations": {"old": {"tools": "*"}, "new": {}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := kit(`{"slug": "kit", "name": "Kit", ` + c.before + `}`)
			digest := before.Digest()
			after := before.Following(renames)
			if want := kit(`{"slug": "kit", "name": "Kit", ` + c.after + `}`); after.Digest() != want.Digest() {
				t.Errorf("got %s", Encode(after))
			}
			if before.Digest() != digest {
				t.Error("the original was changed")
			}
			if (after == before) != (c.before == c.after) {
				t.Error("a document that names nothing renamed must be returned as it is")
			}
		})
	}
}
