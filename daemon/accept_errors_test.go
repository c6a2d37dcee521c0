package daemon_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func TestAcceptABadFileThenAnEditThenABadFile(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.insert("toolkits", "slug", "'other'", "name", "'O'")
		w.synced()
		first := w.files()["toolkits/a.json"]
		for round := range 3 {
			w.commit(bitbuckettest.Write("toolkits/a.json", fmt.Sprintf("{broken %d", round)))
			w.synced()
			if code := w.entityError("toolkits", "a"); code != "INVALID_JSON" {
				t.Fatalf("round %d: %q", round, code)
			}
			if round == 1 { // saved with equal content, through the API
				if status, answer := w.call("PUT", "toolkits/a", map[string]any{"slug": "a", "name": w.query("SELECT name FROM toolkits WHERE slug = 'a'")}); status != 200 {
					t.Fatalf("PUT: %d %v", status, answer)
				}
			} else {
				w.exec("UPDATE toolkits SET name = 'A%d' WHERE slug = 'a'", round)
			}
			w.synced()
			if code := w.entityError("toolkits", "a"); code != "" || strings.Contains(w.files()["toolkits/a.json"], "broken") {
				t.Fatalf("round %d: the edit does not win: %q\n%s", round, code, w.files()["toolkits/a.json"])
			}
			w.quiet()
		}
		// The bad file is taken back on the branch; the row is what it was.
		good := w.files()["toolkits/a.json"]
		w.commit(bitbuckettest.Write("toolkits/a.json", "[]"))
		w.synced()
		if code := w.entityError("toolkits", "a"); code != "VALIDATION_FAILED" {
			t.Errorf("JSON that is no object: %q", code)
		}
		w.commit(bitbuckettest.Write("toolkits/a.json", good))
		w.synced()
		if code := w.entityError("toolkits", "a"); code != "" {
			t.Errorf("reverting the bad file leaves %q", code)
		}
		w.quiet()
		// A bad file is deleted: that is a deletion.
		w.commit(bitbuckettest.Write("toolkits/a.json", "{"))
		w.synced()
		w.commit(bitbuckettest.Remove("toolkits/a.json"))
		w.synced()
		if n := w.query("SELECT count(*) FROM toolkits WHERE slug = 'a' AND deleted_at IS NOT NULL"); n != "1" {
			t.Error("deleting a bad file does not delete the row")
		}
		if m := w.mirror(); m["errors"].(float64) != 0 || m["pending_changes"].(float64) != 0 {
			t.Errorf("mirror: %v", m)
		}
		w.commit(bitbuckettest.Write("toolkits/a.json", first))
		w.synced()
		if n := w.query("SELECT count(*) FROM toolkits WHERE slug = 'a' AND deleted_at IS NULL AND name = 'A'"); n != "1" {
			t.Error("the file that came back does not restore the row")
		}
		w.quiet()
	})
}

