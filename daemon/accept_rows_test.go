package daemon_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestAcceptOddRowsStopNothing_I1_I9: what other programs may write into the tables.
func TestAcceptOddRowsStopNothing_I1_I9(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'good'", "name", "'Good'")
		w.insert("toolkits", "slug", "'five'", "name", "'N'", "integrations", "'5'")
		w.insert("toolkits", "slug", "'listed'", "name", "'N'", "integrations", `'["a"]'`)
		w.insert("toolkits", "slug", "'status'", "name", "'N'", "status", "'bogus'")
		w.insert("toolkits", "slug", "'noname'", "name", "''")
		w.insert("toolkits", "slug", "'../../etc/passwd'", "name", "'N'")
		w.insert("toolkits", "slug", "''", "name", "'N'")
		w.insert("toolkits", "slug", "'.git'", "name", "'N'")
		w.insert("toolkits", "slug", "'UPPER'", "name", "'N'")
		w.insert("toolkits", "slug", "'extra'", "name", "'N'", "extra", "'[1]'")
		w.insert("toolkits", "slug", "'nested'", "name", "'N'", "extra", quote(`{"x-n":`+strings.Repeat("[", 150)+strings.Repeat("]", 150)+`}`))
		w.insert("mcp_servers", "slug", "'notype'", "name", "'N'")
		w.insert("mcp_servers", "slug", "'userinfo'", "name", "'N'", "type", "'http'", "url", "'https://u:canary-1@h.example'")
		w.insert("mcp_clients", "slug", "'scheme'", "name", "'N'", "redirect_uris", `'["javascript:alert(1)"]'`)
		w.insert("skills", "id", quote(skillID), "slug", "'triage'", "name", "'triage'")
		// SKILL.md comes last: the daemon is told of each row, and a skill of SKILL.md alone would be exported.
		for _, path := range []string{"../escape.txt", ".git/config", "a//b", "/abs", "a/.GIT/x", "GIT~1/config", "SKILL.md"} {
			w.exec("INSERT INTO skill_files (skill_id, path, content) VALUES ('%s', %s, %s)", skillID, quote(path), w.blob(skillMD))
		}
		bad := []string{"five", "listed", "status", "noname", "UPPER", "extra", "nested"}
		if !w.isPostgres() {
			w.insert("toolkits", "slug", "'text'", "name", "CAST(x'ff41' AS TEXT)")
			w.insert("toolkits", "slug", "'nul'", "name", "'a' || char(0) || 'b'")
			w.insert("toolkits", "slug", "'json'", "name", "'N'", "integrations", "'{'")
			w.insert("toolkits", "slug", "'flag'", "name", "'N'", "least_privilege", "'perhaps'")
			w.insert("toolkits", "slug", "'gi'", "name", "'N'", "git_integration", "'{{'")
			w.insert("toolkits", "slug", "'dated'", "name", "'N'", "created_at", "'yesterday'", "updated_at", "17")
			w.insert("toolkits", "slug", "'epoch'", "name", "'N'", "deleted_at", "1732300000")
			w.insert("toolkits", "slug", "'day'", "name", "'N'", "deleted_at", "'2026-01-01'")
			bad = append(bad, "text", "nul", "json", "flag")
		}
		if w.isPostgres() {
			w.insert("toolkits", "slug", "'dated'", "name", "'N'", "created_at", "'-infinity'", "updated_at", "'infinity'")
			w.insert("toolkits", "slug", "'gi'", "name", "'N'", "git_integration", `'[{"error":5}]'`, "updated_at", "'20000-01-01'")
			w.insert("toolkits", "slug", "'epoch'", "name", "'N'", "deleted_at", "'infinity'")
		}
		w.synced()
		if !w.branchHas("toolkits/good.json", "Good") {
			t.Error("odd rows stop a good one")
		}
		for _, slug := range bad {
			if got := w.query("SELECT git_integration FROM toolkits WHERE slug = %s", quote(slug)); !strings.Contains(got, "VALIDATION_FAILED") && !strings.Contains(got, "INVALID_JSON") {
				t.Errorf("%s: %s", slug, got)
			}
		}
		for path := range w.files() {
			switch path {
			case "toolkits/good.json", "toolkits/gi.json", "toolkits/dated.json":
			default:
				t.Errorf("%s is on the branch", path)
			}
		}
		if !w.branchHas("toolkits/gi.json", "") || !w.branchHas("toolkits/dated.json", "") {
			t.Error("a row with odd times or an odd status is not exported")
		}
		if got := w.query("SELECT git_integration FROM skills"); !strings.Contains(got, "VALIDATION_FAILED") {
			t.Errorf("skill: %s", got)
		}
		for _, kind := range []string{"toolkits", "skills", "mcp-servers", "mcp-clients"} {
			if status, body := w.callRaw("GET", kind+"?limit=100"); status != 200 {
				w.t.Errorf("GET %s: %d %s", kind, status, body)
			}
		}
		w.quiet()
		w.checkClone()
		w.exec("UPDATE toolkits SET integrations = NULL, status = NULL, extra = NULL")
		w.exec("UPDATE toolkits SET slug = 'upper' WHERE slug = 'UPPER'")
		w.synced()
		for _, slug := range []string{"five", "listed", "status", "upper", "extra", "nested"} {
			if code := w.entityError("toolkits", slug); code != "" || !w.branchHas("toolkits/"+slug+".json", "") {
				t.Errorf("%s after it was mended: %q", slug, code)
			}
		}
		w.quiet()
	})
}

