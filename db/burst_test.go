package db

import (
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func init() {
	storeCases["observe: a part of many changes"] = testObservePart
}

func testObservePart(t *testing.T, w *world) {
	ids := map[string]string{}
	for _, slug := range []string{"a", "b", "c", "renamed", "deleted", "gone", "private", "in-git", "taken"} {
		ids[slug] = w.insert(slug, slug)
	}
	w.consumeAll()
	for _, slug := range []string{"a", "b", "c", "in-git"} {
		w.exec("UPDATE toolkits SET name = 'edited' WHERE slug = ?", slug)
	}
	w.exec("UPDATE toolkits SET slug = 'other' WHERE slug = 'renamed'")
	w.exec("UPDATE toolkits SET deleted_at = created_at WHERE slug = 'deleted'")
	w.exec("DELETE FROM toolkits WHERE slug = 'gone'")
	w.exec("UPDATE toolkits SET owner_id = 'ada' WHERE slug = 'private'")
	w.exec("UPDATE toolkits SET name = 'twice' WHERE slug = 'a'")
	if all := w.observe(mirror.Query{}); all.Waiting != 0 || len(all.Changes) != 9 {
		t.Fatalf("%d changes, %d wait", len(all.Changes), all.Waiting)
	}
	o := w.observe(mirror.Query{Limit: 1, Entries: []mirror.Entry{{Kind: document.Toolkits, Slug: "in-git", Path: "toolkits/in-git.json", GitID: "1"}}})
	changed := map[string]int{}
	for _, c := range o.Changes {
		changed[c.RowID]++
	}
	for slug, want := range map[string]int{"a": 2, "b": 0, "c": 0, "renamed": 1, "deleted": 1, "gone": 1, "private": 1, "in-git": 1} {
		if changed[ids[slug]] != want {
			t.Errorf("%s: %d changes, want %d", slug, changed[ids[slug]], want)
		}
	}
	w.equal(o.Waiting, 2)
	// A limit that is not reached leaves nothing out.
	if o := w.observe(mirror.Query{Limit: 9}); o.Waiting != 0 || len(o.Changes) != 9 {
		t.Errorf("%d changes, %d wait", len(o.Changes), o.Waiting)
	}
}
