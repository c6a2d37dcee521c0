package daemon_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// take gives an entity to a side ("": only runs), and expects the answer's status.
func (w *world) take(path, side string, want int) map[string]any {
	w.t.Helper()
	var body any
	if side != "" {
		body = object{"take": side}
	}
	status, answer := w.call("POST", path+"/sync", body)
	if status != want {
		w.t.Fatalf("%s: take %q: %d, want %d: %v", path, side, status, want, answer)
	}
	return answer
}

// kept is the conflict that a take left at a path; nil without one.
func (w *world) kept(path, decided string) map[string]any {
	w.t.Helper()
	var found map[string]any
	for _, item := range w.get("conflicts?all=true")["items"].([]any) {
		c := item.(map[string]any)
		if c["path"] != path {
			continue
		}
		if found != nil || c["reason"] != "taken" || c["decided"] != decided || c["resolution"] != decided || c["resolved_at"] == nil {
			w.t.Errorf("conflict %v", c)
		}
		found = c
	}
	return found
}

func TestSyncOneEntity(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A"}`))
		if got := w.take("toolkits/a", "", 200); got["name"] != "A" || got["git_integration"] == nil {
			t.Errorf("%v", got)
		}
		w.take("toolkits/b", "", 404)
		w.take("toolkits/b", "git", 404)
		w.take("toolkits/a", "both", 400)
		// Nothing stands in the way: either side is what there is.
		commits := len(w.commits())
		for _, side := range []string{"git", "database"} {
			if got := w.take("toolkits/a", side, 200); got["name"] != "A" {
				t.Errorf("%v", got)
			}
		}
		if n := len(w.commits()); n != commits {
			t.Errorf("%d commits of nothing", n-commits)
		}
		// Git has none and never had, so there is nothing of it to take.
		w.insert("toolkits", "slug", "'new'", "name", "'New'")
		w.take("toolkits/new", "git", 200)
		if !w.branchHas("toolkits/new.json", "New") {
			t.Error("not exported")
		}
		if all := w.get("conflicts?all=true")["items"].([]any); len(all) != 0 {
			t.Errorf("%v", all)
		}
		w.quiet()
	})
}

