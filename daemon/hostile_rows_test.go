package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// insertSkillRow adds a skill with all its files at once; a path of theirs is an SQL
// expression where it begins with one of SQL's functions.
func (w *world) insertSkillRow(n int, slug string, files map[string]string) {
	w.t.Helper()
	id := fmt.Sprintf("5b8f9e9e-8d9e-4f7e-9d7b-%012d", n)
	statements := []string{fmt.Sprintf("INSERT INTO skills (organization_id, id, slug, name) VALUES ('%s', '%s', %s, %[3]s)", w.orgID, id, quote(slug))}
	for path, content := range files {
		text := quote(path)
		if strings.HasPrefix(path, "CAST(") {
			text = path
		}
		statements = append(statements, fmt.Sprintf("INSERT INTO skill_files (skill_id, path, content) VALUES ('%s', %s, %s)", id, text, w.blob(content)))
	}
	w.atomically(statements...)
}

// rowError is the code in a row's git_integration, "" for none.
func (w *world) rowError(table, condition string) string {
	w.t.Helper()
	text := w.query("SELECT git_integration FROM %s WHERE %s", table, condition)
	_, rest, _ := strings.Cut(strings.ReplaceAll(text, `": "`, `":"`), `"code":"`)
	code, _, _ := strings.Cut(rest, `"`)
	return code
}

// TestHostileSkillRows_C4: a path that another program wrote and that leads out, into
// git's own directory, or is two things at once, stops its skill and nothing else.
func TestHostileSkillRows_C4(t *testing.T) {
	paths := []string{
		"../../etc/passwd", "..", "a/../../b", "./a", "a/./b", "/etc/passwd", "a//b", "a/", "", ".git/config", ".GIT/config", "x/.git", "x/.Git/hooks/post-checkout", ".git /config", ".git./config",
		"git~1/config", "GIT~1", ".g\u200cit/config", ".git::$INDEX_ALLOCATION/x", `..\evil`, `a\b`, "a\nb", "a\tb", "a\x7f", "a\u0085", strings.Repeat("x", 256), strings.Repeat("d/", 2100) + "f",
	}
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'good'", "name", "'Good'")
		for i, path := range paths {
			w.insertSkillRow(i, fmt.Sprintf("bad-%d", i), map[string]string{"SKILL.md": skill(fmt.Sprintf("bad-%d", i)), path: "evil"})
		}
		w.insertSkillRow(100, "both", map[string]string{"SKILL.md": skill("both"), "a": "file", "a/b": "directory"})
		w.insertSkillRow(101, "main", map[string]string{"SKILL.md/x": "directory"})
		w.insertSkillRow(102, "fine", map[string]string{"SKILL.md": skill("fine"), "...": "1", ".gitignore": "2", "con": "3", "a b/é": "4", "a.": "5"})
		bad := len(paths)
		if !w.isPostgres() { // PostgreSQL's text holds neither
			w.insertSkillRow(103, "nul", map[string]string{"SKILL.md": skill("nul"), "CAST(x'610062' AS TEXT)": "x"})
			w.insertSkillRow(104, "latin", map[string]string{"SKILL.md": skill("latin"), "CAST(x'6361ff' AS TEXT)": "x"})
		}
		w.synced()
		for i, path := range paths {
			if code := w.rowError("skills", fmt.Sprintf("slug = 'bad-%d'", i)); code != "VALIDATION_FAILED" {
				w.t.Errorf("%.60q: %q", path, code)
			}
		}
		for slug, want := range map[string]string{"both": "VALIDATION_FAILED", "main": "EMPTY_DIRECTORY", "nul": "VALIDATION_FAILED", "latin": "VALIDATION_FAILED"} {
			if code := w.rowError("skills", "slug = "+quote(slug)); code != want && (!w.isPostgres() || slug != "nul" && slug != "latin") {
				w.t.Errorf("%s: %q", slug, code)
			}
		}
		for path := range w.files() {
			if !strings.HasPrefix(path, "skills/fine/") && path != "toolkits/good.json" {
				w.t.Errorf("%q is on the branch", path)
			}
		}
		for path, content := range map[string]string{"...": "1", ".gitignore": "2", "con": "3", "a b/é": "4", "a.": "5"} {
			w.wantFile("skills/fine/"+path, content)
		}
		w.quiet()
		w.checkClone()
		// A skill that the branch has turns bad, and stays there as it was until it is mended.
		w.exec("INSERT INTO skill_files (skill_id, path, content) VALUES ((SELECT id FROM skills WHERE slug = 'fine'), '.git/config', %s)", w.blob("evil"))
		w.exec("UPDATE skill_files SET content = %s WHERE path = 'con'", w.blob("edited"))
		w.synced()
		if code := w.entityError("skills", "fine"); code != "VALIDATION_FAILED" {
			w.t.Errorf("fine: %q", code)
		}
		w.wantFile("skills/fine/con", "3")
		for i, path := range paths {
			w.exec("DELETE FROM skill_files WHERE path = %s AND skill_id = (SELECT id FROM skills WHERE slug = 'bad-%d')", quote(path), i)
		}
		w.exec("DELETE FROM skill_files WHERE path = '.git/config'")
		w.synced()
		w.wantFile("skills/fine/con", "edited")
		for i := range bad {
			w.wantFile(fmt.Sprintf("skills/bad-%d/SKILL.md", i), skill(fmt.Sprintf("bad-%d", i)))
		}
		w.quiet()
		w.checkClone()
	})
}

