package db

import (
	"testing"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func init() {
	storeCases["observe: a part of many changes"] = testObservePart
	storeCases["observe: a part has its rows' other changes"] = testObservePartRows
	storeCases["observe: what was captured before an upgrade"] = testObserveUpgraded
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
	in := mirror.Entry{Kind: document.Toolkits, Slug: "in-git", Path: "toolkits/in-git.json", GitID: "1"}
	for name, c := range map[string]struct {
		q       mirror.Query
		want    map[string]int
		waiting int
	}{
		"the oldest":         {mirror.Query{Limit: 1}, map[string]int{"a": 2, "renamed": 1, "deleted": 1, "gone": 1, "private": 1}, 3},
		"what git changed":   {mirror.Query{Limit: 1, Entries: []mirror.Entry{in}}, map[string]int{"in-git": 1, "renamed": 1, "deleted": 1, "gone": 1, "private": 1}, 4},
		"rows by their keys": {mirror.Query{Limit: 1, Rows: []mirror.RowKey{{Kind: document.Toolkits, ID: ids["a"]}}}, map[string]int{"a": 2, "renamed": 1, "deleted": 1, "gone": 1, "private": 1}, 3},
	} {
		o := w.observe(c.q)
		changed := map[string]int{}
		for _, c := range o.Changes {
			changed[c.RowID]++
		}
		for slug := range ids {
			if changed[ids[slug]] != c.want[slug] {
				t.Errorf("%s: %s: %d changes, want %d", name, slug, changed[ids[slug]], c.want[slug])
			}
		}
		w.equal(o.Waiting, c.waiting)
	}
	// A limit that is not reached leaves nothing out.
	if o := w.observe(mirror.Query{Limit: 9}); o.Waiting != 0 || len(o.Changes) != 9 {
		t.Errorf("%d changes, %d wait", len(o.Changes), o.Waiting)
	}
}

// An edit of a description is an edit like any other, and the changes of a row come
// together whether the row is still there or not.
func testObservePartRows(t *testing.T, w *world) {
	ids := map[string]string{}
	for _, slug := range []string{"first", "gone", "restored", "b", "c"} {
		ids[slug] = w.insert(slug, slug)
	}
	w.consumeAll()
	w.exec("UPDATE toolkits SET description = 'edited'")
	w.exec("UPDATE toolkits SET name = 'edited' WHERE slug = 'gone'")
	w.exec("DELETE FROM toolkits WHERE slug = 'gone'")
	w.exec("UPDATE toolkits SET deleted_at = created_at WHERE slug = 'restored'")
	w.exec("UPDATE toolkits SET deleted_at = NULL WHERE slug = 'restored'")
	o := w.observe(mirror.Query{Limit: 1})
	changed := map[string]int{}
	for _, c := range o.Changes {
		changed[c.RowID]++
	}
	w.equal(changed, map[string]int{ids["first"]: 1, ids["gone"]: 3, ids["restored"]: 3})
	w.equal(o.Waiting, 2)
}

// What waited while the schema was migrated is told apart no more than what came after.
func testObserveUpgraded(t *testing.T, w *world) {
	target := dbtest.Target{Dialect: w.db.dialect(), DataDir: t.TempDir()}
	if w.db.postgres {
		target.URL = dbtest.Postgres(t)
	}
	d := open(t, target)
	provider, err := d.migrator()
	w.ok(err)
	_, err = provider.UpTo(t.Context(), 11)
	w.ok(err)
	old := &world{TB: t, db: d, dataDir: target.DataDir}
	old.mirror = &mirror.Mirror{OrganizationID: old.organization("acme")}
	for _, slug := range []string{"first", "b", "deleted", "private"} {
		old.insert(slug, slug)
	}
	old.exec("UPDATE toolkits SET deleted_at = created_at WHERE slug = 'deleted'")
	old.exec("UPDATE toolkits SET owner_id = 'ada' WHERE slug = 'private'")
	w.ok(d.Migrate(t.Context()))
	old.mirror = old.connect("acme")
	o := old.observe(mirror.Query{Limit: 1})
	w.equal([]int{len(o.Changes), o.Waiting}, []int{5, 1})
}
