package db

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// storeCases is the conformance suite: what a mirror.Store promises, on each database.
var storeCases = map[string]func(t *testing.T, w *world){}

func TestStore(t *testing.T) {
	for name, test := range storeCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			migrated.Each(t, func(t *testing.T, target dbtest.Target) { test(t, newWorld(t, target)) })
		})
	}
}

var testIdentity = mirror.Identity{Repository: "{0b5f}", Branch: "main", Prefix: ""}

// world is a migrated database with one connected organization.
type world struct {
	testing.TB
	db      *DB
	mirror  *mirror.Mirror
	dataDir string
}

func newWorld(t testing.TB, target dbtest.Target) *world {
	t.Helper()
	w := &world{TB: t, db: open(t, target), dataDir: target.DataDir}
	if err := w.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.mirror = w.connect("acme")
	return w
}

// connect makes an organization with a resolved connection.
func (w *world) connect(slug string) *mirror.Mirror {
	w.Helper()
	id := w.organization(slug)
	w.exec(`INSERT INTO bitbucket_connections (organization_id, workspace, repository) VALUES (?, 'acme-corp', ?)`, id, slug)
	m, err := w.db.Mirror(w.Context(), id)
	w.ok(err)
	w.ok(w.db.Identify(w.Context(), m, testIdentity, mirror.Repository{UUID: "{" + slug + "}", FullName: "acme-corp/" + slug}))
	return w.again(m)
}

// organization adds one that is not connected.
func (w *world) organization(slug string) (id string) {
	w.Helper()
	w.exec(`INSERT INTO organizations (slug) VALUES (?) ON CONFLICT DO NOTHING`, slug)
	return w.text(`SELECT id FROM organizations WHERE slug = ?`, slug)
}

func (w *world) again(m *mirror.Mirror) *mirror.Mirror {
	w.Helper()
	m, err := w.db.Mirror(w.Context(), m.OrganizationID)
	w.ok(err)
	return m
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) equal(got, want any) {
	w.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.Fatalf("-want +got:\n%s", diff)
	}
}

// bind writes parameters as the database wants them.
func (w *world) bind(query string) string {
	if !w.db.postgres {
		return query
	}
	for n := 1; strings.Contains(query, "?"); n++ {
		query = strings.Replace(query, "?", fmt.Sprintf("$%d", n), 1)
	}
	return query
}

// exec is another program's write.
func (w *world) exec(query string, args ...any) {
	w.Helper()
	if _, err := w.db.sql.ExecContext(w.Context(), w.bind(query), args...); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
}

// text reads one value; "NULL" for none.
func (w *world) text(query string, args ...any) string {
	w.Helper()
	var value sql.NullString
	if err := w.db.sql.QueryRowContext(w.Context(), w.bind(query), args...).Scan(&value); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
	if !value.Valid {
		return "NULL"
	}
	return value.String
}

func (w *world) org() string { return w.mirror.OrganizationID }

// insert adds a toolkit by SQL and returns its id.
func (w *world) insert(slug, name string) string {
	w.Helper()
	w.exec(`INSERT INTO toolkits (organization_id, slug, name) VALUES (?, ?, ?)`, w.org(), slug, name)
	return w.text(`SELECT id FROM toolkits WHERE organization_id = ? AND slug = ? AND deleted_at IS NULL`, w.org(), slug)
}

// skill adds a skill by SQL.
func (w *world) skill(slug, description string) string {
	w.Helper()
	w.exec(`INSERT INTO skills (organization_id, slug) VALUES (?, ?)`, w.org(), slug)
	id := w.text(`SELECT id FROM skills WHERE organization_id = ? AND slug = ? AND deleted_at IS NULL`, w.org(), slug)
	w.exec(`INSERT INTO skill_files (skill_id, path, content) VALUES (?, 'SKILL.md', ?)`, id, []byte(skillMD(slug, description)))
	return id
}

func skillMD(name, description string) string {
	return "---\nname: " + name + "\ndescription: " + description + "\n---\n\nDo it well.\n"
}

func (w *world) observe(q mirror.Query) *mirror.Observation {
	w.Helper()
	o, err := w.db.Observe(w.Context(), w.mirror, q)
	w.ok(err)
	return o
}

