package db

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func init() {
	storeCases["capture of every column"] = testCaptureColumns
	storeCases["capture of inserts and deletes"] = testCaptureRows
	storeCases["capture of skill files"] = testCaptureFiles
	storeCases["capture of a move"] = testCaptureMove
	storeCases["capture of rows that go"] = testCaptureGone
	storeCases["capture leaves private rows alone"] = testCapturePrivate
	storeCases["capture of a truncation"] = testCaptureTruncate
	storeCases["capture in a rolled back transaction"] = testCaptureRollback
	storeCases["writers without rights"] = testCaptureRights
	storeCases["a broken capture hurts nobody"] = testCaptureBroken
	storeCases["replication is captured"] = testCaptureReplica
}

// captured lists the changes of an organization and forgets them.
func (w *world) captured(organization string) []string {
	w.Helper()
	rows, err := w.db.sql.QueryContext(w.Context(), w.bind(
		`SELECT kind, row_id, slug_before, slug_after, named FROM mirror_changes WHERE organization_id = ? ORDER BY id`), organization)
	w.ok(err)
	defer rows.Close()
	var list []string
	for rows.Next() {
		var kind, id, before, after string
		var named bool
		w.ok(rows.Scan(&kind, &id, &before, &after, &named))
		line := fmt.Sprintf("%s %s>%s", kind, before, after)
		if named {
			line += " named"
		}
		list = append(list, line)
	}
	w.ok(rows.Err())
	w.exec(`DELETE FROM mirror_changes WHERE organization_id = ?`, organization)
	return list
}

func testCaptureColumns(t *testing.T, w *world) {
	for _, tbl := range tables {
		t.Run(tbl.name, func(t *testing.T) {
			w := &world{TB: t, db: w.db, mirror: w.mirror}
			w.exec(`INSERT INTO `+tbl.name+` (organization_id, slug) VALUES (?, 'a')`, w.org())
			w.equal(w.captured(w.org()), []string{string(tbl.kind) + " >a"})
			content := []string{"slug", "extra", "deleted_at", "organization_id", "id"}
			for _, c := range tbl.blank().cells() {
				content = append(content, c.column)
			}
			if tbl.hasOwners() {
				content = append(content, "owner_id")
			}
			for _, column := range content {
				w.exec(`UPDATE ` + tbl.name + ` SET ` + column + ` = ` + column)
				w.equal(w.captured(w.org()), []string{string(tbl.kind) + " a>a"})
			}
			silent := []string{"git_integration", "created_at", "updated_at"}
			for _, c := range tbl.blank().secrets() {
				silent = append(silent, c.column)
			}
			for _, column := range silent {
				w.exec(`UPDATE ` + tbl.name + ` SET ` + column + ` = ` + column)
				w.equal(w.captured(w.org()), []string(nil))
			}
			w.exec(`UPDATE ` + tbl.name + ` SET updated_by = 'Ann <ann@example.com>'`)
			w.equal(w.captured(w.org()), []string{string(tbl.kind) + " a>a named"})
			w.exec(`UPDATE ` + tbl.name + ` SET updated_by = NULL, slug = 'b'`)
			changes := w.captured(w.org())
			slices.Sort(changes)
			w.equal(changes, []string{string(tbl.kind) + " a>b", string(tbl.kind) + " a>b"})
			w.exec(`DELETE FROM ` + tbl.name)
			w.equal(w.captured(w.org()), []string{string(tbl.kind) + " b>"})
		})
	}
}

func testCaptureRows(t *testing.T, w *world) {
	w.exec(`INSERT INTO toolkits (organization_id, slug, name, updated_by) VALUES (?, 'a', 'A', 'Ann'), (?, 'b', 'B', NULL)`, w.org(), w.org())
	w.equal(w.captured(w.org()), []string{"toolkits >a named", "toolkits >b"})
	w.exec(`UPDATE toolkits SET name = 'same' WHERE slug = 'none'`)
	w.equal(w.captured(w.org()), []string(nil))
	w.exec(`INSERT INTO toolkits (organization_id, slug) VALUES (?, 'a')
		ON CONFLICT (organization_id, coalesce(owner_id, ''), slug) WHERE deleted_at IS NULL DO UPDATE SET name = 'again'`, w.org())
	w.equal(w.captured(w.org()), []string{"toolkits a>a"})
	w.exec(`DELETE FROM organizations WHERE id = ?`, w.org())
	w.equal(w.captured(w.org()), []string{"toolkits a>", "toolkits b>"})
}

