package db

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// EntityFilter chooses and pages what ListEntities lists.
type EntityFilter struct {
	// Owner is an owner's rows; nil the organization's own.
	Owner *string
	// AllOwners lists everybody's rows.
	AllOwners bool
	// ErrorsOnly leaves out what has no error.
	ErrorsOnly bool
	// Search is looked for in slug, name and description, without case.
	Search string
	Limit  int
	Cursor string
}

// ListEntities lists live entities by slug. The first page of the organization's
// rows also has the rejected files: those that have no entity.
func (d *DB) ListEntities(ctx context.Context, organizationID string, kind document.Kind, f EntityFilter) (items []*Entity, rejected []mirror.RejectedFile, next string, err error) {
	t, err := entityTable(kind)
	if err != nil {
		return nil, nil, "", err
	}
	if !storable(f.Search) || f.Owner != nil && !storable(*f.Owner) {
		return nil, nil, "", nil
	}
	page := Page{Limit: f.Limit, Cursor: f.Cursor}
	after, err := parseCursor(page.Cursor, 2)
	if err != nil {
		return nil, nil, "", err
	}
	if after != nil && uuid.Validate(after[1]) != nil {
		return nil, nil, "", ErrBadCursor
	}
	err = d.snapshot(ctx, func(tx *gorm.DB) error {
		query := tx.Table(t.name).Where("organization_id = ? AND deleted_at IS NULL", organizationID).Scopes(f.apply(d, t, organizationID))
		if after != nil {
			query = query.Where("(slug, id) > (?, ?)", after[0], after[1])
		}
		var ids []struct{ ID, Slug string }
		if err := query.Select("id", "slug").Order("slug, id").Limit(page.limit() + 1).Scan(&ids).Error; err != nil {
			return err
		}
		ids, next = pageOf(ids, page.limit(), func(r struct{ ID, Slug string }) []string { return []string{r.Slug, r.ID} })
		list := make([]string, len(ids))
		for i, r := range ids {
			list[i] = r.ID
		}
		rows, err := d.load(tx, organizationID, t, d.inUUID("id", list))
		if err != nil {
			return err
		}
		byID := make(map[string]*storedRow, len(rows))
		for _, r := range rows {
			byID[r.record.entity().ID] = r
		}
		items = make([]*Entity, 0, len(list))
		for _, id := range list {
			items = append(items, d.entity(byID[id]))
		}
		if after != nil || f.Owner != nil && *f.Owner != "" {
			return nil
		}
		rejected, err = rejectedFiles(tx, organizationID, kind, f.Search)
		return err
	})
	return items, rejected, next, err
}

// apply limits a query to what the filter chooses.
func (f EntityFilter) apply(d *DB, t *table, organizationID string) func(*gorm.DB) *gorm.DB {
	return func(tx *gorm.DB) *gorm.DB {
		switch {
		case f.AllOwners:
		case f.Owner != nil:
			tx = tx.Scopes(t.ownedBy(*f.Owner))
		default:
			tx = tx.Scopes(t.ownedBy(""))
		}
		if f.ErrorsOnly {
			tx = tx.Scopes(d.failing(organizationID))
		}
		if f.Search != "" {
			pattern := like(f.Search)
			tx = tx.Where(`lower(slug) LIKE ? ESCAPE '\' OR lower(name) LIKE ? ESCAPE '\' OR lower(description) LIKE ? ESCAPE '\'`, pattern, pattern, pattern)
		}
		return tx
	}
}

// like is a LIKE pattern for texts that contain text, with \ as its escape.
func like(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(text)) + "%"
}

// rejectedFiles lists files that have no entity, at most a large page of them.
func rejectedFiles(tx *gorm.DB, organizationID string, kind document.Kind, search string) ([]mirror.RejectedFile, error) {
	query := tx.Where("organization_id = ? AND kind = ?", organizationID, string(kind)).Order("path").Limit(maxPage)
	if search != "" {
		query = query.Where(`lower(path) LIKE ? ESCAPE '\'`, like(search))
	}
	var rows []*rejectedRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, err
	}
	files := make([]mirror.RejectedFile, 0, len(rows))
	for _, row := range rows {
		file := mirror.RejectedFile{Key: mirror.Key{Kind: kind, Path: row.Path}, Slug: row.Slug, GitID: row.GitID}
		_ = json.Unmarshal([]byte(row.Error), &file.Error)
		files = append(files, file)
	}
	return files, nil
}

// GetEntity finds a live entity; owner "" is the organization's own. ErrNotFound without one.
func (d *DB) GetEntity(ctx context.Context, organizationID string, kind document.Kind, slug, owner string) (*Entity, error) {
	t, err := entityTable(kind, slug, owner)
	if err != nil {
		return nil, err
	}
	var entity *Entity
	err = d.snapshot(ctx, func(tx *gorm.DB) error {
		row, err := d.liveRow(tx, organizationID, t, slug, owner)
		if err == nil {
			entity = d.entity(row)
		}
		return err
	})
	return entity, err
}

// liveRow reads the live row under a slug, with the locks of the query.
func (d *DB) liveRow(tx *gorm.DB, organizationID string, t *table, slug, owner string) (*storedRow, error) {
	rows, err := d.load(tx.Scopes(t.live(organizationID, slug, owner)), organizationID, t)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, ErrNotFound
	}
	return rows[0], nil
}
