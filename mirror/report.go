package mirror

import (
	"time"

	"github.com/confmirror/confmirror/mirror/document"
)

// StateName is a mirror's state in one word.
type StateName string

const (
	StateDisconnected StateName = "disconnected"
	StatePaused       StateName = "paused"
	StateBlocked      StateName = "blocked"
	StateHeld         StateName = "held"
	StateError        StateName = "error"
	StateSyncing      StateName = "syncing"
	StateOK           StateName = "ok"
)

// Detail explains a state.
type Detail struct {
	Code    string    `json:"code"`
	Message string    `json:"message"`
	Remedy  string    `json:"remedy"`
	Since   time.Time `json:"since"`
}

// State is how the last run left the mirror: ok, blocked, held or error. (The
// other names follow from the connection and from what is going on.)
type State struct {
	Name   StateName `json:"state"`
	Detail *Detail   `json:"detail"`
	// Conditions are remarks that do not change the state.
	Conditions []Detail `json:"conditions"`
}

// Verb is what an action does, as plan and commit messages say it.
type Verb string

const (
	VerbCreate   Verb = "create"
	VerbUpdate   Verb = "update"
	VerbDelete   Verb = "delete"
	VerbRename   Verb = "rename"
	VerbMerge    Verb = "merge"
	VerbConflict Verb = "conflict"
	VerbError    Verb = "error"
)

// Action is one line of a plan or of a run's record.
type Action struct {
	Direction Direction     `json:"direction"`
	Verb      Verb          `json:"action"`
	Kind      document.Kind `json:"kind"`
	Slug      string        `json:"slug"`
	Path      string        `json:"path"`
	Detail    string        `json:"detail"`
}

// Report is what a run did; it is also the row in sync_runs.
type Report struct {
	RunID        string    `json:"run_id"`
	Trigger      string    `json:"trigger"`
	State        StateName `json:"state"`
	Exported     int       `json:"exported"`
	Imported     int       `json:"imported"`
	Deleted      int       `json:"deleted"` // both directions
	Merged       int       `json:"merged"`
	Conflicts    int       `json:"conflicts"`
	Errors       int       `json:"errors"`
	Commits      []Hash    `json:"commits"`
	SyncedCommit Hash      `json:"synced_commit"`
	StartedAt    time.Time `json:"started_at"`
	DurationMS   int64     `json:"duration_ms"`
	Detail       *Detail   `json:"detail,omitempty"`
	// Actions are the first of them; ActionsLeftOut is how many there were beside these.
	Actions        []Action `json:"actions,omitempty"`
	ActionsLeftOut int      `json:"actions_left_out,omitempty"`
	// Open is how many rows others kept locked or went on changing: they are left
	// for another run, which nothing but the caller brings about.
	Open int `json:"-"`
	// Judged is the commit that somebody else pushed and that the run looked at; "" if
	// there was none.
	Judged Hash `json:"-"`
	// EditsAgain is after how long the working tree is to be looked at again, since somebody
	// is at work there; 0: not before something happens there.
	EditsAgain time.Duration `json:"-"`
	// Settled: all that was left to do when it ended was to bring the working files along.
	Settled bool `json:"-"`
}
