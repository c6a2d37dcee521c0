package mirror

import (
	"context"
	"time"
)

// Repository is what the host's REST interface tells of a repository.
type Repository struct {
	// UUID stays when the repository is renamed or moved; "{...}" as the host writes
	// it, "" where a host that imitates the interface has none.
	UUID string
	// FullName is workspace/slug.
	FullName string
	// MainBranch is "" while the repository is empty.
	MainBranch string
	// SignedCommitsRequired: unsigned pushes are refused.
	SignedCommitsRequired bool
	// URL is where people look at it.
	URL string
}

// Host is the forge behind a mirror. A plain git host has none.
type Host interface {
	// Repository reads the repository's facts: one request.
	Repository(ctx context.Context) (Repository, error)
}

// Forge is a host with all that Bitbucket has beside git. Whoever needs a part of it
// asks for that part. Each is optional at run time, too: credentials may lack the
// scope, which is a [ScopeError], and the requests of an hour may be spent, which is
// a [LimitError]. Neither says anything about git.
type Forge interface {
	Host
	PullRequests
	Comments
	Statuses
	Hooks
	Restrictions
	Budgeted
}

// Budgeted tells how much of the host's REST interface is left.
type Budgeted interface {
	// Budget makes no request.
	Budget() Budget
}

// Budget is the state of the requests that the mirrors of one consumer share.
type Budget struct {
	Limit int // requests in an hour; 0: not known to be limited
	Used  int // in the last hour
	// Failures is how often in a row the host did not answer, or had had enough.
	Failures int
	// FreeAt is when the next request may be made; zero: now.
	FreeAt time.Time
}

// Credentials gives what git over HTTPS authenticates with. renew asks for a
// fresh token because the remote refused the last one. Without a username the password is a
// token, and sent as Bearer.
type Credentials interface {
	Basic(ctx context.Context, renew bool) (username string, password Secret, err error)
}
