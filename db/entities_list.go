package db

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// maxSearch bounds a text to search for: nothing is found with a longer one. (SQLite refuses
// patterns of more than 50,000 bytes, and the escapes of LIKE double a text.)
const maxSearch = 10_000

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

// ListEntities lists live entities by slug. Beside the organization's rows are the
// rejected files, those that have no entity, by path: as many as a large page has on
// each page, so nearly always all of them on the first.
func (d *DB) ListEntities(ctx context.Context, organizationID string, kind document.Kind, f EntityFilter) (items []*Entity, rejected []mirror.RejectedFile, next string, err error) {
	rejected, next, err = d.listEntities(ctx, organizationID, kind, f, func(tx *gorm.DB, t *table, ids []string) error {
		rows, err := d.loadIDs(tx, organizationID, t, ids)
		if err != nil {
			return err
		}
		byID := make(map[string]*storedRow, len(rows))
		for _, r := range rows {
			byID[r.record.entity().ID] = r
		}
		items = make([]*Entity, 0, len(ids))
		for _, id := range ids {
			items = append(items, d.entity(byID[id]))
		}
		return nil
	})
	return items, rejected, next, err
}

// EntityLine is what a list for people shows of an entity: nothing of what it holds.
type EntityLine struct {
	Kind              document.Kind
	ID                string
	Slug              string
	Name, Description string
	OwnerID           *string // nil: the organization's own
	UpdatedBy         string
	UpdatedAt         time.Time
	Integration       mirror.GitIntegration
	// Waiting: a captured write of it waits for the next run.
	Waiting bool
}

// EntityLines lists as ListEntities does, without reading what the entities hold.
func (d *DB) EntityLines(ctx context.Context, organizationID string, kind document.Kind, f EntityFilter) (lines []EntityLine, rejected []mirror.RejectedFile, next string, err error) {
	rejected, next, err = d.listEntities(ctx, organizationID, kind, f, func(tx *gorm.DB, t *table, ids []string) error {
		columns := []string{"id", "slug", "name", "description", "updated_by", "updated_at", "git_integration",
			"EXISTS (SELECT 1 FROM mirror_changes AS c WHERE c.organization_id = e.organization_id AND c.kind = ? AND c.row_id = CAST(e.id AS text)) AS waiting"}
		if t.hasOwners() {
			columns = append(columns, "owner_id")
		}
		var rows []struct {
			ID, Slug                     string
			Name, Description, UpdatedBy *string
			OwnerID                      *string
			UpdatedAt                    timestamp
			GitIntegration               jsonColumn
			Waiting                      bool
		}
		query := where(tx.Table(t.name+" AS e"), d.inUUID("e.id", ids)).Select(strings.Join(columns, ", "), string(kind)).Order("slug, id")
		if err := query.Scan(&rows).Error; err != nil {
			return err
		}
		text := func(s *string) string {
			if s == nil {
				return ""
			}
			return *s
		}
		lines = make([]EntityLine, len(rows))
		for i, r := range rows {
			lines[i] = EntityLine{
				Kind: kind, ID: r.ID, Slug: r.Slug, Name: text(r.Name), Description: text(r.Description), OwnerID: r.OwnerID,
				UpdatedBy: text(r.UpdatedBy), UpdatedAt: r.UpdatedAt.Time, Waiting: r.Waiting,
			}
			_ = json.Unmarshal([]byte(r.GitIntegration), &lines[i].Integration)
		}
		return nil
	})
	return lines, rejected, next, err
}

// listEntities chooses a page of entities, which load reads.
func (d *DB) listEntities(ctx context.Context, organizationID string, kind document.Kind, f EntityFilter, load func(tx *gorm.DB, t *table, ids []string) error) (rejected []mirror.RejectedFile, next string, err error) {
	t, err := entityTable(kind)
	if err != nil {
		return nil, "", err
	}
	if !storable(f.Search) || len(f.Search) > maxSearch || f.Owner != nil && !storable(*f.Owner) {
		return nil, "", nil
	}
	page := Page{Limit: f.Limit, Cursor: f.Cursor}
	after, err := parseEntityCursor(page.Cursor)
	if err != nil {
		return nil, "", err
	}
	err = d.snapshot(ctx, func(tx *gorm.DB) error {
		query := tx.Table(t.name).Where("organization_id = ? AND deleted_at IS NULL", organizationID).Scopes(f.apply(d, t, organizationID))
		if after.id != "" {
			query = query.Where("(slug, id) > (?, ?)", after.slug, after.id)
		}
		var ids []struct{ ID, Slug string }
		if err := query.Select("id", "slug").Order("slug, id").Limit(page.limit() + 1).Scan(&ids).Error; err != nil {
			return err
		}
		more := len(ids) > page.limit()
		ids = ids[:min(len(ids), page.limit())]
		list := make([]string, len(ids))
		for i, r := range ids {
			list[i] = r.ID
			after.slug, after.id = r.Slug, r.ID
		}
		if err := load(tx, t, list); err != nil {
			return err
		}
		if f.Owner == nil || *f.Owner == "" {
			if rejected, err = rejectedFiles(tx, organizationID, kind, f.Search, after.path); err != nil {
				return err
			}
			more = more || len(rejected) > maxPage
			rejected = rejected[:min(len(rejected), maxPage)]
		}
		if len(rejected) > 0 {
			after.path = rejected[len(rejected)-1].Path
		}
		if more {
			next = pageCursor(after.slug, after.id, after.path)
		}
		return nil
	})
	return rejected, next, err
}

// entityCursor is where a page of entities ended, and where that of the rejected files
// did; "" where it has not begun.
type entityCursor struct{ slug, id, path string }

func parseEntityCursor(cursor string) (after entityCursor, err error) {
	columns, err := parseCursor(cursor, 3)
	if err != nil || columns == nil {
		return after, err
	}
	after = entityCursor{columns[0], columns[1], columns[2]}
	if after.id != "" && uuid.Validate(after.id) != nil {
		return after, ErrBadCursor
	}
	return after, nil
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
			tx = tx.Where("organization_id = ? AND "+d.failing(), organizationID)
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

// rejectedFiles lists files that have no entity after a path, one more than a large page has.
func rejectedFiles(tx *gorm.DB, organizationID string, kind document.Kind, search, after string) ([]mirror.RejectedFile, error) {
	query := tx.Where("organization_id = ? AND kind = ? AND path > ?", organizationID, string(kind), after).Order("path").Limit(maxPage + 1)
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
