package db

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func init() {
	storeCases["a mirror and its identity"] = testMirror
	storeCases["observe: a bare row is a document"] = testObserveBare
	storeCases["observe: every column is in the document"] = testObserveColumns
	storeCases["observe: secrets are in the guard only"] = testObserveSecrets
	storeCases["observe: a bad row is its own problem"] = testObserveProblems
	storeCases["observe: only what is concerned"] = testObserveSome
	storeCases["observe: deleted rows"] = testObserveDeleted
	storeCases["observe: toolkits that name a server"] = testObserveDependents
	storeCases["observe: what toolkits name is kept in mind"] = testObserveReferences
	storeCases["observe: other organizations and identities"] = testObserveScope
	storeCases["observe: a truncated table is a change of no row"] = testObserveTruncated
	storeCases["servers"] = testServers
}

func testMirror(t *testing.T, w *world) {
	if _, err := w.db.Mirror(t.Context(), "00000000-0000-4000-8000-000000000000"); !errors.Is(err, mirror.ErrNoMirror) {
		t.Fatal(err)
	}
	w.equal(w.mirror.Identity, testIdentity)
	w.equal(w.mirror.Organization, "acme")
	w.settle(mirror.Settlement{Cursor: "c1", RemoteSeen: "c2", Covered: 3, State: mirror.State{Name: mirror.StateOK}})
	m := w.again(w.mirror)
	w.equal([]mirror.Hash{m.Cursor, m.RemoteSeen}, []mirror.Hash{"c1", "c2"})
	w.equal(m.Covered, int64(3))
	w.equal(m.State.Name, mirror.StateOK)

	// The same identity keeps the cursor, another one forgets it.
	w.ok(w.db.Identify(t.Context(), m, testIdentity, mirror.Repository{UUID: "{0b5f}", FullName: "acme-corp/renamed"}))
	w.equal(w.again(m).Cursor, mirror.Hash("c1"))
	other := testIdentity
	other.Prefix = "src"
	w.ok(w.db.Identify(t.Context(), m, other, mirror.Repository{UUID: "{0b5f}"}))
	w.equal(w.again(m).Cursor, mirror.Hash(""))
	w.equal(w.again(m).Identity, other)

	w.exec(`UPDATE bitbucket_connections SET disconnected_at = created_at`)
	_, observing := w.db.Observe(t.Context(), m, mirror.Query{})
	_, importing := w.db.Import(t.Context(), m, "", "r", []*mirror.RowChange{create(toolkit("a", "A"))})
	for _, err := range []error{observing, importing, w.db.Intend(t.Context(), m, "r", nil, nil), w.db.Identify(t.Context(), &mirror.Mirror{OrganizationID: "00000000-0000-4000-8000-000000000000"}, other, mirror.Repository{})} {
		if !errors.Is(err, mirror.ErrNoMirror) {
			t.Fatal(err)
		}
	}
}

func testObserveBare(t *testing.T, w *world) {
	id := w.insert("github-triage", "GitHub triage")
	o := w.observe(mirror.Query{})
	r := row(o, id)
	if r == nil || r.Problem != nil || len(o.Changes) != 1 {
		t.Fatalf("%+v %+v", o, r)
	}
	w.equal(r.Document.Fields, map[string]any{"slug": "github-triage", "name": "GitHub triage"})
	w.equal(o.Changes[0], mirror.Change{ID: o.Changes[0].ID, Kind: document.Toolkits, RowID: id, SlugAfter: "github-triage"})
	w.equal(o.Bases, []*mirror.Base(nil))
}

