package mirror

import "github.com/confmirror/confmirror/mirror/document"

// RowAction is what an import does to a row.
type RowAction int

const (
	RowCreate RowAction = iota
	// RowUpdate writes the document into Row, under Document.Slug, and brings it back if it was soft-deleted.
	RowUpdate
	// RowDelete soft-deletes Row.
	RowDelete
)

// RowChange is one entity's import.
type RowChange struct {
	Action   RowAction
	Key      Key
	Row      *Row               // what was planned on; nil for RowCreate
	Document *document.Document // file form; nil for RowDelete
	// Base is what is agreed once the row is written; its RowID is filled by the
	// store. nil drops the base at Key.
	Base *Base
	// Vacated is the path of a base that goes because the entity moved to Key; "" if none.
	Vacated string
	// Author is written to updated_by; "" leaves who edited the row last.
	Author string
	// Integration is the row's new git_integration.
	Integration GitIntegration
	// Consume are the captured changes that the decision took into account; they
	// go with the import, and so do those that the import itself makes.
	Consume []int64
	// KeepChanges: the import is half of a merge, whose export still has to be
	// settled; nothing is consumed, and Outcome.Own names what the import made.
	KeepChanges bool
	// Conflicts keep what the import replaces.
	Conflicts []*Conflict
	// Answered are intents that the import was planned on: they go with it, so that they
	// never speak of a state that is older than what it agrees on.
	Answered []int64
	// Event is recorded with the import, if any.
	Event *Event
}

// Outcome of one RowChange.
type Outcome struct {
	RowID string
	// Raced: the row was locked, edited since, or its slug was taken meanwhile. Nothing was written.
	Raced bool
	// Problem: the database refused the row. Nothing was written.
	Problem *document.Problem
	// Own are the captured changes that this write made and that are not consumed
	// yet (RowChange of a merge): they go with the settle.
	Own []int64
}
