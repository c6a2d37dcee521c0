package db

import (
	"errors"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// connected is the mirror of a connected organization.
func connected(t *testing.T, d *DB) *mirror.Mirror {
	return (&world{TB: t, db: d}).connect("acme")
}

// TestTakeIsAChange: a run observes it, and it is decided on once its change is consumed.
func TestTakeIsAChange(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		m := connected(t, d)
		ctx := t.Context()
		entity, _, err := d.PutEntity(ctx, m.OrganizationID, document.Toolkits, "a", writeDoc(t, document.Toolkits, samples[document.Toolkits]))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.TakeEntity(ctx, m.OrganizationID, document.Toolkits, "nobody", document.PreferGit); !errors.Is(err, ErrNotFound) {
			t.Errorf("no entity: %v", err)
		}
		if _, err := d.TakeEntity(ctx, m.OrganizationID, document.Toolkits, "a", "mine"); err == nil {
			t.Error("took no side")
		}
		take := must(d.TakeEntity(ctx, m.OrganizationID, document.Toolkits, "a", document.PreferGit))(t)
		if take.RowID != entity.ID {
			t.Errorf("took %s", take.RowID)
		}
		o := must(d.Observe(ctx, m, mirror.Query{}))(t)
		var sides []document.Policy
		var ids []int64
		for _, c := range o.Changes {
			sides, ids = append(sides, c.Take), append(ids, c.ID)
		}
		if len(sides) != 2 || sides[0] != "" || sides[1] != document.PreferGit || len(o.Rows) != 1 {
			t.Fatalf("observed %v of %d rows", sides, len(o.Rows))
		}
		if e, done, err := d.Taken(ctx, m.OrganizationID, take); err != nil || done || e == nil || e.ID != entity.ID {
			t.Errorf("before: %v, %v, %v", e, done, err)
		}
		if err := d.deleteChanges(d.gorm, m.OrganizationID, ids, nil); err != nil {
			t.Fatal(err)
		}
		if e, done, err := d.Taken(ctx, m.OrganizationID, take); err != nil || !done || e == nil {
			t.Errorf("after: %v, %v, %v", e, done, err)
		}
		if err := d.DeleteEntity(ctx, m.OrganizationID, document.Toolkits, "a", EntityEdit{}); err != nil {
			t.Fatal(err)
		}
		if e, done, err := d.Taken(ctx, m.OrganizationID, take); err != nil || !done || e != nil {
			t.Errorf("deleted: %v, %v, %v", e, done, err)
		}
	})
}

// TestAnImportKeepsALateTake: a take that comes while an import runs is no write, which
// the written content could contain.
func TestAnImportKeepsALateTake(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		m := connected(t, d)
		ctx := t.Context()
		for _, kind := range document.Kinds {
			if _, _, err := d.PutEntity(ctx, m.OrganizationID, kind, "a", writeDoc(t, kind, samples[kind])); err != nil {
				t.Fatal(err)
			}
		}
		o := must(d.Observe(ctx, m, mirror.Query{}))(t)
		var changes []*mirror.RowChange
		takes := map[document.Kind]*Take{}
		for _, row := range o.Rows {
			takes[row.Kind] = must(d.TakeEntity(ctx, m.OrganizationID, row.Kind, "a", document.PreferDatabase))(t)
			path := m.Settings.Layout().Path(row.Kind, row.Slug)
			key := mirror.Key{Kind: row.Kind, Path: path}
			changes = append(changes, &mirror.RowChange{
				Action: mirror.RowUpdate, Key: key, Row: row, Document: row.Document,
				Base: &mirror.Base{Key: key, RowID: row.ID, Slug: row.Slug, GitID: "1", Digest: row.Document.Digest()},
			})
		}
		for i, outcome := range must(d.Import(ctx, m, "head", "run", changes))(t) {
			if outcome.Raced || outcome.Problem != nil {
				t.Fatalf("%s: %+v", changes[i].Key.Path, outcome)
			}
		}
		for kind, take := range takes {
			if _, done, err := d.Taken(ctx, m.OrganizationID, take); err != nil || done {
				t.Errorf("%s: forgotten: %v", kind, err)
			}
		}
	})
}

// TestATakenConflictIsResolved: nobody has to decide again, and anybody may.
func TestATakenConflictIsResolved(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		m := connected(t, d)
		ctx := t.Context()
		const database, git = `{"slug":"a","name":"DB"}`, `{"slug":"a","name":"GIT"}`
		entity, _, err := d.PutEntity(ctx, m.OrganizationID, document.Toolkits, "a", writeDoc(t, document.Toolkits, git))
		if err != nil {
			t.Fatal(err)
		}
		err = d.Intend(ctx, m, "run", nil, []*mirror.Conflict{{
			Key: mirror.Key{Kind: document.Toolkits, Path: "toolkits/a.json"}, Slug: "a", RowID: entity.ID, Reason: mirror.ConflictTaken,
			Database: doc(t, document.Toolkits, database), Git: doc(t, document.Toolkits, git), Decided: document.PreferGit, Places: []string{""},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if open, _, err := d.Conflicts(ctx, m.OrganizationID, false, Page{}); err != nil || len(open) != 0 {
			t.Errorf("open: %v, %v", open, err)
		}
		all, _, err := d.Conflicts(ctx, m.OrganizationID, true, Page{})
		if err != nil || len(all) != 1 || all[0].ResolvedAt == nil || all[0].Winner() != document.PreferGit {
			t.Fatalf("%+v, %v", all, err)
		}
		if _, err := d.ResolveConflict(ctx, m.OrganizationID, all[0].ID, document.PreferDatabase, nil); err != nil {
			t.Fatal(err)
		}
		if e := must(d.GetEntity(ctx, m.OrganizationID, document.Toolkits, "a", ""))(t); text2(e.Document) != database {
			t.Errorf("%s", text2(e.Document))
		}
	})
}
