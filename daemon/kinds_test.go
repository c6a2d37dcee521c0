package daemon_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

const skillMD = `---
name: triage
description: Sorts incoming issues.
---
# Triage

Read the issue, then label it.
`

func TestEveryKindReachesTheBranch(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("mcp_servers", "slug", "'github'", "name", "'GitHub'", "type", "'http'", "url", "'https://mcp.example.com'",
			"env", `'{"REGION":{"value":"eu","secret":false},"TOKEN":{"value":"canary-token","secret":true}}'`,
			"tools", `'{"search":{"enabled":true}}'`, "auth", `'{"password":"canary-auth"}'`)
		w.insert("mcp_clients", "slug", "'desktop'", "name", "'Desktop'", "redirect_uris", `'["http://127.0.0.1/cb"]'`,
			"client_id", "'canary-client-id'", "client_secret", "'canary-client-secret'")
		w.insert("commands", "slug", "'summarize'", "name", "'Summarize'", "prompt", "'Summarize <b>{{text}}</b>'",
			"arguments", `'[{"name":"text","required":true}]'`)
		w.insert("toolkits", "slug", "'triage-kit'", "name", "'Triage'", "least_privilege", "true",
			"integrations", `'{"github":{"tools":["search"]}}'`, "skills", `'["triage"]'`, "updated_by", "'Grace Hopper <grace@example.com>'")
		w.insert("skills", "id", "'5b8f9e9e-8d9e-4f7e-9d7b-111111111111'", "slug", "'triage'", "name", "'triage'")
		for path, content := range map[string]string{"SKILL.md": skillMD, "scripts/run.sh": "#!/bin/sh\n", "assets/logo.bin": "\x00\x01\xff"} {
			executable := "false"
			if strings.HasSuffix(path, ".sh") {
				executable = "true"
			}
			w.exec("INSERT INTO skill_files (skill_id, path, content, executable) VALUES ('5b8f9e9e-8d9e-4f7e-9d7b-111111111111', %s, %s, %s)", quote(path), w.blob(content), executable)
		}
		w.synced()

		w.wantFile("mcp-servers/github.json", `{
  "slug": "github",
  "name": "GitHub",
  "type": "http",
  "url": "https://mcp.example.com",
  "env": {
    "REGION": "eu",
    "TOKEN": {
      "secret": true
    }
  },
  "tools": {
    "search": {
      "enabled": true
    }
  }
}
`)
		w.wantFile("mcp-clients/desktop.json", `{
  "slug": "desktop",
  "name": "Desktop",
  "redirect_uris": [
    "http://127.0.0.1/cb"
  ]
}
`)
		w.wantFile("commands/summarize.json", `{
  "slug": "summarize",
  "name": "Summarize",
  "prompt": "Summarize <b>{{text}}</b>",
  "arguments": [
    {
      "name": "text",
      "required": true
    }
  ]
}
`)
		w.wantFile("toolkits/triage-kit.json", `{
  "slug": "triage-kit",
  "name": "Triage",
  "least_privilege": true,
  "integrations": {
    "github": {
      "tools": [
        "search"
      ]
    }
  },
  "skills": [
    "triage"
  ]
}
`)
		w.wantFile("skills/triage/SKILL.md", skillMD)
		w.wantFile("skills/triage/assets/logo.bin", "\x00\x01\xff")
		tree, err := w.repo.Tree("main")
		w.must(err)
		for _, f := range tree {
			if want := map[bool]string{true: bitbuckettest.ModeExecutable, false: bitbuckettest.ModeFile}[f.Path == "skills/triage/scripts/run.sh"]; f.Mode != want {
				t.Errorf("%s has mode %s, want %s", f.Path, f.Mode, want)
			}
		}
		for _, c := range w.commits() {
			if !strings.Contains(c.Message, "\nConfmirror-Run: ") {
				t.Errorf("no trailer: %q", c.Message)
			}
			if want := map[bool]string{true: "Grace Hopper", false: "confmirror"}[c.Subject() == "Add toolkit triage-kit"]; c.Author.Name != want {
				t.Errorf("%q is by %s, want %s", c.Subject(), c.Author.Name, want)
			}
		}
		if status := w.query("SELECT description FROM skills WHERE slug = 'triage'"); status != "Sorts incoming issues." {
			t.Errorf("the skill's description does not follow SKILL.md: %q", status)
		}
	})
}