// TestTakeWhatStandsInTheWay: each case begins with a toolkit that was agreed on, whose
// slug stands for $ in it.
func TestTakeWhatStandsInTheWay(t *testing.T) {
	const (
		database = "UPDATE toolkits SET name = 'Database', description = 'only here' WHERE slug = '$'"
		nameless = "UPDATE toolkits SET name = NULL WHERE slug = '$'"
	)
	cases := []struct {
		name      string
		database  string // an edit; "": none
		git       string // "": removed; "same": untouched
		take      string
		row, file string // after that; a part of the file, "": none
		code      string // of the entity's error
		keeps     bool   // the other side's document
		status    int    // 0: 200
	}{
		{name: "both changed", database: database, git: `{"slug":"$","name":"Git"}`, take: "git", row: "Git/", file: `{"slug":"$","name":"Git"}`, keeps: true},
		{name: "both changed", database: database, git: `{"slug":"$","name":"Git","status":"draft"}`, take: "database", row: "Database/only here", file: "only here", keeps: true},
		{name: "a bad file", git: `{"slug":"$",`, take: "database", row: "A/", file: `"A"`},
		{name: "a bad file", git: `{"slug":"$",`, take: "git", row: "A/", file: `{"slug":"$",`, code: "INVALID_JSON"},
		{name: "a bad file and an edit", database: database, git: `{"slug":"$","name":""}`, take: "database", row: "Database/only here", file: "only here"},
		{name: "a bad file and an edit", database: database, git: `{"slug":"$","name":""}`, take: "git", row: "Database/only here", file: `{"slug":"$","name":""}`, code: "VALIDATION_FAILED"},
		{name: "an edit", database: database, git: "same", take: "git", row: "A/", file: `{"slug":"$","name":"A"}`, keeps: true},
		{name: "a bad row", database: nameless, git: "same", take: "git", row: "A/", file: `"A"`, keeps: true},
		{name: "a bad row", database: nameless, git: `{"slug":"$","name":"Git"}`, take: "database", row: "", file: `"Git"`, code: "VALIDATION_FAILED"},
		{name: "what looks like a credential", database: "UPDATE toolkits SET description = " + quote(privateKey) + " WHERE slug = '$'", git: "same", take: "git", row: "A/", file: `"A"`, keeps: true},
		{name: "git's deletion", database: database, git: "", take: "git", row: "", file: "", status: 204},
		{name: "git's deletion", git: "", take: "database", row: "A/", file: `"A"`},
		{name: "a missing integration", git: `{"slug":"$","name":"Git","integrations":{"nobody":{}}}`, take: "git", row: "A/", file: "nobody", code: "MISSING_INTEGRATION"},
		{name: "a missing integration", git: `{"slug":"$","name":"Git","integrations":{"nobody":{}}}`, take: "database", row: "A/", file: `"A"`, keeps: true},
	}
	eachWorld(t, nil, func(w *world) {
		for i, c := range cases {
			slug := fmt.Sprintf("kit-%d", i)
			entity, path := "toolkits/"+slug, "toolkits/"+slug+".json"
			name := fmt.Sprintf("%s: %s, %s", slug, c.name, c.take)
			fill := strings.NewReplacer("$", slug).Replace
			w.commit(bitbuckettest.Write(path, fill(`{"slug":"$","name":"A"}`)))
			w.synced()
			change := bitbuckettest.Write(path, fill(c.git))
			switch c.git {
			case "":
				change = bitbuckettest.Remove(path)
			case "same":
				change = bitbuckettest.Write("README.md", name)
			}
			if c.database == "" {
				w.commit(change)
			} else {
				w.apart(func() { w.exec("%s", fill(c.database)) }, change)
			}
			answer := w.take(entity, c.take, cmp.Or(c.status, 200))
			if got := w.query("SELECT name || '/' || coalesce(description, '') FROM toolkits WHERE slug = %s AND deleted_at IS NULL", quote(slug)); got != c.row {
				t.Errorf("%s: row %q, want %q", name, got, c.row)
			}
			if got, there := w.files()[path]; there != (c.file != "") || !strings.Contains(got, fill(c.file)) {
				t.Errorf("%s: file (there: %v) %q, want %q", name, there, got, c.file)
			}
			integration, _ := answer["git_integration"].(map[string]any)
			problem, _ := integration["error"].(map[string]any)
			if code, _ := problem["code"].(string); code != c.code {
				t.Errorf("%s: error %v, want %q", name, problem, c.code)
			}
			if kept := w.kept(path, c.take); (kept != nil) != c.keeps {
				t.Errorf("%s: conflict %v", name, kept)
			}
			w.quiet()
			if c.status == 0 && w.entityError("toolkits", slug) != c.code {
				t.Errorf("%s: the error became another one: %s", name, w.message("toolkits", slug))
			}
		}
		w.checkClone()
	})
}

// privateKey is what the scan for credentials holds back.
var privateKey = "-----BEGIN RSA PRIVATE KEY-----\n" + strings.Repeat("MIIEowIBAAKCAQEA7b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6a7b8c9d0e1f2a\n", 6) + "-----END RSA PRIVATE KEY-----\n"

// TestTakeKeepsWhatLost: what a take replaced can be taken back.
func TestTakeKeepsWhatLost(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("skills/a/SKILL.md", skill("a")), bitbuckettest.Write("skills/a/logo", "\x00old"))
		w.synced()
		w.apart(func() { w.exec("UPDATE skill_files SET content = %s WHERE path = 'logo'", w.blob("\x00database")) },
			bitbuckettest.Write("skills/a/logo", "\x00git"), bitbuckettest.Write("skills/a/new.md", "new"))
		w.take("skills/a", "database", 200)
		w.wantFile("skills/a/logo", "\x00database")
		w.wantNoFile("skills/a/new.md")
		c := w.kept("skills/a", "database")
		if c == nil {
			t.Fatal("git's document was not kept")
		}
		w.resolve(c, object{"take": "git"}, 200)
		w.synced()
		w.wantFile("skills/a/logo", "\x00git")
		w.wantFile("skills/a/new.md", "new")
		w.resolve(c, object{"take": "database"}, 200)
		w.synced()
		w.wantFile("skills/a/logo", "\x00database")
		w.quiet()
		w.checkClone()
	})
}

