package daemon_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// put saves through the API and expects it to be taken.
func (w *world) put(path string, body map[string]any) {
	w.t.Helper()
	if status, answer := w.call("PUT", path, body); status/100 != 2 {
		w.t.Fatalf("PUT %s: %d %v", path, status, answer)
	}
}

type object = map[string]any

func TestAcceptAnOrganizationWithoutSQL(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.put("mcp-servers/gh", object{"slug": "gh", "name": "GH", "type": "http", "url": "https://x.example", "auth": object{"t": "canary-1"},
			"headers": object{"A": object{"secret": true, "value": "canary-2", "description": "ask"}, "P": "public"}})
		w.put("mcp-clients/cl", object{"slug": "cl", "name": "CL", "client_id": "canary-3", "client_secret": "canary-4"})
		w.put("toolkits/kit", object{"slug": "kit", "name": "Kit", "integrations": object{"gh": object{"tools": []string{"a"}}}, "x-mine": 1, "unknown": 2})
		w.put("commands/c", object{"slug": "c", "name": "C", "prompt": "p"})
		w.put("skills/triage", object{"slug": "triage", "files": []object{{"path": "SKILL.md", "content": skillMD}, {"path": "bin/x", "content_base64": "AAH/", "executable": true}}})
		w.synced()
		w.wantFile("mcp-servers/gh.json", "{\n  \"slug\": \"gh\",\n  \"name\": \"GH\",\n  \"type\": \"http\",\n  \"url\": \"https://x.example\",\n  \"headers\": {\n    \"A\": {\n      \"secret\": true,\n      \"description\": \"ask\"\n    },\n    \"P\": \"public\"\n  }\n}\n")
		w.wantFile("skills/triage/bin/x", "\x00\x01\xff")
		if !w.branchHas("toolkits/kit.json", "x-mine") {
			t.Errorf("kit:\n%s", w.files()["toolkits/kit.json"])
		}
		// What is omitted is kept, null clears.
		w.put("mcp-servers/gh", object{"slug": "gh", "name": "GH 2", "type": "http", "url": "https://x.example", "headers": object{"A": object{"secret": true}}})
		if got := w.query("SELECT CAST(headers AS TEXT) || CAST(auth AS TEXT) FROM mcp_servers"); !strings.Contains(got, "canary-2") || !strings.Contains(got, "canary-1") {
			t.Errorf("an omitted value was lost: %s", got)
		}
		w.put("mcp-servers/gh", object{"slug": "gh", "name": "GH 2", "type": "http", "url": "https://x.example", "auth": nil, "headers": object{"A": object{"secret": true, "value": nil}}})
		if got := w.query("SELECT CAST(headers AS TEXT) || coalesce(CAST(auth AS TEXT), '') FROM mcp_servers"); strings.Contains(got, "canary") {
			t.Errorf("null does not clear: %s", got)
		}
		// Another slug renames.
		id := w.query("SELECT id FROM skills")
		w.put("skills/triage", object{"slug": "sorter", "files": []object{{"path": "SKILL.md", "content": skill("sorter")}, {"path": "bin/x", "content_base64": "AAH/", "executable": true}}})
		w.put("commands/c", object{"slug": "c2", "name": "C", "prompt": "p"})
		w.synced()
		if w.query("SELECT id FROM skills WHERE slug = 'sorter'") != id || !w.branchHas("skills/sorter/SKILL.md", "name: sorter") || w.branchHas("skills/triage/SKILL.md", "") || !w.branchHas("commands/c2.json", "") {
			t.Errorf("renames: %v", w.files())
		}
		if mode := w.mode("skills/sorter/bin/x"); mode != bitbuckettest.ModeExecutable {
			t.Errorf("mode %s", mode)
		}
		if status, _ := w.call("PUT", "commands/bad", object{"slug": "bad", "name": "B"}); status != 400 {
			t.Errorf("an invalid document answers %d", status)
		}
		// Deleted and restored.
		if status, _ := w.call("DELETE", "commands/c2", nil); status/100 != 2 {
			t.Errorf("DELETE: %d", status)
		}
		w.synced()
		w.wantNoFile("commands/c2.json")
		if status, answer := w.call("POST", "commands/c2/restore", nil); status/100 != 2 {
			t.Errorf("restore: %d %v", status, answer)
		}
		w.synced()
		if !w.branchHas("commands/c2.json", "") {
			t.Error("the restored command is not on the branch")
		}
		// Private by the API, and the organization's again.
		w.put("toolkits/kit", object{"slug": "kit", "name": "Kit", "owner_id": "8b8f9e9e-8d9e-4f7e-9d7b-222222222222"})
		w.synced()
		w.wantNoFile("toolkits/kit.json")
		if strings.Contains(w.remoteObjects(), "canary-") || strings.Contains(w.log.String(), "canary-") {
			t.Error("a secret left")
		}
		w.quiet()
		w.checkClone()
	})
}

