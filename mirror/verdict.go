package mirror

import "context"

// StatusState is a verdict on a commit.
type StatusState string

// The verdicts.
const (
	StatusSuccessful StatusState = "successful"
	StatusFailed     StatusState = "failed"
	StatusInProgress StatusState = "in progress"
)

// StatusKey names our statuses: a later one with the same key replaces the earlier.
const StatusKey = "confmirror"

// Status is a build status of a commit.
type Status struct {
	Key         string // "": StatusKey; a long one becomes its digest
	State       StatusState
	Name        string
	Description string // one line; a long one is cut
	// URL is where it leads to; hosts demand one. Where there is no panel to show, the
	// commit's own page will do.
	URL string
	// Branch links the status to the branch's pull requests; may be "".
	Branch string
}

// Statuses of commits.
type Statuses interface {
	// SetStatus gives a commit its status: one request. ErrGone if there is no such commit.
	SetStatus(ctx context.Context, commit Hash, s Status) error
}
