package mirror

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

// Both sides changed: what only one changed is taken from it, and a place that
// both changed goes by the policy. Fields are those beside slug and name.
func TestMergePlaces(t *testing.T) {
	const (
		toolkits, commands, servers, clients = document.Toolkits, document.Commands, document.MCPServers, document.MCPClients

		stdio = `"type":"stdio","command":"c",`
		p     = `"prompt":"p",`
	)
	for _, c := range []struct {
		name                string
		kind                document.Kind
		base, database, git string
		byGit, byDatabase   string // "" is as by git
		contested           string
	}{
		{"two top-level keys", toolkits, `"description":"1"`, `"description":"2"`, `"description":"1","status":"draft"`, `"description":"2","status":"draft"`, "", ""},
		{"one top-level key", toolkits, `"description":"1"`, `"description":"2"`, `"description":"3"`, `"description":"3"`, `"description":"2"`, "/description"},
		{"removing against changing", toolkits, `"description":"1"`, ``, `"description":"3"`, `"description":"3"`, ``, "/description"},
		{"two keys of an object", toolkits, `"integrations":{"a":{},"b":{}}`, `"integrations":{"a":{"tools":["x"]},"b":{}}`, `"integrations":{"a":{},"b":{"tools":["y"]}}`,
			`"integrations":{"a":{"tools":["x"]},"b":{"tools":["y"]}}`, "", ""},
		{"two keys of an object within an object", toolkits, `"integrations":{"a":{}}`, `"integrations":{"a":{"prompts":["x"]}}`, `"integrations":{"a":{"resources":["y"]}}`,
			`"integrations":{"a":{"prompts":["x"],"resources":["y"]}}`, "", ""},
		{"removing an object against changing inside", toolkits, `"integrations":{"a":{},"b":{}}`, `"integrations":{"b":{}}`, `"integrations":{"a":{"tools":["x"]},"b":{}}`,
			`"integrations":{"a":{"tools":["x"]},"b":{}}`, `"integrations":{"b":{}}`, "/integrations/a"},
		{"a star against a list", toolkits, `"integrations":{"a":{"tools":["x"]}}`, `"integrations":{"a":{"tools":"*"}}`, `"integrations":{"a":{"tools":["x","y"]}}`,
			`"integrations":{"a":{"tools":["x","y"]}}`, `"integrations":{"a":{"tools":"*"}}`, "/integrations/a/tools"},
		{"both the same", toolkits, `"description":"1"`, `"description":"2","skills":["s"]`, `"description":"2","status":"draft"`, `"description":"2","skills":["s"],"status":"draft"`, "", ""},
		{"an unknown object, key by key", toolkits, `"x-a":{"k":{"l":1}}`, `"x-a":{"k":{"l":1,"m":2}}`, `"x-a":{"k":{"l":3}}`, `"x-a":{"k":{"l":3,"m":2}}`, "", ""},
		{"an unknown list is one place", toolkits, `"x-a":[1]`, `"x-a":[1,2]`, `"x-a":[1,3]`, `"x-a":[1,3]`, `"x-a":[1,2]`, "/x-a"},

		{"set: tools", toolkits, `"integrations":{"a":{"tools":["1","2"]}}`, `"integrations":{"a":{"tools":["2","3"]}}`, `"integrations":{"a":{"tools":["4","2","1"]}}`, `"integrations":{"a":{"tools":["4","2","3"]}}`, "", ""},
		{"set: prompts", toolkits, `"integrations":{"a":{"prompts":["1","2"]}}`, `"integrations":{"a":{"prompts":["2","3"]}}`, `"integrations":{"a":{"prompts":["4","2","1"]}}`, `"integrations":{"a":{"prompts":["4","2","3"]}}`, "", ""},
		{"set: resources", toolkits, `"integrations":{"a":{"resources":["1","2"]}}`, `"integrations":{"a":{"resources":["2","3"]}}`, `"integrations":{"a":{"resources":["4","2","1"]}}`, `"integrations":{"a":{"resources":["4","2","3"]}}`, "", ""},
		{"set: skills", toolkits, `"skills":["1","2"]`, `"skills":["2","3"]`, `"skills":["4","2","1"]`, `"skills":["4","2","3"]`, "", ""},
		{"set: commands", toolkits, `"commands":["1","2"]`, `"commands":["2","3"]`, `"commands":["4","2","1"]`, `"commands":["4","2","3"]`, "", ""},
		{"set: grant_types", clients, `"grant_types":["1","2"]`, `"grant_types":["2","3"]`, `"grant_types":["4","2","1"]`, `"grant_types":["4","2","3"]`, "", ""},
		{"set: response_types", clients, `"response_types":["1","2"]`, `"response_types":["2","3"]`, `"response_types":["4","2","1"]`, `"response_types":["4","2","3"]`, "", ""},
		{"set: redirect_uris", clients, `"redirect_uris":["a:/1","a:/2"]`, `"redirect_uris":["a:/2","a:/3"]`, `"redirect_uris":["a:/4","a:/2","a:/1"]`, `"redirect_uris":["a:/4","a:/2","a:/3"]`, "", ""},
		{"a set emptied against one that grew", toolkits, `"skills":["1"]`, ``, `"skills":["1","2"]`, `"skills":["2"]`, "", ""},

		{"ordered: args are one place", servers, stdio + `"args":["1"]`, stdio + `"args":["1","2"]`, stdio + `"args":["3","1"]`, stdio + `"args":["3","1"]`, stdio + `"args":["1","2"]`, "/args"},
		{"by name: arguments", commands, p + `"arguments":[{"name":"a"},{"name":"b"}]`, p + `"arguments":[{"name":"a","title":"A"},{"name":"b"},{"name":"d"}]`, p + `"arguments":[{"name":"c"},{"name":"a"},{"name":"b","required":true}]`,
			p + `"arguments":[{"name":"c"},{"name":"a","title":"A"},{"name":"b","required":true},{"name":"d"}]`, "", ""},
		{"one argument on both sides", commands, p + `"arguments":[{"name":"a"}]`, p + `"arguments":[{"name":"a","title":"1"}]`, p + `"arguments":[{"name":"a","title":"2"}]`,
			p + `"arguments":[{"name":"a","title":"2"}]`, p + `"arguments":[{"name":"a","title":"1"}]`, "/arguments/a/title"},
		{"tools of a server", servers, stdio + `"tools":{"a":{"enabled":true}}`, stdio + `"tools":{"a":{"enabled":false}}`, stdio + `"tools":{"a":{"enabled":true},"b":{}}`, stdio + `"tools":{"a":{"enabled":false},"b":{}}`, "", ""},
		{"two entries of env", servers, stdio + `"env":{"A":"1","B":"1"}`, stdio + `"env":{"A":"2","B":"1"}`, stdio + `"env":{"A":"1","B":{"value":"2","required":true}}`, stdio + `"env":{"A":"2","B":{"value":"2","required":true}}`, "", ""},
		{"one entry of env", servers, stdio + `"env":{"A":"1"}`, stdio + `"env":{"A":"2"}`, stdio + `"env":{"A":"3"}`, stdio + `"env":{"A":"3"}`, stdio + `"env":{"A":"2"}`, "/env/A/value"},

		{"without base: keys on one side stay", toolkits, "-", `"description":"2","skills":["1"]`, `"status":"draft","skills":["2"]`, `"description":"2","status":"draft","skills":["2","1"]`, "", ""},
		{"without base: differing keys go by the policy", toolkits, "-", `"description":"2","x-a":{"k":1,"l":1}`, `"description":"3","x-a":{"k":1,"m":1}`,
			`"description":"3","x-a":{"k":1,"l":1,"m":1}`, `"description":"2","x-a":{"k":1,"l":1,"m":1}`, "/description"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := func(fields string) string {
				if fields == "-" {
					return ""
				}
				return strings.TrimSuffix(`{"slug":"t","name":"T",`+fields, ",") + "}"
			}
			for policy, want := range map[document.Policy]string{document.PreferGit: c.byGit, document.PreferDatabase: c.byDatabase} {
				if want == "" && c.contested == "" {
					want = c.byGit
				}
				s := state{c.kind, text(c.base), text(c.database), text(c.git)}.subject(t)
				in := Input{Subjects: []*Subject{s}, Servers: map[string]document.Server{"a": {}, "b": {}}, Policy: policy, Rules: DefaultRules, Mirrored: 100}
				d := NewPlan(in).Decisions[0]
				becomes(t, d, text(want))
				if got := strings.Join(places(d), " "); got != c.contested || len(d.Conflicts) > 0 != (c.contested != "") {
					t.Errorf("policy %s: contested %q, want %q", policy, got, c.contested)
				}
				for _, conflict := range d.Conflicts {
					if conflict.Decided != policy || conflict.Git.Digest() != s.File.Document.Digest() || conflict.Database.Digest() != s.digest || (conflict.Base == nil) != (c.base == "-") {
						t.Errorf("policy %s: the conflict keeps not both sides whole: %+v", policy, conflict)
					}
				}
			}
		})
	}
}

