package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// quiet checks that both sides rest: a further run moves nothing (E1, E2, E3).
func (w *world) quiet() {
	w.t.Helper()
	before := len(w.commits())
	report := w.synced()
	if n := len(w.commits()) - before; n != 0 || report["imported"].(float64) != 0 || report["exported"].(float64) != 0 || report["deleted"].(float64) != 0 || report["merged"].(float64) != 0 {
		w.t.Errorf("the sides do not rest: %d commits, %v", n, report)
	}
	if n := w.query("SELECT count(*) FROM mirror_changes"); n != "0" {
		w.t.Errorf("%s captured changes were not consumed", n)
	}
	if n := w.query("SELECT count(*) FROM mirror_unsettled WHERE due OR reason <> 'invalid'"); n != "0" {
		w.t.Errorf("%s entities stay open", n)
	}
	if n := w.query("SELECT count(*) FROM mirror_intents"); n != "0" {
		w.t.Errorf("%s intents stay", n)
	}
}

// message is the text of a row's error, "" for none.
func (w *world) message(kind, slug string) string {
	w.t.Helper()
	status, item := w.call("GET", kind+"/"+slug, nil)
	if status != 200 {
		return ""
	}
	integration, _ := item["git_integration"].(map[string]any)
	problem, _ := integration["error"].(map[string]any)
	text, _ := problem["message"].(string)
	return text
}

func TestAcceptHandMadeFilesKeepTheirForm(t *testing.T) {
	files := map[string]struct{ before, after string }{
		"bom":      {"\ufeff{\"slug\": \"bom\", \"name\": \"N\"}", "\ufeff{\"slug\": \"bom\", \"name\": \"N2\"}"},
		"crlf":     {"{\r\n\t\"slug\": \"crlf\",\r\n\t\"name\": \"N\"\r\n}\r\n", "{\r\n\t\"slug\": \"crlf\",\r\n\t\"name\": \"N2\"\r\n}\r\n"},
		"tabs":     {"{\n\t\"name\": \"N\",\n\t\"slug\": \"tabs\"\n}", "{\n\t\"name\": \"N2\",\n\t\"slug\": \"tabs\"\n}"},
		"one-line": {`{"x-b":1e400,"name":"N","slug":"one-line","status":"active","least_privilege":false}`, `{"x-b":1e400,"name":"N2","slug":"one-line","status":"active","least_privilege":false}`},
		"spaced":   {"\n\n  { \"slug\" : \"spaced\" ,\n   \"name\":\"N\" , \"x-deep\": {\"b\": [ 1, 12345678901234567890, 1.10, 1E+2 ], \"a\": {} } }\n\n\n", "\n\n  { \"slug\" : \"spaced\" ,\n   \"name\":\"N2\" , \"x-deep\": {\"b\": [ 1, 12345678901234567890, 1.10, 1E+2 ], \"a\": {} } }\n\n\n"},
		"escaped":  {`{"slug":"escaped","n\u0061me":"N","x-u":"\u00e9\/<>"}`, `{"slug":"escaped","n\u0061me":"N2","x-u":"\u00e9\/<>"}`},
		"nulls":    {`{"slug":"nulls","name":"N","description":null,"skills":[],"integrations":{},"status":""}`, `{"slug":"nulls","name":"N2","description":null,"skills":[],"integrations":{},"status":""}`},
		"unknown":  {`{"slug":"unknown","name":"N","zeta":{"k":[{"deep":"<&>"}]},"alpha":0}`, `{"slug":"unknown","name":"N2","zeta":{"k":[{"deep":"<&>"}]},"alpha":0}`},
	}
	eachWorld(t, nil, func(w *world) {
		var changes []bitbuckettest.Change
		for slug, f := range files {
			changes = append(changes, bitbuckettest.Write("toolkits/"+slug+".json", f.before))
		}
		w.commit(changes...)
		if report := w.synced(); report["errors"].(float64) != 0 || report["imported"].(float64) != float64(len(files)) {
			t.Errorf("report: %v", report)
		}
		w.quiet()
		for slug, f := range files {
			w.wantFile("toolkits/"+slug+".json", f.before)
		}
		w.exec("UPDATE toolkits SET name = 'N2'")
		w.synced()
		for slug, f := range files {
			w.wantFile("toolkits/"+slug+".json", f.after)
		}
		w.quiet()
		if got := w.query("SELECT count(*) FROM toolkits WHERE status IS NOT NULL OR least_privilege IS NOT NULL OR description IS NOT NULL OR skills IS NOT NULL OR integrations IS NOT NULL"); got != "0" {
			t.Errorf("%s rows hold a default or an empty value instead of NULL", got)
		}
		w.checkClone()
	})
}

