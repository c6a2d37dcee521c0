package db

import (
	"context"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror/document"
)

// Take is a person's decision to give a whole entity to one side, whatever stands in
// the way. It is a captured change like a write: it survives a crash, finds the
// mirror's holder wherever that is, and is consumed by the run that decides on it,
// whether it was carried out or refused.
type Take struct {
	Kind   document.Kind
	RowID  string
	change int64
}

// TakeEntity decides for a live entity of the organization's; the next run carries it
// out. ErrNotFound without the entity.
func (d *DB) TakeEntity(ctx context.Context, organizationID string, kind document.Kind, slug string, side document.Policy) (*Take, error) {
	if err := checkSide(side); err != nil {
		return nil, err
	}
	t, err := entityTable(kind, slug)
	if err != nil {
		return nil, err
	}
	take := &Take{Kind: kind}
	err = d.write(ctx, func(tx *gorm.DB) error {
		var ids []string
		if err := tx.Table(t.name).Scopes(t.live(organizationID, slug, "")).Pluck("id", &ids).Error; err != nil {
			return err
		}
		if len(ids) == 0 {
			return ErrNotFound
		}
		row := changeRow{
			OrganizationID: organizationID, Kind: string(kind), RowID: ids[0],
			SlugBefore: slug, SlugAfter: slug, Take: string(side),
		}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		take.RowID, take.change = row.RowID, row.ID
		// Whoever decides has looked at the branch, as for every request of a person's.
		err := tx.Model(&connectionRow{}).Where("organization_id = ?", organizationID).UpdateColumn("requested", gorm.Expr("requested + 1")).Error
		if err != nil {
			return err
		}
		return d.wake(tx, organizationID)
	})
	if err != nil {
		return nil, err
	}
	return take, nil
}

// Taken reports whether a run has decided on a Take, and the entity after that: nil if
// git had none, so that it is deleted.
func (d *DB) Taken(ctx context.Context, organizationID string, take *Take) (entity *Entity, done bool, err error) {
	t := tables[take.Kind]
	err = d.snapshot(ctx, func(tx *gorm.DB) error {
		var left int64
		if err := tx.Model(&changeRow{}).Where("organization_id = ? AND id = ?", organizationID, take.change).Count(&left).Error; err != nil {
			return err
		}
		done = left == 0
		rows, err := d.load(where(tx, t.ours(), live).Where("id = ?", take.RowID), organizationID, t)
		if err == nil && len(rows) > 0 {
			entity = d.entity(rows[0])
		}
		return err
	})
	return entity, done, err
}

// checkSide refuses what is no side.
func checkSide(side document.Policy) error {
	if side != document.PreferGit && side != document.PreferDatabase {
		return document.Invalid("take: has to be git or database")
	}
	return nil
}