// TestHostileRows_C4: slugs that are none and documents that break a rule; what the
// branch has of them stays.
func TestHostileRows_C4(t *testing.T) {
	slugs := []string{"../x", "..", ".", "", "/etc/passwd", "a/b", `a\b`, ".git", "-a", "a-", "a b", "A", "a\nb", "café", "a%2fb", strings.Repeat("x", 129), "x.json/../../y"}
	eachWorld(t, nil, func(w *world) {
		w.insert("commands", "slug", "'hello'", "name", "'Hello'", "prompt", "'Hi'")
		w.insert("toolkits", "slug", "'moves'", "name", "'Moves'")
		w.insertSkillRow(1, "bare", map[string]string{"SKILL.md": skill("bare")})
		w.insertSkillRow(2, "large", map[string]string{"SKILL.md": skill("large")})
		w.insert("mcp_servers", "slug", "'gh'", "name", "'GH'", "type", "'stdio'", "command", "'x'")
		w.synced()
		files := w.files()
		for i, slug := range slugs {
			for _, table := range []string{"toolkits", "mcp_clients"} {
				w.insert(table, "slug", quote(slug), "name", quote(fmt.Sprint("bad ", i)))
			}
		}
		w.insert("commands", "slug", "'speechless'", "name", "'S'")
		w.insert("commands", "slug", "'good'", "name", "'Good'", "prompt", "'p'")
		w.exec("UPDATE commands SET prompt = NULL WHERE slug = 'hello'")
		w.exec("UPDATE toolkits SET slug = '../moved' WHERE slug = 'moves'")
		w.exec("DELETE FROM skill_files WHERE path = 'SKILL.md' AND skill_id = (SELECT id FROM skills WHERE slug = 'bare')")
		w.exec("INSERT INTO skill_files (skill_id, path, content) VALUES ((SELECT id FROM skills WHERE slug = 'large'), 'big', %s)", w.blob(strings.Repeat("x", 1<<20+1)))
		w.exec("UPDATE mcp_servers SET type = 'http'")
		w.synced()
		for i, slug := range slugs {
			for _, table := range []string{"toolkits", "mcp_clients"} {
				if code := w.rowError(table, fmt.Sprintf("name = 'bad %d'", i)); code != "VALIDATION_FAILED" {
					w.t.Errorf("%s with slug %.40q: %q", table, slug, code)
				}
			}
		}
		for _, c := range []struct{ table, condition, code string }{
			{"commands", "slug = 'hello'", "VALIDATION_FAILED"}, {"commands", "slug = 'speechless'", "VALIDATION_FAILED"}, {"toolkits", "name = 'Moves'", "VALIDATION_FAILED"},
			{"skills", "slug = 'bare'", "EMPTY_DIRECTORY"}, {"skills", "slug = 'large'", "FETCH_FAILED"}, {"mcp_servers", "slug = 'gh'", "VALIDATION_FAILED"},
		} {
			if code := w.rowError(c.table, c.condition); code != c.code {
				w.t.Errorf("%s where %s: %q, want %s", c.table, c.condition, code, c.code)
			}
		}
		for path, content := range files {
			w.wantFile(path, content)
		}
		if n := len(w.files()); n != len(files)+1 || !w.branchHas("commands/good.json", "Good") {
			w.t.Errorf("%d files on the branch, want %d and one more: %v", n, len(files), w.files())
		}
		w.quiet()
		w.checkClone()
		// The file of a bad row may be edited on the branch; mended, the row goes out or comes in.
		w.commit(bitbuckettest.Write("commands/hello.json", `{"slug":"hello","name":"Git's","prompt":"p"}`))
		w.synced()
		w.exec("UPDATE commands SET prompt = 'Hi' WHERE prompt IS NULL")
		w.exec("UPDATE toolkits SET slug = 'moved' WHERE name = 'Moves'")
		w.exec("UPDATE mcp_servers SET type = 'stdio'")
		w.exec("DELETE FROM skill_files WHERE path = 'big'")
		w.exec("INSERT INTO skill_files (skill_id, path, content) VALUES ((SELECT id FROM skills WHERE slug = 'bare'), 'SKILL.md', %s)", w.blob(skill("bare")))
		w.exec("DELETE FROM toolkits WHERE name LIKE 'bad %%'")
		w.exec("DELETE FROM mcp_clients")
		w.synced()
		if got := w.query("SELECT name || '/' || prompt FROM commands WHERE slug = 'hello'"); got != "Git's/p" {
			w.t.Errorf("hello: %s", got)
		}
		w.wantNoFile("toolkits/moves.json")
		if !w.branchHas("toolkits/moved.json", "Moves") {
			w.t.Errorf("not moved: %v", w.files())
		}
		if got := w.mirror(); got["errors"].(float64) != 0 {
			w.t.Errorf("mirror: %v", got)
		}
		w.quiet()
		w.checkClone()
	})
}

