package db

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror/document"
)

// Organization is one organization.
type Organization struct {
	ID        string
	Slug      string
	Name      string
	CreatedAt time.Time
	UpdatedAt time.Time
}

func (r *organizationRow) organization() *Organization {
	o := &Organization{ID: r.ID, Slug: r.Slug, CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time}
	if r.Name != nil {
		o.Name = *r.Name
	}
	return o
}

// CreateOrganization makes an organization; name "" is none. ErrSlugTaken, or a
// *document.Problem for a slug that is no slug.
func (d *DB) CreateOrganization(ctx context.Context, slug, name string) (*Organization, error) {
	o, created, err := d.ensureOrganization(ctx, slug, name)
	if err == nil && !created {
		return nil, ErrSlugTaken
	}
	return o, err
}

// EnsureOrganization returns the organization with the slug, and makes it when absent.
func (d *DB) EnsureOrganization(ctx context.Context, slug string) (o *Organization, created bool, err error) {
	return d.ensureOrganization(ctx, slug, "")
}

func (d *DB) ensureOrganization(ctx context.Context, slug, name string) (*Organization, bool, error) {
	if !document.ValidSlug(document.Toolkits, slug) {
		return nil, false, document.Invalid("an organization's slug has 1 to %d lower-case letters and digits, joined by single hyphens, dots or underscores", document.MaxSlug)
	}
	if strings.ContainsRune(name, 0) || len(name) > 500 {
		return nil, false, document.Invalid("an organization's name has at most 500 bytes and no U+0000")
	}
	now := at(d.now().Truncate(time.Microsecond)) // what PostgreSQL keeps
	row := organizationRow{ID: uuid.NewString(), Slug: slug, CreatedAt: now, UpdatedAt: now}
	if name != "" {
		row.Name = &name
	}
	insert := d.gorm.WithContext(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "slug"}}, DoNothing: true}).Create(&row)
	if insert.Error != nil {
		return nil, false, d.fault(insert.Error)
	}
	if insert.RowsAffected == 1 {
		return row.organization(), true, nil
	}
	o, err := d.Organization(ctx, slug)
	return o, false, err
}

// RenameOrganization gives an organization another display name; "" takes it away.
func (d *DB) RenameOrganization(ctx context.Context, id, name string) error {
	var value any
	if name != "" {
		value = name
	}
	update := d.gorm.WithContext(ctx).Model(&organizationRow{}).Where("id = ?", id).
		Updates(map[string]any{"name": value, "updated_at": d.now()})
	return d.found(update)
}

// Organization finds an organization by slug.
func (d *DB) Organization(ctx context.Context, slug string) (*Organization, error) {
	return d.organizationWhere(ctx, "slug = ?", slug)
}

// OrganizationByID finds an organization by id.
func (d *DB) OrganizationByID(ctx context.Context, id string) (*Organization, error) {
	if uuid.Validate(id) != nil {
		return nil, ErrNotFound // PostgreSQL would refuse the comparison
	}
	return d.organizationWhere(ctx, "id = ?", id)
}

func (d *DB) organizationWhere(ctx context.Context, condition string, value any) (*Organization, error) {
	var row organizationRow
	if err := d.gorm.WithContext(ctx).Where(condition, value).Take(&row).Error; err != nil {
		return nil, d.missing(err)
	}
	return row.organization(), nil
}

// Organizations lists organizations by slug.
func (d *DB) Organizations(ctx context.Context, page Page) (items []*Organization, next string, err error) {
	after, err := parseCursor(page.Cursor, 1)
	if err != nil {
		return nil, "", err
	}
	query := d.gorm.WithContext(ctx).Order("slug").Limit(page.limit() + 1)
	if after != nil {
		query = query.Where("slug > ?", after[0])
	}
	var rows []*organizationRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, "", d.fault(err)
	}
	rows, next = pageOf(rows, page.limit(), func(r *organizationRow) []string { return []string{r.Slug} })
	for _, row := range rows {
		items = append(items, row.organization())
	}
	return items, next, nil
}

// missing is ErrNotFound for a row that is not there, and any other error as it is told.
func (d *DB) missing(err error) error {
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return ErrNotFound
	}
	return d.fault(err)
}

// found is the error of a statement that has to concern one row.
func (d *DB) found(result *gorm.DB) error {
	if result.Error == nil && result.RowsAffected == 0 {
		return ErrNotFound
	}
	return d.fault(result.Error)
}