// TestAcceptSwapsAndChains: slugs that change places, in the database and on the branch.
func TestAcceptSwapsAndChains(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"a", "b", "c", "d"} {
			w.insert("toolkits", "slug", quote(slug), "name", quote("Kit "+slug))
		}
		w.synced()
		// The chain c to c2, b to c, a to b in one transaction.
		tx, err := w.sql.BeginTx(t.Context(), nil)
		w.must(err)
		for _, move := range [][2]string{{"c", "c2"}, {"b", "c"}, {"a", "b"}} {
			_, err := tx.ExecContext(t.Context(), "UPDATE toolkits SET slug = '"+move[1]+"' WHERE slug = '"+move[0]+"'")
			w.must(err)
		}
		w.must(tx.Commit())
		w.synced()
		for slug, name := range map[string]string{"c2": "Kit c", "c": "Kit b", "b": "Kit a", "d": "Kit d"} {
			if !w.branchHas("toolkits/"+slug+".json", name) {
				t.Errorf("%s:\n%s", slug, w.files()["toolkits/"+slug+".json"])
			}
		}
		w.wantNoFile("toolkits/a.json")
		w.quiet()
		// On the branch: c2 to e, c to c2 is a chain too; ids follow.
		id := w.query("SELECT id FROM toolkits WHERE slug = 'c2'")
		w.commit(bitbuckettest.Remove("toolkits/c2.json"), bitbuckettest.Write("toolkits/e.json", `{"slug":"e","name":"Kit c"}`))
		w.synced()
		if got := w.query("SELECT id FROM toolkits WHERE slug = 'e' AND deleted_at IS NULL"); got != id {
			t.Errorf("e has row %s, want %s", got, id)
		}
		// Renamed on both sides to different places: one of them, not two.
		w.repo.Restrict("main")
		w.exec("UPDATE toolkits SET slug = 'd-db' WHERE slug = 'd'")
		w.sync()
		w.commit(bitbuckettest.Remove("toolkits/d.json"), bitbuckettest.Write("toolkits/d-git.json", `{"slug":"d-git","name":"Kit d"}`))
		w.repo.Unrestrict()
		w.synced()
		if w.branchHas("toolkits/d-db.json", "") || !w.branchHas("toolkits/d-git.json", "") || w.query("SELECT count(*) FROM toolkits WHERE slug LIKE 'd%%' AND deleted_at IS NULL") != "1" {
			t.Errorf("two renames: %v, %s rows", w.files(), w.query("SELECT count(*) FROM toolkits WHERE slug LIKE 'd%%' AND deleted_at IS NULL"))
		}
		w.quiet()
		// A rename on one side, an edit on the other.
		w.repo.Restrict("main")
		w.exec("UPDATE toolkits SET slug = 'f' WHERE slug = 'e'")
		w.sync()
		w.commit(bitbuckettest.Write("toolkits/e.json", `{"slug":"e","name":"Kit c","description":"git's"}`))
		w.repo.Unrestrict()
		w.synced()
		if !w.branchHas("toolkits/f.json", "git's") || w.branchHas("toolkits/e.json", "") {
			t.Errorf("rename and edit: %v", w.files())
		}
		w.quiet()
		w.checkClone()
	})
}