func TestAcceptDefaultsAndEmptyValues(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'kit'", "name", "'Kit'", "description", "''", "status", "'active'", "least_privilege", "false",
			"integrations", `'{"a":{},"b":{"tools":[]},"c":{"tools":"*"}}'`, "skills", "'[]'", "commands", `'["z","a"]'`, "extra", `'{"$schema":"s","x-a":1,"private":2}'`)
		w.insert("mcp_servers", "slug", "'none'", "name", "'None'", "type", "'stdio'", "command", "'x'", "args", `'["-b","-a"]'`, "tools", "'{}'", "env", "'{}'", "headers", "'null'")
		w.insert("mcp_servers", "slug", "'unknown'", "name", "'U'", "type", "'sse'", "url", "'http://localhost:1/sse'")
		w.insert("mcp_clients", "slug", "'on'", "name", "'On'", "enabled", "true", "grant_types", `'["b","a"]'`)
		w.insert("mcp_clients", "slug", "'off'", "name", "'Off'", "enabled", "false")
		w.insert("commands", "slug", "'c'", "name", "'C'", "prompt", "'p'", "status", "'draft'",
			"arguments", `'[{"required":false,"description":"D","title":"T","name":"z"},{"name":"a"}]'`)
		w.synced()
		w.wantFile("toolkits/kit.json", `{
  "slug": "kit",
  "name": "Kit",
  "integrations": {
    "a": {},
    "b": {
      "tools": []
    },
    "c": {
      "tools": "*"
    }
  },
  "commands": [
    "z",
    "a"
  ],
  "$schema": "s",
  "x-a": 1
}
`)
		w.wantFile("mcp-servers/none.json", "{\n  \"slug\": \"none\",\n  \"name\": \"None\",\n  \"type\": \"stdio\",\n  \"command\": \"x\",\n  \"args\": [\n    \"-b\",\n    \"-a\"\n  ],\n  \"tools\": {}\n}\n")
		w.wantFile("mcp-servers/unknown.json", "{\n  \"slug\": \"unknown\",\n  \"name\": \"U\",\n  \"type\": \"sse\",\n  \"url\": \"http://localhost:1/sse\"\n}\n")
		w.wantFile("mcp-clients/on.json", "{\n  \"slug\": \"on\",\n  \"name\": \"On\",\n  \"grant_types\": [\n    \"b\",\n    \"a\"\n  ]\n}\n")
		w.wantFile("mcp-clients/off.json", "{\n  \"slug\": \"off\",\n  \"name\": \"Off\",\n  \"enabled\": false\n}\n")
		w.wantFile("commands/c.json", "{\n  \"slug\": \"c\",\n  \"name\": \"C\",\n  \"status\": \"draft\",\n  \"prompt\": \"p\",\n  \"arguments\": [\n    {\n      \"name\": \"z\",\n      \"title\": \"T\",\n      \"description\": \"D\",\n      \"required\": false\n    },\n    {\n      \"name\": \"a\"\n    }\n  ]\n}\n")
		w.quiet()
		// The key that only the database has stays there when git edits the file.
		w.commit(bitbuckettest.Write("toolkits/kit.json", strings.Replace(w.files()["toolkits/kit.json"], `"Kit"`, `"Kit 2"`, 1)))
		w.synced()
		if extra := w.query("SELECT extra FROM toolkits WHERE slug = 'kit'"); !strings.Contains(extra, "private") || !strings.Contains(extra, "x-a") {
			t.Errorf("extra %s", extra)
		}
		// A server forgets its tools and learns them again.
		w.exec("UPDATE mcp_servers SET tools = NULL WHERE slug = 'none'")
		w.synced()
		if f := w.files()["mcp-servers/none.json"]; strings.Contains(f, "tools") {
			t.Errorf("tools NULL is written as\n%s", f)
		}
		w.commit(bitbuckettest.Write("mcp-servers/none.json", strings.Replace(w.files()["mcp-servers/none.json"], "\n}", ",\n  \"tools\": {}\n}", 1)))
		w.synced()
		if tools := w.query("SELECT tools FROM mcp_servers WHERE slug = 'none'"); tools != "{}" {
			t.Errorf("tools {} is stored as %q", tools)
		}
		w.quiet()
	})
}

func TestAcceptStreamableHTTPStaysInTheFile(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("mcp-servers/s.json", `{"slug":"s","name":"S","type":"streamable-http","url":"https://s.example"}`))
		w.synced()
		if got := w.query("SELECT type FROM mcp_servers WHERE slug = 's'"); got != "http" {
			t.Errorf("type %q", got)
		}
		w.exec("UPDATE mcp_servers SET name = 'S2' WHERE slug = 's'")
		w.synced()
		w.wantFile("mcp-servers/s.json", `{"slug":"s","name":"S2","type":"streamable-http","url":"https://s.example"}`)
		w.quiet()
	})
}

