package db

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Conflict is a kept conflict.
type Conflict struct {
	ID     string
	Kind   document.Kind
	Slug   string
	Path   string
	RowID  string // the entity's, "" if it never had one
	Reason mirror.ConflictReason
	// The three documents in file form; nil where a side had none.
	Base, Database, Git *document.Document
	// Decided is the side that won the contested places.
	Decided    document.Policy
	Places     []string
	CreatedAt  time.Time
	ResolvedAt *time.Time
	Resolution string // the side that was taken, "" if none
}

// Conflicts lists kept conflicts, the newest first; the open ones, or all.
func (d *DB) Conflicts(ctx context.Context, organizationID string, all bool, page Page) (conflicts []*Conflict, next string, err error) {
	before, err := parseCursor(page.Cursor, 1)
	if err != nil {
		return nil, "", err
	}
	query := d.gorm.WithContext(ctx).Where("organization_id = ?", organizationID).Order("created_at DESC, id DESC").Limit(page.limit() + 1)
	if !all {
		query = query.Where("resolved_at IS NULL")
	}
	if before != nil {
		if uuid.Validate(before[0]) != nil {
			return nil, "", ErrBadCursor
		}
		query = query.Where("(created_at, id) < (SELECT c.created_at, c.id FROM conflicts AS c WHERE c.id = ? AND c.organization_id = ?)", before[0], organizationID)
	}
	var rows []*conflictRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, "", d.fault(err)
	}
	rows, next = pageOf(rows, page.limit(), func(r *conflictRow) []string { return []string{r.ID} })
	for _, row := range rows {
		conflicts = append(conflicts, row.conflict())
	}
	return conflicts, next, nil
}

// Conflict finds a kept conflict, a resolved one too.
func (d *DB) Conflict(ctx context.Context, organizationID, id string) (*Conflict, error) {
	if uuid.Validate(id) != nil {
		return nil, ErrNotFound
	}
	var row conflictRow
	err := d.gorm.WithContext(ctx).Where("organization_id = ? AND id = ?", organizationID, id).Take(&row).Error
	if err != nil {
		return nil, d.missing(err)
	}
	return row.conflict(), nil
}

// ConflictRef names a kept conflict.
type ConflictRef struct{ OrganizationID, ID string }

// maxLike bounds the candidates of a shortened id: more would not help anybody.
const maxLike = 10

// ConflictsLike finds the conflicts whose ids begin with a text, of one organization,
// or of all ("").
func (d *DB) ConflictsLike(ctx context.Context, organizationID, prefix string) (refs []ConflictRef, err error) {
	if prefix == "" || strings.Trim(prefix, "0123456789abcdef-") != "" {
		return nil, nil
	}
	query := d.gorm.WithContext(ctx).Model(&conflictRow{}).Where("CAST(id AS text) LIKE ?", prefix+"%")
	if organizationID != "" {
		query = query.Where("organization_id = ?", organizationID)
	}
	err = query.Select("organization_id", "id").Order("id").Limit(maxLike).Scan(&refs).Error
	return refs, d.fault(err)
}

func (r *conflictRow) conflict() *Conflict {
	c := &Conflict{
		ID: r.ID, Kind: document.Kind(r.Kind), Slug: r.Slug, Path: r.Path, RowID: r.RowID, Reason: mirror.ConflictReason(r.Reason),
		Base: r.document(r.Base), Database: r.document(r.Database), Git: r.document(r.Git),
		Decided: document.Policy(r.Decided), CreatedAt: r.CreatedAt.Time, ResolvedAt: r.ResolvedAt.ptr(), Resolution: r.Resolution,
	}
	_ = json.Unmarshal([]byte(r.Places), &c.Places)
	return c
}

func (r *conflictRow) document(text jsonColumn) *document.Document {
	if text == "" {
		return nil
	}
	d, problem := document.UnmarshalDocument(document.Kind(r.Kind), []byte(text), document.Limits{})
	if problem != nil {
		return nil
	}
	return d.Normalize()
}
