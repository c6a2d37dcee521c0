package db

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/ncruces/go-sqlite3"
	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror/document"
)

// Optional is a value that a request sets, clears (null), or does not mention.
type Optional[T any] struct {
	Given bool
	Value *T // nil: clear
}

// Some is an Optional that sets.
func Some[T any](v T) Optional[T] { return Optional[T]{Given: true, Value: &v} }

// Null is an Optional that clears.
func Null[T any]() Optional[T] { return Optional[T]{Given: true} }

// EntityWrite is an entity as it is to be.
type EntityWrite struct {
	// Owner finds the row; "" is the organization's own.
	Owner string
	// Document is the file form as it was sent, by document.UnmarshalDocument. Secret
	// entries may carry "value": a string sets it, null clears it, none keeps what is
	// stored; a "set" beside it is ignored. Another slug than the row's renames it.
	Document *document.Document
	// OwnerID moves the row to another owner; cleared: to the organization.
	OwnerID Optional[string]
	// Auth is for MCP servers, ClientID and ClientSecret for MCP clients; stored as given.
	Auth                   Optional[json.RawMessage]
	ClientID, ClientSecret Optional[string]
	// UpdatedBy is the author of this edit; nil names nobody.
	UpdatedBy *string
	// IfMatch is the header of that name: ErrPrecondition if the entity is another.
	IfMatch string
	// IfNoneMatch: only create; ErrPrecondition if the entity is there.
	IfNoneMatch bool
}

// PutEntity creates or replaces an entity. Saving counts as an edit even when
// nothing changes. Errors: ErrNotFound (the row to rename), *document.Problem,
// ErrSlugTaken, ErrPrecondition.
func (d *DB) PutEntity(ctx context.Context, organizationID string, kind document.Kind, slug string, w EntityWrite) (entity *Entity, created bool, err error) {
	t, err := entityTable(kind, slug, w.Owner)
	if err != nil {
		return nil, false, err
	}
	if w.Document == nil || w.Document.Kind != kind {
		return nil, false, document.Invalid("the document is no %s", kind.Singular())
	}
	if err := w.check(kind); err != nil {
		return nil, false, err
	}
	for attempt := 1; ; attempt++ {
		err = d.write(ctx, func(tx *gorm.DB) error {
			current, err := d.liveRow(d.lock(tx, "UPDATE"), organizationID, t, slug, w.Owner)
			created = errors.Is(err, ErrNotFound)
			if err != nil && !created {
				return err
			}
			row, err := d.place(tx, organizationID, t, slug, current, w)
			if err == nil {
				entity = d.entity(row)
			}
			return err
		})
		// Two that create the same at once: the second finds the first one's row.
		if created && attempt == 1 && errors.Is(err, ErrSlugTaken) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		return entity, created, nil
	}
}

// place writes the row that w makes of current (nil: a new one), and reads it again.
func (d *DB) place(tx *gorm.DB, organizationID string, t *table, slug string, current *storedRow, w EntityWrite) (*storedRow, error) {
	switch {
	case current == nil && w.IfMatch != "", current != nil && w.IfNoneMatch, current != nil && !matches(w.IfMatch, d.etag(current)):
		return nil, ErrPrecondition
	}
	var stored, shown *document.Document
	if current != nil {
		stored = current.document
		shown = document.Redact(stored)
	}
	file, values, problem := takeValues(w.Document, shown)
	if problem != nil {
		return nil, problem
	}
	if file.Slug == "" {
		file.Slug = slug
	}
	if current == nil && file.Slug != slug {
		return nil, ErrNotFound
	}
	if problem := file.Normalize().Validate(*d.limits.Load()); problem != nil {
		return nil, problem
	}
	next := document.Absorb(file, stored)
	values.putInto(next)

	row := t.blank()
	if current != nil {
		row = current.record
	} else {
		row.entity().ID, row.entity().OrganizationID = uuid.NewString(), organizationID
		row.entity().CreatedAt = at(d.now())
		if owned := row.owned(); owned != nil {
			owned.OwnerID = text(w.Owner)
		}
	}
	row.entity().UpdatedAt, row.entity().UpdatedBy = at(d.now()), w.UpdatedBy
	w.into(row)
	if err := d.save(tx, t, row, current == nil, next, values.said(file)...); err != nil {
		return nil, err
	}
	return d.liveRow(tx, organizationID, t, row.entity().Slug, deref(owner(row)))
}