func TestAcceptEveryRuleOfTheJSONKinds(t *testing.T) {
	bad := map[string]string{
		"toolkits/dup":       `{"slug":"dup","name":"a","name":"b"}`,
		"toolkits/dup-deep":  `{"slug":"dup-deep","name":"a","x":{"k":1,"k":2}}`,
		"toolkits/latin":     "{\"slug\":\"latin\",\"name\":\"\xe9\"}",
		"toolkits/trailing":  `{"slug":"trailing","name":"a"} x`,
		"toolkits/empty":     "",
		"toolkits/surrogate": `{"slug":"surrogate","name":"\ud800"}`,
		"toolkits/nul":       `{"slug":"nul","name":"a\u0000"}`,
		"toolkits/number":    `{"slug":"number","name":"a","x":1e131073}`,
		"toolkits/deep":      `{"slug":"deep","name":"a","x":` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + `}`,
		"toolkits/null":      `null`,
		"toolkits/noname":    `{"slug":"noname"}`,
		"toolkits/noslug":    `{"name":"a"}`,
		"toolkits/stem":      `{"slug":"other","name":"a"}`,
		"toolkits/typed":     `{"slug":"typed","name":1}`,
		"toolkits/flag":      `{"slug":"flag","name":"a","least_privilege":"yes"}`,
		"toolkits/list":      `{"slug":"list","name":"a","integrations":["gh"]}`,
		"toolkits/tools":     `{"slug":"tools","name":"a","integrations":{"gh":{"tools":"all"}}}`,
		"toolkits/refs":      `{"slug":"refs","name":"a","skills":["Not A Slug"]}`,
		"toolkits/owner":     `{"slug":"owner","name":"a","owner_id":null}`,
		"toolkits/id":        `{"slug":"id","name":"a","id":"x"}`,
		"toolkits/gi":        `{"slug":"gi","name":"a","git_integration":{}}`,
		"commands/noprompt":  `{"slug":"noprompt","name":"a"}`,
		"commands/arg":       `{"slug":"arg","name":"a","prompt":"p","arguments":[{"title":"t"}]}`,
		"commands/args":      `{"slug":"args","name":"a","prompt":"p","arguments":{"name":"t"}}`,
		"mcp-servers/type":   `{"slug":"type","name":"a","type":"tcp"}`,
		"mcp-servers/notype": `{"slug":"notype","name":"a","command":"x"}`,
		"mcp-servers/both":   `{"slug":"both","name":"a","type":"stdio","command":"x","url":"https://x.example"}`,
		"mcp-servers/nourl":  `{"slug":"nourl","name":"a","type":"http"}`,
		"mcp-servers/user":   `{"slug":"user","name":"a","type":"http","url":"https://u:canary-p@x.example"}`,
		"mcp-servers/ftp":    `{"slug":"ftp","name":"a","type":"http","url":"ftp://x.example"}`,
		"mcp-servers/auth":   `{"slug":"auth","name":"a","type":"stdio","command":"x","auth":{"t":"canary-a"}}`,
		"mcp-servers/twice":  `{"slug":"twice","name":"a","type":"stdio","command":"x","env":{"A":{"secret":true,"value":"canary-b"}}}`,
		"mcp-servers/num":    `{"slug":"num","name":"a","type":"stdio","command":"x","env":{"A":5}}`,
		"mcp-clients/uri":    `{"slug":"uri","name":"a","client_uri":"http://x.example"}`,
		"mcp-clients/redir":  `{"slug":"redir","name":"a","redirect_uris":["http://x.example/cb"]}`,
		"mcp-clients/cid":    `{"slug":"cid","name":"a","client_id":"canary-c"}`,
		"mcp-clients/cs":     `{"slug":"cs","name":"a","client_secret":"canary-d"}`,
	}
	syntax := map[string]bool{"dup": true, "dup-deep": true, "latin": true, "trailing": true, "empty": true}
	eachWorld(t, nil, func(w *world) {
		bad := maps.Clone(bad)
		changes := []bitbuckettest.Change{
			bitbuckettest.Write("mcp-clients/app.json", `{"slug":"app","name":"a","redirect_uris":["http://localhost:99/cb","http://127.0.0.1/cb","http://[::1]:1/x","com.example.app:/cb","https://x.example"]}`),
			bitbuckettest.Write("mcp-servers/gh.json", `{"slug":"gh","name":"GH","type":"stdio","command":"gh"}`),
		}
		for path, content := range bad {
			changes = append(changes, bitbuckettest.Write(path+".json", content))
		}
		w.commit(changes...)
		w.synced()
		for _, kind := range []string{"toolkits", "commands", "mcp-servers", "mcp-clients"} {
			for path, code := range w.rejected(kind) {
				stem := strings.TrimSuffix(path, ".json")
				_, slug, _ := strings.Cut(stem, "/")
				want := "VALIDATION_FAILED"
				if syntax[slug] {
					want = "INVALID_JSON"
				}
				if code != want {
					t.Errorf("%s: %s, want %s", path, code, want)
				}
				if _, ok := bad[stem]; !ok {
					t.Errorf("%s was rejected", path)
				}
				delete(bad, stem)
			}
			if _, body := w.callRaw("GET", kind); strings.Contains(body, "canary-") {
				t.Errorf("%s: a value of a refused file is shown", kind)
			}
		}
		for path := range bad {
			t.Errorf("%s was not rejected", path)
		}
		if w.query("SELECT count(*) FROM mcp_clients") != "1" || w.query("SELECT count(*) FROM mcp_servers") != "1" {
			t.Error("a bad file became a row, or a good one none")
		}
		if strings.Contains(w.log.String(), "canary-") {
			t.Error("the log shows a value of a refused file")
		}
		w.quiet()
	})
}

