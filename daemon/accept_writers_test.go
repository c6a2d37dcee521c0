package daemon_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func (w *world) isPostgres() bool { return w.target.Dialect == "postgres" }

func TestAcceptBulkInsertByOneStatement_P2(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		series := "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 2000) SELECT n FROM s) AS s"
		w.exec("INSERT INTO toolkits (organization_id, slug, name) SELECT '%s', 'kit-' || n, 'Kit ' || n FROM "+series, w.orgID)
		w.synced()
		if n := len(w.files()); n != 2000 {
			t.Errorf("%d files", n)
		}
		log := w.commits()
		if len(log) != 1 || log[0].Subject() != "Add 2000 toolkits" {
			t.Errorf("%d commits, %q", len(log), log[0].Subject())
		}
		w.exec("UPDATE toolkits SET description = 'all'")
		w.synced()
		if log := w.commits(); len(log) != 2 || log[0].Subject() != "Update 2000 toolkits" {
			t.Errorf("%d commits, %q", len(log), log[0].Subject())
		}
		w.quiet()
		w.checkClone()
	})
}

func TestAcceptCommitsBySize(t *testing.T) {
	eachWorld(t, func(w *world) { w.config.Sync.Poll = "@every 1h" }, func(w *world) {
		insert := func(prefix string, n int) string {
			var values []string
			for i := range n {
				values = append(values, fmt.Sprintf("('%s', '%s%d', 'N')", w.orgID, prefix, i))
			}
			return "INSERT INTO toolkits (organization_id, slug, name) VALUES " + strings.Join(values, ", ")
		}
		w.exec("%s", insert("a", 20))
		w.synced()
		if log := w.commits(); len(log) != 20 || !strings.HasPrefix(log[0].Subject(), "Add toolkit a") {
			t.Errorf("20 changes make %d commits, %q", len(log), log[0].Subject())
		}
		if n := w.standIn.Count(bitbuckettest.EndpointPush); n != 1 {
			t.Errorf("%d pushes, want 1", n)
		}
		tx, err := w.sql.BeginTx(t.Context(), nil)
		w.must(err)
		for _, statement := range []string{insert("b", 18), fmt.Sprintf("INSERT INTO commands (organization_id, slug, name, prompt) VALUES ('%s', 'c', 'C', 'p')", w.orgID),
			"UPDATE toolkits SET name = 'M' WHERE slug IN ('a1', 'a2', 'a3')", "DELETE FROM toolkits WHERE slug = 'a4'", "UPDATE toolkits SET slug = 'a-five' WHERE slug = 'a5'"} {
			_, err := tx.ExecContext(t.Context(), statement)
			w.must(err)
		}
		w.must(tx.Commit())
		w.synced()
		log := w.commits()
		if len(log) != 22 {
			t.Errorf("24 changes of two kinds make %d commits", len(log)-20)
		}
		if log[1].Subject() != "Add command c" || log[0].Subject() != "Add 18 toolkits, update 3 toolkits, delete 1 toolkit, rename 1 toolkit" {
			t.Errorf("%q, %q", log[1].Subject(), log[0].Subject())
		}
		for _, line := range []string{"\nAdd toolkit b0\n", "\nUpdate toolkit a1\n", "\nDelete toolkit a4\n", "\nRename toolkit a5 to a-five\n", "\n\nConfmirror-Run: "} {
			if !strings.Contains(log[0].Message, line) {
				t.Errorf("the message lacks %q:\n%s", line, log[0].Message)
			}
		}
		w.quiet()
	})
}