// A merge whose result breaks a rule is a conflict of the whole document.
func TestMergeThatBreaksARule(t *testing.T) {
	var files [2][]string
	for i := range 300 {
		files[0] = append(files[0], fmt.Sprintf("a%d", i), "1")
		files[1] = append(files[1], fmt.Sprintf("b%d", i), "1")
	}
	const (
		stdio   = `{"slug":"t","name":"T","type":"stdio","command":"c"}`
		other   = `{"slug":"t","name":"T","type":"stdio","command":"d"}`
		network = `{"slug":"t","name":"T","type":"http","url":"https://x.example"}`
	)
	for name, c := range map[string]struct {
		state
		policy document.Policy
	}{
		"git's type without its command":        {state{document.MCPServers, stdio, network, other}, document.PreferGit},
		"the database's command on git's type":  {state{document.MCPServers, stdio, other, network}, document.PreferDatabase},
		"too many files, git's are kept":        {state{document.Skills, skillJSON("t", "d"), skillJSON("t", "d", files[0]...), skillJSON("t", "d", files[1]...)}, document.PreferGit},
		"too many files, the database's remain": {state{document.Skills, skillJSON("t", "d"), skillJSON("t", "d", files[0]...), skillJSON("t", "d", files[1]...)}, document.PreferDatabase},
	} {
		d := planOf(c.policy, c.subject(t)).Decisions[0]
		won, lost := c.git, d.visible
		if c.policy == document.PreferDatabase {
			won, lost = c.database, d.File.Document
		}
		becomes(t, d, won)
		if len(d.Conflicts) != 1 || d.Conflicts[0].Reason != ConflictInvalidMerge || d.Conflicts[0].Decided != c.policy {
			t.Errorf("%s: %s", name, outcome(d))
			continue
		}
		if kept := d.Conflicts[0]; kept.Git.Digest() != lost.Digest() && kept.Database.Digest() != lost.Digest() {
			t.Errorf("%s: the losing document is not kept", name)
		}
	}
}