func TestAcceptReferences(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("mcp_servers", "slug", "'private'", "name", "'P'", "type", "'stdio'", "command", "'x'", "owner_id", "'8b8f9e9e-8d9e-4f7e-9d7b-222222222222'")
		w.insert("mcp_servers", "slug", "'blind'", "name", "'B'", "type", "'stdio'", "command", "'x'")
		w.insert("mcp_servers", "slug", "'empty'", "name", "'E'", "type", "'stdio'", "command", "'x'", "tools", "'{}'")
		w.synced()
		w.commit(
			bitbuckettest.Write("toolkits/private.json", `{"slug":"private","name":"P","integrations":{"private":{}}}`),
			bitbuckettest.Write("toolkits/blind.json", `{"slug":"blind","name":"P","integrations":{"blind":{"tools":["anything"]}}}`),
			bitbuckettest.Write("toolkits/empty.json", `{"slug":"empty","name":"P","integrations":{"empty":{"tools":["any"]}}}`),
			bitbuckettest.Write("toolkits/star.json", `{"slug":"star","name":"P","integrations":{"empty":{"tools":"*"}}}`),
			bitbuckettest.Write("toolkits/late.json", `{"slug":"late","name":"P","integrations":{"late":{}}}`),
			bitbuckettest.Write("toolkits/with.json", `{"slug":"with","name":"P","integrations":{"with":{"tools":["t"]}}}`),
			bitbuckettest.Write("mcp-servers/with.json", `{"slug":"with","name":"W","type":"stdio","command":"x","tools":{"t":{}}}`),
		)
		w.synced()
		if got := w.rejected("toolkits"); len(got) != 3 || got["toolkits/private.json"] != "MISSING_INTEGRATION" || got["toolkits/empty.json"] != "MISSING_TOOL" || got["toolkits/late.json"] != "MISSING_INTEGRATION" {
			t.Errorf("rejected: %v", got)
		}
		// What is missing appears: a private server becomes the organization's, tools are learnt, a row is inserted.
		w.exec("UPDATE mcp_servers SET owner_id = NULL WHERE slug = 'private'")
		w.exec(`UPDATE mcp_servers SET tools = '{"any":{}}' WHERE slug = 'empty'`)
		w.insert("mcp_servers", "slug", "'late'", "name", "'L'", "type", "'stdio'", "command", "'x'")
		w.synced()
		if got := w.rejected("toolkits"); len(got) != 0 {
			t.Errorf("still rejected: %v", got)
		}
		w.quiet()
		// A used server goes, with one push that also edits the toolkit elsewhere.
		w.commit(bitbuckettest.Remove("mcp-servers/with.json"))
		w.synced()
		if code := w.entityError("toolkits", "with"); code != "MISSING_INTEGRATION" {
			t.Errorf("with: %q", code)
		}
		w.exec("UPDATE mcp_servers SET deleted_at = CURRENT_TIMESTAMP WHERE slug = 'late'")
		w.synced()
		w.wantNoFile("mcp-servers/late.json")
		if code := w.entityError("toolkits", "late"); code != "MISSING_INTEGRATION" {
			t.Errorf("late: %q", code)
		}
		w.exec("UPDATE mcp_servers SET tools = '{}' WHERE slug = 'empty'")
		w.exec("UPDATE mcp_servers SET owner_id = '8b8f9e9e-8d9e-4f7e-9d7b-222222222222' WHERE slug = 'private'")
		w.synced()
		if code := w.entityError("toolkits", "empty"); code != "MISSING_TOOL" {
			t.Errorf("empty: %q", code)
		}
		if code := w.entityError("toolkits", "private"); code != "MISSING_INTEGRATION" {
			t.Errorf("private: %q", code)
		}
		w.exec("UPDATE mcp_servers SET deleted_at = NULL WHERE slug IN ('late', 'with')")
		w.exec(`UPDATE mcp_servers SET tools = NULL WHERE slug = 'empty'`)
		w.exec("UPDATE mcp_servers SET owner_id = NULL WHERE slug = 'private'")
		w.synced()
		for _, slug := range []string{"with", "late", "empty", "private"} {
			if code := w.entityError("toolkits", slug); code != "" {
				t.Errorf("%s still has %s", slug, code)
			}
		}
		w.quiet()
	})
}

