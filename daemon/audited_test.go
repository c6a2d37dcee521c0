package daemon_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// Secrecy is lowered in the database only: no person's word for a file, and no error of
// the row, makes a file's text of a secret.
func TestNoWayRoundASecret_C3(t *testing.T) {
	const agreed = `{"slug":"gh","name":"GH","type":"http","url":"https://good.example/mcp","env":{"A":"public"}}`
	secret := func(w *world) {
		w.exec(`UPDATE mcp_servers SET env = '{"A":{"value":"hunter2","secret":true}}'`)
	}
	stays := func(w *world) {
		w.t.Helper()
		if env := w.query("SELECT env FROM mcp_servers"); !strings.Contains(env, "hunter2") || strings.Contains(env, "public") {
			w.t.Errorf("env: %s", env)
		}
	}
	t.Run("taking the file that was agreed on before", func(t *testing.T) {
		eachWorld(t, nil, func(w *world) {
			w.commit(bitbuckettest.Write("mcp-servers/gh.json", agreed))
			w.synced()
			w.apart(func() { secret(w) }, bitbuckettest.Write("x.txt", "y"))
			w.call("POST", "mcp-servers/gh/sync", object{"take": "git"})
			stays(w)
			if w.branchHas("mcp-servers/gh.json", `"public"`) || w.entityError("mcp-servers", "gh") != "VALIDATION_FAILED" {
				t.Errorf("error %q; the secret must be one in the file as well: %s", w.entityError("mcp-servers", "gh"), w.files()["mcp-servers/gh.json"])
			}
		})
	})
	t.Run("taking a file while the row is invalid", func(t *testing.T) {
		eachWorld(t, nil, func(w *world) {
			w.commit(bitbuckettest.Write("mcp-servers/gh.json", strings.Replace(agreed, `"public"`, `{"secret":true}`, 1)))
			w.synced()
			secret(w)
			w.exec("UPDATE mcp_servers SET name = NULL")
			w.sync()
			w.commit(bitbuckettest.Write("mcp-servers/gh.json", agreed))
			w.call("POST", "mcp-servers/gh/sync", object{"take": "git"})
			stays(w)
			w.commit(bitbuckettest.Write("mcp-servers/gh.json", strings.Replace(agreed, `"public"`, `{"secret":true,"x-note":"mended"}`, 1)))
			w.take("mcp-servers/gh", "git", 200)
			stays(w)
			if w.kept("mcp-servers/gh.json", "git") == nil {
				t.Error("what the invalid row held is not kept")
			}
		})
	})
	t.Run("a file that brings back a deleted row which is invalid", func(t *testing.T) {
		eachWorld(t, nil, func(w *world) {
			w.commit(bitbuckettest.Write("mcp-servers/gh.json", strings.Replace(agreed, `"public"`, `{"secret":true}`, 1)))
			w.synced()
			secret(w)
			w.exec("UPDATE mcp_servers SET name = NULL, deleted_at = CURRENT_TIMESTAMP")
			w.sync()
			w.commit(bitbuckettest.Write("mcp-servers/gh.json", agreed))
			w.sync()
			stays(w)
		})
	})
}

