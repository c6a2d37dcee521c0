package daemon_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// Digests of an earlier version are computed anew from what was agreed: an upgrade makes
// no commit, and a deletion is still one.
func TestUpgradedDigests(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(
			bitbuckettest.Write("toolkits/a.json", `{"slug":"a",   "name":"A"}`),
			bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`),
			bitbuckettest.Write("skills/s/SKILL.md", "---\nname: s\ndescription: S\n---\n"),
			bitbuckettest.Write("skills/s/logo.png", "\x89PNG\x00"),
		)
		w.synced()
		before := len(w.commits())
		w.exec("UPDATE mirror_bases SET digest = '0:of an earlier version'")
		for _, table := range []string{"toolkits", "skills"} { // a write that changes nothing has every row looked at
			w.exec("UPDATE %s SET name = name", table)
		}
		w.synced()
		if n := len(w.commits()) - before; n != 0 {
			t.Errorf("%d commits, want none", n)
		}
		if n := w.query("SELECT count(*) FROM mirror_bases WHERE digest LIKE '0:%%'"); n != "0" {
			t.Errorf("%s digests are still the old ones", n)
		}
		w.exec("UPDATE mirror_bases SET digest = '0:of an earlier version'")
		w.commit(bitbuckettest.Remove("toolkits/a.json"))
		w.exec("UPDATE toolkits SET description = 'edited' WHERE slug = 'b'")
		w.synced()
		if w.query("SELECT slug FROM toolkits WHERE slug = 'a' AND deleted_at IS NULL") != "" {
			t.Error("the deletion was taken for an edit of the row")
		}
		if !w.branchHas("toolkits/b.json", "edited") {
			t.Error("the edit was not exported")
		}
	})
}

// A file that was agreed on is not refused by a limit that was lowered since: an edit
// of its row is exported at once.
func TestLoweredLimit(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("commands", "slug", "'a'", "name", "'A'", "prompt", quote(strings.Repeat("long ", 2000)))
		w.synced()
		w.stop()
		w.config.Sync.MaxFileSize = 1 << 10
		w.start()
		w.exec("UPDATE commands SET prompt = 'short'")
		w.synced()
		if !w.branchHas("commands/a.json", `"short"`) || w.entityError("commands", "a") != "" {
			t.Errorf("%s: %s", w.entityError("commands", "a"), w.files()["commands/a.json"])
		}
	})
}
