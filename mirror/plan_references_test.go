package mirror

import (
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

// References are judged against what is there once the plan is carried out.
func TestReferencesOfThePlannedEnd(t *testing.T) {
	const (
		tool    = `{"slug":"kit","name":"Kit","integrations":{"gh":{"tools":["search"]}}}`
		star    = `{"slug":"kit","name":"Kit","integrations":{"gh":{"tools":"*"}}}`
		plain   = `{"slug":"kit","name":"Kit"}`
		gh      = `{"slug":"gh","name":"GH","type":"stdio","command":"c","tools":{"search":{}}}`
		ghNone  = `{"slug":"gh","name":"GH","type":"stdio","command":"c","tools":{}}`
		ghBlind = `{"slug":"gh","name":"GH","type":"stdio","command":"c"}`
		hub     = `{"slug":"hub","name":"GH","type":"stdio","command":"c","tools":{"search":{}}}`
	)
	knows := map[string]document.Server{"gh": {ToolsKnown: true, Tools: map[string]bool{"search": true}}}
	none := map[string]document.Server{"gh": {ToolsKnown: true}}
	blind := map[string]document.Server{"gh": {}}
	const integration, missingTool = document.MissingIntegration, document.MissingTool
	toolkits := func(base, database, git string) state { return state{document.Toolkits, base, database, git} }
	servers := func(base, database, git string) *state { return &state{document.MCPServers, base, database, git} }
	for _, c := range []struct {
		name   string
		kit    state
		server *state // nil: not part of this plan
		known  map[string]document.Server
		want   Effect
		code   document.Code
	}{
		{"file, server there", toolkits("", "", tool), nil, knows, Converge, ""},
		{"file, no server", toolkits("", "", tool), nil, nil, Refuse, integration},
		{"file, server without the tool", toolkits("", "", tool), nil, none, Refuse, missingTool},
		{"file, server whose tools are not known", toolkits("", "", tool), nil, blind, Converge, ""},
		{"file, star at a server that has none", toolkits("", "", star), nil, none, Converge, ""},
		{"file, server comes with the push", toolkits("", "", tool), servers("", "", gh), nil, Converge, ""},
		{"file, server comes from the database", toolkits("", "", tool), servers("", gh, ""), knows, Converge, ""},
		{"file, server gets the tool in the push", toolkits("", "", tool), servers(ghNone, ghNone, gh), none, Converge, ""},
		{"file, server loses the tool in the push", toolkits("", "", tool), servers(gh, gh, ghNone), knows, Refuse, missingTool},
		{"file, server forgets its tools in the push", toolkits("", "", tool), servers(gh, gh, ghBlind), knows, Converge, ""},
		{"file, server goes with the push", toolkits("", "", tool), servers(gh, gh, ""), knows, Refuse, integration},
		{"file, server comes in a bad file", toolkits("", "", tool), servers("", "", `{"slug":"gh","name":"GH"}`), nil, Refuse, integration},
		{"file, server gets another slug in the database", toolkits("", "", tool), servers(gh, hub, gh), knows, Converge, ""},

		{"row, no server: exported all the same", toolkits("", tool, ""), nil, nil, Converge, integration},
		{"row, no tool: exported all the same", toolkits("", tool, ""), nil, none, Converge, missingTool},
		{"row edited, no server", toolkits(plain, tool, plain), nil, nil, Converge, integration},
		{"nothing changed, server goes on the branch", toolkits(tool, tool, tool), servers(gh, gh, ""), knows, Nothing, integration},
		{"nothing changed, server goes in the database", toolkits(tool, tool, tool), servers(gh, "", gh), nil, Nothing, integration},
		{"nothing changed, server loses the tool", toolkits(tool, tool, tool), servers(gh, gh, ghNone), knows, Nothing, missingTool},
		{"nothing changed, server comes back", toolkits(tool, tool, tool), servers(gh, "", strip(gh)), nil, Nothing, ""},
		{"git drops the reference", toolkits(tool, tool, plain), nil, nil, Converge, ""},
		{"what only the row names does not stop git's edit", toolkits(plain, tool, `{"slug":"kit","name":"Kit","description":"d"}`), nil, nil, Converge, integration},
		{"what git names stops git's edit", toolkits(plain, plain, tool), nil, nil, Refuse, integration},
	} {
		t.Run(c.name, func(t *testing.T) {
			kit := c.kit
			s := withSlug(kit, "kit").subject(t)
			subjects := []*Subject{s}
			if c.server != nil {
				server := withSlug(*c.server, "gh").subject(t)
				if server.Row != nil {
					server.Row.ID = "row-server"
				}
				subjects = append(subjects, server)
			}
			in := Input{Subjects: subjects, Servers: c.known, Policy: document.PreferGit, Rules: DefaultRules, Mirrored: 100}
			for _, d := range NewPlan(in).Decisions {
				if d.Kind != document.Toolkits {
					if d.Effect == Hold {
						t.Error("the server's deletion is stopped")
					}
					continue
				}
				code := document.Code("")
				if d.Problem != nil {
					code = d.Problem.Code
				}
				if d.Effect != c.want || code != c.code {
					t.Errorf("got %s with %q, want effect %d with %q", outcome(d), code, c.want, c.code)
				}
				if c.code != "" && (len(d.Problem.WaitsFor) != 1 || d.Problem.WaitsFor[0] != "gh") {
					t.Errorf("waits for %v", d.Problem.WaitsFor)
				}
			}
		})
	}
}

// A server whose deletion is held is still there.
func TestHeldServersAreThere(t *testing.T) {
	kit := withSlug(state{document.Toolkits, "", "", `{"slug":"kit","name":"Kit","integrations":{"gh":{}}}`}, "kit").subject(t)
	server := withSlug(state{document.MCPServers, `{"slug":"gh","name":"GH","type":"stdio","command":"c"}`, `{"slug":"gh","name":"GH","type":"stdio","command":"c"}`, ""}, "gh").subject(t)
	in := Input{Subjects: []*Subject{kit, server}, Servers: map[string]document.Server{"gh": {}}, Policy: document.PreferGit, Rules: DefaultRules,
		Mirrored: 20, Deleted: map[Direction]int{ToDatabase: 10}}
	if got := outcomes(NewPlan(in)); got != "gh: hold to_database; kit: import" {
		t.Errorf("got %q", got)
	}
}

// An invalid row is not exported, and its file stays.
func TestInvalidRowsStay(t *testing.T) {
	for _, c := range []struct{ base, git, want string }{
		{"a", "a", "row error"}, {"a", "-", "row error"}, {"-", "-", "row error"}, {"-", "a", "row error"}, {"a", "!", "row error"},
	} {
		s := subjectOf(c.base, "!", c.git)
		d := planOf(document.PreferDatabase, s).Decisions[0]
		if got := outcome(d); got != c.want || d.toFile || d.toRow {
			t.Errorf("%s, %s: got %q", c.base, c.git, got)
		}
	}
	good, bad := subjectOf("a", "b", "a"), subjectOf("a", "!", "a")
	good.Base.Path, good.Base.Slug, good.File = "toolkits/other.json", "other", fileOf("a", "other")
	good.Row.ID, good.Row.Slug, good.Row.Document = "row-2", "other", good.Row.Document.Renamed("other")
	p := planOf(document.PreferGit, good, bad)
	if got := outcome(decisionFor(p, good)); got != "export b" {
		t.Errorf("a bad row stops a good one: %q", got)
	}
}

// withSlug says the slug of an entity that does not stand on every side.
func withSlug(st state, slug string) sluggedState { return sluggedState{st, slug} }

type sluggedState struct {
	state
	slug string
}

func (st sluggedState) subject(t *testing.T) *Subject {
	s := st.state.subject(t)
	if s.Base == nil {
		s.File = fileAt(t, st.kind, st.slug, st.git)
	}
	return s
}

// strip is a server without what it says of its tools.
func strip(text string) string { return text[:len(text)-len(`,"tools":{"search":{}}}`)] + "}" }
