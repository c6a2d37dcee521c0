package db

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror/parallel"
)

const (
	updateBatchRows  = 250
	updateBatchBytes = 1 << 20
)

// updateRows writes git_integration, updated_at and the changed columns of existing rows,
// which are locked since they were read: a batch is one statement, with the new values
// as one JSON parameter. What changed in none of them is not touched, and neither are
// its indexes and triggers.
func (d *DB) updateRows(tx *gorm.DB, t *table, records []record) error {
	changed := set{}
	for _, r := range records {
		maps.Copy(changed, r.entity().changed)
	}
	statement := d.updateStatement(t, changed)
	chunks := slices.Collect(slices.Chunk(records, updateBatchRows))
	return parallel.Ahead(len(chunks), func(i int) []jsonColumn { return updates(chunks[i], changed) }, func(batches []jsonColumn) error {
		for _, batch := range batches {
			if err := tx.Exec(statement, d.now(), batch).Error; err != nil {
				return err
			}
		}
		return nil
	})
}

// updates are records as parameters of updateStatement.
func updates(records []record, changed set) (batches []jsonColumn) {
	var batch []map[string]any
	size := 0
	for i, r := range records {
		values := map[string]any{"id": r.entity().ID}
		for _, c := range columnsOf(r, changed) {
			if value := c.json(); value != nil {
				values[c.column] = value
				size += len(value)
			}
		}
		batch = append(batch, values)
		if size >= updateBatchBytes || i == len(records)-1 {
			batches = append(batches, encode(batch))
			batch, size = nil, 0
		}
	}
	return batches
}

// columnsOf are the columns that updateRows writes values to, of those that changed.
func columnsOf(r record, changed set) []cell {
	e := r.entity()
	slug := &e.Slug
	all := append(r.cells(), cell{"slug", &slug}, cell{"extra", &e.Extra}, cell{"updated_by", &e.UpdatedBy})
	all = slices.DeleteFunc(all, func(c cell) bool { return !changed[c.column] })
	return append(all, cell{"git_integration", &e.GitIntegration})
}

// json is the cell's value as JSON; nil for NULL.
func (c cell) json() json.RawMessage {
	switch at := c.at.(type) {
	case **string:
		if *at != nil {
			return json.RawMessage(encode(**at))
		}
	case *flag:
		if at.Valid {
			return json.RawMessage(encode(at.Bool))
		}
	case *jsonColumn:
		if *at != "" {
			return json.RawMessage(*at)
		}
	}
	return nil
}

func (d *DB) updateStatement(t *table, changed set) string {
	var set, declared strings.Builder
	if changed["deleted_at"] {
		set.WriteString(", deleted_at = NULL")
	}
	for _, c := range columnsOf(t.blank(), changed) {
		kind, arrow := "text", "->>"
		switch c.at.(type) {
		case *flag:
			kind = "boolean"
		case *jsonColumn:
			kind, arrow = "jsonb", "->"
		}
		if d.postgres {
			set.WriteString(", " + c.column + " = v." + c.column)
			declared.WriteString(", " + c.column + " " + kind)
		} else {
			set.WriteString(", " + c.column + " = v.value " + arrow + " '$." + c.column + "'")
		}
	}
	if d.postgres {
		return "UPDATE " + t.name + " AS t SET updated_at = ?" + set.String() +
			" FROM jsonb_to_recordset(CAST(? AS jsonb)) AS v (id uuid" + declared.String() + ") WHERE t.id = v.id"
	}
	return "UPDATE " + t.name + " AS t SET updated_at = ?" + set.String() +
		" FROM json_each(?) AS v WHERE t.id = v.value ->> '$.id'"
}

// deleteRows soft-deletes rows; nothing of them stands in git any more.
func (d *DB) deleteRows(tx *gorm.DB, t *table, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return where(tx.Table(t.name), d.inUUID("id", ids)).
		Updates(map[string]any{"deleted_at": d.now(), "updated_at": d.now(), "git_integration": nil}).Error
}

// vacate gives rows slugs that no one has, so that others of the same
// transaction can take theirs: a unique index over live rows cannot be deferred.
func (d *DB) vacate(tx *gorm.DB, t *table, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return where(tx.Table(t.name), d.inUUID("id", ids)).
		Update("slug", clause.Expr{SQL: "'!' || CAST(id AS text)"}).Error
}

// unsign forgets who edited rows last: the content is git's now. The rows are locked,
// and somebody edited each of them.
func (d *DB) unsign(tx *gorm.DB, t *table, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return where(tx.Table(t.name), d.inUUID("id", ids)).Update("updated_by", nil).Error
}

// ownChanges finds, by row id, the captured changes of rows that we have just
// written and whose stored content is what we wrote. The ids are read first: a
// change that is seen then is committed or ours, and so contained in the content
// that is read after it. What comes later has an id that is not seen. A person's
// take is contained in no content.
func (d *DB) ownChanges(tx *gorm.DB, organizationID string, t *table, written []*storedRow) (map[string][]int64, error) {
	own := map[string][]int64{}
	if len(written) == 0 {
		return own, nil
	}
	ids := make([]string, len(written))
	guards := make(map[string]string, len(written))
	for i, r := range written {
		ids[i] = r.record.entity().ID
		guards[ids[i]] = r.guard
	}
	changes, err := d.changesOf(tx, organizationID, keysOf(t.kind, ids))
	if err != nil {
		return nil, err
	}
	rows, err := d.loadIDs(tx, organizationID, t, ids)
	if err != nil {
		return nil, err
	}
	same := set{}
	for _, r := range rows {
		id := r.record.entity().ID
		same[id] = guards[id] == r.guard
	}
	for _, c := range changes {
		if same[c.RowID] && c.Take == "" {
			own[c.RowID] = append(own[c.RowID], c.ID)
		}
	}
	return own, nil
}

// foreignTriggers reports whether another program's triggers stand on the tables of
// entities: what they make of a write is more than what was written.
func (d *DB) foreignTriggers(tx *gorm.DB) (found bool, err error) {
	var names []string
	for _, t := range tables {
		names = append(names, t.name)
	}
	names = append(names, "skill_files")
	query := "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ? AND name NOT GLOB tbl_name || '_confmirror_*')"
	if d.postgres {
		query = `SELECT EXISTS (SELECT 1 FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
			WHERE n.nspname = current_schema() AND c.relname IN ? AND NOT t.tgisinternal AND NOT starts_with(CAST(t.tgname AS text), 'confmirror_'))`
	}
	err = tx.Raw(query, names).Scan(&found).Error
	return found, err
}
