package db

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func init() {
	storeCases["import: a new row"] = testImportCreate
	storeCases["import: an edit"] = testImportUpdate
	storeCases["import: no more is written than changed"] = testImportChangedColumns
	storeCases["import: secrets stay"] = testImportSecrets
	storeCases["import: a deletion and the way back"] = testImportDelete
	storeCases["import: half of a merge"] = testImportMerge
	storeCases["import: slugs are swapped and handed on"] = testImportSwap
	storeCases["import: a raced row takes its followers along"] = testImportRacedChain
	storeCases["import: a taken slug is raced"] = testImportTaken
	storeCases["import: an edit since is raced"] = testImportRaced
	storeCases["import: a row the database refuses"] = testImportRefused
	storeCases["import: another program's trigger"] = testImportForeignTrigger
	storeCases["import: a skill's files"] = testImportSkill
	storeCases["import: conflicts once"] = testImportConflicts
	storeCases["import: many rows"] = testImportMany
}

func testImportCreate(t *testing.T, w *world) {
	doc := toolkit("a", "A & <B>")
	doc.Fields["x-note"] = map[string]any{"deep": []any{nil, true}}
	c := create(doc)
	out := w.importAll(c)
	w.equal(out, []mirror.Outcome{{RowID: c.Base.RowID}})
	w.equal(w.captured(w.org()), []string(nil))
	w.equal(w.text(`SELECT status FROM toolkits`), "NULL")
	w.equal(w.text(`SELECT skills FROM toolkits`), "NULL")
	r := w.row(out[0].RowID)
	w.equal(r.Document, doc)
	w.equal(r.Integration.Path, "toolkits/a.json")
	o := w.all()
	w.equal(len(o.Bases), 1)
	w.equal([]string{o.Bases[0].RowID, o.Bases[0].Slug, o.Bases[0].GitID, string(o.Bases[0].Digest)}, []string{r.ID, "a", c.Base.GitID, string(doc.Digest())})
	w.equal(o.Bases[0].UnknownKeys, []string{"x-note"})
	w.ok(w.db.Contents(t.Context(), w.mirror, o.Bases))
	w.equal(o.Bases[0].Content, c.Base.Content)
}

func testImportUpdate(t *testing.T, w *world) {
	id := w.insert("a", "A")
	w.exec(`UPDATE toolkits SET description = 'long', updated_by = 'Ann', extra = '{"old": 1}', least_privilege = true, skills = '["s"]'`)
	r := w.row(id)
	doc := toolkit("a", "New")
	doc.Fields["x-b"] = "b"
	doc.Fields["commands"] = []any{"c"}
	c := update(r, doc)
	for _, change := range w.all().Changes {
		c.Consume = append(c.Consume, change.ID)
	}
	w.equal(w.importAll(c), []mirror.Outcome{{RowID: id}})
	w.equal(w.captured(w.org()), []string(nil))
	after := w.row(id)
	w.equal(after.Document, doc)
	w.equal(after.UpdatedBy, "")
	w.equal(w.text(`SELECT least_privilege FROM toolkits`), "NULL")
}

func testImportChangedColumns(t *testing.T, w *world) {
	one, two := w.insert("a", "A"), w.insert("b", "B")
	w.exec(`UPDATE toolkits SET least_privilege = true, skills = '["s"]', integrations = '{"github": {"tools": "*"}}'`)
	first, second := w.row(one), w.row(two)
	renamed, described := first.Document.Clone(), second.Document.Clone()
	renamed.Fields["name"] = "New"
	described.Fields["description"] = "long"
	delete(described.Fields, "skills")
	cost := w.counting(func() { w.importAll(update(first, renamed), update(second, described)) })
	w.equal(w.row(one).Document, renamed)
	w.equal(w.row(two).Document, described)
	var written []string
	for _, text := range cost.texts {
		for _, column := range []string{"slug", "name", "description", "least_privilege", "integrations", "skills", "commands", "extra", "deleted_at"} {
			if strings.HasPrefix(text, "UPDATE toolkits ") && strings.Contains(text, ", "+column+" = ") {
				written = append(written, column)
			}
		}
	}
	w.equal(written, []string{"name", "description", "skills"})
}