// TestTakeSecrets: no side's document has a secret to lose.
func TestTakeSecrets(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("mcp-servers/a.json", `{"slug":"a","name":"A","type":"http","url":"https://x.example","headers":{"T":{"secret":true}}}`))
		w.synced()
		w.exec(`UPDATE mcp_servers SET headers = '{"T":{"value":"canary-t","secret":true}}'`)
		w.synced()
		held := func() {
			w.t.Helper()
			if got := w.query("SELECT CAST(headers AS TEXT) FROM mcp_servers"); !strings.Contains(got, "canary-t") {
				w.t.Errorf("the secret is lost: %s", got)
			}
		}
		// A file that publishes it is refused, whoever takes it; the database's replaces it.
		w.commit(bitbuckettest.Write("mcp-servers/a.json", `{"slug":"a","name":"A","type":"http","url":"https://x.example","headers":{"T":"planted"}}`))
		if got := w.take("mcp-servers/a", "git", 200); got["git_integration"].(map[string]any)["error"] == nil {
			t.Errorf("%v", got)
		}
		held()
		w.take("mcp-servers/a", "database", 200)
		held()
		if w.branchHas("mcp-servers/a.json", "planted") {
			t.Error("the bad file stays")
		}
		w.apart(func() { w.exec("UPDATE mcp_servers SET name = 'Database'") },
			bitbuckettest.Write("mcp-servers/a.json", `{"slug":"a","name":"Git","type":"http","url":"https://x.example","headers":{"T":{"secret":true}}}`))
		w.take("mcp-servers/a", "git", 200)
		held()
		if w.kept("mcp-servers/a.json", "git") == nil {
			t.Error("the row's document was not kept")
		}
		if _, kept := w.callRaw("GET", "conflicts?all=true"); strings.Contains(kept, "canary") || strings.Contains(kept, "planted") {
			t.Error("a conflict holds a secret")
		}
		w.quiet()
	})
}

// TestTakeOneOfTheHeld: a decision on one entity carries that one out, and the rest waits.
func TestTakeOneOfTheHeld(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		var files, gone []bitbuckettest.Change
		for i := range 12 {
			path := fmt.Sprintf("toolkits/t%d.json", i)
			files = append(files, bitbuckettest.Write(path, fmt.Sprintf(`{"slug":"t%d","name":"N"}`, i)))
			gone = append(gone, bitbuckettest.Remove(path))
		}
		w.commit(files...)
		w.synced()
		w.commit(gone...)
		if report := w.sync(); report["state"] != "held" {
			t.Fatalf("%v", report)
		}
		w.take("toolkits/t0", "git", 204)
		w.take("toolkits/t1", "database", 200)
		if !w.branchHas("toolkits/t1.json", `"N"`) || w.live("toolkits") != "11" {
			t.Errorf("%v, %s rows", w.files(), w.live("toolkits"))
		}
		if held := w.get("mirror/hold")["items"].([]any); len(held) != 10 {
			t.Errorf("%d are held", len(held))
		}
	})
}

// TestTakeWaitsForTheBranch: a decision that cannot be carried out yet is kept, and says why.
func TestTakeWaitsForTheBranch(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A"}`))
		w.synced()
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a"}`))
		w.sync()
		w.repo.Restrict("main")
		answer := w.take("toolkits/a", "database", 502)["error"].(map[string]any)
		if answer["code"] != "BRANCH_RESTRICTED" || !strings.Contains(answer["message"].(string), "The decision is kept") {
			t.Errorf("%v", answer)
		}
		w.wantFile("toolkits/a.json", `{"slug":"a"}`)
		w.stop() // nor is it forgotten by a daemon that ends
		w.repo.Unrestrict()
		w.start()
		w.synced()
		if !w.branchHas("toolkits/a.json", `"A"`) || w.entityError("toolkits", "a") != "" {
			t.Errorf("%s: %s", w.files()["toolkits/a.json"], w.message("toolkits", "a"))
		}
		w.quiet()
		if w.isPostgres() { // SQLite knows no lock of a row
			other, err := w.sql.BeginTx(t.Context(), nil)
			w.must(err)
			_, err = other.ExecContext(t.Context(), "SELECT 1 FROM toolkits FOR UPDATE")
			w.must(err)
			w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"Git"}`))
			if answer := w.take("toolkits/a", "git", 409)["error"].(map[string]any); answer["code"] != "OVERTAKEN" {
				t.Errorf("%v", answer)
			}
			w.must(other.Rollback())
			w.synced()
			if got := w.query("SELECT name FROM toolkits"); got != "Git" {
				t.Errorf("the row is %s", got)
			}
			w.quiet()
		}
		w.call("POST", "mirror/pause", nil)
		w.take("toolkits/a", "git", 409)
		w.take("toolkits/a", "", 409)
	})
}