// everything asks for all that there is: organization-level rows, deleted ones too, and
// what stands at the bases' places.
func (w *world) everything() mirror.Query {
	w.Helper()
	q := mirror.Query{Open: true}
	for _, k := range document.Kinds {
		var ids []string
		w.ok(where(w.db.gorm.Table(tables[k].name), tables[k].ours()).Where("organization_id = ?", w.org()).Pluck("id", &ids).Error)
		for _, id := range ids {
			q.Rows = append(q.Rows, mirror.RowKey{Kind: k, ID: id})
		}
		pairs, err := w.db.Pairs(w.Context(), w.mirror, k)
		w.ok(err)
		for _, p := range pairs {
			if p.Base != nil {
				q.Entries = append(q.Entries, mirror.Entry{Kind: k, Slug: p.Base.Slug, Path: p.Base.Path, GitID: p.Base.GitID})
			}
		}
	}
	return q
}

func (w *world) all() *mirror.Observation { w.Helper(); return w.observe(w.everything()) }

// row finds an observed row; nil if it is not there.
func row(o *mirror.Observation, id string) *mirror.Row {
	for _, r := range o.Rows {
		if r.ID == id {
			return r
		}
	}
	return nil
}

func (w *world) row(id string) *mirror.Row {
	w.Helper()
	r := row(w.all(), id)
	if r == nil {
		w.Fatalf("row %s is not observed", id)
	}
	return r
}

func (w *world) settle(s mirror.Settlement) {
	w.Helper()
	w.ok(w.db.Settle(w.Context(), w.mirror, &s))
}

// consumeAll forgets all captured changes.
func (w *world) consumeAll() {
	w.Helper()
	w.exec(`DELETE FROM mirror_changes`)
}

func (w *world) importAll(changes ...*mirror.RowChange) []mirror.Outcome {
	w.Helper()
	outcomes, err := w.db.Import(w.Context(), w.mirror, "", "run-1", changes)
	w.ok(err)
	return outcomes
}

// toolkit is a toolkit's document.
func toolkit(slug, name string) *document.Document {
	return (&document.Document{Kind: document.Toolkits, Slug: slug, Fields: map[string]any{"slug": slug, "name": name}}).Normalize()
}

func skillDocument(slug, description string, more ...document.File) *document.Document {
	files := append([]document.File{{Path: "SKILL.md", Content: []byte(skillMD(slug, description))}}, more...)
	return (&document.Document{Kind: document.Skills, Slug: slug, Files: files}).Normalize()
}

func contentOfDocument(d *document.Document) *mirror.Content {
	if d.Kind == document.Skills {
		return &mirror.Content{Files: d.Files}
	}
	return &mirror.Content{Bytes: document.Encode(d)}
}

// agreed is the base of a document.
func agreed(d *document.Document, rowID string) *mirror.Base {
	return &mirror.Base{
		Key:   mirror.Key{Kind: d.Kind, Path: document.Layout{}.Path(d.Kind, d.Slug)},
		RowID: rowID, Slug: d.Slug, GitID: "git-" + string(d.Digest())[:10], Digest: d.Digest(),
		UnknownKeys: d.UnknownKeys(), Content: contentOfDocument(d),
	}
}

func create(d *document.Document) *mirror.RowChange {
	b := agreed(d, "")
	return &mirror.RowChange{
		Action: mirror.RowCreate, Key: b.Key, Document: d, Base: b,
		Integration: mirror.GitIntegration{Path: b.Path, GitID: b.GitID},
	}
}

func update(r *mirror.Row, d *document.Document) *mirror.RowChange {
	c := create(d)
	c.Action, c.Row = mirror.RowUpdate, r
	if r.Slug != d.Slug {
		c.Vacated = document.Layout{}.Path(d.Kind, r.Slug)
	}
	return c
}

func remove(r *mirror.Row) *mirror.RowChange {
	return &mirror.RowChange{Action: mirror.RowDelete, Row: r, Key: mirror.Key{Kind: r.Kind, Path: document.Layout{}.Path(r.Kind, r.Slug)}}
}