func testObserveColumns(t *testing.T, w *world) {
	w.exec(`INSERT INTO mcp_servers (organization_id, slug, name, description, status, type, url, args, env, headers, tools, extra, updated_by)
		VALUES (?, 'github', 'GitHub', '', 'draft', 'streamable-http', 'https://example.com/mcp', '[]',
		'{"A": {"value": "1", "secret": false}, "B": {"value": "s3cret", "secret": true, "required": true}, "C": "bare"}',
		'{}', '{}', '{"x-note": [1e2, 1.50, 12345678901234567890], "client_id": "no", "name": "no", "other": {"a": null}}', 'Ann <ann@example.com>')`, w.org())
	r := w.row(w.text(`SELECT id FROM mcp_servers`))
	if r.Problem != nil {
		t.Fatal(r.Problem)
	}
	file := `{
  "slug": "github",
  "name": "GitHub",
  "status": "draft",
  "type": "http",
  "url": "https://example.com/mcp",
  "env": {
    "A": "1",
    "B": {
      "required": true,
      "secret": true
    },
    "C": {
      "secret": true
    }
  },
  "tools": {},
  "other": {
    "a": null
  },
  "x-note": [
    100,
    1.50,
    12345678901234567890
  ]
}
`
	want, problem := document.ParseFile(document.MCPServers, "github", []byte(file), document.Limits{})
	if problem != nil {
		t.Fatal(problem)
	}
	w.equal(r.Document, want)
	w.equal(r.Document.Digest(), want.Digest())
	w.equal(r.UpdatedBy, "Ann <ann@example.com>")
}

func testObserveSecrets(t *testing.T, w *world) {
	w.exec(`INSERT INTO mcp_servers (organization_id, slug, name, type, url, env) VALUES
		(?, 'github', 'GitHub', 'http', 'https://example.com', '{"T": {"value": "one", "secret": true}}')`, w.org())
	id := w.text(`SELECT id FROM mcp_servers`)
	before := w.row(id)
	guards := map[string]bool{before.Guard: true}
	for _, change := range []string{
		`env = '{"T": {"value": "two", "secret": true}}'`, `auth = '{"token": "x"}'`, `owner_id = 'ann'`, `extra = '{"b": 1}'`, `deleted_at = created_at`,
	} {
		w.exec(`UPDATE mcp_servers SET ` + change)
		w.exec(`INSERT INTO mirror_bases (organization_id, identity, kind, path, row_id, slug, git_id, digest) VALUES (?, ?, 'mcp-servers', ?, ?, 'github', '', '')`,
			w.org(), identityKey(testIdentity), change, id)
		after := w.row(id)
		if guards[after.Guard] {
			t.Errorf("%s: the guard is the same", change)
		}
		guards[after.Guard] = true
	}
	w.exec(`UPDATE mcp_servers SET git_integration = '{"path": "p"}', updated_by = 'x', updated_at = created_at`)
	if r := w.row(id); !guards[r.Guard] || r.Integration.Path != "p" {
		t.Errorf("bookkeeping changed the guard, or is not read: %+v", r)
	}
}

func testObserveProblems(t *testing.T, w *world) {
	good := w.insert("good", "Good")
	w.exec(`INSERT INTO toolkits (organization_id, slug, name, integrations) VALUES (?, 'wrong-type', 'x', '[1]')`, w.org())
	w.exec(`INSERT INTO toolkits (organization_id, slug, name) VALUES (?, '../evil', 'x')`, w.org())
	w.exec(`INSERT INTO commands (organization_id, slug, name) VALUES (?, 'no-prompt', 'x')`, w.org())
	w.exec(`INSERT INTO skills (organization_id, slug) VALUES (?, 'no-skill-md')`, w.org())
	w.exec(`INSERT INTO toolkits (organization_id, slug, name, extra) VALUES (?, 'extra', 'x', '[]')`, w.org())
	if !w.db.postgres { // whose columns take nothing else
		w.exec(`INSERT INTO toolkits (organization_id, slug, name, integrations) VALUES (?, 'no-json', 'x', '{broken')`, w.org())
		w.exec(`INSERT INTO toolkits (organization_id, slug, name, least_privilege) VALUES (?, 'no-flag', 'x', 'maybe')`, w.org())
		w.exec(`INSERT INTO toolkits (organization_id, slug, name, created_at, updated_at, deleted_at) VALUES (?, 'no-time', 'x', 'never', x'00ff', 'whenever')`, w.org())
		w.exec(`INSERT INTO toolkits (organization_id, slug, name) VALUES (?, 'blob', x'ff00')`, w.org())
	}
	for _, q := range []mirror.Query{{}, w.everything()} {
		o := w.observe(q)
		if r := row(o, good); r == nil || r.Problem != nil {
			t.Fatalf("the good row: %+v", r)
		}
		bad := 0
		for _, r := range o.Rows {
			if r.ID == good || r.Slug == "no-time" {
				continue
			}
			bad++
			if r.Problem == nil || r.Document != nil {
				t.Errorf("%s has no problem: %+v", r.Slug, r.Document)
				continue
			}
			want := document.ValidationFailed
			if r.Slug == "no-skill-md" {
				want = document.EmptyDirectory
			}
			if r.Problem.Code != want {
				t.Errorf("%s: %v", r.Slug, r.Problem)
			}
		}
		want := 5
		if !w.db.postgres {
			want = 8
			if r := o.Rows[len(o.Rows)-1]; r.Slug != "no-time" || !r.Deleted {
				t.Errorf("a row with any deleted_at is deleted: %+v", r)
			}
		}
		w.equal(bad, want)
	}
}

