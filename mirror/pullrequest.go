package mirror

import (
	"context"
	"strings"
	"time"
)

// ShortHash is a commit's hash as hosts write it, often cut to twelve digits; "" is none.
type ShortHash string

// Abbreviates reports whether h may be the commit that is meant.
func (s ShortHash) Abbreviates(h Hash) bool {
	return len(s) >= 7 && strings.HasPrefix(string(h), string(s))
}

// PullRequestState is what became of a pull request.
type PullRequestState string

// The states. A pull request that another one superseded counts as declined.
const (
	PullRequestOpen     PullRequestState = "open"
	PullRequestMerged   PullRequestState = "merged"
	PullRequestDeclined PullRequestState = "declined"
)

// PullRequest is a request to merge one branch into another.
type PullRequest struct {
	ID                 int64
	Title, Description string
	State              PullRequestState
	URL                string // where people look at it
	Source             Tip
	Destination        Tip
	// Fork is the repository of the source when that is another one: workspace/slug.
	Fork string
	// MergeCommit is what the merge made of it on the destination; "" while open, and
	// where the host does not tell.
	MergeCommit ShortHash
	// Reviewers are their ids; nil in lists, where hosts leave them out.
	Reviewers []string
	UpdatedAt time.Time
}

// Tip is a branch and where it stood.
type Tip struct {
	Branch string
	Commit ShortHash
}

// Proposal is what a pull request is made of.
type Proposal struct {
	Source, Destination string // branches
	Title, Description  string // the description is Markdown; a long one is cut
	// CloseSource: the source branch goes with the merge, if the host can do that.
	CloseSource bool
}

// PullRequests of a repository.
type PullRequests interface {
	// FindPullRequest finds the open pull request from one branch into another: one
	// request. nil if there is none.
	FindPullRequest(ctx context.Context, source, destination string) (*PullRequest, error)
	// OpenPullRequest gives the open pull request of the two branches, made if there is
	// none: one request more. The text of one that was there already stays as it is.
	OpenPullRequest(ctx context.Context, p Proposal) (_ PullRequest, created bool, err error)
	// PullRequest reads one: one request. ErrGone.
	PullRequest(ctx context.Context, id int64) (PullRequest, error)
	// DescribePullRequest gives an open one another title and description. Reviewers and
	// whatever else it has stay: one request to look, one to write unless nothing
	// changes, and one more to leave off reviewers whom the host no longer takes. ErrGone, ErrClosed.
	DescribePullRequest(ctx context.Context, id int64, title, description string) (PullRequest, error)
	// DeclinePullRequest closes an open one for good. ErrGone, ErrClosed.
	DeclinePullRequest(ctx context.Context, id int64) (PullRequest, error)
	// PullRequestsInto lists the open ones into a branch, forks' too, the latest updated
	// first, at most a few hundred: one request for fifty.
	PullRequestsInto(ctx context.Context, destination string) ([]PullRequest, error)
}

// Comment is a comment on a pull request.
type Comment struct {
	ID   int64
	Text string
	URL  string
}

// Comments on pull requests. A marker is a line that our own comments hold and that
// nobody else writes; see [CommentMarker].
type Comments interface {
	// FindComment finds a comment with a marker, the first one in the host's order: one
	// request for a hundred comments. nil if there is none.
	FindComment(ctx context.Context, pullRequest int64, marker string) (*Comment, error)
	// CreateComment adds a comment; a long text is cut.
	CreateComment(ctx context.Context, pullRequest int64, text string) (Comment, error)
	// UpdateComment replaces a comment's text. ErrGone if it was deleted.
	UpdateComment(ctx context.Context, pullRequest, comment int64, text string) (Comment, error)
}

// CommentMarker is a line of Markdown that shows as nothing. (An HTML comment would be
// visible: hosts escape it.) It belongs at the start of the text, an empty line after it:
// the end of a long text is cut.
func CommentMarker(name string) string {
	return `[confmirror]: # "` + strings.NewReplacer(`"`, "'", "\n", " ", `\`, "/").Replace(name) + `"`
}

// HasMarker reports whether a comment's text holds a marker on a line of its own. An
// editor on the web may have changed line ends and added backslashes.
func HasMarker(text, marker string) bool {
	for line := range strings.Lines(text) {
		if strings.TrimSpace(strings.ReplaceAll(line, `\`, "")) == marker {
			return true
		}
	}
	return false
}
