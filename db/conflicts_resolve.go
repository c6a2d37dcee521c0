package db

import (
	"cmp"
	"context"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Taking is what giving a conflict to a side comes to.
type Taking struct {
	// Today is the entity as it stands, Next what it becomes, both in file form; nil: there
	// is none. They are the same where the side has won already.
	Today, Next *document.Document
}

// PlaceChange is one place that taking a side changes, as document.At tells it; nil is
// nothing at all.
type PlaceChange struct {
	Place string `json:"place"`
	From  any    `json:"from"`
	To    any    `json:"to"`
}

// Changes are what taking the side changes.
func (t *Taking) Changes() []PlaceChange {
	changes := []PlaceChange{}
	if t.Today == t.Next {
		return changes
	}
	for _, place := range document.Differing(t.Today, t.Next) {
		change := PlaceChange{Place: place}
		change.From, _ = t.Today.At(place)
		change.To, _ = t.Next.At(place)
		changes = append(changes, change)
	}
	return changes
}

// PlacesChangedError says that places of a conflict were edited after it was
// decided, so that taking a side would undo those edits.
type PlacesChangedError struct {
	Take   document.Policy
	Places []ChangedPlace
}

// ChangedPlace is a contested place that was edited: what was decided, what stands there
// now, and what the side has, as document.At tells it; nil is nothing at all.
type ChangedPlace struct {
	Place   string `json:"place"` // as in Conflict.Places
	Decided any    `json:"decided"`
	Now     any    `json:"now"`
	Wanted  any    `json:"wanted"`
}

func (e *PlacesChangedError) Error() string {
	return "edited since the conflict was decided: " + strings.Join(e.Names(), ", ")
}

// Names are the places alone.
func (e *PlacesChangedError) Names() []string {
	names := make([]string, len(e.Places))
	for i, p := range e.Places {
		names[i] = p.Place
	}
	return names
}

// changedPlaces looks at the places in the three documents.
func changedPlaces(take document.Policy, places []string, decided, now, wanted *document.Document) *PlacesChangedError {
	e := &PlacesChangedError{Take: take}
	for _, place := range places {
		p := ChangedPlace{Place: place}
		p.Decided, _ = decided.At(place)
		p.Now, _ = now.At(place)
		p.Wanted, _ = wanted.At(place)
		e.Places = append(e.Places, p)
	}
	return e
}

// ResolveConflict gives the contested places of a conflict to a side. The result
// is an edit of the entity, like any other, by updatedBy (nil names nobody). A side
// that has won already is not written: the conflict is put away. One that is resolved
// may be taken the other way round.
//
// Errors: ErrNotFound, ErrGone, *PlacesChangedError, ErrSlugTaken, and
// *document.Problem when the result breaks a rule. Nothing is changed then.
func (d *DB) ResolveConflict(ctx context.Context, organizationID, id string, take document.Policy, updatedBy *string) (taking *Taking, err error) {
	if err := checkAuthor(updatedBy); err != nil {
		return nil, err
	}
	err = d.write(ctx, func(tx *gorm.DB) error {
		var c *Conflict
		var row *storedRow
		if c, row, taking, err = d.taking(d.lock(tx, "UPDATE"), organizationID, id, take); err != nil {
			return err
		}
		if taking.Today != taking.Next {
			if err := d.carryOut(tx, c, row, taking, updatedBy); err != nil {
				return err
			}
		} else if c.ResolvedAt != nil && take == c.Winner() {
			return nil // as it was taken before
		}
		if err := d.note(tx, organizationID, EventResolved, "The conflict of the %s %s was resolved: %s's side was taken.", c.Kind.Singular(), c.Slug, take); err != nil {
			return err
		}
		return tx.Model(&conflictRow{}).Where("id = ?", id).
			Updates(map[string]any{"resolved_at": d.now(), "resolution": string(take)}).Error
	})
	if err != nil {
		return nil, err
	}
	return taking, nil
}

// PreviewTaking is what ResolveConflict would do now, with the same errors.
func (d *DB) PreviewTaking(ctx context.Context, organizationID, id string, take document.Policy) (taking *Taking, err error) {
	err = d.snapshot(ctx, func(tx *gorm.DB) error {
		_, _, taking, err = d.taking(tx, organizationID, id, take)
		return err
	})
	return taking, err
}

// taking works out what giving a conflict to a side comes to. It locks as the query does.
func (d *DB) taking(query *gorm.DB, organizationID, id string, take document.Policy) (*Conflict, *storedRow, *Taking, error) {
	query = query.Session(&gorm.Session{}) // for more than one query
	if uuid.Validate(id) != nil {
		return nil, nil, nil, ErrNotFound
	}
	if err := checkSide(take); err != nil {
		return nil, nil, nil, err
	}
	var kept conflictRow
	if err := query.Where("organization_id = ? AND id = ?", organizationID, id).Take(&kept).Error; err != nil {
		return nil, nil, nil, d.missing(err)
	}
	c := kept.conflict()
	if take == c.Winner() {
		return c, nil, &Taking{}, nil
	}
	row, err := d.contested(query, organizationID, c)
	if err != nil {
		return nil, nil, nil, err
	}
	taking, err := c.merge(row, take)
	if err == nil && taking.Next != nil && taking.Today != nil {
		err = d.acceptable(taking, take)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	return c, row, taking, nil
}

// contested reads the entity of a conflict: the row with its id, or, of a document
// that never had a row, the live one under its slug. ErrGone where there is none, or
// where it is somebody's own now.
func (d *DB) contested(query *gorm.DB, organizationID string, c *Conflict) (*storedRow, error) {
	t, err := entityTable(c.Kind, c.Slug)
	if err != nil {
		return nil, err
	}
	scope := t.live(organizationID, c.Slug, "")
	if c.RowID != "" {
		scope = func(tx *gorm.DB) *gorm.DB { return tx.Where("id = ?", c.RowID) }
	}
	rows, err := d.load(query.Scopes(scope), organizationID, t)
	if err != nil {
		return nil, err
	}
	switch {
	case len(rows) == 0, owner(rows[0].record) != nil && c.Reason != mirror.ConflictPrivate:
		return nil, ErrGone
	case rows[0].problem != nil:
		return nil, about("the entity as it is now cannot be read", rows[0].problem)
	case c.Kind == document.Skills:
		return rows[0], d.withColumns(query, organizationID, rows[0])
	}
	return rows[0], nil
}

// merge brings what the side would have had decided otherwise into today's document.
func (c *Conflict) merge(row *storedRow, take document.Policy) (*Taking, error) {
	decided, wanted := c.outcome(c.Winner()), c.outcome(take)
	gone := row.record.entity().DeletedAt.Valid
	today := document.Redact(row.document)
	switch {
	case gone && decided == nil: // the deletion is what is undone, and the row is still whole
		return &Taking{Next: today}, nil
	case gone:
		return nil, ErrGone
	case decided == nil || wanted == nil:
		// There was to be no entity, or there is to be none: only one that nobody edited.
		there := cmp.Or(decided, wanted)
		visible := today.Clone()
		visible.DropUnknown(func(key string) bool { _, had := there.Fields[key]; return had })
		switch {
		case visible.Digest() != there.Digest():
			return nil, changedPlaces(take, document.Differing(visible, there), decided, today, wanted)
		case wanted == nil:
			return &Taking{Today: today}, nil
		}
		return &Taking{Today: today, Next: today}, nil
	}
	next, lost := document.Merge(decided, today, wanted, document.PreferGit)
	if len(lost) > 0 {
		return nil, changedPlaces(take, lost, decided, today, wanted)
	}
	if next.Digest() == today.Digest() {
		next = today // somebody has edited it so already
	}
	return &Taking{Today: today, Next: next}, nil
}

// acceptable holds the result to the rules that every edit obeys.
func (d *DB) acceptable(taking *Taking, take document.Policy) error {
	problem := document.CheckSecrets(taking.Next, taking.Today)
	if problem == nil {
		problem = taking.Next.Validate(*d.limits.Load())
	}
	if problem == nil {
		return nil
	}
	return about("taking "+string(take)+" would leave it so that it is refused", problem)
}

// about says in which respect something is a problem.
func about(what string, p *document.Problem) *document.Problem {
	problem := *p
	problem.Message = what + ": " + p.Message
	return &problem
}

// carryOut writes the result into the entity.
func (d *DB) carryOut(tx *gorm.DB, c *Conflict, row *storedRow, taking *Taking, updatedBy *string) error {
	t, e := tables[c.Kind], row.record.entity()
	if taking.Next == nil || taking.Today == nil {
		set := map[string]any{"deleted_at": nil, "updated_at": d.now(), "updated_by": updatedBy}
		if taking.Next == nil {
			set["deleted_at"] = d.now()
		}
		return refusedWrite(tx.Table(t.name).Where("id = ?", e.ID).UpdateColumns(set).Error)
	}
	e.UpdatedAt, e.UpdatedBy = at(d.now()), updatedBy
	return d.save(tx, t, row.record, false, document.Absorb(taking.Next, row.document))
}

// checkAuthor refuses an author that no column can hold.
func checkAuthor(updatedBy *string) error {
	if updatedBy != nil && (!storable(*updatedBy) || len(*updatedBy) > maxColumn) {
		return document.Invalid("updated_by: has at most %d bytes of UTF-8, without U+0000", maxColumn)
	}
	return nil
}
