package mirror

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

// entry is a server with one env entry, T; "" for none.
func entry(content string) string {
	if content == "" {
		return `{"slug":"t","name":"T","type":"stdio","command":"c"}`
	}
	return `{"slug":"t","name":"T","type":"stdio","command":"c","env":{"T":` + content + `}}`
}

// What a file says of an entry that the database holds: secrecy is lowered in the
// database only, and no refused value is kept anywhere.
func TestSecretsInFiles(t *testing.T) {
	const secret = `{"secret":true}`
	for _, c := range []struct {
		name           string
		base, database string
		git            string
		want           string
	}{
		{"a string", secret, secret, `"planted"`, "refused"},
		{"an empty string", secret, secret, `""`, "refused"},
		{"a value", secret, secret, `{"value":"planted"}`, "refused"},
		{"a value beside secret", secret, secret, `{"secret":true,"value":"planted"}`, "refused"},
		{"secret is false", secret, secret, `{"secret":false}`, "refused"},
		{"secret is not said", secret, secret, `{"description":"d"}`, "refused"},
		{"more about it", secret, secret, `{"secret":true,"required":true,"description":"d"}`, entry(`{"secret":true,"required":true,"description":"d"}`)},
		{"it goes", secret, secret, ``, entry("")},

		{"the database made it a secret meanwhile, the file is as agreed", `"1"`, secret, `"1"`, entry(secret)},
		{"the database made it a secret meanwhile, the file changes it", `"1"`, secret, `"2"`, "refused"},
		{"the database made it public meanwhile", secret, `"1"`, `{"secret":true,"required":true}`, entry(`{"value":"1","required":true}`)},
		{"the file makes it a secret", `"1"`, `"1"`, secret, entry(secret)},
		{"the file makes it a secret, the database changes it", `"1"`, `"2"`, secret, entry(secret)},
		{"a secret with a value, always", `"1"`, `"1"`, `{"secret":true,"value":"planted"}`, "refused"},
		{"a new public one", ``, ``, `"1"`, entry(`"1"`)},
		{"a new public one with a description", ``, ``, `{"value":"1","description":"d"}`, entry(`{"value":"1","description":"d"}`)},
		{"a new secret", ``, ``, secret, entry(secret)},
		{"both add it, one as a secret", ``, secret, `"planted"`, "refused"},

		{"nothing agreed, public against secret", "-", secret, `"planted"`, "refused"},
		{"nothing agreed, both secret", "-", secret, `{"secret":true,"required":true}`, entry(`{"secret":true,"required":true}`)},
	} {
		for _, policy := range []document.Policy{document.PreferGit, document.PreferDatabase} {
			base := ""
			if c.base != "-" {
				base = entry(c.base)
			}
			s := state{document.MCPServers, base, entry(c.database), entry(c.git)}.subject(t)
			d := planOf(policy, s).Decisions[0]
			if c.want != "refused" {
				becomes(t, d, c.want)
				continue
			}
			if d.Effect != Refuse || d.RowProblem || d.Problem.Code != document.ValidationFailed || !strings.Contains(d.Problem.Message, "env.T") ||
				strings.Contains(d.Problem.Message, "planted") || d.Problem.Line != 1 {
				t.Errorf("%s, policy %s: %s, %v", c.name, policy, outcome(d), d.Problem)
			}
			if len(d.Conflicts) > 0 || d.toRow || d.toFile {
				t.Errorf("%s, policy %s: something moves or is kept: %+v", c.name, policy, d)
			}
		}
	}
}

// A file that is refused for a secret is copied nowhere when its row leaves it either.
func TestRefusedSecretsAreNotKept(t *testing.T) {
	private := state{document.MCPServers, entry(`"1"`), entry(`{"secret":true}`), entry(`"planted"`)}.subject(t)
	private.Row.Private = true
	replaced := state{document.MCPServers, entry(`"1"`), entry(`{"secret":true}`), entry(`"planted"`)}.subject(t)
	replaced.Row.ID, replaced.Replaced = "row-2", true
	target := state{document.MCPServers, entry(`{"secret":true}`), strings.Replace(entry(`{"secret":true}`), `"slug":"t"`, `"slug":"u"`, 1), entry(`{"secret":true}`)}.subject(t)
	target.Target = fileAt(t, document.MCPServers, "u", strings.Replace(entry(`"planted"`), `"slug":"t"`, `"slug":"u"`, 1))
	for name, s := range map[string]*Subject{"private": private, "replaced": replaced, "at a renamed row's new place": target} {
		d := planOf(document.PreferDatabase, s).Decisions[0]
		for _, c := range d.Conflicts {
			if text, _ := c.Git.MarshalJSON(); strings.Contains(string(text), "planted") {
				t.Errorf("%s: the refused value is kept: %s", name, text)
			}
		}
		if d.Document != nil {
			if text, _ := d.Document.MarshalJSON(); strings.Contains(string(text), "planted") {
				t.Errorf("%s: the refused value moves: %s", name, text)
			}
		}
	}
}