func testImportSecrets(t *testing.T, w *world) {
	w.exec(`INSERT INTO mcp_servers (organization_id, slug, name, type, url, auth, env) VALUES (?, 'github', 'GitHub', 'http', 'https://example.com', '{"token": "t"}',
		'{"T": {"value": "s3cret", "secret": true}, "U": "bare", "P": {"value": "p", "secret": false}}')`, w.org())
	id := w.text(`SELECT id FROM mcp_servers`)
	r := w.row(id)
	doc := r.Document.Clone()
	doc.Fields["name"] = "GitHub 2"
	env := doc.Fields["env"].(map[string]any)
	env["T"] = map[string]any{"secret": true, "required": true}
	env["N"] = "new"
	w.importAll(update(r, doc))
	rows, err := w.db.load(w.db.gorm, w.org(), tables[document.MCPServers])
	w.ok(err)
	w.equal(rows[0].document.Fields["env"], map[string]any{
		"T": map[string]any{"value": "s3cret", "secret": true, "required": true},
		"U": map[string]any{"value": "bare", "secret": true},
		"P": map[string]any{"value": "p", "secret": false},
		"N": map[string]any{"value": "new", "secret": false},
	})
	w.equal(strings.ReplaceAll(w.text(`SELECT auth FROM mcp_servers`), " ", ""), `{"token":"t"}`)
	w.equal(w.row(id).Document.Digest(), doc.Digest())
}

func testImportDelete(t *testing.T, w *world) {
	id := w.insert("a", "A")
	r := w.row(id)
	w.importAll(update(r, r.Document))
	w.consumeAll()
	r = w.row(id)
	w.equal(w.importAll(remove(r)), []mirror.Outcome{{RowID: id}})
	w.equal(w.captured(w.org()), []string(nil))
	o := w.all()
	if len(o.Bases) != 0 || !o.Rows[0].Deleted || o.Rows[0].Integration != (mirror.GitIntegration{}) {
		t.Fatalf("%+v", o.Rows[0])
	}
	w.equal(w.importAll(update(o.Rows[0], toolkit("a", "Back"))), []mirror.Outcome{{RowID: id}})
	if r := w.row(id); r.Deleted || r.Document.Name() != "Back" {
		t.Fatalf("%+v", r)
	}
	w.equal(w.captured(w.org()), []string(nil))
}

// The changes of a merge stay until its export is settled: those observed, and the import's own.
func testImportMerge(t *testing.T, w *world) {
	id := w.insert("a", "A")
	w.exec(`UPDATE toolkits SET updated_by = 'Ann'`)
	o := w.all()
	c := update(row(o, id), toolkit("a", "Merged"))
	c.KeepChanges = true
	out := w.importAll(c)
	after := w.all()
	if len(after.Changes) <= len(o.Changes) || row(after, id).UpdatedBy != "Ann" {
		t.Fatalf("%+v", after.Changes)
	}
	own := map[int64]bool{}
	for _, id := range out[0].Own {
		own[id] = true
	}
	for _, change := range after.Changes {
		if !own[change.ID] {
			t.Errorf("change %d is not told", change.ID)
		}
	}
	w.settle(mirror.Settlement{Consumed: out[0].Own})
	w.equal(len(w.all().Changes), 0)
}

func testImportSwap(t *testing.T, w *world) {
	a, b, c, d := w.insert("a", "A"), w.insert("b", "B"), w.insert("c", "C"), w.insert("d", "D")
	w.consumeAll()
	// a and b swap; c goes to d's slug, d goes to e, a new one takes c; f goes and another f comes.
	f := w.insert("f", "F")
	o := w.all()
	changes := []*mirror.RowChange{
		update(row(o, a), toolkit("b", "A")), update(row(o, b), toolkit("a", "B")),
		update(row(o, c), toolkit("d", "C")), update(row(o, d), toolkit("e", "D")),
		create(toolkit("c", "new")), create(toolkit("f", "other")), remove(row(o, f)),
	}
	changes[2].KeepChanges = true
	for i, out := range w.importAll(changes...) {
		if out.Raced || out.Problem != nil {
			t.Fatalf("%d: %+v", i, out)
		}
	}
	got := map[string]string{}
	for _, r := range w.all().Rows {
		if !r.Deleted {
			got[r.Slug] = r.Document.Name()
		}
	}
	w.equal(got, map[string]string{"a": "B", "b": "A", "c": "new", "d": "C", "e": "D", "f": "other"})
	bases := map[string]string{}
	for _, b := range w.all().Bases {
		bases[b.Path] = b.Slug
	}
	w.equal(bases, map[string]string{"toolkits/a.json": "a", "toolkits/b.json": "b", "toolkits/c.json": "c", "toolkits/d.json": "d", "toolkits/e.json": "e", "toolkits/f.json": "f"})
	// Nobody saw the temporary slugs.
	w.equal(w.captured(w.org()), []string{"toolkits c>d"})
}

