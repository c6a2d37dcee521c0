package mirror

import (
	"strings"

	"github.com/confmirror/confmirror/mirror/document"
)

// PushMode says how exports reach the branch.
type PushMode string

const (
	PushDirect      PushMode = "direct"
	PushPullRequest PushMode = "pull-request"
	PushAuto        PushMode = "auto"
)

// Where Bitbucket Cloud is.
const (
	DefaultAPIURL   = "https://api.bitbucket.org/2.0"
	DefaultOAuthURL = "https://bitbucket.org/site/oauth2/access_token"
	DefaultGitURL   = "https://bitbucket.org"
)

// Settings connect an organization to a branch.
type Settings struct {
	Workspace     string
	Repository    string // the repository's slug
	Branch        string // "": the repository's main branch, resolved once
	PathPrefix    string // see document.Layout
	ClientID      string
	ClientSecret  Secret
	AccessToken   Secret // instead of ClientID and ClientSecret
	WebhookSecret Secret // "": deliveries are not signed
	Push          PushMode
	Conflict      document.Policy
	APIURL        string // "": a plain git host without REST
	OAuthURL      string
	GitURL        string
}

// CloneURL is the repository's address for git over HTTPS, without credentials.
func (s Settings) CloneURL() string {
	return strings.TrimSuffix(s.GitURL, "/") + "/" + s.Workspace + "/" + s.Repository + ".git"
}

// Layout places the kinds' directories.
func (s Settings) Layout() document.Layout { return document.Layout{Prefix: s.PathPrefix} }

// Identity says which branch of which repository the bases were agreed with.
// When any part changes, the next run is a first connection, which deletes nothing.
type Identity struct {
	// Repository is the host's uuid, or the clone URL of a plain git host.
	Repository string
	Branch     string
	Prefix     string
}

// IsZero reports whether the connection has not been resolved yet.
func (i Identity) IsZero() bool { return i.Repository == "" }

// Rules are the decisions that the configuration makes for every mirror of a daemon.
type Rules struct {
	// KeepDeleted: a deletion on one side leaves the other side alone (deletions: keep).
	KeepDeleted bool
	// DeleteCount and DeletePercent are the brake: more deletions within an hour than
	// both the count and the percentage of what is mirrored are held.
	DeleteCount, DeletePercent int
	// HoldRebind: an import that hands an MCP server's credentials to another target waits for a person.
	HoldRebind bool
	// SplitCommitsUpTo changed entities make a commit each; more make one for each kind.
	SplitCommitsUpTo int
	Limits           document.Limits
}

// DefaultRules are those of an empty configuration.
var DefaultRules = Rules{DeleteCount: 10, DeletePercent: 20, SplitCommitsUpTo: 20, Limits: document.DefaultLimits}

// Mirror is one organization's mirror as the store remembers it.
type Mirror struct {
	OrganizationID string
	Organization   string // slug
	Settings       Settings
	Identity       Identity // zero until the first connection was resolved
	// Cursor is the last settled commit; "" before the first settle of this identity.
	Cursor Hash
	// ImportedFrom are the commits that rows were imported from since the cursor was
	// settled: not empty only after a run that ended in between.
	ImportedFrom []Hash
	// RemoteSeen is the branch's head when it was last looked at.
	RemoteSeen Hash
	// PlannedBy names the rules that the last settled run planned by: under others, what
	// was refused may not be.
	PlannedBy string
	// Epoch is the lease's: a settle under an older one is refused.
	Epoch  int64
	Paused bool
	// Copied: the database is a copy of the one that the mirror was made in, and nobody has
	// said yet that it may go on here.
	Copied bool
	// Requested counts the runs asked for by API or CLI; a run covers the number that it read at its start.
	Requested, Covered int64
	State              State
	// Proposed is what waits for people to merge it.
	Proposed Proposed
}

// readFrom are the commits that rows or bases came from: one that the branch's head does
// not contain tells that history was rewritten.
func (m *Mirror) readFrom() []Hash {
	if m.Cursor == "" {
		return m.ImportedFrom
	}
	return append([]Hash{m.Cursor}, m.ImportedFrom...)
}

// settled: no import stands whose run did not settle. After one, a server may be as it was
// agreed on, and its toolkits judged by nobody.
func (m *Mirror) settled() bool { return len(m.ImportedFrom) == 0 }

// Branch is the branch that is mirrored.
func (m *Mirror) Branch() string { return m.Identity.Branch }