func TestAConflictThatHappensAgainIsOpenAgain(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		const base = `{"slug":"a","name":"A"}`
		w.commit(bitbuckettest.Write("toolkits/a.json", base))
		w.synced()
		for range 2 {
			w.apart(func() { w.exec("UPDATE toolkits SET name = 'From the database'") },
				bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"From git"}`))
			w.synced()
			id := w.conflict()["id"].(string)
			w.call("POST", "conflicts/"+id+"/resolve", object{"take": "git"})
			w.commit(bitbuckettest.Write("toolkits/a.json", base))
			w.synced()
		}
	})
}

func TestResolvingKeepsAnEditOfTheColumn_L5(t *testing.T) {
	main := func(body string) string { return "---\nname: s\ndescription: old\n---\n" + body }
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("skills/s/SKILL.md", main("body")), bitbuckettest.Write("skills/s/x.txt", "base\n"))
		w.synced()
		w.apart(func() { w.exec("UPDATE skill_files SET content = %s WHERE path = 'x.txt'", w.blob("database\n")) },
			bitbuckettest.Write("skills/s/x.txt", "git\n"))
		w.synced()
		id := w.conflict()["id"].(string)
		w.call("POST", "mirror/pause", nil)
		w.exec("UPDATE skills SET description = 'edited in the column'")
		w.call("POST", "conflicts/"+id+"/resolve", object{"take": "database"})
		w.call("POST", "mirror/resume", nil)
		w.synced()
		if !w.branchHas("skills/s/SKILL.md", "edited in the column") || !w.branchHas("skills/s/x.txt", "database") {
			t.Errorf("files: %v", w.files())
		}
	})
}

// What an import did is remembered with it, also when the run's push is overtaken.
func TestAnOvertakenPushHidesNoDeletion_D5(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		changes := []bitbuckettest.Change{bitbuckettest.Write("mcp-servers/gh.json", boundServer)}
		for i := range 12 {
			slug := string(rune('a' + i))
			changes = append(changes, bitbuckettest.Write("toolkits/"+slug+".json", `{"slug":"`+slug+`","name":"T"}`))
		}
		w.commit(changes...)
		w.synced()
		w.exec(`UPDATE mcp_servers SET headers = '{"Token": {"value": "hunter2", "secret": true}}'`)
		w.synced()
		w.apart(func() { w.exec("UPDATE toolkits SET name = 'edited' WHERE slug = 'l'") }, bitbuckettest.Write("README.md", "1"))
		var gone []bitbuckettest.Change
		for i := range 9 {
			gone = append(gone, bitbuckettest.Remove("toolkits/"+string(rune('a'+i))+".json"))
		}
		undo := w.standIn.Inject(bitbuckettest.Fault{Repository: w.repo.FullName(), Times: 1, Do: func() { w.commit(bitbuckettest.Write("README.md", "2")) }}, bitbuckettest.EndpointPush)
		w.commit(append(gone, bitbuckettest.Write("mcp-servers/gh.json", reboundServer))...)
		report := w.sync()
		undo()
		if report["deleted"].(float64) != 9 {
			t.Fatalf("report: %v", report)
		}
		if n := w.query("SELECT count(*) FROM mirror_events WHERE code = 'CREDENTIALS_REBOUND'"); n != "1" {
			t.Errorf("%s events of the server's new target", n)
		}
		if n := w.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL"); n != "3" {
			t.Fatalf("%s toolkits left", n)
		}
		w.commit(bitbuckettest.Remove("toolkits/j.json"), bitbuckettest.Remove("toolkits/k.json"))
		w.sync()
		if w.mirror()["state"] != "held" {
			t.Errorf("eleven of thirteen within an hour, and state %v", w.mirror()["state"])
		}
	})
}

// After a rewrite of the history what waits for a person is kept, too.
func TestHeldAfterARewriteIsKept_F1(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		readme := w.commit(bitbuckettest.Write("README.md", "hello"))
		for _, slug := range []string{"a", "b", "c"} {
			w.insert("toolkits", "slug", quote(slug), "name", quote(slug))
		}
		w.synced()
		w.must(w.repo.ForcePush("main", string(readme)))
		w.sync()
		w.call("POST", "mirror/approve", nil)
		w.sync()
		if n := w.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL"); n != "0" {
			t.Fatalf("%s rows left after the approval", n)
		}
		if n := w.query("SELECT count(*) FROM conflicts WHERE reason = 'history_rewritten'"); n != "3" {
			t.Errorf("%s documents kept, want 3", n)
		}
	})
}

// fakeToken looks like a credential.
const fakeToken = "ghp_" + "x7Kq2mZ9vR4tL8wN1pB6cY3dF5gH0jS2aQ9e"

// What a setting refused is looked at again under another one.
func TestChangedSettingsClearWhatTheyRefused(t *testing.T) {
	for name, take := range map[string]func(w *world, set func(c *configs.Config)){
		"by a restart": func(w *world, set func(c *configs.Config)) {
			w.stop()
			set(w.config)
			w.start()
		},
		"by a reload": (*world).reload,
	} {
		t.Run(name, func(t *testing.T) { changedSettingsClear(t, take) })
	}
}

func changedSettingsClear(t *testing.T, take func(w *world, set func(c *configs.Config))) {
	t.Run("the scan", func(t *testing.T) {
		eachWorld(t, nil, func(w *world) {
			w.commit(bitbuckettest.Write("commands/c.json", `{"slug":"c","name":"C","prompt":"Do."}`))
			w.synced()
			w.apart(func() { w.exec("UPDATE commands SET prompt = 'use %s'", fakeToken) },
				bitbuckettest.Write("commands/c.json", `{"slug":"c","name":"From git","prompt":"Do."}`))
			w.synced()
			if w.entityError("commands", "c") != "VALIDATION_FAILED" || w.query("SELECT name FROM commands") != "From git" {
				t.Errorf("error %q; git's own edit must arrive: name %q", w.entityError("commands", "c"), w.query("SELECT name FROM commands"))
			}
			w.quiet()
			if w.branchHas("commands/c.json", fakeToken) {
				t.Fatal("the token left")
			}
			take(w, func(c *configs.Config) { c.Sync.SecretScan = "off" })
			w.synced()
			if !w.branchHas("commands/c.json", fakeToken) || w.entityError("commands", "c") != "" {
				t.Errorf("error %q, files %v", w.entityError("commands", "c"), w.files())
			}
			w.quiet()
		})
	})
	t.Run("the size", func(t *testing.T) {
		eachWorld(t, func(w *world) { w.config.Sync.MaxFileSize = 300 }, func(w *world) {
			w.commit(bitbuckettest.Write("commands/c.json", `{"slug":"c","name":"C","prompt":"`+strings.Repeat("long ", 100)+`"}`))
			w.synced()
			if w.rejected("commands")["commands/c.json"] != "FETCH_FAILED" {
				t.Fatalf("rejected: %v", w.rejected("commands"))
			}
			take(w, func(c *configs.Config) { c.Sync.MaxFileSize = 1 << 20 })
			w.synced()
			if w.query("SELECT slug FROM commands") != "c" || len(w.rejected("commands")) > 0 {
				t.Errorf("rejected: %v", w.rejected("commands"))
			}
		})
	})
}

// Keys of the column extra that no file may have stay where they are.
func TestExtraKeysThatNoFileHasStay(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'", "extra", `'{"auth": "legacy", "id": 7, "name": "shadow", "note": "hidden", "x-a": 1}'`)
		w.synced()
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug": "a", "name": "From git", "x-a": 2}`))
		w.synced()
		extra := w.query("SELECT extra FROM toolkits")
		for _, key := range []string{`"auth"`, `"id"`, `"name"`, `"note"`, `"x-a"`} {
			if !strings.Contains(extra, key) {
				t.Errorf("%s is gone: %s", key, extra)
			}
		}
		if w.query("SELECT name FROM toolkits") != "From git" {
			t.Error("the key in extra shadows the column")
		}
	})
}

