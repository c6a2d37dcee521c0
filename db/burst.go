package db

import (
	"cmp"
	"maps"
	"slices"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// A burst of changes is planned in parts: time and memory of a round do not grow with
// the burst, and what is exported first does not wait for the rest. A part is complete
// where it matters (see [observing.pick]). Indexes lead to it alone: if each part read all
// that still waits, a burst would cost the square of its size.

// together tells, by what a write did, the changes that belong into every part until they
// are settled: rows that gave their slugs up, by a rename, a deletion or by becoming
// private, since another row may have taken them and the brake counts deletions together;
// whole kinds; and what a person decided. (The index mirror_changes_together has this very
// condition.) A row that is gone was left so by a write, and its other changes come with
// that one. The capture notes it, because asking the rows means to ask for each of them.
const together = "gone OR take <> '' OR row_id = '' OR slug_after = '' OR (slug_before <> '' AND slug_before <> slug_after)"

// pick loads the captured changes. Of more than the limit it loads the oldest ones, or
// none where the query names entities itself, which are a part of their own; and with
// them what must not be told apart. partial says that this may not be all.
func (s *observing) pick(q mirror.Query) (partial bool, err error) {
	if q.Limit == 0 {
		return false, s.mine().Order("id").Find(&s.changes).Error
	}
	if err := s.inOrder().Order("id").Limit(q.Limit + 1).Find(&s.changes).Error; err != nil || len(s.changes) <= q.Limit {
		return false, err
	}
	s.changes = s.changes[:q.Limit]
	if len(q.Entries)+len(q.Rows) > 0 {
		s.changes = nil
	}
	var inseparable []changeRow
	err = s.mine().Where(together).Find(&inseparable).Error
	s.take(inseparable)
	return true, err
}

// mine are the organization's captured changes.
func (s *observing) mine() *gorm.DB {
	return s.tx.Where("organization_id = ?", s.mirror.OrganizationID)
}

// inOrder are the same, for who wants the oldest of many. (The index mirror_changes_order
// has this very condition, so that it serves nobody else: a planner that thinks the queue
// short would take it for whatever the organization is asked for, and read all.)
func (s *observing) inOrder() *gorm.DB { return s.mine().Where("id > 0") }

// take adds changes, in order and once.
func (s *observing) take(changes []changeRow) {
	s.changes = append(s.changes, changes...)
	slices.SortFunc(s.changes, func(a, b changeRow) int { return cmp.Compare(a.ID, b.ID) })
	s.changes = slices.CompactFunc(s.changes, func(a, b changeRow) bool { return a.ID == b.ID })
}

// complete takes the other changes of all rows that were loaded, for whatever reason, or
// that a change names: a row is never planned without them, since an edit made before a
// bad file came is not one made after it.
func (s *observing) complete() error {
	keys := make(map[mirror.RowKey]bool, len(s.rows)+len(s.changes))
	for key := range s.rows {
		keys[key] = true
	}
	for _, c := range s.changes { // of a row that is not there any more, too
		keys[mirror.RowKey{Kind: document.Kind(c.Kind), ID: c.RowID}] = true
	}
	changes, err := s.changesOf(s.tx, s.mirror.OrganizationID, slices.Collect(maps.Keys(keys)))
	s.take(changes)
	return err
}

// countedParts bounds what is counted of a burst, and with it what counting costs a part.
const countedParts = 40

// waiting counts the changes that were left out, as far as some parts.
func (s *observing) waiting(q mirror.Query) (int, error) {
	var n int64
	some := s.inOrder().Model(&changeRow{}).Select("1").Limit(len(s.changes) + countedParts*q.Limit)
	err := s.tx.Table("(?) AS counted", some).Count(&n).Error
	return int(n) - len(s.changes), err
}
