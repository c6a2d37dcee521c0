package mirror

import "context"

// Hook is a webhook of a repository.
type Hook struct {
	ID, URL, Description string
	Events               []string // as the host names them
	Active               bool
	Signed               bool // it has a secret
	// Complete: it tells of pushes and of all that we look at in pull requests.
	Complete bool
}

// HookSettings is the webhook that we want.
type HookSettings struct {
	URL, Description string
	Secret           Secret // zero: unsigned
	// RenewSecret: the secret is another one than what the webhook was given last. No
	// host tells a secret, so only we can know.
	RenewSecret bool
}

// HookChange says what [Hooks].EnsureHook did.
type HookChange string

// The changes.
const (
	HookKept    HookChange = "kept"
	HookCreated HookChange = "created"
	HookUpdated HookChange = "updated"
)

// Hooks of a repository. They need a scope of their own, which the setup does not ask
// for: expect a [ScopeError].
type Hooks interface {
	// Hooks lists them: one request for a hundred.
	Hooks(ctx context.Context) ([]Hook, error)
	// HookEvents are the events to subscribe to, as the host's interface names them. No request.
	HookEvents() []string
	// EnsureHook makes the webhook with that URL be as wanted: a list, and a write unless
	// it is so already. Its description, and events that somebody added, stay.
	EnsureHook(ctx context.Context, want HookSettings) (Hook, HookChange, error)
}

// BranchRules is what is known of a branch's restrictions.
type BranchRules struct {
	// Known: they could be read, and all that concern the branch are understood. False as
	// a rule: reading them takes the permission of an administrator, which we do not ask
	// for, and a restriction shows when a push is refused.
	Known bool
	// PushRestricted: our pushes are refused. May be true without Known.
	PushRestricted bool
	// Rule is the rule that restricts pushes, in the host's words.
	Rule string
}

// Restrictions of branches.
type Restrictions interface {
	// BranchRules reads those that concern a branch: one request for a hundred. That they
	// may not be read is no error.
	BranchRules(ctx context.Context, branch string) (BranchRules, error)
}
