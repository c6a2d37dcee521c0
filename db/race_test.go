package db

import (
	"database/sql"
	"fmt"
	"sync"
	"testing"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func init() {
	storeCases["race: a locked row is left alone"] = testRaceLocked
	storeCases["race: a skill's locked or growing files"] = testRaceFiles
	storeCases["race: an uncommitted row has the slug"] = testRaceSlug
	storeCases["race: a change that commits late"] = testRaceLateCommit
	storeCases["race: a settle waits for nobody"] = testRaceSettle
	storeCases["race: writers and imports"] = testRaceWriters
}

// begin opens another program's transaction. SQLite has one writer at a time, so
// there nobody can be in the middle of anything.
func (w *world) begin() *sql.Tx {
	w.Helper()
	tx, err := w.db.sql.BeginTx(w.Context(), nil)
	w.ok(err)
	return tx
}

func (w *world) in(tx *sql.Tx, query string, args ...any) {
	w.Helper()
	if _, err := tx.ExecContext(w.Context(), w.bind(query), args...); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
}

func testRaceLocked(t *testing.T, w *world) {
	if !w.db.postgres {
		return
	}
	a, b := w.insert("a", "A"), w.insert("b", "B")
	w.consumeAll()
	o := w.all()
	tx := w.begin()
	w.in(tx, `UPDATE toolkits SET name = 'edited' WHERE id = ?`, a)
	changes := []*mirror.RowChange{update(row(o, a), toolkit("a", "from git")), update(row(o, b), toolkit("b", "from git"))}
	out := w.importAll(changes...)
	w.equal([]bool{out[0].Raced, out[1].Raced}, []bool{true, false})
	w.ok(tx.Commit())
	out = w.importAll(changes[0]) // planned on what is no more
	w.equal(out[0].Raced, true)
	o = w.observe(mirror.Query{})
	w.equal([]any{len(o.Changes), row(o, a).Document.Name()}, []any{1, "edited"})
}

func testRaceFiles(t *testing.T, w *world) {
	if !w.db.postgres {
		return
	}
	for _, query := range []string{
		`UPDATE skill_files SET content = 'edited' WHERE skill_id = ?`,
		`DELETE FROM skill_files WHERE skill_id = ?`,
		`INSERT INTO skill_files (skill_id, path) VALUES (?, 'new')`,
	} {
		id := w.skill("s", "x")
		tx := w.begin()
		w.in(tx, query, id)
		out := w.importAll(update(w.row(id), skillDocument("s", "from git")))
		w.equal(out[0].Raced, true)
		w.ok(tx.Rollback())
		out = w.importAll(update(w.row(id), skillDocument("s", "from git")))
		w.equal(out[0].Raced, false)
		w.exec(`DELETE FROM skills`)
	}
}

func testRaceSlug(t *testing.T, w *world) {
	if !w.db.postgres {
		return
	}
	tx := w.begin()
	w.in(tx, `INSERT INTO toolkits (organization_id, slug, name) VALUES (?, 'a', 'mine')`, w.org())
	out := w.importAll(create(toolkit("b", "B")), create(toolkit("a", "A")), create(toolkit("c", "C")))
	w.equal([]bool{out[0].Raced, out[1].Raced, out[2].Raced}, []bool{false, true, false})
	w.ok(tx.Commit())
	w.equal(w.text(`SELECT name FROM toolkits WHERE slug = 'a'`), "mine")
	w.equal(w.captured(w.org()), []string{"toolkits >a"})
}

// Transactions commit out of order: a change may appear below ids that are consumed already.
func testRaceLateCommit(t *testing.T, w *world) {
	if !w.db.postgres {
		return
	}
	tx := w.begin()
	w.in(tx, `INSERT INTO toolkits (organization_id, slug, name) VALUES (?, 'early', 'E')`, w.org())
	w.insert("late", "L")
	o := w.observe(mirror.Query{})
	w.equal(len(o.Changes), 1)
	// An import of the same row consumes what it has seen, and nothing else.
	tx2 := w.begin()
	w.in(tx2, `UPDATE toolkits SET owner_id = owner_id WHERE slug = 'nobody'`)
	c := update(o.Rows[0], toolkit("late", "from git"))
	c.Consume = []int64{o.Changes[0].ID}
	w.importAll(c)
	w.equal(len(w.observe(mirror.Query{}).Changes), 0)
	w.ok(tx2.Commit())
	w.ok(tx.Commit())
	after := w.observe(mirror.Query{})
	if len(after.Changes) != 1 || after.Changes[0].ID >= o.Changes[0].ID || after.Rows[0].Slug != "early" {
		t.Fatalf("%+v", after)
	}
}

func testRaceSettle(t *testing.T, w *world) {
	if !w.db.postgres {
		return
	}
	a, s := w.insert("a", "A"), w.skill("s", "x")
	w.exported(w.all(), s)
	w.exec(`UPDATE skills SET slug = 's2'`)
	o := w.observe(mirror.Query{})
	tx := w.begin()
	w.in(tx, `SELECT id FROM toolkits FOR UPDATE`)
	w.in(tx, `SELECT id FROM skills FOR UPDATE`)
	settlement := mirror.Settlement{
		Bases: []*mirror.Base{agreed(row(o, s).Document, s)}, DropBases: []mirror.Key{{Kind: document.Skills, Path: "skills/s"}},
		Statuses: []mirror.RowStatus{{Kind: document.Toolkits, RowID: a, Integration: mirror.GitIntegration{Path: "toolkits/a.json", GitID: "g"}}},
	}
	for _, c := range o.Changes {
		settlement.Consumed = append(settlement.Consumed, c.ID)
	}
	w.settle(settlement)
	w.ok(tx.Rollback())
	// The skill is not settled: SKILL.md could not follow. The toolkit is due again.
	o = w.observe(mirror.Query{})
	w.equal([]string{o.Bases[0].Slug, row(o, s).Document.Slug}, []string{"s", "s2"})
	w.equal([]any{len(o.Unsettled), o.Unsettled[0].Path, o.Unsettled[0].Due}, []any{1, "toolkits/a.json", true})
	w.exported(o, s, mirror.Key{Kind: document.Skills, Path: "skills/s"})
	o = w.all()
	w.equal([]any{o.Bases[0].Slug, row(o, s).Document.Slug, len(o.Changes)}, []any{"s2", "s2", 0})
}

// Writers edit descriptions while imports write names, from two daemons at once:
// nobody's edit is lost, and no change is consumed unseen.
func testRaceWriters(t *testing.T, w *world) {
	const rows, edits = 8, 25
	ids := make([]string, rows)
	for i := range ids {
		ids[i] = w.insert(fmt.Sprintf("t-%d", i), "A")
	}
	target := dbtest.Target{Dialect: w.db.dialect(), URL: w.db.url, DataDir: w.dataDir}
	var writers, importers sync.WaitGroup
	done := make(chan struct{})
	var all []mirror.RowKey
	for i, id := range ids {
		all = append(all, mirror.RowKey{Kind: document.Toolkits, ID: id})
		writers.Go(func() {
			for n := range edits {
				if _, err := w.db.sql.Exec(w.bind(`UPDATE toolkits SET description = ? WHERE id = ?`), fmt.Sprintf("%d-%d", i, n), id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 2 {
		d := open(t, target)
		importers.Go(func() {
			for round := 0; ; round++ {
				o, err := d.Observe(t.Context(), w.mirror, mirror.Query{Rows: all})
				if err != nil {
					t.Error(err)
					return
				}
				var changes []*mirror.RowChange
				for _, r := range o.Rows {
					doc := r.Document.Clone()
					doc.Fields["name"] = fmt.Sprintf("%d-%d", n, round)
					c := update(r, doc)
					for _, change := range o.Changes {
						if change.RowID == r.ID {
							c.Consume = append(c.Consume, change.ID)
						}
					}
					changes = append(changes, c)
				}
				if _, err := d.Import(t.Context(), w.mirror, "", "r", changes); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	importers.Wait()
	o := w.all()
	changed := map[string]bool{}
	for _, c := range o.Changes {
		changed[c.RowID] = true
	}
	bases := map[string]*mirror.Base{}
	for _, b := range o.Bases {
		bases[b.RowID] = b
	}
	for i, id := range ids {
		r := row(o, id)
		if want := fmt.Sprintf("%d-%d", i, edits-1); r.Document.Fields["description"] != want {
			t.Errorf("row %d: %v, not %s", i, r.Document.Fields["description"], want)
		}
		// Whatever the row says that its base does not, is known to be a change.
		if !changed[id] && (bases[id] == nil || bases[id].Digest != r.Document.Digest()) {
			t.Errorf("row %d: differs from its base, and nothing is captured", i)
		}
	}
}
