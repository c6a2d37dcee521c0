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
		waits              []string
	}{
		{name: "fine", integrations: `"known":{"tools":["x","y"]},"unknown":{"tools":["z"]},"none":{"tools":[]}`},
		{name: "star", integrations: `"none":{"tools":"*"}`},
		{name: "prompts are not checked", integrations: `"none":{"prompts":["p"]}`},
		{name: "missing", integrations: `"b":{},"a":{},"known":{}`, code: MissingIntegration, message: `the MCP servers "a", "b"`, waits: []string{"a", "b"}},
		{name: "missing and lacking", integrations: `"z":{},"known":{"tools":["q"]}`, code: MissingIntegration, message: `the MCP server "z"`, waits: []string{"known", "z"}},
		{name: "lacking", integrations: `"known":{"tools":["z","x","q"]},"none":{"tools":["x"]}`, code: MissingTool,
			message: `tool "q" of MCP server "known", tool "z" of MCP server "known", tool "x" of MCP server "none"`, waits: []string{"known", "none"}},
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
			if p == nil || p.Code != test.code || !strings.Contains(p.Message, test.message) || cmp.Diff(test.waits, p.WaitsFor) != "" {
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
