package mirror

import "context"

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

// Credentials gives what git over HTTPS authenticates with. renew asks for a
// fresh token because the remote refused the last one.
type Credentials interface {
	Basic(ctx context.Context, renew bool) (username string, password Secret, err error)
}