func TestAcceptAuthors(t *testing.T) {
	authors := map[string][2]string{
		"Grace Hopper <grace@example.com>": {"Grace Hopper", "grace@example.com"},
		"grace@example.com":                {"grace", "grace@example.com"},
		"user-4711":                        {"user-4711", "noreply@confmirror.invalid"},
		"Eve\nCommitter: x <e\n@x>":        {"EveCommitter: x", "e@x"},
		"<<a>> <b@<c>>":                    {"", ""},
		"Jürgen Größe <j@ü.example>":       {"Jürgen Größe", "j@ü.example"},
		"\x01\x02":                         {"unknown", "noreply@confmirror.invalid"},
		"<only@example.com>":               {"only@example.com", "only@example.com"},
		"...":                              {"", ""},
	}
	eachWorld(t, nil, func(w *world) {
		i := 0
		for by, want := range authors {
			w.insert("toolkits", "slug", quote(fmt.Sprintf("t%d", i)), "name", "'N'")
			w.synced()
			w.exec("UPDATE toolkits SET name = 'M', updated_by = %s WHERE slug = 't%d'", quote(by), i)
			w.synced()
			c := w.commits()[0]
			if want[0] != "" && (c.Author.Name != want[0] || c.Author.Email != want[1]) {
				t.Errorf("%q is %q <%s>", by, c.Author.Name, c.Author.Email)
			}
			// An edit that names nobody is not hers.
			w.exec("UPDATE toolkits SET name = 'O' WHERE slug = 't%d'", i)
			w.synced()
			if c := w.commits()[0]; c.Author.Name != "confmirror" {
				t.Errorf("an edit that names nobody is by %q", c.Author.Name)
			}
			i++
		}
		if out, err := w.repo.Git("fsck", "--strict"); err != nil || strings.TrimSpace(out) != "" {
			t.Errorf("fsck: %v %s", err, out)
		}
		w.checkClone()
	})
}

func TestAcceptDeletesBySQL(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for i := range 12 {
			w.insert("toolkits", "slug", quote(fmt.Sprintf("t%d", i)), "name", "'N'")
			w.insert("commands", "slug", quote(fmt.Sprintf("c%d", i)), "name", "'N'", "prompt", "'p'")
		}
		w.insertSkill("triage", map[string]string{"SKILL.md": skillMD, "a.txt": "a"})
		w.synced()
		w.exec("DELETE FROM toolkits WHERE slug = 't1'")
		w.exec("UPDATE toolkits SET deleted_at = CURRENT_TIMESTAMP WHERE slug = 't2'")
		w.exec("DELETE FROM skills")
		// Deleted and made anew in one go: another row with the same slug.
		w.exec("DELETE FROM toolkits WHERE slug = 't3'")
		w.insert("toolkits", "slug", "'t3'", "name", "'Anew'")
		// Came and went.
		w.insert("toolkits", "slug", "'brief'", "name", "'B'")
		w.exec("DELETE FROM toolkits WHERE slug = 'brief'")
		w.synced()
		for _, path := range []string{"toolkits/t1.json", "toolkits/t2.json", "skills/triage/SKILL.md", "toolkits/brief.json"} {
			w.wantNoFile(path)
		}
		w.wantFile("toolkits/t3.json", "{\n  \"slug\": \"t3\",\n  \"name\": \"Anew\"\n}\n")
		w.quiet()
		if w.isPostgres() {
			w.exec("TRUNCATE toolkits")
			if report := w.sync(); report["state"] != "held" {
				t.Errorf("TRUNCATE of 10 of 22: %v", report)
			}
			if _, there := w.files()["toolkits/t4.json"]; !there {
				t.Error("a held deletion was carried out")
			}
		}
		w.checkClone()
	})
}

