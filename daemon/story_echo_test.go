package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// plan is what a run would do now.
func (w *world) plan() []any {
	w.t.Helper()
	return w.get("mirror/plan")["actions"].([]any)
}

// TestOwnCommitsAreNotImported_E1_E3: an export leaves nothing to import, webhook or
// not, and it is the content that tells, not who made the commit or what it says.
func TestOwnCommitsAreNotImported_E1_E3(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.repo.AddHook(w.url+"/api/bitbucket/webhook", mirror.NewSecret(webhookSecret))
		w.insert("toolkits", "slug", "'a'", "name", "'first'")
		w.insert("commands", "slug", "'c'", "name", "'C'", "prompt", "'p'")
		w.insertSkill("triage", map[string]string{"SKILL.md": skillMD, "x.txt": "1"})
		w.synced()
		w.exec("UPDATE toolkits SET name = 'second'")
		w.exec("UPDATE skill_files SET content = %s WHERE path = 'x.txt'", w.blob("2"))
		w.synced()
		updated := w.query("SELECT updated_at FROM toolkits")
		if plan := w.plan(); len(plan) != 0 || w.mirror()["pending_changes"].(float64) != 0 {
			w.t.Errorf("after an export there is more to do: %v, %v", plan, w.mirror())
		}
		if report := w.synced(); report["imported"].(float64) != 0 || report["exported"].(float64) != 0 {
			w.t.Errorf("our own commit is work: %v", report)
		}
		if got := w.query("SELECT updated_at FROM toolkits"); got != updated {
			w.t.Errorf("our own commit touched the row: %s, was %s", got, updated)
		}
		// A person's commit that looks like ours is a change.
		ours := w.commits()[0]
		_, err := w.repo.Commit("main", ours.Author, ours.Message, bitbuckettest.Write("toolkits/a.json", strings.Replace(w.files()["toolkits/a.json"], "second", "third", 1)))
		w.must(err)
		if w.synced(); w.query("SELECT name FROM toolkits") != "third" {
			w.t.Errorf("a commit that looks like ours was not imported: %s", w.query("SELECT name FROM toolkits"))
		}
		// So is a revert of ours, though the content is one that we wrote before.
		w.commit(bitbuckettest.Write("toolkits/a.json", strings.Replace(w.files()["toolkits/a.json"], "third", "first", 1)))
		if w.synced(); w.query("SELECT name FROM toolkits") != "first" {
			w.t.Error("a person's revert was taken for our own commit")
		}
		w.quiet()
	})
}

// atomically is another program's transaction.
func (w *world) atomically(statements ...string) {
	w.t.Helper()
	tx, err := w.sql.BeginTx(w.t.Context(), nil)
	w.must(err)
	for _, statement := range statements {
		_, err := tx.ExecContext(w.t.Context(), statement)
		w.must(err)
	}
	w.must(tx.Commit())
}

