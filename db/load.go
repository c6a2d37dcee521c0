package db

import (
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror/document"
	"github.com/confmirror/confmirror/mirror/parallel"
)

// load reads an organization's rows of a kind that match the query so far and all
// conditions, skills with their files. A query that locks its rows locks the files as well.
func (d *DB) load(tx *gorm.DB, organizationID string, t *table, conditions ...clause.Expression) ([]*storedRow, error) {
	return d.read(where(tx, conditions...).Where("organization_id = ?", organizationID), t)
}

// loadIDs is load for the rows with these ids.
func (d *DB) loadIDs(tx *gorm.DB, organizationID string, t *table, ids []string) ([]*storedRow, error) {
	return d.read(where(tx, d.inUUID("id", ids), d.besides(organizationID)), t)
}

// loadMains is loadIDs for skills without their files but SKILL.md.
func (d *DB) loadMains(tx *gorm.DB, organizationID string, ids []string) ([]*storedRow, error) {
	skills := where(tx, d.inUUID("id", ids), d.besides(organizationID))
	return d.read(skills, tables[document.Skills], clause.Eq{Column: "path", Value: document.SkillFile})
}

// besides is "the row is the organization's" where other conditions find the rows.
// SQLite thinks an organization smaller than a list of ids, and so does PostgreSQL after
// an import, and would read all of it: what stands around the condition keeps them from
// looking there.
func (d *DB) besides(organizationID string) clause.Expression {
	if d.postgres {
		return clause.Expr{SQL: "(organization_id = ?) IS TRUE", Vars: []any{organizationID}}
	}
	return clause.Expr{SQL: "+organization_id = ?", Vars: []any{organizationID}}
}

func (d *DB) read(tx *gorm.DB, t *table, files ...clause.Expression) ([]*storedRow, error) {
	records, err := t.find(tx.Order("id"))
	if err != nil {
		return nil, err
	}
	if t.kind == document.Skills {
		of := where(tx.Session(&gorm.Session{NewDB: true}), files...)
		if locking, ok := tx.Statement.Clauses["FOR"]; ok {
			of = of.Clauses(locking.Expression.(clause.Locking))
		}
		if err := d.loadFiles(of, records); err != nil {
			return nil, err
		}
	}
	stored := make([]*storedRow, len(records))
	return stored, parallel.Each(len(records), func(i int) error {
		stored[i] = readRow(t.kind, records[i])
		return nil
	})
}

// where adds conditions, joined by AND, to a query.
func where(tx *gorm.DB, conditions ...clause.Expression) *gorm.DB {
	if len(conditions) == 0 {
		return tx
	}
	return tx.Clauses(clause.Where{Exprs: conditions})
}

// anyOf joins conditions by OR. (GORM's own clause.Or binds to what stands before it.)
type anyOf []clause.Expression

func (conditions anyOf) Build(b clause.Builder) {
	b.WriteByte('(')
	for i, c := range conditions {
		if i > 0 {
			b.WriteString(" OR ")
		}
		c.Build(b)
	}
	b.WriteByte(')')
}

func (d *DB) loadFiles(tx *gorm.DB, skills []record) error {
	if len(skills) == 0 {
		return nil
	}
	ids := make([]string, len(skills))
	byID := make(map[string]*skillRow, len(skills))
	for i, r := range skills {
		ids[i] = r.entity().ID
		byID[ids[i]] = r.(*skillRow)
	}
	var files []skillFileRow
	if err := where(tx, d.inUUID("skill_id", ids)).Order("skill_id, path").Find(&files).Error; err != nil {
		return err
	}
	for _, f := range files {
		skill := byID[f.SkillID]
		skill.Files = append(skill.Files, f)
	}
	return nil
}