func TestAcceptBecomingPrivateWhileGitChanged(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.insert("toolkits", "slug", "'b'", "name", "'B'")
		w.synced()
		w.repo.Restrict("main")
		w.exec("UPDATE toolkits SET owner_id = '8b8f9e9e-8d9e-4f7e-9d7b-222222222222' WHERE slug = 'a'")
		w.sync()
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"Git's newer"}`))
		w.repo.Unrestrict()
		w.synced()
		w.wantNoFile("toolkits/a.json")
		if got := w.query("SELECT name FROM toolkits WHERE slug = 'a'"); got != "A" {
			t.Errorf("the private row became %q", got)
		}
		conflicts := w.get("conflicts")["items"].([]any)
		if len(conflicts) != 1 || conflicts[0].(map[string]any)["git"].(map[string]any)["name"] != "Git's newer" {
			t.Errorf("conflicts: %v", conflicts)
		}
		// Another one takes the slug, and the private row shows nothing of it.
		w.insert("toolkits", "slug", "'a'", "name", "'Ours'")
		w.synced()
		w.wantFile("toolkits/a.json", "{\n  \"slug\": \"a\",\n  \"name\": \"Ours\"\n}\n")
		if got := w.query("SELECT name FROM toolkits WHERE slug = 'a' AND owner_id IS NOT NULL"); got != "A" {
			t.Errorf("the private row became %q", got)
		}
		w.quiet()
	})
}

// second connects another organization, beta, with a repository of its own.
func (w *world) second() *bitbuckettest.Repo {
	repo, err := w.standIn.CreateRepository("beta-corp", "config")
	w.must(err)
	consumer := w.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "beta-corp"})
	other := *w.config.Mirrors[0]
	other.Organization, other.Workspace, other.Repository = "beta", "beta-corp", "config"
	other.ClientID, other.ClientSecret = consumer.Key, mirror.NewSecret(consumer.Secret)
	w.config.Mirrors = append(w.config.Mirrors, &other)
	return repo
}

func TestAcceptTwoOrganizationsDoNotMix(t *testing.T) {
	var beta *bitbuckettest.Repo
	eachWorld(t, func(w *world) { beta = w.second() }, func(w *world) {
		o, err := w.db.Organization(t.Context(), "beta")
		w.must(err)
		betaHas := func(path, text string) bool {
			head, err := beta.Head("main")
			if err != nil || head == "" {
				return false
			}
			files, err := beta.Files("main")
			w.must(err)
			content, ok := files[path]
			return ok && strings.Contains(content, text)
		}
		w.insert("toolkits", "slug", "'same'", "name", "'Acme'")
		w.insert("toolkits", "slug", "'moves'", "name", "'Moves'")
		w.exec("INSERT INTO toolkits (organization_id, slug, name) VALUES ('%s', 'same', 'Beta')", o.ID)
		w.synced()
		w.eventually("beta's row is on beta's branch", func() bool { return betaHas("toolkits/same.json", "Beta") })
		if w.branchHas("toolkits/same.json", "Beta") || !w.branchHas("toolkits/same.json", "Acme") {
			t.Error("organizations mix")
		}
		w.exec("UPDATE toolkits SET organization_id = '%s' WHERE slug = 'moves'", o.ID)
		w.synced()
		w.wantNoFile("toolkits/moves.json")
		w.eventually("the moved row is on beta's branch", func() bool { return betaHas("toolkits/moves.json", "Moves") })
		w.eventually("every change is consumed", func() bool { return w.query("SELECT count(*) FROM mirror_changes") == "0" })
		if got := w.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL"); got != "3" {
			t.Errorf("%s live rows, want 3", got)
		}
	})
}

// TestAcceptALateCommit: a transaction that took its change ids first commits last.
func TestAcceptALateCommit(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		if !w.isPostgres() {
			return // SQLite has one writer at a time
		}
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.insert("toolkits", "slug", "'b'", "name", "'B'")
		w.synced()
		tx, err := w.sql.BeginTx(t.Context(), nil)
		w.must(err)
		_, err = tx.ExecContext(t.Context(), "UPDATE toolkits SET name = 'A late' WHERE slug = 'a'")
		w.must(err)
		w.exec("UPDATE toolkits SET name = 'B2' WHERE slug = 'b'")
		w.synced()
		w.wantFile("toolkits/b.json", "{\n  \"slug\": \"b\",\n  \"name\": \"B2\"\n}\n")
		// Meanwhile git edits the row that is locked: everything else goes on, and nothing is lost.
		w.commit(bitbuckettest.Write("toolkits/a.json", "{\n  \"slug\": \"a\",\n  \"name\": \"A\",\n  \"description\": \"git's\"\n}\n"), bitbuckettest.Write("toolkits/c.json", `{"slug":"c","name":"C"}`))
		w.sync()
		if status, _ := w.call("GET", "toolkits/c", nil); status != 200 {
			t.Error("a locked row stopped the others")
		}
		if m := w.rested(); m["state"] != "ok" {
			t.Errorf("a row that a writer has locked makes the mirror %v: %v", m["state"], m["detail"])
		}
		w.must(tx.Commit())
		w.eventually("the late commit and git's edit are merged", func() bool {
			return w.branchHas("toolkits/a.json", "A late") && w.branchHas("toolkits/a.json", "git's") &&
				w.query("SELECT name || description FROM toolkits WHERE slug = 'a'") == "A lategit's"
		})
		w.eventually("all is settled", func() bool { m := w.mirror(); return m["state"] == "ok" && m["pending_changes"].(float64) == 0 })
		w.quiet()
	})
}

// TestAcceptAWriterWithoutRights: a program of its own role, in its own schema's search_path.
func TestAcceptAWriterWithoutRights(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		if !w.isPostgres() {
			return // SQLite knows no rights
		}
		role := "writer_" + strings.ReplaceAll(w.orgID, "-", "")
		w.exec("CREATE ROLE %s LOGIN PASSWORD 'pw'", role)
		w.t.Cleanup(func() {
			_, err := w.sql.Exec("DROP OWNED BY " + role + "; DROP ROLE " + role)
			if err != nil {
				t.Error(err)
			}
		})
		w.exec("GRANT SELECT, INSERT, UPDATE, DELETE ON toolkits, commands, skills, skill_files, mcp_servers, mcp_clients, organizations TO %s", role)
		w.exec("CREATE SCHEMA own AUTHORIZATION %s", role)
		u, err := url.Parse(w.target.URL)
		w.must(err)
		u.User = url.UserPassword(role, "pw")
		conn, err := sql.Open("pgx", u.String())
		w.must(err)
		defer conn.Close()
		conn.SetMaxOpenConns(1)
		for _, statement := range []string{
			"SET search_path = own",
			"CREATE TABLE own.mirror_changes (id int)",
			"INSERT INTO public.toolkits (organization_id, slug, name) VALUES ('" + w.orgID + "', 'by-writer', 'W')",
			"INSERT INTO public.skills (id, organization_id, slug, name) VALUES ('" + skillID + "', '" + w.orgID + "', 'triage', 'triage')",
			"INSERT INTO public.skill_files (skill_id, path, content) VALUES ('" + skillID + "', 'SKILL.md', " + w.blob(skillMD) + ")",
		} {
			if _, err := conn.ExecContext(t.Context(), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		w.synced()
		if !w.branchHas("toolkits/by-writer.json", "W") || !w.branchHas("skills/triage/SKILL.md", "") {
			t.Errorf("the writer's rows were not captured: %v", w.files())
		}
		if _, err := conn.ExecContext(t.Context(), "SELECT 1 FROM public.bitbucket_connections"); err == nil {
			t.Error("the writer may read the connections")
		}
	})
}

func TestAcceptTheCloneIsDisposable_S1_S7(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.insert("toolkits", "slug", "'b'", "name", "'B'")
		w.synced()
		edits := 0
		// Taken away at once: the daemon may just be writing below it.
		gone := func(path ...string) error {
			return os.Rename(filepath.Join(append([]string{w.cloneDir()}, path...)...), filepath.Join(t.TempDir(), "gone"))
		}
		for what, damage := range map[string]func() error{
			"deleted":    func() error { return gone() },
			"no .git":    func() error { return gone(".git") },
			"no objects": func() error { return gone(".git", "objects") },
			"index.lock": func() error { // of a git that was killed a while ago
				lock := filepath.Join(w.cloneDir(), ".git", "index.lock")
				if err := os.WriteFile(lock, nil, 0o600); err != nil {
					return err
				}
				then := time.Now().Add(-time.Hour)
				return os.Chtimes(lock, then, then)
			},
			"no index":      func() error { return os.Remove(filepath.Join(w.cloneDir(), ".git", "index")) },
			"broken index":  func() error { return os.WriteFile(filepath.Join(w.cloneDir(), ".git", "index"), []byte("DIRC"), 0o600) },
			"broken HEAD":   func() error { return os.WriteFile(filepath.Join(w.cloneDir(), ".git", "HEAD"), []byte("\x00"), 0o600) },
			"missing file":  func() error { return os.Remove(filepath.Join(w.cloneDir(), "toolkits", "b.json")) },
			"missing files": func() error { return gone("toolkits") },
		} {
			w.must(damage())
			edits++
			w.exec("UPDATE toolkits SET name = 'A%d' WHERE slug = 'a'", edits)
			w.synced()
			if !w.branchHas("toolkits/a.json", fmt.Sprintf("A%d", edits)) {
				t.Errorf("%s: the edit was lost", what)
			}
			w.commit(bitbuckettest.Write("toolkits/b.json", fmt.Sprintf(`{"slug":"b","name":"B%d"}`, edits)))
			if report := w.synced(); report["imported"].(float64) != 1 {
				t.Errorf("%s: %v", what, report)
			}
			w.checkClone()
			if _, err := os.Stat(filepath.Join(w.cloneDir(), "toolkits", "b.json")); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			w.quiet()
		}
		if n := w.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL"); n != "2" {
			t.Errorf("%s live rows", n)
		}
		if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
			t.Errorf("%s conflicts", n)
		}
	})
}
