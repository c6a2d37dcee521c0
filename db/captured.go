package db

import (
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// How full the queue of captured changes is at the moment no statistics can tell: a
// planner that takes it for empty looks for a list in all that waits, one entry after the
// other. So PostgreSQL's is made to look each entry up.

// changesOf are the captured changes of rows, in any order.
func (d *DB) changesOf(tx *gorm.DB, organizationID string, rows []mirror.RowKey) (changes []changeRow, err error) {
	if len(rows) == 0 {
		return nil, nil
	}
	kinds, ids := make([]string, len(rows)), make([]string, len(rows))
	for i, key := range rows {
		kinds[i], ids[i] = string(key.Kind), key.ID
	}
	if d.postgres {
		err = tx.Raw(`SELECT c.* FROM unnest(CAST(? AS text[]), CAST(? AS text[])) AS r (kind, id) CROSS JOIN LATERAL
				(SELECT * FROM mirror_changes WHERE organization_id = ? AND kind = r.kind AND row_id = r.id OFFSET 0) AS c`,
			textArray(kinds), textArray(ids), organizationID).Scan(&changes).Error
		return changes, err
	}
	slices.Sort(kinds)
	err = where(tx, d.inText("kind", slices.Compact(kinds)), d.inText("row_id", ids)).
		Where("organization_id = ?", organizationID).Find(&changes).Error
	return changes, err
}

// keysOf are rows of one kind.
func keysOf(k document.Kind, ids []string) []mirror.RowKey {
	keys := make([]mirror.RowKey, len(ids))
	for i, id := range ids {
		keys[i] = mirror.RowKey{Kind: k, ID: id}
	}
	return keys
}

// deleteChanges consumes captured changes, but those of the skills given.
func (d *DB) deleteChanges(tx *gorm.DB, organizationID string, ids []int64, exceptSkills []string) error {
	if len(ids) == 0 {
		return nil
	}
	query := where(tx, d.inIDs("id", ids), d.besides(organizationID))
	if len(exceptSkills) > 0 {
		query = query.Not(clause.And(clause.Eq{Column: "kind", Value: document.Skills}, d.inText("row_id", exceptSkills)))
	}
	return query.Delete(&changeRow{}).Error
}