func testCaptureFiles(t *testing.T, w *world) {
	id := w.skill("s", "x")
	w.equal(w.captured(w.org()), []string{"skills >s", "skills s>s"})
	w.exec(`UPDATE skill_files SET content = content`)
	w.equal(w.captured(w.org()), []string{"skills s>s"})
	w.exec(`UPDATE skill_files SET executable = true`)
	w.equal(w.captured(w.org()), []string{"skills s>s"})
	other := w.skill("other", "x")
	w.consumeAll()
	w.exec(`UPDATE skill_files SET skill_id = ?, path = 'moved' WHERE skill_id = ?`, other, id)
	changes := w.captured(w.org())
	slices.Sort(changes)
	w.equal(changes, []string{"skills other>other", "skills s>s"})
	w.exec(`DELETE FROM skill_files WHERE path = 'moved'`)
	w.equal(w.captured(w.org()), []string{"skills other>other"})
	w.exec(`DELETE FROM skills WHERE id = ?`, other)
	w.equal(w.captured(w.org()), []string{"skills other>"})
	w.equal(w.text(`SELECT count(*) FROM skill_files`), "0")
}

func testCaptureMove(t *testing.T, w *world) {
	other := w.connect("other")
	w.insert("a", "A")
	w.consumeAll()
	w.exec(`UPDATE toolkits SET organization_id = ?`, other.OrganizationID)
	w.equal(w.captured(w.org()), []string{"toolkits a>"})
	w.equal(w.captured(other.OrganizationID), []string{"toolkits >a"})
}

func testCaptureGone(t *testing.T, w *world) {
	for _, tbl := range tables {
		w.exec(`INSERT INTO `+tbl.name+` (organization_id, slug) VALUES (?, 'a')`, w.org())
		w.consumeAll()
		type write struct{ set, gone string }
		writes := []write{{"name = 'A'", "0"}, {"deleted_at = created_at", "1"}, {"name = 'B'", "1"}, {"deleted_at = NULL", "0"}}
		if tbl.hasOwners() {
			writes = append(writes, write{"owner_id = 'ada'", "1"}, write{"owner_id = NULL", "0"})
		}
		for _, write := range writes {
			w.exec(`UPDATE ` + tbl.name + ` SET ` + write.set)
			if got := w.text(`SELECT count(*) FROM mirror_changes WHERE gone`); got != write.gone {
				t.Errorf("%s: %s: %s changes say that the row is gone", tbl.name, write.set, got)
			}
			w.consumeAll()
		}
	}
}

func testCapturePrivate(t *testing.T, w *world) {
	w.exec(`INSERT INTO toolkits (organization_id, slug, owner_id) VALUES (?, 'p', 'ann')`, w.org())
	w.exec(`UPDATE toolkits SET name = 'mine', updated_by = 'ann'`)
	w.equal(w.captured(w.org()), []string(nil))
	w.exec(`UPDATE toolkits SET owner_id = NULL`)
	w.equal(w.captured(w.org()), []string{"toolkits p>p"})
	w.exec(`UPDATE toolkits SET owner_id = 'bob'`)
	w.equal(w.captured(w.org()), []string{"toolkits p>p"})
	w.exec(`DELETE FROM toolkits`)
	w.equal(w.captured(w.org()), []string(nil))
}

func testCaptureTruncate(t *testing.T, w *world) {
	other := w.connect("other")
	w.insert("a", "A")
	w.skill("s", "x")
	w.consumeAll()
	if !w.db.postgres { // SQLite knows no TRUNCATE; DELETE without WHERE is not optimized away
		w.exec(`DELETE FROM toolkits`)
		w.equal(w.captured(w.org()), []string{"toolkits a>"})
		return
	}
	w.exec(`TRUNCATE toolkits`)
	w.equal(w.captured(w.org()), []string{"toolkits >"})
	w.equal(w.captured(other.OrganizationID), []string{"toolkits >"})
	w.exec(`TRUNCATE skill_files`)
	w.equal(w.captured(w.org()), []string{"skills >"})
	w.exec(`TRUNCATE skills CASCADE`)
	w.equal(w.captured(w.org()), []string{"skills >", "skills >"})
	w.exec(`TRUNCATE mcp_clients, mcp_servers, commands`)
	changes := w.captured(w.org())
	slices.Sort(changes)
	w.equal(changes, []string{"commands >", "mcp-clients >", "mcp-servers >"})
}

