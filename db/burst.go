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

// pick loads the captured changes. Of more than the limit it loads the oldest ones, or
// none where the query names entities itself, which are a part of their own; and with them
// what must not be told apart: the other changes of the same rows; rows
// that gave their slugs up, by a rename, a deletion or by becoming private, since another
// row may have taken them and the brake counts deletions together; whole kinds; and what
// a person decided. waiting is how many are left.
func (s *observing) pick(q mirror.Query) (waiting int, err error) {
	if q.Limit == 0 {
		return 0, s.mine().Order("id").Find(&s.changes).Error
	}
	if err := s.mine().Order("id").Limit(q.Limit + 1).Find(&s.changes).Error; err != nil || len(s.changes) <= q.Limit {
		return 0, err
	}
	var all int64
	if err := s.mine().Model(&changeRow{}).Count(&all).Error; err != nil {
		return 0, err
	}
	last := int64(0)
	inseparable := anyOf{clause.Expr{SQL: "take <> '' OR row_id = '' OR described OR slug_after = '' OR (slug_before <> '' AND slug_before <> slug_after)"}}
	if len(q.Entries)+len(q.Rows) > 0 {
		s.changes = nil
	} else {
		s.changes = s.changes[:q.Limit]
		last = s.changes[q.Limit-1].ID
		rows := set{}
		for _, c := range s.changes {
			rows[c.RowID] = true
		}
		inseparable = append(inseparable, s.inText("row_id", rows.list()))
	}
	var special []changeRow
	if err := where(s.mine(), inseparable).Where("id > ?", last).Find(&special).Error; err != nil {
		return 0, err
	}
	for _, k := range document.Kinds {
		gone, err := s.gone(tables[k], k, last)
		if err != nil {
			return 0, err
		}
		special = append(special, gone...)
	}
	s.take(special)
	return int(all) - len(s.changes), nil
}

// mine are the organization's captured changes.
func (s *observing) mine() *gorm.DB {
	return s.tx.Where("organization_id = ?", s.mirror.OrganizationID)
}

// take adds changes, in order and once.
func (s *observing) take(changes []changeRow) {
	s.changes = append(s.changes, changes...)
	slices.SortFunc(s.changes, func(a, b changeRow) int { return cmp.Compare(a.ID, b.ID) })
	s.changes = slices.CompactFunc(s.changes, func(a, b changeRow) bool { return a.ID == b.ID })
}

// takeLoaded takes the changes of all rows that were loaded, for whatever reason: a row is
// never planned without them, since an edit made before a bad file came is not one made
// after it. It returns how many they are.
func (s *observing) takeLoaded() (int, error) {
	kinds, ids := set{}, set{} // the index has both
	for key := range s.rows {
		kinds[string(key.Kind)], ids[key.ID] = true, true
	}
	before := len(s.changes)
	var changes []changeRow
	err := where(s.mine(), s.inText("kind", kinds.list()), s.inText("row_id", ids.list())).Find(&changes).Error
	s.take(changes)
	return len(s.changes) - before, err
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