func TestSecretsOfLongNamesAreKept(t *testing.T) {
	name := strings.Repeat("N", 600)
	server := func(env string) bitbuckettest.Change {
		return bitbuckettest.Write("mcp-servers/gh.json", `{"slug":"gh","name":"GH","type":"stdio","command":"gh"`+env+`}`)
	}
	eachWorld(t, nil, func(w *world) {
		w.commit(server(`,"env":{"` + name + `":{"secret":true}}`))
		w.synced()
		w.exec(`UPDATE mcp_servers SET env = '{"%s":{"value":"hunter2","secret":true}}'`, name)
		w.synced()
		w.commit(server(""))
		w.synced()
		w.commit(server(`,"env":{"` + name + `":{"secret":true}}`))
		w.synced()
		if env := w.query("SELECT env FROM mcp_servers"); !strings.Contains(env, "hunter2") {
			t.Errorf("env: %s", env)
		}
	})
}

func TestTakingTheRowOverABadFileAtItsNewPlace(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		w.apart(func() { w.exec("UPDATE toolkits SET slug = 'b'") }, bitbuckettest.Write("toolkits/b.json", `{"slug":"b",`))
		w.take("toolkits/b", "database", 200)
		if !w.branchHas("toolkits/b.json", `"A"`) || w.branchHas("toolkits/a.json", "") {
			t.Errorf("files: %v", w.files())
		}
	})
}