func testCaptureRollback(t *testing.T, w *world) {
	tx, err := w.db.sql.BeginTx(w.Context(), nil)
	w.ok(err)
	_, err = tx.Exec(w.bind(`INSERT INTO toolkits (organization_id, slug) VALUES (?, 'a')`), w.org())
	w.ok(err)
	w.ok(tx.Rollback())
	w.equal(w.captured(w.org()), []string(nil))
}

// A writer needs rights on the table that it writes, and on nothing of ours,
// wherever its search_path points.
func testCaptureRights(t *testing.T, w *world) {
	if !w.db.postgres {
		return // SQLite knows no rights
	}
	role := "writer_" + strings.ReplaceAll(w.org(), "-", "")
	w.exec(`CREATE ROLE ` + role)
	w.exec(`GRANT SELECT, INSERT, UPDATE, DELETE ON toolkits, skills, skill_files TO ` + role)
	w.exec(`CREATE SCHEMA hostile AUTHORIZATION ` + role)
	t.Cleanup(func() { // a role is the server's, not the database's
		_, err := w.db.sql.Exec(`DROP OWNED BY ` + role + `; DROP ROLE ` + role)
		w.ok(err)
	})
	conn, err := w.db.sql.Conn(w.Context())
	w.ok(err)
	defer conn.Close()
	run := func(query string, args ...any) error {
		_, err := conn.ExecContext(w.Context(), w.bind(query), args...)
		return err
	}
	w.ok(run(`SET ROLE ` + role))
	w.ok(run(`CREATE TABLE hostile.mirror_changes (note text)`))
	w.ok(run(`CREATE FUNCTION hostile.confmirror_note(uuid, text, text, text, text, boolean, boolean) RETURNS void LANGUAGE sql AS 'SELECT 1/0'`))
	w.ok(run(`SET search_path = hostile, public`))
	w.ok(run(`INSERT INTO toolkits (organization_id, slug, name) VALUES ($1, 'a', 'A')`, w.org()))
	w.ok(run(`UPDATE toolkits SET name = 'B', updated_by = 'Ann'`))
	w.ok(run(`DELETE FROM toolkits`))
	w.ok(run(`INSERT INTO skills (organization_id, slug) VALUES ($1, 's')`, w.org()))
	w.ok(run(`INSERT INTO skill_files (skill_id, path) SELECT id, 'SKILL.md' FROM skills`))
	for _, query := range []string{
		`SELECT * FROM public.mirror_changes`, `INSERT INTO public.mirror_settings VALUES ('a', 'b')`,
		`SELECT public.confmirror_note(gen_random_uuid(), 'toolkits', '', '', '', false, false)`,
	} {
		if err := run(query); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v", query, err)
		}
	}
	w.ok(run(`RESET ROLE`))
	w.ok(run(`RESET search_path`))
	w.equal(w.captured(w.org()), []string{
		"toolkits >a", "toolkits a>a named", "toolkits a>a", "toolkits a>", "skills >s", "skills s>s",
	})
}

func testCaptureBroken(t *testing.T, w *world) {
	if !w.db.postgres {
		return // a trigger of SQLite cannot fail in part
	}
	w.exec(`ALTER TABLE mirror_changes RENAME TO gone`)
	w.insert("a", "A")
	w.skill("s", "x")
	w.exec(`UPDATE toolkits SET name = 'B', updated_by = 'Ann'`)
	w.exec(`DELETE FROM skills`)
	w.exec(`TRUNCATE toolkits`)
}

func testCaptureReplica(t *testing.T, w *world) {
	if !w.db.postgres {
		return
	}
	tx, err := w.db.sql.BeginTx(w.Context(), nil)
	w.ok(err)
	for _, query := range []string{
		`SET LOCAL session_replication_role = replica`,
		`INSERT INTO toolkits (organization_id, slug) VALUES ('` + w.org() + `', 'a')`,
		`UPDATE toolkits SET name = 'A'`,
	} {
		_, err := tx.Exec(query)
		w.ok(err)
	}
	w.ok(tx.Commit())
	w.equal(w.captured(w.org()), []string{"toolkits >a", "toolkits a>a"})
}