func TestEveryKindReachesTheDatabase(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(
			bitbuckettest.Write("toolkits/kit.json", `{"slug":"kit","name":"Kit","$schema":"https://example.com/s.json","x-n":12345678901234567890,"integrations":{"gh":{"tools":"*"}}}`),
			bitbuckettest.Write("mcp-servers/gh.json", `{"slug":"gh","name":"GH","type":"stdio","command":"gh","args":["mcp"],"env":{"A":"1","B":{"secret":true,"required":true}}}`),
			bitbuckettest.Write("mcp-clients/web.json", `{"slug":"web","name":"Web","enabled":false}`),
			bitbuckettest.Write("commands/hi.json", `{"slug":"hi","name":"Hi","prompt":"Say hi"}`),
			bitbuckettest.Write("skills/triage/SKILL.md", skillMD),
			bitbuckettest.Change{Path: "skills/triage/bin/tool", Mode: bitbuckettest.ModeExecutable, Content: []byte("\x7fELF\x00")},
			bitbuckettest.Write("README.md", "people's own"),
		)
		report := w.synced()
		if report["imported"].(float64) != 5 || report["exported"].(float64) != 0 || len(report["commits"].([]any)) != 0 {
			t.Errorf("report: %v", report)
		}
		kit := w.get("toolkits/kit")
		if kit["$schema"] != "https://example.com/s.json" {
			t.Errorf("unknown key lost: %v", kit)
		}
		var extra map[string]json.Number
		if raw := w.query("SELECT extra FROM toolkits WHERE slug = 'kit'"); !strings.Contains(raw, "12345678901234567890") {
			t.Errorf("extra %q, %v", raw, extra)
		}
		if got := w.query("SELECT command FROM mcp_servers WHERE slug = 'gh'"); got != "gh" {
			t.Errorf("command %q", got)
		}
		env := w.get("mcp-servers/gh")["env"].(map[string]any)
		if b := env["B"].(map[string]any); b["secret"] != true || b["set"] != false || b["required"] != true {
			t.Errorf("env %v", env)
		}
		if got := w.query("SELECT CAST(executable AS TEXT) FROM skill_files WHERE path = 'bin/tool'"); got != "true" && got != "1" {
			t.Errorf("executable bit %q", got)
		}
		if got := w.query("SELECT name || ':' || description FROM skills WHERE slug = 'triage'"); got != "triage:Sorts incoming issues." {
			t.Errorf("skill %q", got)
		}
		before := len(w.commits())
		if report := w.synced(); report["imported"].(float64) != 0 || len(w.commits()) != before {
			t.Errorf("E1: an import came back: %v", report)
		}
	})
}

func TestEditsBothWaysAndDeletes(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"} {
			w.insert("toolkits", "slug", quote(slug), "name", quote("Kit "+slug))
		}
		w.synced()
		hand := "{\r\n    \"name\": \"Kit a\",\r\n    \"slug\": \"a\",\r\n    \"x-keep\": [1.50, 1e3]\r\n}"
		w.commit(bitbuckettest.Write("toolkits/a.json", hand))
		w.synced()
		w.exec("UPDATE toolkits SET description = 'edited' WHERE slug = 'a'")
		w.synced()
		w.wantFile("toolkits/a.json", "{\r\n    \"name\": \"Kit a\",\r\n    \"description\": \"edited\",\r\n    \"slug\": \"a\",\r\n    \"x-keep\": [1.50, 1e3]\r\n}")

		w.exec("DELETE FROM toolkits WHERE slug = 'b'")
		w.exec("UPDATE toolkits SET deleted_at = CURRENT_TIMESTAMP WHERE slug = 'c'")
		w.synced()
		w.wantNoFile("toolkits/b.json")
		w.wantNoFile("toolkits/c.json")

		w.commit(bitbuckettest.Remove("toolkits/d.json"))
		w.synced()
		if got := w.query("SELECT count(*) FROM toolkits WHERE slug = 'd' AND deleted_at IS NOT NULL"); got != "1" {
			t.Errorf("D8: the row is not soft-deleted")
		}
		if status, _ := w.call("GET", "toolkits/d", nil); status != 404 {
			t.Errorf("a deleted row answers %d", status)
		}
		w.exec("UPDATE toolkits SET slug = 'e2' WHERE slug = 'e'")
		w.synced()
		w.wantNoFile("toolkits/e.json")
		if subject := w.commits()[0].Subject(); subject != "Rename toolkit e to e2" {
			t.Errorf("subject %q", subject)
		}
		id := w.query("SELECT id FROM toolkits WHERE slug = 'f'")
		w.commit(bitbuckettest.Remove("toolkits/f.json"), bitbuckettest.Write("toolkits/f2.json", strings.ReplaceAll(w.files()["toolkits/f.json"], `"f"`, `"f2"`)))
		w.synced()
		if got := w.query("SELECT id FROM toolkits WHERE slug = 'f2' AND deleted_at IS NULL"); got != id {
			t.Errorf("I3: the renamed file has row %q, want %q", got, id)
		}
	})
}

func TestPrivateRowsStay(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'mine'", "name", "'canary-private'", "owner_id", "'8b8f9e9e-8d9e-4f7e-9d7b-222222222222'")
		w.insert("toolkits", "slug", "'ours'", "name", "'Ours'")
		w.insert("commands", "slug", "'one'", "name", "'One'", "prompt", "'x'")
		w.synced()
		w.wantNoFile("toolkits/mine.json")
		w.exec("UPDATE toolkits SET owner_id = '8b8f9e9e-8d9e-4f7e-9d7b-222222222222' WHERE slug = 'ours'")
		w.synced()
		w.wantNoFile("toolkits/ours.json")
		if got := w.query("SELECT name FROM toolkits WHERE slug = 'ours' AND deleted_at IS NULL"); got != "Ours" {
			t.Errorf("the private row is gone: %q", got)
		}
		w.exec("UPDATE toolkits SET owner_id = NULL WHERE slug = 'ours'")
		w.synced()
		if _, there := w.files()["toolkits/ours.json"]; !there {
			t.Error("a row that is the organization's again did not return")
		}
		w.commit(bitbuckettest.Write("toolkits/mine.json", `{"slug":"mine","name":"The organization's"}`))
		w.synced()
		if got := w.query("SELECT name FROM toolkits WHERE slug = 'mine' AND owner_id IS NOT NULL"); got != "canary-private" {
			t.Errorf("the import wrote into a private row: %q", got)
		}
	})
}
