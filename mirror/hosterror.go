package mirror

import (
	"errors"
	"strings"
	"time"
)

// Causes that a caller of a host's ports acts on. They are wrapped in a [Fault], which
// has the words for people.
var (
	// ErrGone: the pull request, comment or webhook is not there (any more).
	ErrGone = errors.New("it is not there")
	// ErrClosed: the pull request is merged or declined, and cannot be changed.
	ErrClosed = errors.New("the pull request is closed")
	// ErrNothingToPull: the source branch has nothing that the destination has not.
	ErrNothingToPull = errors.New("there is nothing to pull")
	// ErrNoBranch: the source or the destination of a pull request is not there.
	ErrNoBranch = errors.New("the branch is not there")
	// ErrGrant: the host grants the consumer no token. It is not asked for a while, whoever
	// shares the consumer; the fault's RetryAfter tells for how long.
	ErrGrant = errors.New("no token is granted")
	// ErrReviewers: somebody cannot be a reviewer.
	ErrReviewers = errors.New("a reviewer is not accepted")
)

// ScopeError says that credentials lack a permission. It is wrapped in a [Fault]; who
// can do without what was asked for says it once and goes on.
type ScopeError struct {
	Required []string // as the host names them; may be empty
	Granted  []string // may be empty
}

func (e *ScopeError) Error() string {
	text := "the credentials lack a scope"
	if len(e.Required) > 0 {
		text += ": required " + strings.Join(e.Required, " ")
	}
	if len(e.Granted) > 0 {
		text += ", granted " + strings.Join(e.Granted, " ")
	}
	return text
}

// LimitError says that no request was made because the host does not want more of
// them for now. It is wrapped in a transient [Fault].
type LimitError struct {
	FreeAt time.Time
	Spent  bool // the budget of an hour; else the host failed, or said so itself
}

func (e *LimitError) Error() string {
	why := "the host is given a rest"
	if e.Spent {
		why = "the requests of this hour are spent"
	}
	return why + " until " + e.FreeAt.UTC().Format(time.RFC3339)
}

// WithoutLocation is an error of net/http without the address of a redirect, which may hold
// whatever the server wrote into it.
func WithoutLocation(err error) error {
	if err != nil && strings.HasPrefix(err.Error(), "failed to parse Location header") {
		return errors.New("it redirects to what is no address")
	}
	return err
}
