package daemon_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
	"github.com/confmirror/confmirror/mirror/document"
)

// apart edits both sides so that neither has seen the other's edit when the next run comes.
func (w *world) apart(database func(), git ...bitbuckettest.Change) {
	w.t.Helper()
	w.repo.Restrict("main")
	database()
	w.sync()
	w.commit(git...)
	w.repo.Unrestrict()
}

// conflict is the only open one.
func (w *world) conflict() map[string]any {
	w.t.Helper()
	open := w.get("conflicts")["items"].([]any)
	if len(open) != 1 {
		w.t.Fatalf("%d open conflicts: %v", len(open), open)
	}
	return open[0].(map[string]any)
}

// resolve takes a side, and expects the answer.
func (w *world) resolve(c map[string]any, body object, want int) map[string]any {
	w.t.Helper()
	status, answer := w.call("POST", "conflicts/"+c["id"].(string)+"/resolve", body)
	if status != want {
		w.t.Fatalf("resolve %v: %d, want %d: %v", body, status, want, answer)
	}
	return answer
}

// sides are what a kind's conflict is made of: the same place on three sides, and
// another one that only the database changed.
type sides struct {
	base, git       []bitbuckettest.Change
	edit            func(w *world)
	file            string // that the contested place is in
	gits, databases string // what it holds for a side
	elsewhere       string // what only the database has, in the same file
}

func fileOf(path, content string) []bitbuckettest.Change {
	return []bitbuckettest.Change{bitbuckettest.Write(path, content)}
}

var contested = []sides{
	{
		base: fileOf("toolkits/a.json", `{"slug":"a","name":"A"}`), git: fileOf("toolkits/a.json", `{"slug":"a","name":"From git"}`),
		edit: func(w *world) { w.exec("UPDATE toolkits SET name = 'From the database', description = 'elsewhere'") },
		file: "toolkits/a.json", gits: `"From git"`, databases: `"From the database"`, elsewhere: "elsewhere",
	},
	{
		base: fileOf("commands/a.json", `{"slug":"a","name":"A","prompt":"p","arguments":[{"name":"x","title":"old"}]}`),
		git:  fileOf("commands/a.json", `{"slug":"a","name":"A","prompt":"p","arguments":[{"name":"x","title":"From git"}]}`),
		edit: func(w *world) {
			w.exec(`UPDATE commands SET arguments = '[{"name":"x","title":"From the database"},{"name":"elsewhere"}]'`)
		},
		file: "commands/a.json", gits: `"From git"`, databases: `"From the database"`, elsewhere: "elsewhere",
	},
	{
		base: fileOf("mcp-servers/a.json", `{"slug":"a","name":"A","type":"http","url":"https://old.example","headers":{"T":{"secret":true}}}`),
		git:  fileOf("mcp-servers/a.json", `{"slug":"a","name":"A","type":"http","url":"https://git.example","headers":{"T":{"secret":true}}}`),
		edit: func(w *world) {
			w.exec(`UPDATE mcp_servers SET url = 'https://database.example', headers = '{"T":{"value":"canary-t","secret":true},"P":{"value":"elsewhere","secret":false}}'`)
		},
		file: "mcp-servers/a.json", gits: "https://git.example", databases: "https://database.example", elsewhere: "elsewhere",
	},
	{
		base: fileOf("mcp-clients/a.json", `{"slug":"a","name":"A","enabled":false}`), git: fileOf("mcp-clients/a.json", `{"slug":"a","name":"From git","enabled":false}`),
		edit: func(w *world) {
			w.exec("UPDATE mcp_clients SET name = 'From the database', scope = 'elsewhere', client_secret = 'canary-s'")
		},
		file: "mcp-clients/a.json", gits: `"From git"`, databases: `"From the database"`, elsewhere: "elsewhere",
	},
	{
		base: []bitbuckettest.Change{bitbuckettest.Write("skills/a/SKILL.md", skill("a")), bitbuckettest.Write("skills/a/logo", "\x00old")},
		git:  fileOf("skills/a/logo", "\x00git"),
		edit: func(w *world) {
			w.exec("UPDATE skill_files SET content = %s WHERE path = 'logo'", w.blob("\x00database"))
		},
		file: "skills/a/logo", gits: "\x00git", databases: "\x00database", elsewhere: "",
	},
	{
		base: fileOf("skills/b/SKILL.md", skill("b")), git: fileOf("skills/b/SKILL.md", strings.Replace(skill("b"), "# Triage", "# From git", 1)),
		edit: func(w *world) {
			edited := strings.Replace(skill("b"), "# Triage", "# From the database", 1)
			w.exec("UPDATE skill_files SET content = %s WHERE skill_id = (SELECT id FROM skills WHERE slug = 'b')", w.blob(strings.Replace(edited, "label it", "look elsewhere", 1)))
		},
		file: "skills/b/SKILL.md", gits: "# From git", databases: "# From the database", elsewhere: "elsewhere",
	},
}