func testObserveSome(t *testing.T, w *world) {
	a, b, c := w.insert("a", "A"), w.insert("b", "B"), w.insert("c", "C")
	w.insert("d", "D")
	var bases []*mirror.Base
	for id, doc := range map[string]*document.Document{a: toolkit("a", "A"), b: toolkit("b", "B"), c: toolkit("old-c", "C")} {
		bases = append(bases, agreed(doc, id))
	}
	w.settle(mirror.Settlement{Bases: bases, Unsettled: []*mirror.Unsettled{
		{Key: mirror.Key{Kind: document.Toolkits, Path: "toolkits/due.json"}, Reason: mirror.ReasonRaced, Due: true, RowID: b},
		{Key: mirror.Key{Kind: document.Toolkits, Path: "toolkits/old-c.json"}, Reason: mirror.ReasonInvalid, Slug: "c"},
		{Key: mirror.Key{Kind: document.Toolkits, Path: "toolkits/waits.json"}, Reason: mirror.ReasonInvalid, WaitsFor: []string{"github"}},
		{Key: mirror.Key{Kind: document.Toolkits, Path: "toolkits/held.json"}, Reason: mirror.ReasonHeld, Direction: mirror.ToGit},
	}})
	w.consumeAll()
	names := func(o *mirror.Observation) (rows, bases, left []string) {
		for _, r := range o.Rows {
			rows = append(rows, r.Slug)
		}
		for _, b := range o.Bases {
			bases = append(bases, b.Path)
		}
		for _, u := range o.Unsettled {
			left = append(left, strings.TrimPrefix(u.Path, "toolkits/"))
		}
		return
	}
	check := func(q mirror.Query, rows, bases, left string) {
		t.Helper()
		r, b, l := names(w.observe(q))
		got := map[string]bool{}
		for _, slug := range r {
			got[slug] = true
		}
		for _, slug := range strings.Fields(rows) {
			if !got[slug] || len(got) != len(strings.Fields(rows)) {
				t.Fatalf("rows: %v, not %s", r, rows)
			}
		}
		w.equal(strings.Join(b, " "), bases)
		w.equal(strings.Join(l, " "), left)
	}
	// Nothing but what is due.
	check(mirror.Query{}, "b", "toolkits/b.json", "due.json")
	// An entry in git brings its base, the base's row, the row at its slug and what was left open there.
	check(mirror.Query{Entries: []mirror.Entry{{Kind: document.Toolkits, Slug: "old-c", Path: "toolkits/old-c.json", GitID: "x"}}},
		"b c", "toolkits/b.json toolkits/old-c.json", "due.json old-c.json")
	check(mirror.Query{Entries: []mirror.Entry{{Kind: document.Toolkits, Slug: "d", Path: "toolkits/d.json", GitID: "x"}}},
		"b d", "toolkits/b.json", "due.json")
	// A server that appears wakes who waits for it.
	check(mirror.Query{Servers: []string{"github"}},
		"b", "toolkits/b.json", "due.json waits.json")
	// A change brings its row, its base and what was left open.
	w.exec(`UPDATE toolkits SET name = 'CC' WHERE slug = 'c'`)
	check(mirror.Query{}, "b c", "toolkits/b.json toolkits/old-c.json", "due.json old-c.json")
	check(w.everything(), "a b c d", "toolkits/a.json toolkits/b.json toolkits/old-c.json", "due.json held.json old-c.json waits.json")
	o := w.observe(mirror.Query{})
	w.equal([]int{o.Mirrored, o.Held[mirror.ToGit], o.Held[mirror.ToDatabase]}, []int{1, 1, 0}) // there are some: nobody counted them
	n, err := w.db.Mirrored(t.Context(), w.mirror)
	w.ok(err)
	w.equal(n, 3)
	// A row that is gone for good leaves its base.
	w.consumeAll()
	w.exec(`DELETE FROM toolkits WHERE slug = 'c'`)
	check(mirror.Query{}, "b", "toolkits/b.json toolkits/old-c.json", "due.json old-c.json")
}