// save writes a document in stored form into a row, new or locked. said are the
// entries whose values the write names or clears.
func (d *DB) save(tx *gorm.DB, t *table, row record, isNew bool, next *document.Document, said ...string) (err error) {
	var moves []*secretMove
	if t.kind == document.MCPServers && !isNew {
		if m := moveSecrets(row, readRow(t.kind, row).document, next, said); m != nil {
			moves = append(moves, m)
		}
	}
	if _, err := d.returnSecrets(tx, row.entity().OrganizationID, moves); err != nil {
		return err
	}
	skill, isSkill := row.(*skillRow)
	var drop []string
	var files []skillFileRow
	if isSkill {
		drop, files = putFiles(skill, next)
	} else {
		put(row, next, nil)
	}
	if isNew {
		err = t.create(tx, []record{row})
	} else {
		err = tx.Table(t.name).Where("id = ?", row.entity().ID).UpdateColumns(columnValues(row)).Error
	}
	if err == nil && isSkill {
		err = d.writeFiles(tx, []*skillRow{skill}, map[string][]string{skill.Entity.ID: drop}, files)
	}
	if err != nil {
		return refusedWrite(err)
	}
	return d.keepSecrets(tx, row.entity().OrganizationID, moves)
}

// columnValues are all columns that a write names: every one that the document
// is made of, so that saving is an edit whatever changed.
func columnValues(r record) map[string]any {
	e := r.entity()
	values := map[string]any{
		"slug": e.Slug, "extra": e.Extra, "updated_at": e.UpdatedAt, "updated_by": e.UpdatedBy,
	}
	if owned := r.owned(); owned != nil {
		values["owner_id"] = owned.OwnerID
	}
	for _, c := range append(r.cells(), r.secrets()...) {
		switch at := c.at.(type) {
		case **string:
			values[c.column] = *at
		case *flag:
			values[c.column] = *at
		case *jsonColumn:
			values[c.column] = *at
		}
	}
	return values
}

// into writes what is no part of the document.
func (w EntityWrite) into(r record) {
	if owned := r.owned(); owned != nil && w.OwnerID.Given {
		owned.OwnerID = nil
		if w.OwnerID.Value != nil {
			owned.OwnerID = text(*w.OwnerID.Value)
		}
	}
	switch r := r.(type) {
	case *serverRow:
		if w.Auth.Given {
			r.Auth = ""
			if w.Auth.Value != nil && string(*w.Auth.Value) != "null" {
				r.Auth = jsonColumn(*w.Auth.Value)
			}
		}
	case *clientRow:
		if w.ClientID.Given {
			r.ClientID = w.ClientID.Value
		}
		if w.ClientSecret.Given {
			r.ClientSecret = w.ClientSecret.Value
		}
	}
}

// maxColumn bounds what is stored as given.
const maxColumn = 64 << 10

// check refuses what the kind has no column for, or no database can hold.
func (w EntityWrite) check(kind document.Kind) error {
	switch {
	case w.OwnerID.Given && kind == document.MCPClients:
		return document.Invalid("owner_id: an %s has no owner", kind.Singular())
	case w.Auth.Given && kind != document.MCPServers:
		return document.Invalid("auth: only an MCP server has it")
	case (w.ClientID.Given || w.ClientSecret.Given) && kind != document.MCPClients:
		return document.Invalid("client_id and client_secret belong to MCP clients only")
	}
	for name, value := range map[string]*string{
		"owner_id": w.OwnerID.Value, "client_id": w.ClientID.Value, "client_secret": w.ClientSecret.Value, "updated_by": w.UpdatedBy,
	} {
		if value != nil && (!storable(*value) || len(*value) > maxColumn) {
			return document.Invalid("%s: has at most %d bytes of UTF-8, without U+0000", name, maxColumn)
		}
	}
	if w.Auth.Value != nil {
		if len(*w.Auth.Value) > maxColumn {
			return document.Invalid("auth: has at most %d bytes", maxColumn)
		}
		if _, problem := document.ParseValue(*w.Auth.Value, document.Limits{}); problem != nil {
			return document.Invalid("auth: is no JSON that can be stored")
		}
	}
	return nil
}

// refusedWrite tells a slug that is taken, and what else the tables refuse, from faults.
func refusedWrite(err error) error {
	if err == nil {
		return nil
	}
	pg, _ := errors.AsType[*pgconn.PgError](err)
	code, _ := errors.AsType[sqlite3.ExtendedErrorCode](err)
	if pg != nil && pg.Code == "23505" && strings.HasSuffix(pg.ConstraintName, "_live_slug") || code == sqlite3.CONSTRAINT_UNIQUE {
		return ErrSlugTaken
	}
	if _, problem := refusal(err); problem != nil {
		return problem
	}
	return err
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