// TestTakeTheLosingSide: taking is an edit of the database, by whoever takes; the
// branch gets one commit of it, and what only one side had stays.
func TestTakeTheLosingSide(t *testing.T) {
	for _, policy := range []document.Policy{document.PreferGit, document.PreferDatabase} {
		t.Run(string(policy), func(t *testing.T) {
			loser := document.PreferDatabase
			if policy == document.PreferDatabase {
				loser = document.PreferGit
			}
			eachWorld(t, func(w *world) { w.config.Mirrors[0].Conflict = policy }, func(w *world) {
				var base, git []bitbuckettest.Change
				for _, s := range contested {
					base, git = append(base, s.base...), append(git, s.git...)
				}
				// stands checks which side has the contested places.
				stands := func(side document.Policy) {
					w.t.Helper()
					for _, s := range contested {
						has := s.gits
						if side == document.PreferDatabase {
							has = s.databases
						}
						if !w.branchHas(s.file, has) || !w.branchHas(s.file, s.elsewhere) {
							w.t.Errorf("%s has not %s's: %q", s.file, side, w.files()[s.file])
						}
					}
				}
				w.commit(base...)
				w.synced()
				w.apart(func() {
					for _, s := range contested {
						s.edit(w)
					}
				}, git...)
				w.synced()
				stands(policy)
				open := w.get("conflicts")["items"].([]any)
				if len(open) != len(contested) {
					w.t.Fatalf("%d conflicts: %v", len(open), open)
				}
				take := func(body object) {
					w.t.Helper()
					for _, c := range open {
						w.resolve(c.(map[string]any), body, 200)
					}
				}
				commits := len(w.commits())
				take(object{"take": loser, "updated_by": "Jane Doe <jane@example.com>"})
				w.synced()
				stands(loser)
				log := w.commits()
				if len(log) != commits+len(contested) || log[0].Author.Name != "Jane Doe" {
					w.t.Errorf("%d commits, the last by %v", len(log)-commits, log[0].Author)
				}
				take(object{"take": loser}) // once more is nothing
				w.quiet()
				if n := w.mirror()["conflicts"]; n != 0.0 {
					w.t.Errorf("%v open conflicts", n)
				}
				take(object{"take": policy}) // the way back
				w.synced()
				stands(policy)
				w.quiet()
				if _, kept := w.callRaw("GET", "conflicts?all=true"); strings.Contains(kept, "canary") {
					w.t.Error("a conflict holds a secret")
				}
				if got := w.query("SELECT CAST(headers AS TEXT) FROM mcp_servers"); !strings.Contains(got, "canary-t") {
					w.t.Errorf("the row lost its secret: %s", got)
				}
				w.checkClone()
			})
		})
	}
}

// TestTakeRefused: what cannot be taken says so, and changes nothing.
func TestTakeRefused(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		s := contested[0]
		w.commit(append(s.base, bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))...)
		w.synced()
		w.apart(func() { w.exec("UPDATE toolkits SET name = 'From the database' WHERE slug = 'a'") }, s.git...)
		w.synced()
		c := w.conflict()
		w.resolve(c, object{"take": "newest"}, 400)
		w.resolve(c, object{}, 400)
		w.put("toolkits/a", object{"slug": "a", "name": "Third"})
		answer := w.resolve(c, object{"take": "database"}, 409)["error"].(map[string]any)
		difference := answer["difference"].([]any)[0].(map[string]any)
		if answer["code"] != "PLACES_CHANGED" || difference["place"] != "/name" || difference["decided"] != "From git" || difference["now"] != "Third" || difference["wanted"] != "From the database" {
			t.Errorf("%v", answer)
		}
		w.synced()
		w.wantFile("toolkits/a.json", `{"slug":"a","name":"Third"}`)
		w.exec("UPDATE toolkits SET name = 'From git' WHERE slug = 'a'")
		w.exec("UPDATE toolkits SET owner_id = '8b8f9e9e-8d9e-4f7e-9d7b-222222222222' WHERE slug = 'a'")
		w.resolve(c, object{"take": "database"}, 410)
		w.exec("UPDATE toolkits SET owner_id = NULL, deleted_at = CURRENT_TIMESTAMP WHERE slug = 'a'")
		w.resolve(c, object{"take": "database"}, 410)
		w.exec("DELETE FROM toolkits WHERE slug = 'a'")
		w.resolve(c, object{"take": "database"}, 410)
		w.synced()
		if w.conflict()["resolved_at"] != nil {
			t.Error("resolved by a refusal")
		}
		w.resolve(c, object{"take": "git"}, 200) // put away
		if n := w.mirror()["conflicts"]; n != 0.0 {
			t.Errorf("%v open conflicts", n)
		}
		w.quiet()
	})
}