// TestNoCommitIsEmpty_E2: what changes nothing in a file makes no commit, and every
// commit changes something.
func TestNoCommitIsEmpty_E2(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'", "integrations", `'{"x":{"tools":["t"]}}'`)
		w.insert("mcp_servers", "slug", "'s'", "name", "'S'", "type", "'stdio'", "command", "'x'", "env", `'{"K":{"value":"canary-1","secret":true}}'`)
		w.synced()
		before := len(w.commits())
		for what, edit := range map[string]func(){
			"saved as it was": func() { w.exec("UPDATE toolkits SET name = name") },
			"saved through the API": func() {
				w.put("toolkits/a", map[string]any{"slug": "a", "name": "A", "integrations": map[string]any{"x": map[string]any{"tools": []string{"t"}}}})
			},
			"a default written out": func() {
				w.exec("UPDATE toolkits SET status = 'active', least_privilege = false, description = '', skills = '[]'")
			},
			"JSON in another form": func() { w.exec(`UPDATE toolkits SET integrations = '{ "x" : { "tools" : [ "t" ] } }'`) },
			"there and back":       func() { w.atomically("UPDATE toolkits SET name = 'B'", "UPDATE toolkits SET name = 'A'") },
			"came and went": func() {
				w.atomically(fmt.Sprintf("INSERT INTO toolkits (organization_id, slug, name) VALUES ('%s', 'brief', 'B')", w.orgID), "DELETE FROM toolkits WHERE slug = 'brief'")
			},
			"private": func() {
				w.insert("toolkits", "slug", "'mine'", "name", "'M'", "owner_id", "'8b8f9e9e-8d9e-4f7e-9d7b-222222222222'")
			},
			"a secret's value":       func() { w.exec(`UPDATE mcp_servers SET env = '{"K":{"value":"canary-2","secret":true}}'`) },
			"credentials":            func() { w.exec(`UPDATE mcp_servers SET auth = '{"token":"canary-3"}'`) },
			"a key of another's own": func() { w.exec(`UPDATE toolkits SET extra = '{"internal":1}'`) },
			"the author":             func() { w.exec("UPDATE toolkits SET updated_by = 'Ada <ada@example.com>'") },
			"an invalid row":         func() { w.insert("commands", "slug", "'mute'", "name", "'M'") },
		} {
			edit()
			w.synced()
			if n := len(w.commits()) - before; n != 0 {
				w.t.Errorf("%s: %d commits", what, n)
				before += n
			}
		}
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"name":"A","slug":"a","integrations":{"x":{"tools":["t"]}}}`), bitbuckettest.Write("README.md", "r"))
		w.synced()
		w.exec("UPDATE toolkits SET name = 'B' WHERE slug = 'a'")
		w.synced()
		commits := w.commits()
		if n := len(commits) - before; n != 2 {
			w.t.Errorf("%d commits, want the person's and ours", n)
		}
		for _, c := range commits {
			changed, err := w.repo.Git("show", "--format=", "--name-only", string(c.Hash))
			w.must(err)
			if strings.TrimSpace(changed) == "" {
				w.t.Errorf("commit %.8s changes nothing: %q", c.Hash, c.Message)
			}
		}
		w.quiet()
	})
}

// TestEqualDataGivesEqualBytes_I10: whatever the order and form in which a database
// holds it.
func TestEqualDataGivesEqualBytes_I10(t *testing.T) {
	const want = `{
  "slug": "%s",
  "name": "Größe <&> \"q\"",
  "description": "a\nb",
  "least_privilege": true,
  "integrations": {
    "a": {
      "tools": "*"
    },
    "b": {
      "tools": [
        "x",
        "y"
      ],
      "prompts": []
    }
  },
  "skills": [
    "s"
  ],
  "$schema": "s",
  "x-deep": {
    "a": [
      1,
      2.50,
      100
    ],
    "b": null
  }
}
`
	eachWorld(t, nil, func(w *world) {
		for slug, c := range map[string]struct{ integrations, extra, skills string }{
			"one":   {`{"a":{"tools":"*"},"b":{"tools":["x","y"],"prompts":[]}}`, `{"x-deep":{"a":[1,2.50,1e2],"b":null},"$schema":"s"}`, `["s"]`},
			"two":   {"{ \"b\": {\"prompts\": [ ], \"tools\": [\"x\",\n\"y\"]},\t\"a\" : {\"tools\":\"\\u002a\"} }", `{"$schema":"\u0073","x-deep":{"b":null,"a":[1,2.50,100]}}`, `[ "s" ]`},
			"three": {`{"b":{"prompts":[],"tools":["x","y"]},"a":{"tools":"*"}}`, "{\"x-d\\u0065ep\":{\"a\":[1,\n2.50,1.00E2],\"b\":null},\"$schema\":\"s\"}", `["\u0073"]`},
		} {
			w.insert("toolkits", "slug", quote(slug), "name", quote(`Größe <&> "q"`), "description", quote("a\nb"), "least_privilege", "true", "status", "'active'",
				"integrations", quote(c.integrations), "extra", quote(c.extra), "skills", quote(c.skills), "commands", "'[]'")
		}
		w.synced()
		for _, slug := range []string{"one", "two", "three"} {
			w.wantFile("toolkits/"+slug+".json", fmt.Sprintf(want, slug))
		}
		w.quiet()
	})
}