func TestAcceptLimitsOfTextAndSlugs(t *testing.T) {
	long, longer := strings.Repeat("é", 1024), strings.Repeat("é", 1025)
	slug128, slug129 := strings.Repeat("a", 128), strings.Repeat("a", 129)
	eachWorld(t, nil, func(w *world) {
		file := func(slug, description string) bitbuckettest.Change {
			return bitbuckettest.Write("toolkits/"+slug+".json", fmt.Sprintf(`{"slug":%q,"name":"N","description":%q}`, slug, description))
		}
		w.commit(file("long", long), file("longer", longer), file(slug128, ""), file(slug129, ""), file("a.b_c-d.2", ""), file("con", ""), file("aux.x", ""), file("a..b", ""), file("-a", ""), file("Case", ""), file("case", ""))
		w.insert("toolkits", "slug", "'row-long'", "name", "'N'", "description", quote(long))
		w.insert("toolkits", "slug", "'row-longer'", "name", "'N'", "description", quote(longer))
		w.insert("toolkits", "slug", quote("b"+slug129[2:]), "name", "'N'")
		w.synced()
		for _, slug := range []string{"long", slug128, "a.b_c-d.2", "con", "aux.x", "case"} {
			if status, _ := w.call("GET", "toolkits/"+slug, nil); status != 200 {
				t.Errorf("%.20s was not imported", slug)
			}
		}
		rejected := w.rejected("toolkits")
		for _, slug := range []string{"longer", slug129, "a..b", "-a", "Case"} {
			if code := rejected["toolkits/"+slug+".json"]; code != "VALIDATION_FAILED" {
				t.Errorf("%.20s: %q", slug, code)
			}
		}
		if len(rejected) != 5 {
			t.Errorf("rejected: %v", rejected)
		}
		if !w.branchHas("toolkits/row-long.json", long) || w.branchHas("toolkits/row-longer.json", "") || !w.branchHas("toolkits/b"+slug129[2:]+".json", "") {
			t.Error("the limits are not kept on export")
		}
		if code := w.entityError("toolkits", "row-longer"); code != "VALIDATION_FAILED" {
			t.Errorf("row-longer: %q", code)
		}
		w.checkClone()
	})
}

// TestAcceptOthersFilesStay: what is no entity belongs to its people (D6).
func TestAcceptOthersFilesStay(t *testing.T) {
	theirs := map[string]string{
		"README.md": "r", "toolkits/README.md": "r", "toolkits/.gitkeep": "", "toolkits/.hidden.json": "{}", "toolkits/sub/x.json": `{"slug":"x","name":"X"}`,
		"toolkits/notes.txt": "n", "toolkits/a.JSON": "{}", "toolkits/a.json.bak": "{}", "skills/README.md": "r", "skills/.gitkeep": "", "skills/loose.txt": "t", "skills/.dot/SKILL.md": "x",
		"commands/dir.json/inner.json": "{}", "other/toolkits/a.json": "{}", "bitbucket-pipelines.yml": "x", "Toolkits/a.json": "{}", "mcp-servers/.gitattributes": "* text=auto\n",
	}
	eachWorld(t, nil, func(w *world) {
		var changes []bitbuckettest.Change
		for path, content := range theirs {
			changes = append(changes, bitbuckettest.Write(path, content))
		}
		w.commit(changes...)
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.insert("toolkits", "slug", "'sub'", "name", "'Sub'")
		if report := w.synced(); report["imported"].(float64) != 0 || report["errors"].(float64) != 0 {
			t.Errorf("report: %v", report)
		}
		w.exec("DELETE FROM toolkits WHERE slug = 'a'")
		w.synced()
		for path, content := range theirs {
			w.wantFile(path, content)
		}
		w.quiet()
		w.checkClone()
	})
}

// TestAcceptAForeignThingInTheWayStopsNothing_I1: somebody's directory or file stands where an entity belongs.
func TestAcceptAForeignThingInTheWayStopsNothing_I1(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/taken.json/inner.txt", "people's"), bitbuckettest.Write("skills/flat", "people's"))
		w.insert("toolkits", "slug", "'taken'", "name", "'T'")
		w.insert("toolkits", "slug", "'free'", "name", "'F'")
		w.insert("skills", "id", "'5b8f9e9e-8d9e-4f7e-9d7b-111111111111'", "slug", "'flat'", "name", "'flat'")
		w.exec("INSERT INTO skill_files (skill_id, path, content) VALUES ('5b8f9e9e-8d9e-4f7e-9d7b-111111111111', 'SKILL.md', %s)", w.blob(strings.ReplaceAll(skillMD, "triage", "flat")))
		w.sync()
		w.wantFile("toolkits/free.json", "{\n  \"slug\": \"free\",\n  \"name\": \"F\"\n}\n")
		w.wantFile("toolkits/taken.json/inner.txt", "people's")
		w.wantFile("skills/flat", "people's")
		if code := w.entityError("toolkits", "taken"); code == "" {
			t.Error("the row in whose way something stands shows no error")
		}
		if code := w.entityError("skills", "flat"); code == "" {
			t.Error("the skill in whose way something stands shows no error")
		}
		if state := w.mirror()["state"]; state != "ok" {
			t.Errorf("state %v", w.mirror())
		}
		w.commit(bitbuckettest.Remove("toolkits/taken.json"), bitbuckettest.Remove("skills/flat"))
		w.synced()
		if !w.branchHas("toolkits/taken.json", "T") || !w.branchHas("skills/flat/SKILL.md", "") {
			t.Errorf("once the way is free the rows do not follow: %v", w.files())
		}
		w.checkClone()
	})
}