// TestTakeBreaksARule: what other programs made of the row is not taken into, and says why.
func TestTakeBreaksARule(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		s := contested[2]
		w.commit(s.base...)
		w.synced()
		w.apart(func() { s.edit(w) }, s.git...)
		w.synced()
		c := w.conflict()
		for edit, why := range map[string]string{
			"name = ''":     "taking database would leave it so that it is refused: name: ",
			"extra = '[1]'": "the entity as it is now cannot be read: extra: ",
		} {
			w.exec("UPDATE mcp_servers SET %s", edit)
			answer := w.resolve(c, object{"take": "database"}, 400)["error"].(map[string]any)
			if answer["code"] != "VALIDATION_FAILED" || !strings.HasPrefix(answer["message"].(string), why) {
				t.Errorf("%s: %v", edit, answer)
			}
			if got := w.query("SELECT url FROM mcp_servers"); got != "https://git.example" {
				t.Errorf("url became %s", got)
			}
			w.exec("UPDATE mcp_servers SET name = 'A', extra = NULL")
		}
		w.resolve(c, object{"take": "database"}, 200)
		w.synced()
		if !w.branchHas("mcp-servers/a.json", "https://database.example") {
			t.Errorf("%s", w.files()["mcp-servers/a.json"])
		}
	})
}

// TestTakeOfReplacedRows: another row took the slug while git changed the file; a
// renamed row met a file.
func TestTakeOfReplacedRows(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A"}`), bitbuckettest.Write("toolkits/m.json", `{"slug":"m","name":"M","status":"draft"}`))
		w.synced()
		w.apart(func() {
			w.exec("UPDATE toolkits SET deleted_at = CURRENT_TIMESTAMP WHERE slug = 'a'")
			w.insert("toolkits", "slug", "'a'", "name", "'Another row'", "description", "'its own'")
		}, bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"From git","status":"draft"}`))
		w.synced()
		c := w.conflict()
		if c["reason"] != "replaced" {
			t.Fatalf("%v", c)
		}
		w.resolve(c, object{"take": "database"}, 200)
		w.synced()
		if file := w.files()["toolkits/a.json"]; !strings.Contains(file, "Another row") || !strings.Contains(file, "its own") || strings.Contains(file, "draft") {
			t.Errorf("%s", file)
		}
		w.quiet()

		w.apart(func() { w.exec("UPDATE toolkits SET slug = 'n' WHERE slug = 'm'") }, bitbuckettest.Write("toolkits/n.json", `{"slug":"n","name":"Somebody's","description":"theirs"}`))
		w.synced()
		c = w.conflict()
		if c["reason"] != "replaced" {
			t.Fatalf("%v", c)
		}
		if file := w.files()["toolkits/n.json"]; !strings.Contains(file, "Somebody's") || !strings.Contains(file, "draft") || !strings.Contains(file, "theirs") {
			t.Errorf("decided: %s", file)
		}
		w.resolve(c, object{"take": "database"}, 200)
		w.synced()
		if file := w.files()["toolkits/n.json"]; !strings.Contains(file, `"M"`) || !strings.Contains(file, "draft") || !strings.Contains(file, "theirs") {
			t.Errorf("taken: %s", file)
		}
		w.quiet()
	})
}

// TestTakeARename: both sides renamed it, each to a slug of its own.
func TestTakeARename(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A","status":"draft"}`), bitbuckettest.Write("toolkits/other.json", `{"slug":"other","name":"O"}`))
		w.synced()
		id := w.query("SELECT id FROM toolkits WHERE slug = 'a'")
		w.apart(func() { w.exec("UPDATE toolkits SET slug = 'theirs' WHERE slug = 'a'") },
			bitbuckettest.Remove("toolkits/a.json"), bitbuckettest.Write("toolkits/gits.json", `{"slug":"gits","name":"A","status":"draft"}`))
		w.synced()
		c := w.conflict()
		if !w.branchHas("toolkits/gits.json", "") || w.branchHas("toolkits/theirs.json", "") {
			t.Fatalf("%v", w.files())
		}
		w.insert("toolkits", "slug", "'theirs'", "name", "'In the way'")
		w.resolve(c, object{"take": "database"}, 409)
		w.exec("UPDATE toolkits SET slug = 'aside' WHERE slug = 'theirs'")
		w.resolve(c, object{"take": "database"}, 200)
		w.synced()
		if !w.branchHas("toolkits/theirs.json", "draft") || w.branchHas("toolkits/gits.json", "") || w.query("SELECT id FROM toolkits WHERE slug = 'theirs'") != id {
			t.Errorf("%v", w.files())
		}
		w.quiet()
	})
}

