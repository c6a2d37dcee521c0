package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestNothingEmptiesTheDatabase_D1: an empty repository, another branch, a wrong
// prefix, a login that fails, a repository that is gone: no row is deleted.
func TestNothingEmptiesTheDatabase_D1(t *testing.T) {
	author := mirror.Signature{Name: "Ada", Email: "ada@example.com"}
	for name, spoil := range map[string]func(w *world){
		"an empty repository in its place": func(w *world) {
			w.must(w.standIn.RemoveRepository(w.repo))
			var err error
			w.repo, err = w.standIn.CreateRepository("acme-corp", "webrix-sync")
			w.must(err)
		},
		"a repository with something else in its place": func(w *world) {
			w.must(w.standIn.RemoveRepository(w.repo))
			var err error
			w.repo, err = w.standIn.CreateRepository("acme-corp", "webrix-sync")
			w.must(err)
			w.commit(bitbuckettest.Write("README.md", "another project"))
		},
		"no repository":         func(w *world) { w.must(w.standIn.RemoveRepository(w.repo)) },
		"a branch that is gone": func(w *world) { w.must(w.repo.DeleteBranch("main")) },
		"another branch": func(w *world) {
			_, err := w.repo.Commit("other", author, "Start", bitbuckettest.Write("README.md", "other"))
			w.must(err)
			w.config.Mirrors[0].Branch = "other"
		},
		"a branch that never was": func(w *world) { w.config.Mirrors[0].Branch = "nowhere" },
		"another prefix":          func(w *world) { w.config.Mirrors[0].PathPrefix = "not/here" },
		"a prefix that is a file": func(w *world) {
			w.commit(bitbuckettest.Write("config", "x"))
			w.config.Mirrors[0].PathPrefix = "config"
		},
		"a login that fails":        func(w *world) { w.config.Mirrors[0].ClientSecret = mirror.NewSecret("wrong") },
		"a login without rights":    func(w *world) { w.standIn.Inject(bitbuckettest.ScopesMissing(), bitbuckettest.GitEndpoints...) },
		"a page of a load balancer": func(w *world) { w.standIn.Inject(bitbuckettest.Down(200), bitbuckettest.GitEndpoints...) },
		"an orphan history": func(w *world) {
			tree := w.tree(leaf{name: "README.md", content: "begun again"})
			made, err := w.repo.Git("commit-tree", tree, "-m", "Begin again")
			w.must(err)
			w.must(w.repo.ForcePush("main", strings.TrimSpace(made)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, nil, func(w *world) {
				for i := range 5 {
					w.insert("toolkits", "slug", quote(fmt.Sprintf("t%d", i)), "name", "'N'")
				}
				w.insert("mcp_servers", "slug", "'s'", "name", "'S'", "type", "'stdio'", "command", "'x'", "auth", `'{"t":"canary-1"}'`)
				w.synced()
				w.stop()
				spoil(w)
				w.start()
				for range 2 {
					w.sync()
					if toolkits, servers := w.live("toolkits"), w.live("mcp_servers"); toolkits != "5" || servers != "1" && name != "an orphan history" {
						w.t.Fatalf("%s toolkits and %s servers are left; mirror: %v", toolkits, servers, w.mirror())
					}
				}
			})
		})
	}
}

// TestAnEmptyDatabaseNeverEmptiesGit_D2: rows that are all gone, a table that was
// truncated, a fresh database, another tenant's: no file is deleted.
func TestAnEmptyDatabaseNeverEmptiesGit_D2(t *testing.T) {
	fill := func(w *world) map[string]string {
		for i := range 5 {
			w.insert("toolkits", "slug", quote(fmt.Sprintf("t%d", i)), "name", "'N'")
		}
		w.insertSkill("triage", map[string]string{"SKILL.md": skillMD})
		w.synced()
		return w.files()
	}
	keep := func(w *world, files map[string]string) {
		w.t.Helper()
		for path, content := range files {
			w.wantFile(path, content)
		}
	}
	for name, empty := range map[string]func(w *world){
		"deleted": func(w *world) { w.atomically("DELETE FROM toolkits", "DELETE FROM skills") },
		"soft-deleted": func(w *world) {
			w.atomically("UPDATE toolkits SET deleted_at = CURRENT_TIMESTAMP", "UPDATE skills SET deleted_at = CURRENT_TIMESTAMP")
		},
		"truncated": func(w *world) {
			if w.isPostgres() {
				w.exec("TRUNCATE toolkits, skills, skill_files")
			} else {
				w.atomically("DELETE FROM toolkits", "DELETE FROM skill_files", "DELETE FROM skills")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, nil, func(w *world) {
				files := fill(w)
				empty(w)
				if report := w.sync(); report["state"] != "held" {
					w.t.Errorf("report: %v", report)
				}
				keep(w, files)
				if status, answer := w.call("POST", "mirror/discard", nil); status >= 300 {
					w.t.Fatalf("discard: %d %v", status, answer)
				}
				w.synced()
				keep(w, files)
				if toolkits, skills := w.live("toolkits"), w.live("skills"); toolkits != "5" || skills != "1" {
					w.t.Errorf("%s toolkits and %s skills came back", toolkits, skills)
				}
				w.quiet()
			})
		})
	}
	t.Run("a fresh database", func(t *testing.T) {
		eachWorld(t, nil, func(w *world) {
			files := fill(w)
			w.stop()
			fresh := newWorld(w.t, freshTarget(w))
			fresh.must(fresh.standIn.Close())
			fresh.standIn, fresh.repo = w.standIn, w.repo
			fresh.config.Mirrors = w.config.Mirrors
			fresh.start()
			fresh.synced()
			keep(fresh, files)
			if toolkits, skills := fresh.live("toolkits"), fresh.live("skills"); toolkits != "5" || skills != "1" {
				w.t.Errorf("%s toolkits and %s skills were read", toolkits, skills)
			}
			fresh.quiet()
		})
	})
}

