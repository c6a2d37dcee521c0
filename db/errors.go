package db

import "errors"

// What a caller may want to tell apart. (mirror.ErrNoMirror stands for an
// organization without a connection, *document.Problem for a document that
// breaks a rule, *mirror.Fault for a connection that cannot be.)
var (
	// ErrNotFound: no such organization, entity, run or conflict.
	ErrNotFound = errors.New("not found")
	// ErrSlugTaken: another live entity of that owner, or another organization, has the slug.
	ErrSlugTaken = errors.New("the slug is taken")
	// ErrPrecondition: the entity is not what If-Match says; it was edited meanwhile.
	ErrPrecondition = errors.New("the entity was edited meanwhile")
	// ErrNoHold: no deletions are held.
	ErrNoHold = errors.New("no deletions are held")
	// ErrHoldChanged: the list of held deletions is not the one that was decided on.
	ErrHoldChanged = errors.New("the list of what is held has changed")
	// ErrGone: the conflict's entity is gone, or private now, so there is nothing to give a side to.
	ErrGone = errors.New("the conflict's entity is gone, or private now")
	// ErrBadCursor: a page's cursor is not one that a list gave out.
	ErrBadCursor = errors.New("not a cursor of this list")
	// ErrSecretsNeeded: the settings point credentials at another place, so they have to come with them.
	ErrSecretsNeeded = errors.New("another workspace or address needs the credentials in the same request")
)
