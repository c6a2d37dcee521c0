package db

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// PlacesChangedError says that places of a conflict were edited after it was
// decided, so that taking a side would undo those edits.
type PlacesChangedError struct {
	Places []string // as in Conflict.Places
}

func (e *PlacesChangedError) Error() string {
	return "edited since the conflict was decided: " + strings.Join(e.Places, ", ")
}

// ResolveConflict gives the contested places of a conflict to a side. The result
// is an edit of the entity, like any other, by updatedBy (nil names nobody).
//
// What was decided and what would have been decided for the other side differ in
// the contested places only. That difference is merged into today's document:
// edits elsewhere stay, edits at those places are a *PlacesChangedError.
//
// Errors: ErrNotFound, ErrResolved, ErrGone, *PlacesChangedError, ErrSlugTaken, and
// *document.Problem when the result breaks a rule.
func (d *DB) ResolveConflict(ctx context.Context, organizationID, id string, take document.Policy, updatedBy *string) error {
	if uuid.Validate(id) != nil {
		return ErrNotFound
	}
	if take != document.PreferGit && take != document.PreferDatabase {
		return document.Invalid("take: has to be git or database")
	}
	return d.write(ctx, func(tx *gorm.DB) error {
		var row conflictRow
		err := d.lock(tx, "UPDATE").Where("organization_id = ? AND id = ?", organizationID, id).Take(&row).Error
		if err != nil {
			return d.missing(err)
		}
		if row.ResolvedAt.Valid {
			return ErrResolved
		}
		conflict := row.conflict()
		if take != conflict.Decided {
			if err := d.takeSide(tx, organizationID, conflict, take, updatedBy); err != nil {
				return err
			}
		}
		return tx.Model(&conflictRow{}).Where("id = ?", id).
			Updates(map[string]any{"resolved_at": d.now(), "resolution": string(take)}).Error
	})
}

// takeSide writes the losing side of a conflict into its entity.
func (d *DB) takeSide(tx *gorm.DB, organizationID string, c *Conflict, take document.Policy, updatedBy *string) error {
	t, err := entityTable(c.Kind, c.Slug)
	if err != nil {
		return err
	}
	current, err := d.contested(tx, organizationID, t, c)
	if err != nil {
		return err
	}
	today := document.Redact(current.document)
	decided, wanted := c.outcome(c.Decided), c.outcome(take)
	e := current.record.entity()
	switch {
	case decided == nil:
		return ErrGone // it was decided that there be no entity; this is another one
	case wanted == nil:
		if today.Digest() != decided.Digest() {
			_, places := document.Merge(nil, today, decided, document.PreferGit)
			return &PlacesChangedError{Places: places}
		}
		return tx.Table(t.name).Where("id = ?", e.ID).
			UpdateColumns(map[string]any{"deleted_at": d.now(), "updated_at": d.now(), "updated_by": updatedBy}).Error
	}
	next, lost := document.Merge(decided, today, wanted, document.PreferGit)
	if len(lost) > 0 {
		return &PlacesChangedError{Places: lost}
	}
	if problem := document.CheckSecrets(next, today); problem != nil {
		return problem
	}
	if problem := next.Validate(*d.limits.Load()); problem != nil {
		return problem
	}
	e.UpdatedAt, e.UpdatedBy = at(d.now()), updatedBy
	return d.save(tx, t, current.record, false, document.Absorb(next, current.document))
}

// contested reads and locks the entity of a conflict: the organization's live row
// with its id, or, of a document that never had a row, under its slug.
func (d *DB) contested(tx *gorm.DB, organizationID string, t *table, c *Conflict) (*storedRow, error) {
	query := d.lock(tx, "UPDATE").Scopes(t.ownedBy("")).Where("deleted_at IS NULL")
	if c.RowID != "" {
		query = query.Where("id = ?", c.RowID)
	} else {
		query = query.Where("slug = ?", c.Slug)
	}
	rows, err := d.load(query, organizationID, t)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, ErrGone
	}
	if rows[0].problem != nil {
		return nil, rows[0].problem
	}
	return rows[0], nil
}

// outcome is what a decision for a side makes of the conflict; nil for no entity.
func (c *Conflict) outcome(side document.Policy) *document.Document {
	if c.Reason == mirror.ConflictBothChanged && c.Database != nil && c.Git != nil {
		merged, _ := document.Merge(c.Base, c.Database, c.Git, side)
		return merged
	}
	if side == document.PreferGit {
		return c.Git
	}
	return c.Database
}