// TestTakeAfterAForcePush: what a rewritten history replaced or deleted comes back.
func TestTakeAfterAForcePush(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		first := w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"First"}`), bitbuckettest.Write("toolkits/c.json", `{"slug":"c","name":"C"}`))
		w.synced()
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"Second"}`), bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
		w.synced()
		id := w.query("SELECT id FROM toolkits WHERE slug = 'b'")
		w.must(w.repo.ForcePush("main", string(first)))
		w.synced()
		if w.query("SELECT name FROM toolkits WHERE slug = 'a'") != "First" || w.live("toolkits") != "2" {
			t.Fatalf("the rewrite was not followed")
		}
		open := w.get("conflicts")["items"].([]any)
		if len(open) != 2 {
			t.Fatalf("%v", open)
		}
		for _, item := range open {
			c := item.(map[string]any)
			if c["reason"] != "history_rewritten" || c["decided"] != "git" {
				t.Errorf("%v", c)
			}
			w.resolve(c, object{"take": "database"}, 200)
		}
		w.synced()
		if !w.branchHas("toolkits/a.json", "Second") || !w.branchHas("toolkits/b.json", `"B"`) {
			t.Errorf("%v", w.files())
		}
		if got := w.query("SELECT id FROM toolkits WHERE slug = 'b' AND deleted_at IS NULL"); got != id {
			t.Errorf("b came back as %q, not as %s", got, id)
		}
		w.quiet()
	})
}

// TestTakeIntoAPrivateRow: git's newer document of a row that became private may be
// taken into it. It is an edit of that row, and nothing of it leaves.
func TestTakeIntoAPrivateRow(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A"}`), bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
		w.synced()
		w.apart(func() {
			w.exec("UPDATE toolkits SET owner_id = '8b8f9e9e-8d9e-4f7e-9d7b-222222222222', description = 'mine' WHERE slug = 'a'")
		}, bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"Git's newer"}`))
		w.synced()
		w.insert("toolkits", "slug", "'a'", "name", "'Ours'")
		w.synced()
		c := w.conflict()
		if c["reason"] != "became_private" || c["decided"] != "database" {
			t.Fatalf("%v", c)
		}
		w.resolve(c, object{"take": "git"}, 200)
		w.synced()
		if got := w.query("SELECT name || '/' || description FROM toolkits WHERE owner_id IS NOT NULL"); got != "Git's newer/mine" {
			t.Errorf("the private row is %q", got)
		}
		w.wantFile("toolkits/a.json", "{\n  \"slug\": \"a\",\n  \"name\": \"Ours\"\n}\n")
		w.quiet()
	})
}

// TestTakeOfAnInvalidMerge: the two edits do not fit together, so one side won whole.
func TestTakeOfAnInvalidMerge(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("mcp-servers/a.json", `{"slug":"a","name":"A","type":"http","url":"https://x.example"}`))
		w.synced()
		w.apart(func() { w.exec("UPDATE mcp_servers SET type = 'stdio', command = 'npx', url = NULL") },
			bitbuckettest.Write("mcp-servers/a.json", `{"slug":"a","name":"A","type":"http","url":"https://y.example"}`))
		w.synced()
		c := w.conflict()
		if c["reason"] != "invalid_merge" {
			t.Fatalf("%v", c)
		}
		w.resolve(c, object{"take": "database"}, 200)
		w.synced()
		if file := w.files()["mcp-servers/a.json"]; !strings.Contains(file, `"npx"`) || strings.Contains(file, "y.example") {
			t.Errorf("%s", file)
		}
		w.quiet()
	})
}