// TestOtherKeysOfSecrets_C3: what another program keeps beside a secret's value stays
// in the row, whatever the file says beside it.
func TestOtherKeysOfSecrets_C3(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("mcp_servers", "slug", "'gh'", "name", "'GH'", "type", "'stdio'", "command", "'x'",
			"env", `'{"A":{"value":"canary-1","secret":true,"old_value":"canary-2","x-hint":"rotated"},"B":{"value":"canary-3","previous":{"value":"canary-4"}}}'`,
			"headers", `'{"H":{"secret":true,"history":["canary-5"]}}'`)
		w.synced()
		if !w.branchHas("mcp-servers/gh.json", `"x-hint": "rotated"`) || w.branchHas("mcp-servers/gh.json", "old_value") {
			w.t.Errorf("the file:\n%s", w.files()["mcp-servers/gh.json"])
		}
		file := strings.Replace(w.files()["mcp-servers/gh.json"], `"x-hint"`, `"old_value": "of the file", "x-hint"`, 1)
		w.commit(bitbuckettest.Write("mcp-servers/gh.json", strings.Replace(file, `"GH"`, `"GH 2"`, 1)))
		w.synced()
		for i, stored := range []string{"canary-1", "canary-2", "canary-3", "canary-4", "canary-5"} {
			if got := w.query("SELECT CAST(env AS TEXT) || CAST(headers AS TEXT) FROM mcp_servers WHERE name = 'GH 2'"); !strings.Contains(got, stored) {
				w.t.Errorf("the import lost secret %d: %s", i+1, got)
			}
		}
		w.quiet()
		w.exec("UPDATE mcp_servers SET description = 'd'")
		w.synced()
		if !w.branchHas("mcp-servers/gh.json", `"old_value": "of the file"`) {
			w.t.Errorf("an edit took the file's own key:\n%s", w.files()["mcp-servers/gh.json"])
		}
		if found := canaries(w.remoteObjects()); len(found) > 0 {
			w.t.Errorf("on the remote: %q", found)
		}
		if _, body := w.callRaw("GET", "mcp-servers/gh"); strings.Contains(body, "canary-") {
			w.t.Errorf("the API shows %s", body)
		}
		w.quiet()
		w.checkClone()
	})
}

// TestSecrecyRaisedInTheDatabase_C3: the value that was public leaves the branch with
// the next push.
func TestSecrecyRaisedInTheDatabase_C3(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("mcp_servers", "slug", "'gh'", "name", "'GH'", "type", "'stdio'", "command", "'x'", "env", `'{"K":{"value":"public","secret":false}}'`)
		w.synced()
		w.exec(`UPDATE mcp_servers SET env = '{"K":{"value":"canary-1","secret":true}}'`)
		w.synced()
		if code := w.entityError("mcp-servers", "gh"); code != "" || w.branchHas("mcp-servers/gh.json", "public") || !w.branchHas("mcp-servers/gh.json", `"secret": true`) {
			w.t.Errorf("%q; the file:\n%s", code, w.files()["mcp-servers/gh.json"])
		}
		if found := canaries(w.remoteObjects()); len(found) > 0 {
			w.t.Errorf("on the remote: %q", found)
		}
		w.quiet()
	})
}