// freshTarget is another, empty database of the same kind.
func freshTarget(w *world) dbtest.Target {
	if w.isPostgres() {
		return migrated.Postgres(w.t)
	}
	return migrated.SQLite(w.t)
}

// TestDeletionsKeepCredentials_D6: what the mirror knows nothing of is never touched: a
// deletion on the branch leaves a row's credentials, private rows and other organizations.
func TestDeletionsKeepCredentials_D6(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		other, err := w.db.CreateOrganization(w.t.Context(), "other", "")
		w.must(err)
		w.exec("INSERT INTO toolkits (organization_id, slug, name) VALUES ('%s', 'kit', 'Theirs')", other.ID)
		w.insert("toolkits", "slug", "'kit'", "name", "'Ours'")
		w.insert("toolkits", "slug", "'stays'", "name", "'Stays'")
		w.insert("toolkits", "slug", "'kit'", "name", "'Mine'", "owner_id", "'8b8f9e9e-8d9e-4f7e-9d7b-222222222222'")
		w.insert("mcp_servers", "slug", "'gh'", "name", "'GH'", "type", "'stdio'", "command", "'x'", "env", `'{"K":{"value":"canary-1","secret":true}}'`, "auth", `'{"t":"canary-2"}'`)
		w.insert("mcp_clients", "slug", "'app'", "name", "'App'", "client_id", "'canary-3'", "client_secret", "'canary-4'")
		w.commit(bitbuckettest.Write("README.md", "people's"), bitbuckettest.Write("toolkits/notes.txt", "people's"))
		w.synced()
		files := w.files()
		w.commit(bitbuckettest.Remove("toolkits/kit.json"), bitbuckettest.Remove("mcp-servers/gh.json"), bitbuckettest.Remove("mcp-clients/app.json"))
		w.synced()
		if got := w.query("SELECT name FROM toolkits WHERE organization_id = '%s' AND deleted_at IS NULL", other.ID); got != "Theirs" {
			w.t.Errorf("the other organization's row: %q", got)
		}
		if got := w.query("SELECT name FROM toolkits WHERE owner_id IS NOT NULL AND deleted_at IS NULL"); got != "Mine" {
			w.t.Errorf("the private row: %q", got)
		}
		held := func() string {
			return w.query("SELECT CAST(env AS TEXT) || CAST(auth AS TEXT) FROM mcp_servers") + w.query("SELECT client_id || client_secret FROM mcp_clients")
		}
		for _, secret := range []string{"canary-1", "canary-2", "canary-3", "canary-4"} {
			if !strings.Contains(held(), secret) {
				w.t.Errorf("the deletion destroyed %s", secret)
			}
		}
		w.commit(bitbuckettest.Write("mcp-servers/gh.json", files["mcp-servers/gh.json"]), bitbuckettest.Write("mcp-clients/app.json", files["mcp-clients/app.json"]))
		w.synced()
		if w.query("SELECT count(*) FROM mcp_servers") != "1" || w.live("mcp_servers") != "1" || w.live("mcp_clients") != "1" || !strings.Contains(held(), "canary-1") {
			w.t.Errorf("not restored: %s", held())
		}
		w.wantFile("README.md", "people's")
		w.wantFile("toolkits/notes.txt", "people's")
		if plan := w.plan(); len(plan) != 0 {
			w.t.Errorf("there is more to do: %v", plan)
		}
	})
}

// TestAPushThatOnlyDeletes_D8: in either direction.
func TestAPushThatOnlyDeletes_D8(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"a", "b", "c", "d"} {
			w.insert("toolkits", "slug", quote(slug), "name", "'N'")
		}
		w.insertSkill("triage", map[string]string{"SKILL.md": skillMD, "x/y.txt": "1"})
		w.synced()
		w.commit(bitbuckettest.Remove("toolkits/a.json"))
		if report := w.synced(); report["deleted"].(float64) != 1 || w.live("toolkits") != "3" {
			w.t.Errorf("report %v, %s rows", report, w.live("toolkits"))
		}
		w.exec("DELETE FROM toolkits WHERE slug = 'b'")
		w.exec("DELETE FROM skills")
		w.synced()
		w.wantNoFile("toolkits/b.json")
		w.wantNoFile("skills/triage/SKILL.md")
		w.wantNoFile("skills/triage/x/y.txt")
		w.quiet()
		w.checkClone()
	})
}
