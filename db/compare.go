package db

import (
	"context"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Pairs lists a kind's live organization-level rows, without their documents, and bases.
func (d *DB) Pairs(ctx context.Context, m *mirror.Mirror, k document.Kind) ([]mirror.Pair, error) {
	var pairs []mirror.Pair
	err := d.snapshot(ctx, func(tx *gorm.DB) error {
		pairs = nil
		var bases []baseRow
		err := tx.Omit("content_id").
			Where("organization_id = ? AND identity = ? AND kind = ?", m.OrganizationID, identityKey(m.Identity), k).Order("path").Find(&bases).Error
		if err != nil {
			return err
		}
		var rows []struct{ ID, Slug string }
		t := tables[k]
		err = where(tx.Table(t.name), t.ours(), live).Where("organization_id = ?", m.OrganizationID).
			Select("id", "slug").Order("slug, id").Scan(&rows).Error
		if err != nil {
			return err
		}
		agreed := make(map[string]int, len(bases)) // by the row's id
		for i := range bases {
			if id := bases[i].RowID; id != "" {
				agreed[id] = i
			}
			pairs = append(pairs, mirror.Pair{Base: bases[i].base()})
		}
		for _, r := range rows {
			row := &mirror.Row{Kind: k, ID: r.ID, Slug: r.Slug}
			if i, known := agreed[r.ID]; known {
				pairs[i].Row = row
			} else {
				pairs = append(pairs, mirror.Pair{Row: row})
			}
		}
		return nil
	})
	return pairs, err
}

// Rows reads those of a kind with these ids that are still there, by id.
func (d *DB) Rows(ctx context.Context, m *mirror.Mirror, k document.Kind, ids []string) (map[string]*mirror.Row, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found := make(map[string]*mirror.Row, len(ids))
	err := d.snapshot(ctx, func(tx *gorm.DB) error {
		clear(found)
		rows, err := d.loadIDs(tx, m.OrganizationID, tables[k], ids)
		for _, r := range rows {
			found[r.record.entity().ID] = r.row(r.document, *d.limits.Load())
		}
		return err
	})
	return found, err
}
