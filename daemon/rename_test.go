package daemon_test

import (
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// A file that stands where a renamed row belongs is part of the row's decision. It must
// not be forgotten when that decision is refused and the row goes away.
func TestFileAtTheNewPlaceOutlivesTheRename(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'c'", "name", "'C'")
		w.synced()
		w.commit(bitbuckettest.Write("toolkits/c.json", "{ broken"), bitbuckettest.Write("toolkits/b.json", `{"slug": "b", "name": "git's own"}`))
		w.exec("UPDATE toolkits SET slug = 'b' WHERE slug = 'c'")
		w.synced()
		if code := w.entityError("toolkits", "b"); code != "INVALID_JSON" {
			t.Fatalf("the renamed row has %q, want the old file's INVALID_JSON", code)
		}
		w.exec("UPDATE toolkits SET deleted_at = CURRENT_TIMESTAMP WHERE slug = 'b'")
		w.synced()
		if name := w.query("SELECT name FROM toolkits WHERE slug = 'b' AND deleted_at IS NULL"); name != "git's own" {
			t.Errorf("the file at the new place was not imported: %q", name)
		}
	})
}

func TestRenamedOntoABadFile(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'c'", "name", "'C'")
		w.synced()
		w.commit(bitbuckettest.Write("toolkits/b.json", "{ somebody's"))
		w.exec("UPDATE toolkits SET slug = 'b' WHERE slug = 'c'")
		w.synced()
		w.wantFile("toolkits/b.json", "{ somebody's")
		if code := w.entityError("toolkits", "b"); code != "INVALID_JSON" {
			t.Errorf("the row has %q, want INVALID_JSON of the file at its new place", code)
		}
		w.exec("UPDATE toolkits SET name = 'C2' WHERE slug = 'b'")
		w.synced()
		if !w.branchHas("toolkits/b.json", "C2") || w.branchHas("toolkits/c.json", "") || w.entityError("toolkits", "b") != "" {
			t.Errorf("an edit after that wins: %v", w.files())
		}
		if got := w.rejected("toolkits"); len(got) > 0 {
			t.Errorf("still rejected: %v", got)
		}
	})
}