func TestAcceptTheSameEditOnBothSides(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		w.repo.Restrict("main")
		w.exec("UPDATE toolkits SET name = 'B', description = 'd' WHERE slug = 'a'")
		w.insert("toolkits", "slug", "'n'", "name", "'N'")
		w.sync()
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"description":"d","name":"B","slug":"a"}`), bitbuckettest.Write("toolkits/n.json", `{"slug":"n", "name":"N"}`))
		w.repo.Unrestrict()
		commits := len(w.commits())
		w.synced()
		if n := len(w.commits()) - commits; n != 0 {
			t.Errorf("%d commits for what both sides say", n)
		}
		w.wantFile("toolkits/a.json", `{"description":"d","name":"B","slug":"a"}`)
		if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
			t.Errorf("%s conflicts", n)
		}
		w.quiet()
	})
}

func TestAcceptMergesPlaceByPlace(t *testing.T) {
	base := "---\nname: triage\ndescription: Sorts.\n---\n1\n2\n3\n4\n5\n6\n7\n8\n"
	eachWorld(t, nil, func(w *world) {
		w.insert("mcp_servers", "slug", "'gh'", "name", "'GH'", "type", "'stdio'", "command", "'x'", "env", `'{"A":{"value":"canary-1","secret":true},"P":{"value":"p","secret":false}}'`)
		w.insert("toolkits", "slug", "'a'", "name", "'A'", "integrations", `'{"gh":{"tools":["one","two"]}}'`, "skills", `'["s1","s2"]'`)
		w.insert("commands", "slug", "'c'", "name", "'C'", "prompt", "'p'", "arguments", `'[{"name":"x"},{"name":"y"}]'`)
		w.insertSkill("triage", map[string]string{"SKILL.md": base, "one.txt": "1\n", "b.bin": "\x00"})
		w.synced()
		w.repo.Restrict("main")
		w.exec(`UPDATE toolkits SET integrations = '{"gh":{"tools":["one","two","three"]}}', skills = '["s2","s3"]' WHERE slug = 'a'`)
		w.exec(`UPDATE commands SET arguments = '[{"name":"x","title":"X"},{"name":"y"},{"name":"z"}]' WHERE slug = 'c'`)
		w.exec(`UPDATE mcp_servers SET env = '{"A":{"value":"canary-2","secret":true},"P":{"value":"p","secret":false},"N":{"value":"canary-3","secret":true}}' WHERE slug = 'gh'`)
		w.exec("UPDATE skill_files SET content = %s WHERE path = 'SKILL.md'", w.blob(strings.Replace(base, "2\n", "two\n", 1)))
		w.exec("INSERT INTO skill_files (skill_id, path, content) VALUES ('%s', 'db.txt', %s)", skillID, w.blob("db"))
		w.sync()
		w.commit(
			bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A","integrations":{"gh":{"tools":["zero","one"]}},"skills":["s1","s2","s4"]}`),
			bitbuckettest.Write("commands/c.json", `{"slug":"c","name":"C","prompt":"p","arguments":[{"name":"w"},{"name":"x"},{"name":"y","required":true}]}`),
			bitbuckettest.Write("mcp-servers/gh.json", `{"slug":"gh","name":"GH","type":"stdio","command":"y","env":{"A":{"secret":true},"P":"p2"}}`),
			bitbuckettest.Write("skills/triage/SKILL.md", strings.Replace(base, "7\n", "seven\n", 1)), bitbuckettest.Write("skills/triage/git.txt", "git"), bitbuckettest.Remove("skills/triage/one.txt"))
		w.repo.Unrestrict()
		w.synced()
		kit := w.get("toolkits/a")
		tools := kit["integrations"].(map[string]any)["gh"].(map[string]any)["tools"].([]any)
		if got := strings.Join(texts(tools), " "); got != "zero one three" {
			t.Errorf("tools: %s", got)
		}
		if got := strings.Join(texts(kit["skills"].([]any)), " "); got != "s2 s4 s3" {
			t.Errorf("skills: %s", got)
		}
		var names []string
		for _, a := range w.get("commands/c")["arguments"].([]any) {
			names = append(names, a.(map[string]any)["name"].(string))
		}
		if got := strings.Join(names, " "); got != "w x y z" {
			t.Errorf("arguments: %s", got)
		}
		env := w.query("SELECT CAST(env AS TEXT) || command FROM mcp_servers")
		for _, want := range []string{"canary-2", "canary-3", "p2"} {
			if !strings.Contains(env, want) {
				t.Errorf("env lacks %s: %s", want, env)
			}
		}
		w.wantFile("skills/triage/SKILL.md", strings.NewReplacer("2\n", "two\n", "7\n", "seven\n").Replace(base))
		w.wantFile("skills/triage/db.txt", "db")
		w.wantFile("skills/triage/git.txt", "git")
		w.wantNoFile("skills/triage/one.txt")
		if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
			t.Errorf("%s conflicts: %v", n, w.get("conflicts"))
		}
		if strings.Contains(w.remoteObjects(), "canary-") {
			t.Error("a merge let a secret out")
		}
		w.quiet()
		w.checkClone()
	})
}

