package daemon_test

import (
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// A push that never went out meant to swap two files; a person swapped them, too, and
// one of the two came out byte for byte. That file alone does not make the push agreed.
func TestSwappedOnBothSides(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'Kit A'")
		w.insert("toolkits", "slug", "'b'", "name", "'Kit B'")
		w.synced()
		undo := w.standIn.Inject(bitbuckettest.Fault{Repository: w.repo.FullName(), Status: 503, Body: "down"}, bitbuckettest.EndpointPush)
		w.swap("toolkits", "a", "b")
		w.sync() // the intents are written, the push is not taken
		w.commit(
			bitbuckettest.Write("toolkits/a.json", "{\n  \"slug\": \"a\",\n  \"name\": \"Kit B\"\n}\n"),
			bitbuckettest.Write("toolkits/b.json", "{\n    \"slug\": \"b\",\n    \"name\": \"Kit A\"\n}\n"),
		)
		undo()
		w.synced()
		w.synced()
		// Two files that exchange their contents are two edits of rows that moved.
		for slug, name := range map[string]string{"a": "Kit A", "b": "Kit B"} {
			if got := w.query("SELECT name FROM toolkits WHERE slug = '%s'", slug); got != name {
				t.Errorf("row %s is %q", slug, got)
			}
			if !w.branchHas("toolkits/"+slug+".json", name) {
				t.Errorf("file %s: %s", slug, w.files()["toolkits/"+slug+".json"])
			}
		}
	})
}

// swap exchanges the slugs of two rows in one transaction.
func (w *world) swap(table, a, b string) {
	w.t.Helper()
	tx, err := w.sql.BeginTx(w.t.Context(), nil)
	w.must(err)
	for _, move := range [][2]string{{a, "swapping"}, {b, a}, {"swapping", b}} {
		_, err = tx.ExecContext(w.t.Context(), "UPDATE "+table+" SET slug = '"+move[1]+"' WHERE slug = '"+move[0]+"'")
		w.must(err)
	}
	w.must(tx.Commit())
}