func testObserveDeleted(t *testing.T, w *world) {
	older, newer := w.insert("a", "first"), ""
	w.exec(`UPDATE toolkits SET deleted_at = ?`, time.Now().UTC().Add(-time.Hour))
	newer = w.insert("a", "second")
	w.exec(`UPDATE toolkits SET deleted_at = ? WHERE id = ?`, time.Now().UTC(), newer)
	entry := mirror.Query{Entries: []mirror.Entry{{Kind: document.Toolkits, Slug: "a", Path: "toolkits/a.json", GitID: "x"}}}
	for _, q := range []mirror.Query{entry, {}} {
		o := w.observe(q)
		if len(o.Rows) != 1 || o.Rows[0].ID != newer || !o.Rows[0].Deleted {
			t.Fatalf("%+v", o.Rows)
		}
	}
	// A base's row is there, however old.
	w.settle(mirror.Settlement{Bases: []*mirror.Base{agreed(toolkit("a", "first"), older)}})
	w.consumeAll()
	o := w.observe(entry)
	if len(o.Rows) != 2 || o.Rows[0].ID != older || o.Rows[1].ID != newer {
		t.Fatalf("%+v", o.Rows)
	}
}

func testObserveDependents(t *testing.T, w *world) {
	w.exec(`INSERT INTO toolkits (organization_id, slug, name, integrations) VALUES
		(?, 'names-it', 'x', '{"github": {"tools": "*"}, "b": {}}'), (?, 'names-another', 'x', '{"b": {}}'), (?, 'list', 'x', '["github"]'), (?, 'none', 'x', NULL)`,
		w.org(), w.org(), w.org(), w.org())
	if !w.db.postgres {
		w.exec(`INSERT INTO toolkits (organization_id, slug, name, integrations) VALUES (?, 'broken', 'x', '{broken')`, w.org())
	}
	w.exec(`INSERT INTO toolkits (organization_id, slug, owner_id, integrations) VALUES (?, 'private', 'ann', '{"github": {}}')`, w.org())
	w.consumeAll()
	var slugs []string
	for _, r := range w.observe(mirror.Query{Servers: []string{"github"}}).Rows {
		if r.Kind == document.Toolkits && r.Problem == nil {
			slugs = append(slugs, r.Slug)
		}
	}
	w.equal(slugs, []string{"names-it"})
}