// A row that is larger than a file may be is not exported: nobody could edit the file.
func TestTooLargeARowIsNotExported(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("commands", "slug", "'big'", "name", "'Big'", "prompt", quote(strings.Repeat("x", 1600000)))
		w.insert("commands", "slug", "'c'", "name", "'C'", "prompt", "'Do.'")
		w.synced()
		if w.entityError("commands", "big") != "VALIDATION_FAILED" || w.branchHas("commands/big.json", "") || !w.branchHas("commands/c.json", "") {
			t.Errorf("error %q", w.entityError("commands", "big"))
		}
	})
}

// An id is unique within its table only.
func TestRowsOfTwoKindsWithOneID(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		const id = "'00000000-0000-0000-0000-000000000001'"
		w.insert("toolkits", "id", id, "slug", "'a'", "name", "'T'")
		w.insert("commands", "id", id, "slug", "'a'", "name", "'C'", "prompt", "'Do.'")
		w.insert("mcp_servers", "id", id, "slug", "'srv'", "name", "'S'", "type", "'stdio'", "command", "'x'")
		w.insert("mcp_clients", "id", id, "slug", "'a'", "name", "'L'")
		w.synced()
		for path, name := range map[string]string{"toolkits/a.json": `"T"`, "commands/a.json": `"C"`, "mcp-servers/srv.json": `"S"`, "mcp-clients/a.json": `"L"`} {
			if !w.branchHas(path, name) {
				t.Errorf("%s: %q", path, w.files()[path])
			}
		}
		w.exec("UPDATE toolkits SET name = 'T2'")
		w.exec("UPDATE commands SET slug = 'c'")
		w.exec("DELETE FROM mcp_clients")
		w.synced()
		if !w.branchHas("toolkits/a.json", "T2") || !w.branchHas("commands/c.json", `"C"`) || w.branchHas("mcp-clients/a.json", "") {
			t.Errorf("files: %v", w.files())
		}
		w.stop()
		w.config.Sync.MaxSkillFiles = 499 // other rules: everything is compared
		w.start()
		w.quiet()
	})
}

// What looks like a credential is found in keys, and in text of any encoding.
func TestScanOfKeysAndOtherEncodings_C2(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'", "extra", `'{"x-map":{"`+fakeToken+`":1}}'`)
		w.insert("mcp_servers", "slug", "'s'", "name", "'S'", "type", "'http'", "url", "'https://x.example'", "headers", `'{"Authorization: Bearer `+fakeToken+`":{"value":"","secret":true}}'`)
		id := "5f6d1c3e-0000-4000-8000-000000000002"
		w.insert("skills", "id", quote(id), "slug", "'k'", "name", "'k'")
		w.exec("INSERT INTO skill_files (skill_id, path, content) VALUES (%s, 'SKILL.md', %s)", quote(id), w.blob("---\nname: k\ndescription: K\n---\n"))
		w.exec("INSERT INTO skill_files (skill_id, path, content) VALUES (%s, '.env', %s)", quote(id), w.blob("# Schl\xfcssel\nGITHUB_TOKEN="+fakeToken+"\n"))
		w.synced()
		if head, err := w.repo.Head("main"); err == nil && head != "" {
			for path, content := range w.files() {
				if strings.Contains(content, fakeToken) {
					t.Errorf("%s left with it", path)
				}
			}
		}
		for _, entity := range [][2]string{{"toolkits", "a"}, {"mcp-servers", "s"}, {"skills", "k"}} {
			if w.entityError(entity[0], entity[1]) != "VALIDATION_FAILED" || strings.Contains(w.message(entity[0], entity[1]), fakeToken) {
				t.Errorf("%v: %s", entity, w.message(entity[0], entity[1]))
			}
		}
	})
}