func testImportRacedChain(t *testing.T, w *world) {
	a, b, c := w.insert("a", "A"), w.insert("b", "B"), w.insert("c", "C")
	o := w.all()
	w.exec(`UPDATE toolkits SET name = 'edited' WHERE id = ?`, c)
	out := w.importAll(update(row(o, a), toolkit("b", "A")), update(row(o, b), toolkit("c", "B")), update(row(o, c), toolkit("d", "C")), create(toolkit("free", "x")))
	w.equal([]bool{out[0].Raced, out[1].Raced, out[2].Raced, out[3].Raced}, []bool{true, true, true, false})
	w.equal(w.text(`SELECT count(*) FROM toolkits WHERE slug IN ('a', 'b', 'c', 'free')`), "4")
	w.equal(len(w.all().Bases), 1)
}

func testImportTaken(t *testing.T, w *world) {
	a := w.insert("a", "A")
	w.insert("b", "B")
	out := w.importAll(create(toolkit("b", "x")), update(w.row(a), toolkit("b", "A")), create(toolkit("c", "C")))
	w.equal([]bool{out[0].Raced, out[1].Raced, out[2].Raced}, []bool{true, true, false})
	// A private row of that slug is in nobody's way.
	w.exec(`INSERT INTO toolkits (organization_id, slug, owner_id) VALUES (?, 'p', 'ann')`, w.org())
	w.equal(w.importAll(create(toolkit("p", "P")))[0].Raced, false)
	// Nor is a soft-deleted one; but undeleting it where a live one is, is raced.
	w.exec(`UPDATE toolkits SET deleted_at = created_at WHERE slug = 'c'`)
	w.equal(w.importAll(create(toolkit("c", "C2")))[0].Raced, false)
	deleted := w.text(`SELECT id FROM toolkits WHERE slug = 'c' AND deleted_at IS NOT NULL`)
	w.equal(w.importAll(update(w.row(deleted), toolkit("c", "C")))[0].Raced, true)
}

func testImportRaced(t *testing.T, w *world) {
	id, gone := w.insert("a", "A"), w.insert("gone", "G")
	skill := w.skill("s", "x")
	server := func() string {
		w.exec(`INSERT INTO mcp_servers (organization_id, slug, name, type, url) VALUES (?, 'm', 'M', 'http', 'https://example.com')`, w.org())
		return w.text(`SELECT id FROM mcp_servers`)
	}()
	for _, edit := range []struct{ id, query string }{
		{id, `UPDATE toolkits SET name = 'edited'`},
		{gone, `DELETE FROM toolkits WHERE slug = 'gone'`},
		{id, `UPDATE toolkits SET deleted_at = created_at`},
		{id, `UPDATE toolkits SET owner_id = 'ann'`},
		{server, `UPDATE mcp_servers SET auth = '{"a": 1}'`},
		{server, `UPDATE mcp_servers SET env = '{"A": {"value": "x", "secret": true}}'`},
		{skill, `INSERT INTO skill_files (skill_id, path, content) SELECT id, 'new.txt', 'x' FROM skills`},
		{skill, `UPDATE skill_files SET executable = true WHERE path = 'new.txt'`},
		{skill, `DELETE FROM skill_files WHERE path = 'new.txt'`},
	} {
		r := w.row(edit.id)
		w.exec(edit.query)
		doc := r.Document
		if doc == nil {
			doc = toolkit("a", "A")
		}
		out := w.importAll(update(r, doc))
		if !out[0].Raced {
			t.Errorf("%s: %+v", edit.query, out)
		}
	}
	w.equal(len(w.all().Bases), 0)
	if len(w.all().Changes) == 0 {
		t.Error("the raced rows' changes are gone")
	}
}

func testImportRefused(t *testing.T, w *world) {
	if w.db.postgres {
		w.exec(`ALTER TABLE toolkits ADD CONSTRAINT short_name CHECK (length(name) < 10)`)
	} else {
		w.exec(`CREATE TRIGGER short_name BEFORE INSERT ON toolkits WHEN length(NEW.name) >= 10 BEGIN SELECT RAISE(ABORT, 'top secret'); END`)
		w.exec(`CREATE TRIGGER short_name2 BEFORE UPDATE ON toolkits WHEN length(NEW.name) >= 10 BEGIN SELECT RAISE(ABORT, 'top secret'); END`)
	}
	a, b := w.insert("a", "A"), w.insert("b", "B")
	o := w.all()
	changes := []*mirror.RowChange{
		update(row(o, a), toolkit("a", "much too long")), update(row(o, b), toolkit("b", "BB")), create(toolkit("bad", "much too long")),
	}
	for i := range 20 {
		changes = append(changes, create(toolkit(fmt.Sprintf("n%d", i), "N")))
	}
	out := w.importAll(changes...)
	for i, o := range out {
		if refused := i == 0 || i == 2; refused != (o.Problem != nil) || o.Raced {
			t.Fatalf("%d: %+v", i, o)
		}
	}
	if p := out[0].Problem; p.Code != document.ValidationFailed || strings.Contains(p.Message, "secret") || strings.Contains(p.Message, "long") {
		t.Errorf("%+v", p)
	}
	w.equal(w.row(a).Document.Name(), "A")
	w.equal(len(w.all().Bases), 21)
}

