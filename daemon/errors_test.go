package daemon_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func TestErrorCodesOfFiles_I1(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'json'", "name", "'J'")
		w.insert("toolkits", "slug", "'rule'", "name", "'R'")
		w.insert("mcp_servers", "slug", "'gh'", "name", "'GH'", "type", "'http'", "url", "'https://x.example'", "tools", `'{"search":{"enabled":true}}'`)
		w.synced()
		w.commit(
			bitbuckettest.Write("toolkits/json.json", "{\n  \"slug\": \"json\",,\n}"),
			bitbuckettest.Write("toolkits/rule.json", `{"slug":"rule","name":"R","status":"maybe"}`),
			bitbuckettest.Write("toolkits/nowhere.json", `{"slug":"nowhere","name":"N","integrations":{"nope":{}}}`),
			bitbuckettest.Write("toolkits/notool.json", `{"slug":"notool","name":"N","integrations":{"gh":{"tools":["delete"]}}}`),
			bitbuckettest.Write("toolkits/utf16.json", "\xff\xfe{\x00}\x00"),
			bitbuckettest.Write("toolkits/Upper.json", `{"slug":"upper","name":"U"}`),
			bitbuckettest.Write("skills/empty/notes.txt", "no SKILL.md"),
			bitbuckettest.Change{Path: "toolkits/link.json", Mode: bitbuckettest.ModeSymlink, Content: []byte("/etc/passwd")},
			bitbuckettest.Write("commands/lfs.json", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
			bitbuckettest.Write("toolkits/good.json", `{"slug":"good","name":"Good"}`),
		)
		report := w.synced()
		if report["imported"].(float64) != 1 || report["errors"].(float64) != 9 {
			t.Errorf("report: %v", report)
		}
		for slug, want := range map[string]string{"json": "INVALID_JSON", "rule": "VALIDATION_FAILED"} {
			if got := w.entityError("toolkits", slug); got != want {
				t.Errorf("%s: %q, want %s", slug, got, want)
			}
		}
		integration := w.get("toolkits/json")["git_integration"].(map[string]any)["error"].(map[string]any)
		if message := integration["message"].(string); !strings.Contains(message, "line 2, column") || integration["http_code"].(float64) != 400 {
			t.Errorf("error: %v", integration)
		}
		for path, want := range map[string]string{
			"toolkits/nowhere.json": "MISSING_INTEGRATION", "toolkits/notool.json": "MISSING_TOOL",
			"toolkits/utf16.json": "INVALID_JSON", "toolkits/Upper.json": "VALIDATION_FAILED", "toolkits/link.json": "FETCH_FAILED",
		} {
			if got := w.rejected("toolkits")[path]; got != want {
				t.Errorf("%s: %q, want %s", path, got, want)
			}
		}
		if got := w.rejected("skills")["skills/empty"]; got != "EMPTY_DIRECTORY" {
			t.Errorf("skills/empty: %q", got)
		}
		if got := w.rejected("commands")["commands/lfs.json"]; got != "FETCH_FAILED" {
			t.Errorf("commands/lfs.json: %q", got)
		}
		if w.get("toolkits/good")["name"] != "Good" {
			t.Error("one bad file stopped a good one")
		}
		if got := w.rested(); got["errors"].(float64) != 9 || got["state"] != "ok" {
			t.Errorf("mirror: %v", got)
		}

		// Cleared by the same file imported well, by an edit or a save in the database,
		// and by what was missing appearing on either side.
		w.commit(bitbuckettest.Write("toolkits/json.json", `{"slug":"json","name":"Fixed"}`),
			bitbuckettest.Write("mcp-servers/nope.json", `{"slug":"nope","name":"N","type":"stdio","command":"x"}`),
			bitbuckettest.Remove("toolkits/utf16.json"), bitbuckettest.Write("skills/empty/SKILL.md", strings.ReplaceAll(skillMD, "triage", "empty")))
		w.exec("UPDATE toolkits SET name = name WHERE slug = 'rule'")
		w.exec(`UPDATE mcp_servers SET tools = '{"search":{"enabled":true},"delete":{"enabled":false}}' WHERE slug = 'gh'`)
		w.synced()
		if got := w.entityError("toolkits", "json"); got != "" {
			t.Errorf("the fix did not clear json: %s", got)
		}
		if got := w.entityError("toolkits", "rule"); got != "" {
			t.Errorf("saving did not clear rule: %s", got)
		}
		w.wantFile("toolkits/rule.json", "{\n  \"slug\": \"rule\",\n  \"name\": \"R\"\n}\n")
		for _, slug := range []string{"nowhere", "notool"} {
			if status, _ := w.call("GET", "toolkits/"+slug, nil); status != 200 {
				t.Errorf("%s was not imported when what it missed appeared", slug)
			}
		}
		left := w.rejected("toolkits")
		if len(left) != 2 || left["toolkits/Upper.json"] == "" || left["toolkits/link.json"] == "" {
			t.Errorf("rejected: %v", left)
		}
		if left := w.rejected("skills"); len(left) != 0 {
			t.Errorf("rejected skills: %v", left)
		}
	})
}