// A person's verdict outlives a row that somebody has locked.
func TestVerdictOnALockedRow_D5(t *testing.T) {
	each(t, func(t *testing.T, target dbtest.Target) {
		if target.Dialect == "sqlite" {
			return // has no locks of rows
		}
		w := newWorld(t, target)
		w.start()
		for _, slug := range []string{"a", "b", "c", "d"} {
			w.insert("toolkits", "slug", quote(slug), "name", quote(slug))
		}
		w.synced()
		w.exec("UPDATE toolkits SET deleted_at = CURRENT_TIMESTAMP")
		w.sync()
		tx, err := w.sql.BeginTx(t.Context(), nil)
		w.must(err)
		_, err = tx.ExecContext(t.Context(), "SELECT 1 FROM toolkits WHERE slug = 'a' FOR UPDATE")
		w.must(err)
		w.call("POST", "mirror/discard", nil)
		w.sync()
		w.must(tx.Rollback())
		w.synced()
		if n := w.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL"); n != "4" || !w.branchHas("toolkits/a.json", "") {
			t.Errorf("%s rows are back; files %v", n, w.files())
		}
	})
}

// A deletion that was discarded cannot come back beside the row that took its slug: what
// it held is kept.
func TestDiscardedWhereAnotherRowIsNow(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"t0", "t1", "t2", "t3"} {
			w.insert("toolkits", "slug", quote(slug), "name", quote("Kit "+slug))
		}
		w.synced()
		w.exec("DELETE FROM toolkits")
		w.sync()
		w.insert("toolkits", "slug", "'other'", "name", "'Other'")
		w.sync()
		w.exec("UPDATE toolkits SET slug = 't1' WHERE slug = 'other'")
		w.sync()
		w.call("POST", "mirror/discard", nil)
		w.synced()
		if n := w.query("SELECT count(*) FROM conflicts WHERE CAST(git AS text) LIKE '%%Kit t1%%'"); n != "1" {
			t.Errorf("%s conflicts keep what t1 held", n)
		}
		if !w.branchHas("toolkits/t1.json", "Other") || !w.branchHas("toolkits/t2.json", "Kit t2") {
			t.Errorf("files: %v", w.files())
		}
		w.quiet()
	})
}

// Deletions on the branch count for the brake also if the answer to their push was lost.
func TestLostAnswerHidesNoDeletion_D5(t *testing.T) {
	eachWorld(t, func(w *world) { w.config.Sync.SplitCommitsUpTo = 1 }, func(w *world) {
		for i := range 13 {
			w.insert("toolkits", "slug", quote(string(rune('a'+i))), "name", "'T'")
		}
		w.synced()
		undo := w.losePush(func() { w.exec("DELETE FROM toolkits WHERE slug < 'j'") })
		undo()
		w.synced()
		if n := len(w.files()); n != 4 {
			t.Fatalf("%d files left", n)
		}
		w.exec("DELETE FROM toolkits WHERE slug < 'l'")
		w.sync()
		if w.mirror()["state"] != "held" {
			t.Errorf("eleven of thirteen within an hour, and state %v", w.mirror()["state"])
		}
	})
}

// A conflict that was put away stays so while the push that it belongs to fails.
func TestAConflictPutAwayStaysSo(t *testing.T) {
	eachWorld(t, func(w *world) { w.config.Mirrors[0].Conflict = "database" }, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A"}`))
		w.synced()
		w.exec("UPDATE toolkits SET name = 'From the database'")
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"From git"}`))
		undo := w.standIn.Inject(bitbuckettest.Fault{Repository: w.repo.FullName(), Status: 503, Body: "down"}, bitbuckettest.EndpointPush)
		w.sync()
		id := w.conflict()["id"].(string)
		w.call("POST", "conflicts/"+id+"/resolve", object{"take": "database"})
		w.sync()
		if open := w.get("conflicts")["items"].([]any); len(open) != 0 {
			t.Errorf("open again: %v", open)
		}
		undo()
		w.synced()
	})
}
