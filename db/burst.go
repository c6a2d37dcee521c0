package db

import (
	"cmp"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// A burst of changes is planned in parts: time and memory of a round do not grow with
// the burst, and what is exported first does not wait for the rest. A part is complete
// where it matters (see [observing.pick]).

// pick loads the captured changes. Of more than limit it loads the oldest ones, and with
// them what must not be told apart: the other changes of the same rows; rows whose files
// git changed, since an edit made before a bad file came is not one made after it; rows
// that gave their slugs up, by a rename, a deletion or by becoming private, since another
// row may have taken them and the brake counts deletions together; whole kinds; and what
// a person decided. Of what the query names itself, that is all: it is a part of its own.
// waiting is how many are left.
func (s *observing) pick(q mirror.Query) (waiting int, err error) {
	mine := func() *gorm.DB { return s.tx.Where("organization_id = ?", s.mirror.OrganizationID) }
	if q.Limit == 0 {
		return 0, mine().Order("id").Find(&s.changes).Error
	}
	if err := mine().Order("id").Limit(q.Limit + 1).Find(&s.changes).Error; err != nil || len(s.changes) <= q.Limit {
		return 0, err
	}
	s.changes = s.changes[:q.Limit]
	rows, err := s.rowsOf(q.Entries)
	if err != nil {
		return 0, err
	}
	if len(q.Entries)+len(q.Rows) > 0 {
		for _, r := range q.Rows {
			rows[r.ID] = true
		}
		var all int64
		if err := mine().Model(&changeRow{}).Count(&all).Error; err != nil {
			return 0, err
		}
		kinds := make([]string, len(document.Kinds)) // for the index
		for i, k := range document.Kinds {
			kinds[i] = string(k)
		}
		s.changes = nil
		err := where(mine(), s.inText("kind", kinds), s.inText("row_id", rows.list())).Order("id").Find(&s.changes).Error
		return int(all) - len(s.changes), err
	}
	last := s.changes[q.Limit-1].ID
	for _, c := range s.changes {
		rows[c.RowID] = true
	}
	var all int64
	if err := mine().Model(&changeRow{}).Where("id > ?", last).Count(&all).Error; err != nil {
		return 0, err
	}
	var special []changeRow
	err = where(mine(), anyOf([]clause.Expression{
		clause.Expr{SQL: "take <> '' OR row_id = '' OR described OR slug_after = '' OR (slug_before <> '' AND slug_before <> slug_after)"},
		s.inText("row_id", rows.list()),
	})).Where("id > ?", last).Find(&special).Error
	if err != nil {
		return 0, err
	}
	for _, k := range document.Kinds {
		gone, err := s.gone(tables[k], k, last)
		if err != nil {
			return 0, err
		}
		special = append(special, gone...)
	}
	slices.SortFunc(special, func(a, b changeRow) int { return cmp.Compare(a.ID, b.ID) })
	special = slices.CompactFunc(special, func(a, b changeRow) bool { return a.ID == b.ID })
	s.changes = append(s.changes, special...)
	return int(all) - len(special), nil
}

// rowsOf are the changed rows whose files the entries may be.
func (s *observing) rowsOf(entries []mirror.Entry) (set, error) {
	rows := set{}
	if len(entries) == 0 {
		return rows, nil
	}
	slugs, paths := set{}, set{}
	for _, e := range entries {
		slugs[e.Slug], paths[e.Path] = true, true
	}
	var ids []string
	err := where(s.tx.Model(&changeRow{}), anyOf([]clause.Expression{s.inText("slug_before", slugs.list()), s.inText("slug_after", slugs.list())})).
		Where("organization_id = ?", s.mirror.OrganizationID).Distinct().Pluck("row_id", &ids).Error
	if err != nil {
		return nil, err
	}
	bases, err := s.basesWhere(clause.Eq{Column: "identity", Value: s.identity}, s.inText("path", textsOf(paths.list())))
	for _, b := range bases {
		ids = append(ids, b.RowID)
	}
	for _, id := range ids {
		rows[id] = true
	}
	return rows, err
}

// gone are the later changes of rows that are deleted, private or not there any more.
func (s *observing) gone(t *table, k document.Kind, after int64) (changes []changeRow, err error) {
	id := "c.row_id"
	if s.postgres {
		id = "CAST(NULLIF(c.row_id, '') AS uuid)"
	}
	condition := "e.id IS NULL OR e.deleted_at IS NOT NULL"
	if t.hasOwners() {
		condition += " OR e.owner_id IS NOT NULL"
	}
	err = s.tx.Raw("SELECT c.* FROM mirror_changes AS c LEFT JOIN "+t.name+" AS e ON e.id = "+id+
		" WHERE c.organization_id = ? AND c.kind = ? AND c.id > ? AND ("+condition+")", s.mirror.OrganizationID, string(k), after).Scan(&changes).Error
	return changes, err
}
