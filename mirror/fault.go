package mirror

import (
	"errors"
	"time"
)

// Mirror-level fault codes: what a mirror's detail.code says.
const (
	CodeConnectionFailed      = "CONNECTION_FAILED"
	CodeRepositoryNotFound    = "REPOSITORY_NOT_FOUND"
	CodeBranchNotFound        = "BRANCH_NOT_FOUND"
	CodePermissionDenied      = "PERMISSION_DENIED"
	CodeBranchRestricted      = "BRANCH_RESTRICTED"
	CodeNetworkUnreachable    = "NETWORK_UNREACHABLE"
	CodeRateLimited           = "RATE_LIMITED"
	CodeDeletionsHeld         = "DELETIONS_HELD"
	CodeRebindHeld            = "REBIND_HELD"
	CodePushRefused           = "PUSH_REFUSED"
	CodeRepositoryFull        = "REPOSITORY_FULL"
	CodeSignedCommitsRequired = "SIGNED_COMMITS_REQUIRED"
	CodeAlreadyConnected      = "ALREADY_CONNECTED"
	CodeNothingEligible       = "NOTHING_ELIGIBLE"
	CodeDatabaseCopied        = "DATABASE_COPIED"
	// CodeRequestRefused: the host's REST interface does not take what it was asked for; its
	// text is shown. Git is not concerned.
	CodeRequestRefused = "REQUEST_REFUSED"
	// CodePullRequestOpen: a condition: changes wait for people to merge them.
	CodePullRequestOpen = "PULL_REQUEST_OPEN"
	// CodePullRequestDeclined: changes of the database are held, since people declined them.
	CodePullRequestDeclined = "PULL_REQUEST_DECLINED"
	// CodeMainBranchChanged: a condition of a mirror that was connected to "the main
	// branch": the repository has another one now.
	CodeMainBranchChanged = "MAIN_BRANCH_CHANGED"
	// CodeWebhookSilent: a condition of a mirror whose webhook says nothing of pushes.
	CodeWebhookSilent = "WEBHOOK_SILENT"
	// CodeConfigInvalid: a condition of a daemon whose configuration was changed, and is not
	// taken up.
	CodeConfigInvalid = "CONFIG_INVALID"
	// CodeConfigNeedsRestart: a condition of a daemon whose configuration has changes that a
	// running one cannot take up.
	CodeConfigNeedsRestart = "CONFIG_NEEDS_RESTART"
	// CodeStalled: a condition of a mirror whose edits have not arrived for several polls,
	// whatever the reason.
	CodeStalled = "STALLED"
	// CodeCloneFailed: the clone on this machine cannot be used (disk full, not writable).
	CodeCloneFailed = "CLONE_FAILED"
	// CodeDatabaseFailed: the database does not answer.
	CodeDatabaseFailed = "DATABASE_FAILED"
	// CodeInternal: a fault of ours; its text stays in the log.
	CodeInternal = "INTERNAL"
)

// ConnectionFailedMessage is the exact message of CodeConnectionFailed.
const ConnectionFailedMessage = "Connection test failed. Please verify your Workspace, Client ID, and Client Secret are correct."

// Class tells what to do about a fault.
type Class int

const (
	// Transient faults are retried with backoff.
	Transient Class = iota
	// Permanent faults wait for a person, a changed setting, or the next poll.
	Permanent
)

// Fault is a fault of a whole mirror. It answers three questions: what happened
// (Message), is it worth retrying (Class), what can the operator do (Remedy).
// Message and Remedy are shown to people and hold no secret and no internals;
// Err is for the log.
type Fault struct {
	Code       string
	Message    string
	Remedy     string
	Class      Class
	RetryAfter time.Duration // asked for by the remote; 0 if not
	Err        error
}

func (f *Fault) Error() string {
	if f.Err != nil {
		return f.Code + ": " + f.Message + " (" + f.Err.Error() + ")"
	}
	return f.Code + ": " + f.Message
}

func (f *Fault) Unwrap() error { return f.Err }

// AsFault finds the fault in err; any other error is an internal one, worth a retry.
func AsFault(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return &Fault{
		Code:    CodeInternal,
		Message: "An internal error stopped the run; it will be tried again.",
		Remedy:  "See the daemon's log for the cause.",
		Class:   Transient,
		Err:     err,
	}
}