func TestInvalidRowsStayAndClear(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("commands", "slug", "'hello'", "name", "'Hello'", "prompt", "'Hi'")
		w.insert("toolkits", "slug", "'kit'", "name", "'Kit'", "integrations", `'{"later":{"tools":["x"]}}'`)
		w.insert("toolkits", "slug", "'No Slug!'", "name", "'Bad'")
		w.insert("skills", "slug", "'bare'", "name", "'bare'")
		w.synced()
		if got := w.entityError("toolkits", "kit"); got != "MISSING_INTEGRATION" {
			t.Errorf("kit: %q", got)
		}
		if _, there := w.files()["toolkits/kit.json"]; !there {
			t.Error("a missing reference stopped a row's export")
		}
		if got := w.query("SELECT git_integration FROM skills WHERE slug = 'bare'"); !strings.Contains(got, "EMPTY_DIRECTORY") {
			t.Errorf("bare: %s", got)
		}
		if got := w.query("SELECT git_integration FROM toolkits WHERE name = 'Bad'"); !strings.Contains(got, "VALIDATION_FAILED") {
			t.Errorf("bad slug: %s", got)
		}
		w.exec("UPDATE commands SET prompt = NULL WHERE slug = 'hello'")
		w.synced()
		if got := w.entityError("commands", "hello"); got != "VALIDATION_FAILED" {
			t.Errorf("hello: %q", got)
		}
		w.wantFile("commands/hello.json", "{\n  \"slug\": \"hello\",\n  \"name\": \"Hello\",\n  \"prompt\": \"Hi\"\n}\n")
		w.exec("UPDATE commands SET prompt = 'Hi' WHERE slug = 'hello'")
		w.commit(bitbuckettest.Write("mcp-servers/later.json", `{"slug":"later","name":"L","type":"stdio","command":"x"}`))
		w.synced()
		for kind, slug := range map[string]string{"commands": "hello", "toolkits": "kit"} {
			if got := w.entityError(kind, slug); got != "" {
				t.Errorf("%s/%s still has %s", kind, slug, got)
			}
		}
		w.commit(bitbuckettest.Remove("mcp-servers/later.json"))
		w.synced()
		if got := w.entityError("toolkits", "kit"); got != "MISSING_INTEGRATION" {
			t.Errorf("a deletion that leaves kit dangling gives %q", got)
		}
	})
}

// TestPathTakenByPeople: what stands where a file belongs and is people's own stays,
// and only the entity that wants the place is told.
func TestPathTakenByPeople(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/taken.json/notes.txt", "people's own directory"), bitbuckettest.Write("mcp-clients", "a file where a directory belongs"))
		w.insert("toolkits", "slug", "'taken'", "name", "'T'")
		w.insert("toolkits", "slug", "'free'", "name", "'F'")
		w.insert("mcp_clients", "slug", "'c'", "name", "'C'")
		for range 2 { // a save does not win over people's own
			w.synced()
			w.wantFile("toolkits/taken.json/notes.txt", "people's own directory")
			w.wantFile("mcp-clients", "a file where a directory belongs")
			if !w.branchHas("toolkits/free.json", "F") {
				t.Error("one taken path stopped the others")
			}
			for kind, slug := range map[string]string{"toolkits": "taken", "mcp-clients": "c"} {
				if w.entityError(kind, slug) == "" {
					t.Errorf("%s/%s shows no error", kind, slug)
				}
			}
			w.exec("UPDATE toolkits SET name = 'T2' WHERE slug = 'taken'")
			w.exec("UPDATE mcp_clients SET name = 'C2'")
		}
	})
}