// What the columns hold is never the writer's problem.
func testObserveReferences(t *testing.T, w *world) {
	naming := func(want ...string) {
		t.Helper()
		w.consumeAll()
		w.exec(`INSERT INTO commands (organization_id, slug) VALUES (?, 'ship')`, w.org())
		w.exec(`DELETE FROM commands`)
		var slugs []string
		for _, r := range w.observe(mirror.Query{Servers: []string{"github"}}).Rows {
			if r.Kind == document.Toolkits {
				slugs = append(slugs, r.Slug)
			}
		}
		slices.Sort(slugs)
		w.equal(slugs, want)
	}
	twice := `'{"github": {}, "github": {"tools": "*"}}'`
	w.exec(`INSERT INTO toolkits (organization_id, slug, integrations) VALUES (?, 'a', `+twice+`), (?, 'b', '{"other": {}}')`, w.org(), w.org())
	w.exec(`INSERT INTO toolkits (organization_id, slug, commands) VALUES (?, 'c', '["ship", "ship", 1, null, {"ship": 1}]'), (?, 'd', '"ship"')`, w.org(), w.org())
	w.exec(`INSERT INTO toolkits (organization_id, slug, commands, integrations) VALUES (?, 'e', '{"github": 1}', '[7, true]')`, w.org())
	naming("a", "c", "d")
	w.exec(`UPDATE toolkits SET integrations = '{"github": {}}' WHERE slug = 'b'`)
	w.exec(`UPDATE toolkits SET integrations = NULL WHERE slug = 'a'`)
	naming("b", "c", "d")
	w.exec(`DELETE FROM toolkits WHERE slug = 'b'`)
	naming("c", "d")
	if !w.db.postgres { // where any column may hold anything
		w.exec(`INSERT INTO toolkits (organization_id, slug, integrations, commands, skills) VALUES (?, 'f', '{broken', x'00ff', 1.5), (?, 'g', '{"github": ', '', 'ship')`, w.org(), w.org())
		w.exec(`UPDATE toolkits SET skills = integrations`)
		naming("c", "d")
	}
}

func testObserveScope(t *testing.T, w *world) {
	other := w.connect("other")
	id := w.insert("a", "A")
	w.settle(mirror.Settlement{Bases: []*mirror.Base{agreed(toolkit("a", "A"), id)}})
	o := (&world{TB: t, db: w.db, mirror: other}).all()
	if len(o.Rows)+len(o.Bases)+len(o.Changes)+o.Mirrored != 0 {
		t.Fatalf("%+v", o)
	}
	elsewhere := testIdentity
	elsewhere.Branch = "develop"
	w.ok(w.db.Identify(t.Context(), w.mirror, elsewhere, mirror.Repository{}))
	if err := w.db.Settle(t.Context(), w.mirror, &mirror.Settlement{}); !errors.Is(err, mirror.ErrLeaseLost) {
		t.Fatalf("a settle for another branch: %v", err)
	}
	w.mirror = w.again(w.mirror)
	if o := w.all(); len(o.Bases) != 0 || o.Mirrored != 0 || len(o.Rows) != 1 {
		t.Fatalf("%+v", o)
	}
	w.ok(w.db.Identify(t.Context(), w.mirror, testIdentity, mirror.Repository{}))
	w.mirror = w.again(w.mirror)
	w.equal(len(w.all().Bases), 1)
}

func testObserveTruncated(t *testing.T, w *world) {
	w.insert("a", "A")
	w.consumeAll()
	w.exec(`INSERT INTO mirror_changes (organization_id, kind, row_id) VALUES (?, 'toolkits', '')`, w.org())
	o := w.observe(mirror.Query{})
	w.equal([]int{len(o.Rows), len(o.Changes)}, []int{0, 1})
	w.equal(o.Changes[0].RowID, "")
}

func testServers(t *testing.T, w *world) {
	w.exec(`INSERT INTO mcp_servers (organization_id, slug, tools) VALUES (?, 'none', '{}'), (?, 'unknown', NULL), (?, 'some', '{"a": {}, "b": {"enabled": false}}')`, w.org(), w.org(), w.org())
	w.exec(`INSERT INTO mcp_servers (organization_id, slug, owner_id, deleted_at) VALUES (?, 'private', 'ann', NULL), (?, 'deleted', NULL, ?)`, w.org(), w.org(), time.Now())
	servers, err := w.db.Servers(t.Context(), w.mirror, []string{"none", "unknown", "some", "private", "deleted", `odd",{\`})
	w.ok(err)
	w.equal(len(servers), 3)
	w.equal([]bool{servers["none"].ToolsKnown, servers["unknown"].ToolsKnown, servers["some"].ToolsKnown}, []bool{true, false, true})
	if !servers["some"].Tools["a"] {
		t.Errorf("%+v", servers["some"])
	}
}