func texts(values []any) []string {
	var list []string
	for _, v := range values {
		list = append(list, v.(string))
	}
	return list
}

func TestAcceptDeletingAnOrganizationLeavesItsRepository(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.insertSkill("triage", map[string]string{"SKILL.md": skillMD})
		w.synced()
		before := len(w.commits())
		w.exec("DELETE FROM organizations WHERE slug = 'acme'")
		w.eventually("the organization is gone", func() bool { status, _ := w.call("GET", "mirror", nil); return status == 404 })
		w.call("POST", "mirror/sync?wait=true", nil)
		if len(w.commits()) != before || !w.branchHas("toolkits/a.json", "A") {
			t.Errorf("the repository changed: %v", w.files())
		}
	})
}

// TestAcceptABranchThatIsDeletedAndMadeAgain_F1_D1: nothing is deleted in the database.
func TestAcceptABranchThatIsDeletedAndMadeAgain_F1_D1(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"a", "b", "c"} {
			w.insert("toolkits", "slug", quote(slug), "name", quote(slug))
		}
		w.synced()
		first := w.commits()[len(w.commits())-1].Hash
		w.exec("UPDATE toolkits SET description = 'later' WHERE slug = 'a'")
		w.synced()
		_, err := w.repo.Git("update-ref", "-d", "refs/heads/main")
		w.must(err)
		if report := w.sync(); report["state"] != "blocked" || w.detailCode() != "BRANCH_NOT_FOUND" {
			t.Errorf("report: %v", report)
		}
		if n := w.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL"); n != "3" {
			t.Errorf("%s rows left", n)
		}
		// Made again from the first commit: a rewrite like a force-push to an older one.
		_, err = w.repo.Git("update-ref", "refs/heads/main", string(first))
		w.must(err)
		if report := w.sync(); report["state"] != "ok" && report["state"] != "held" {
			t.Errorf("report: %v", report)
		}
		if n := w.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL"); n == "0" {
			t.Error("the older branch emptied the database")
		}
		w.sync()
		w.checkClone()
	})
}
