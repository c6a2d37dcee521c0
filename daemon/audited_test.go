package daemon_test

import (
	"strings"
	"testing"

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
	restart := func(w *world, set func()) {
		w.stop()
		set()
		w.start()
	}
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
			restart(w, func() { w.config.Sync.SecretScan = "off" })
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
			restart(w, func() { w.config.Sync.MaxFileSize = 1 << 20 })
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
