package daemon_test

import (
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// What stays on the branch because deletions are kept gives way to a row that takes its
// place. A push that fails on the way does not make it somebody else's file.
func TestKeptFileGivesWayWhateverThePushDoes(t *testing.T) {
	eachWorld(t, func(w *world) { w.config.Sync.Deletions = "keep" }, func(w *world) {
		w.insert("toolkits", "slug", "'b'", "name", "'B'", "description", "'of b'")
		w.insert("toolkits", "slug", "'c'", "name", "'C'")
		w.synced()
		w.exec("DELETE FROM toolkits WHERE slug = 'b'")
		w.synced()
		undo := w.standIn.Inject(bitbuckettest.Fault{Repository: w.repo.FullName(), Status: 503, Body: "down"}, bitbuckettest.EndpointPush)
		w.exec("UPDATE toolkits SET slug = 'b' WHERE slug = 'c'")
		w.sync()
		undo()
		w.synced()
		if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
			t.Errorf("%s conflicts", n)
		}
		if got := w.query("SELECT name || coalesce(description, '') FROM toolkits WHERE slug = 'b' AND deleted_at IS NULL"); got != "C" {
			t.Errorf("row: %q", got)
		}
		if !w.branchHas("toolkits/b.json", `"C"`) || w.branchHas("toolkits/b.json", "of b") || w.branchHas("toolkits/c.json", "") {
			t.Errorf("files: %v", w.files())
		}
		w.quiet()
	})
}

// So does the edited file of a row that was deleted, whose slug another row has now: the
// edit is kept in one conflict, and does not come back into the other row.
func TestEditedFileOfADeletedRowGivesWayWhateverThePushDoes(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'b'", "name", "'B'")
		w.insert("toolkits", "slug", "'c'", "name", "'C'")
		w.synced()
		w.apart(func() {
			w.exec("DELETE FROM toolkits WHERE slug = 'b'")
			w.exec("UPDATE toolkits SET slug = 'b' WHERE slug = 'c'")
		}, bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B","description":"edited"}`))
		undo := w.standIn.Inject(bitbuckettest.Fault{Repository: w.repo.FullName(), Status: 503, Body: "down"}, bitbuckettest.EndpointPush)
		w.sync()
		undo()
		w.synced()
		if c := w.conflict(); c["reason"] != "replaced" || c["decided"] != "database" {
			t.Errorf("conflict: %v", c)
		}
		if got := w.query("SELECT name || coalesce(description, '') FROM toolkits WHERE slug = 'b' AND deleted_at IS NULL"); got != "C" || w.branchHas("toolkits/b.json", "edited") {
			t.Errorf("row: %q, file %s", got, w.files()["toolkits/b.json"])
		}
		w.quiet()
	})
}