// TestAcceptAMissingReferenceOfTheDatabaseStopsNoMerge: git's file is fine, the row names what is not there.
func TestAcceptAMissingReferenceOfTheDatabaseStopsNoMerge(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		w.repo.Restrict("main") // so that both sides have changed when they meet
		w.exec(`UPDATE toolkits SET integrations = '{"nope":{}}' WHERE slug = 'a'`)
		w.sync()
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A","description":"git's"}`))
		w.repo.Unrestrict()
		w.synced()
		if !w.branchHas("toolkits/a.json", "nope") || !w.branchHas("toolkits/a.json", "git's") {
			t.Errorf("not merged:\n%s", w.files()["toolkits/a.json"])
		}
		if code := w.entityError("toolkits", "a"); code != "MISSING_INTEGRATION" {
			t.Errorf("code %q", code)
		}
		w.quiet()
	})
}

// TestAcceptAMovedFileThatIsRefused: a rename whose file carries what it must not; the database's later edit wins.
func TestAcceptAMovedFileThatIsRefused(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("mcp_servers", "slug", "'old'", "name", "'Old'", "type", "'http'", "url", "'https://x.example'", "description", "'d'",
			"env", `'{"A":{"value":"canary-1","secret":true}}'`)
		w.insert("toolkits", "slug", "'x'", "name", "'X'")
		w.synced()
		w.commit(bitbuckettest.Remove("mcp-servers/old.json"),
			bitbuckettest.Write("mcp-servers/new.json", `{"slug":"new","name":"Old","description":"d","type":"http","url":"https://x.example","env":{"A":"planted"}}`))
		w.synced()
		if code := w.entityError("mcp-servers", "old"); code != "VALIDATION_FAILED" {
			t.Errorf("old: %q; rejected: %v", code, w.rejected("mcp-servers"))
		}
		w.exec("UPDATE mcp_servers SET name = 'Edited' WHERE slug = 'old'")
		w.synced()
		if !w.branchHas("mcp-servers/old.json", "Edited") || w.branchHas("mcp-servers/new.json", "planted") {
			t.Errorf("the edit does not win: %v", w.files())
		}
		if code := w.entityError("mcp-servers", "old"); code != "" {
			t.Errorf("old still has %s", code)
		}
		w.quiet()
	})
}

// TestAcceptASlip: git mv without editing the slug.
func TestAcceptASlip(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.insert("toolkits", "slug", "'b'", "name", "'B'")
		w.synced()
		w.commit(bitbuckettest.Remove("toolkits/a.json"), bitbuckettest.Write("toolkits/z.json", w.files()["toolkits/a.json"]))
		w.synced()
		id := w.query("SELECT id FROM toolkits WHERE slug = 'a' AND deleted_at IS NULL")
		if code := w.entityError("toolkits", "a"); code != "VALIDATION_FAILED" || id == "" {
			t.Errorf("a: %q, row %q", code, id)
		}
		w.commit(bitbuckettest.Write("NOTES.md", "1"))
		w.synced()
		if code := w.entityError("toolkits", "a"); code != "VALIDATION_FAILED" {
			t.Errorf("after another run a has %q", code)
		}
		if report := w.synced(); report["actions"] != nil {
			t.Errorf("a refusal that is known is told again: %v", report)
		}
		w.commit(bitbuckettest.Write("toolkits/z.json", `{"slug":"z","name":"A"}`))
		w.synced()
		if got := w.query("SELECT id FROM toolkits WHERE slug = 'z' AND deleted_at IS NULL"); got != id {
			t.Errorf("mended, the row is %q, want %q", got, id)
		}
		if len(w.rejected("toolkits")) != 0 || w.mirror()["errors"].(float64) != 0 {
			t.Errorf("rejected %v, mirror %v", w.rejected("toolkits"), w.mirror())
		}
		w.quiet()
	})
}