// Skills are merged file by file, text by lines; a binary file is one place.
func TestMergeSkills(t *testing.T) {
	for _, c := range []struct {
		name                string
		base, database, git []string
		byGit, byDatabase   []string
		contested           string
	}{
		{"two files", []string{"a", "1", "b", "1"}, []string{"a", "2", "b", "1"}, []string{"a", "1", "b", "2"}, []string{"a", "2", "b", "2"}, nil, ""},
		{"files come on both sides", nil, []string{"a", "1"}, []string{"b", "2"}, []string{"a", "1", "b", "2"}, nil, ""},
		{"one comes, one goes", []string{"a", "1"}, nil, []string{"a", "1", "b", "2"}, []string{"b", "2"}, nil, ""},
		{"two runs of lines", []string{"a", `1\n2\n3\n4\n5\n`}, []string{"a", `x\n2\n3\n4\n5\n`}, []string{"a", `1\n2\n3\n4\ny\n`}, []string{"a", `x\n2\n3\n4\ny\n`}, nil, ""},
		{"one run of lines", []string{"a", `1\n2\n3\n`}, []string{"a", `1\nx\n3\n`}, []string{"a", `1\ny\n3\n`}, []string{"a", `1\ny\n3\n`}, []string{"a", `1\nx\n3\n`}, "a:2"},
		{"removing against changing", []string{"a", `1`}, nil, []string{"a", `2`}, []string{"a", `2`}, []string{}, "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for policy, want := range map[document.Policy][]string{document.PreferGit: c.byGit, document.PreferDatabase: c.byDatabase} {
				if want == nil {
					want = c.byGit
				}
				in := func(files []string) string { return skillJSON(testSlug, "d", files...) }
				d := planOf(policy, state{document.Skills, in(c.base), in(c.database), in(c.git)}.subject(t)).Decisions[0]
				becomes(t, d, in(want))
				if got := strings.Join(places(d), " "); got != c.contested {
					t.Errorf("policy %s: contested %q, want %q", policy, got, c.contested)
				}
			}
		})
	}
	binary := func(content string) string {
		return strings.TrimSuffix(skillJSON(testSlug, "d"), "]}") + `,{"path":"b.bin","content_base64":"` + content + `"}]}`
	}
	s := state{document.Skills, binary("AA=="), binary("AAE="), binary("AAI=")}.subject(t)
	d := planOf(document.PreferDatabase, s).Decisions[0]
	becomes(t, d, binary("AAE="))
	if got := strings.Join(places(d), " "); got != "b.bin" {
		t.Errorf("a binary file that both changed: contested %q", got)
	}
}
