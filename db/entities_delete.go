package db

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror/document"
)

// EntityEdit is what deleting and restoring need beside the slug.
type EntityEdit struct {
	Owner     string  // finds the row; "" is the organization's own
	UpdatedBy *string // the author of this edit; nil names nobody
	IfMatch   string  // DeleteEntity: ErrPrecondition if the entity is another
}

// DeleteEntity soft-deletes an entity; RestoreEntity brings it back.
func (d *DB) DeleteEntity(ctx context.Context, organizationID string, kind document.Kind, slug string, edit EntityEdit) error {
	t, err := edit.table(kind, slug)
	if err != nil {
		return err
	}
	return d.write(ctx, func(tx *gorm.DB) error {
		row, err := d.liveRow(d.lock(tx, "UPDATE"), organizationID, t, slug, edit.Owner)
		if err != nil {
			return err
		}
		if !matches(edit.IfMatch, d.etag(row)) {
			return ErrPrecondition
		}
		return tx.Table(t.name).Where("id = ?", row.record.entity().ID).
			UpdateColumns(map[string]any{"deleted_at": d.now(), "updated_at": d.now(), "updated_by": edit.UpdatedBy}).Error
	})
}

// RestoreEntity brings the entity back that was deleted last under the slug,
// secrets included. ErrNotFound without one, ErrSlugTaken when the slug has a
// live entity.
func (d *DB) RestoreEntity(ctx context.Context, organizationID string, kind document.Kind, slug string, edit EntityEdit) (entity *Entity, err error) {
	t, err := edit.table(kind, slug)
	if err != nil {
		return nil, err
	}
	err = d.write(ctx, func(tx *gorm.DB) error {
		_, err := d.liveRow(tx, organizationID, t, slug, edit.Owner)
		if err == nil {
			return ErrSlugTaken
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		var ids []string
		err = d.lock(tx, "UPDATE").Table(t.name).Scopes(t.ownedBy(edit.Owner)).
			Where("organization_id = ? AND slug = ? AND deleted_at IS NOT NULL", organizationID, slug).
			Order("deleted_at DESC, id DESC").Limit(1).Pluck("id", &ids).Error
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return ErrNotFound
		}
		err = tx.Table(t.name).Where("id = ?", ids[0]).
			UpdateColumns(map[string]any{"deleted_at": nil, "updated_at": d.now(), "updated_by": edit.UpdatedBy}).Error
		if err != nil {
			return refusedWrite(err)
		}
		row, err := d.liveRow(tx, organizationID, t, slug, edit.Owner)
		if err == nil {
			entity = d.entity(row)
		}
		return err
	})
	return entity, err
}

func (e EntityEdit) table(kind document.Kind, slug string) (*table, error) {
	if e.UpdatedBy != nil && (!storable(*e.UpdatedBy) || len(*e.UpdatedBy) > maxColumn) {
		return nil, document.Invalid("updated_by: has at most %d bytes of UTF-8, without U+0000", maxColumn)
	}
	return entityTable(kind, slug, e.Owner)
}