// What another program's trigger makes of our write is not consumed with it.
func testImportForeignTrigger(t *testing.T, w *world) {
	if w.db.postgres {
		w.exec(`CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name = upper(NEW.name); RETURN NEW; END $$`)
		w.exec(`CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON toolkits FOR EACH ROW EXECUTE FUNCTION shout()`)
	} else {
		w.exec(`CREATE TRIGGER shout AFTER INSERT ON toolkits BEGIN UPDATE toolkits SET name = upper(name) WHERE id = NEW.id; END`)
	}
	out := w.importAll(create(toolkit("a", "loud")), create(toolkit("b", "B")))
	o := w.all()
	w.equal(row(o, out[0].RowID).Document.Name(), "LOUD")
	for _, c := range o.Changes {
		w.equal(c.RowID, out[0].RowID)
	}
	if len(o.Changes) == 0 {
		t.Error("the trigger's edit is lost")
	}
}

func testImportSkill(t *testing.T, w *world) {
	binary := []byte{0, 1, 2, 0xff}
	doc := skillDocument("s", "first", document.File{Path: "run.sh", Executable: true, Content: []byte("#!/bin/sh\n")},
		document.File{Path: "a/b/c.bin", Content: binary}, document.File{Path: "empty", Content: []byte{}})
	out := w.importAll(create(doc))
	id := out[0].RowID
	w.equal(w.captured(w.org()), []string(nil))
	w.equal(w.row(id).Document, doc)
	w.equal([]string{w.text(`SELECT name FROM skills`), w.text(`SELECT description FROM skills`)}, []string{"s", "first"})
	o := w.all()
	w.ok(w.db.Contents(t.Context(), w.mirror, o.Bases))
	w.equal(o.Bases[0].Content, &mirror.Content{Files: doc.Files})

	next := skillDocument("s2", "second", document.File{Path: "run.sh", Content: []byte("#!/bin/sh\n")}, document.File{Path: "new", Content: []byte("new")})
	c := update(w.row(id), next)
	c.KeepChanges = true
	w.importAll(c)
	w.equal(w.row(id).Document, next)
	w.equal([]string{w.text(`SELECT name FROM skills`), w.text(`SELECT description FROM skills`)}, []string{"s2", "second"})
	// The skill's row; SKILL.md, run.sh (mode) and new; a/b/c.bin and empty.
	w.equal(len(w.captured(w.org())), 6)
	w.equal(len(w.all().Bases), 1)
}

func testImportConflicts(t *testing.T, w *world) {
	id := w.insert("a", "A")
	conflict := &mirror.Conflict{
		Key: mirror.Key{Kind: document.Toolkits, Path: "toolkits/a.json"}, RowID: id, Slug: "a", Reason: mirror.ConflictBothChanged,
		Base: toolkit("a", "base"), Git: toolkit("a", "git"), Decided: document.PreferGit, Places: []string{"/name"}, GitID: "g",
	}
	w.ok(w.db.Intend(t.Context(), w.mirror, "r0", nil, []*mirror.Conflict{conflict}))
	c := update(w.row(id), toolkit("a", "git"))
	c.Conflicts = []*mirror.Conflict{conflict, conflict}
	w.importAll(c)
	w.equal(w.text(`SELECT count(*) FROM conflicts`), "1")
	w.equal(w.text(`SELECT run_id FROM conflicts`), "r0")
	w.equal(w.text(`SELECT database FROM conflicts`), "NULL")
	kept, problem := document.UnmarshalDocument(document.Toolkits, []byte(w.text(`SELECT git FROM conflicts`)), document.Limits{})
	if problem != nil {
		t.Fatal(problem)
	}
	w.equal(kept.Normalize(), toolkit("a", "git"))
}

func testImportMany(t *testing.T, w *world) {
	const n = 1203 // more than two batches
	var changes []*mirror.RowChange
	for i := range n {
		changes = append(changes, create(toolkit(fmt.Sprintf("t-%d", i), "first")))
	}
	began := time.Now()
	w.importAll(changes...)
	o := w.all()
	changes = nil
	for _, r := range o.Rows {
		changes = append(changes, update(r, toolkit(r.Slug, "second")))
	}
	w.importAll(changes...)
	o = w.all()
	for _, r := range o.Rows {
		if r.Document.Name() != "second" {
			t.Fatalf("%+v", r.Document)
		}
	}
	w.equal([]int{len(o.Rows), len(o.Bases), len(o.Changes)}, []int{n, n, 0})
	t.Logf("%d rows created, updated and read twice in %v", n, time.Since(began))
}
