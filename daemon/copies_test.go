package daemon_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// copied is a daemon's world on a copy of the database of one that has stopped.
func (w *world) copied() *world {
	w.t.Helper()
	w.must(w.sql.Close())
	w.must(w.db.Close())
	target := dbtest.Target{Dialect: w.target.Dialect, DataDir: w.t.TempDir()}
	if w.isPostgres() {
		target.URL = dbtest.CopyPostgres(w.t, w.target.URL)
	} else {
		content, err := os.ReadFile(filepath.Join(w.target.DataDir, db.FileName))
		w.must(err)
		w.must(os.WriteFile(filepath.Join(target.DataDir, db.FileName), content, 0o600))
	}
	c := newWorld(w.t, target)
	c.must(c.standIn.Close())
	c.standIn, c.repo, c.config.Mirrors = w.standIn, w.repo, w.config.Mirrors
	return c
}

// A database that was copied has the original's connections; it mirrors nothing until a
// person says that it is the one to go on with, while the original goes on.
func TestACopyOfADatabaseMirrorsNothing(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("commands", "slug", "'greet'", "name", "'Greet'", "prompt", "'Hello'")
		w.synced()
		w.stop()
		c := w.copied()
		c.start()
		w.openDatabase()
		w.start()
		w.exec("UPDATE commands SET name = 'Of the original'")
		w.synced()

		c.exec("UPDATE commands SET prompt = 'Of the copy'")
		w.commit(bitbuckettest.Write("commands/pushed.json", `{"slug":"pushed","name":"Pushed","prompt":"p"}`))
		for range 2 {
			if _, r := c.call("POST", "mirror/sync?wait=true", nil); r["state"] != "blocked" {
				t.Errorf("the copy runs: %v", r)
			}
			if m := c.mirror(); m["state"] != "blocked" || fmt.Sprint(m["detail"].(map[string]any)["code"]) != "DATABASE_COPIED" {
				t.Errorf("%v", m)
			}
			c.call("POST", "mirror/resume", nil) // is no confirmation
			c.stop()
			c.start()
		}
		if w.branchHas("commands/greet.json", "Of the copy") || c.query("SELECT count(*) FROM commands") != "1" {
			t.Error("the copy pushed or imported something")
		}
		w.synced()
		if w.query("SELECT count(*) FROM commands") != "2" {
			t.Error("the original stands still")
		}

		w.stop()
		if status, body := c.call("POST", "mirror/resume", object{"confirm_copy": true}); status != http.StatusOK {
			t.Fatalf("%d %v", status, body)
		}
		c.eventually("the copy goes on", func() bool {
			return c.branchHas("commands/greet.json", "Of the copy") && c.query("SELECT count(*) FROM commands") == "2"
		})
		if !c.branchHas("commands/greet.json", "Of the original") {
			t.Error("an edit of the original is lost")
		}
		events, _, err := c.db.Events(t.Context(), c.orgID, db.Page{})
		c.must(err)
		told := map[string]string{}
		for _, e := range events {
			told[e.Code] = e.Who
		}
		if who, noted := told[db.EventConfirmed]; !noted || who != "admin" {
			t.Errorf("%+v", events)
		}
		if _, noted := told["DATABASE_COPIED"]; !noted {
			t.Errorf("%+v", events)
		}
		c.stop()
		c.start()
		c.synced()
	})
}

// Who disconnects a copy, and connects it elsewhere, has decided as well.
func TestACopyIsConnectedElsewhere(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("commands", "slug", "'greet'", "name", "'Greet'", "prompt", "'Hello'")
		w.synced()
		w.stop()
		other, err := w.standIn.CreateRepository("acme-corp", "trials")
		w.must(err)
		c := w.copied()
		elsewhere := *c.config.Mirrors[0]
		elsewhere.Repository = "trials"
		c.config.Mirrors[0] = &elsewhere
		c.start()
		c.synced()
		if files, err := other.Files("main"); err != nil || files["commands/greet.json"] == "" {
			t.Errorf("%v, %v", files, err)
		}
	})
}

// A database that was brought back from a backup knows nothing of what came after it. Git
// does: edits, new entities and deletions since then come from there, the deletions by the
// brake; nothing of git is undone.
func TestRestoredFromABackup(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for i := range 20 {
			w.insert("commands", "slug", quote(fmt.Sprintf("old-%02d", i)), "name", "'Old'", "prompt", "'p'")
		}
		w.insert("commands", "slug", "'greet'", "name", "'Greet'", "prompt", "'Hello'")
		w.synced()
		w.stop()
		c := w.copied() // the backup
		w.openDatabase()
		w.config.Sync.DeleteLimit.Count, w.config.Sync.DeleteLimit.Percent = 100, 100
		w.start()
		w.exec("UPDATE commands SET prompt = 'Edited after the backup' WHERE slug = 'greet'")
		w.insert("commands", "slug", "'late'", "name", "'Late'", "prompt", "'of its own'")
		w.synced()
		w.exec("DELETE FROM commands WHERE slug LIKE 'old-%%'")
		w.synced()
		w.commit(bitbuckettest.Write("commands/pushed.json", `{"slug":"pushed","name":"Pushed","prompt":"of git"}`))
		w.synced()
		want, head := w.files(), w.commits()
		if len(want) != 3 {
			t.Fatalf("%d files", len(want))
		}
		w.stop()

		c.start()
		if status, body := c.call("POST", "mirror/resume", object{"confirm_copy": true}); status != http.StatusOK {
			t.Fatalf("%d %v", status, body)
		}
		c.eventually("what came after the backup is back", func() bool {
			return c.query("SELECT prompt FROM commands WHERE slug = 'greet'") == "Edited after the backup" &&
				c.query("SELECT count(*) FROM commands WHERE slug IN ('late', 'pushed') AND deleted_at IS NULL") == "2"
		})
		c.eventually("the deletions are held", func() bool { return c.mirror()["state"] == "held" })
		if n := c.query("SELECT count(*) FROM commands WHERE slug LIKE 'old-%%' AND deleted_at IS NULL"); n != "20" {
			t.Errorf("%s of the 20 rows are there", n)
		}
		if len(c.files()) != len(want) || len(c.commits()) != len(head) {
			t.Errorf("the branch was changed: %d files, %d commits", len(c.files()), len(c.commits()))
		}
	})
}
