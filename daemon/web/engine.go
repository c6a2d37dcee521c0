package web

import (
	"context"
	"errors"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// Engine is the running daemon as its HTTP side needs it.
type Engine interface {
	// Nudge says "look at this mirror"; it never blocks.
	Nudge(organizationID, trigger string)
	// Delivered hears of each webhook delivery, before the nudges that come of it; it never blocks.
	Delivered(organizationIDs []string, d Delivery)
	// Sync runs the mirror now and waits for a run that covers every edit committed
	// before the call, whichever daemon carries it out. A run that ended blocked
	// or with a fault is a report with its Detail, not an error.
	Sync(ctx context.Context, organizationID string) (*mirror.Report, error)
	// Plan is what a run would do now; nothing is written.
	Plan(ctx context.Context, organizationID string) ([]mirror.Action, error)
	// Look tells what the branch has of an entity and which commits changed it, at most that
	// many, by the clone as it is: nobody is asked and no run is waited for. Errors: ErrNoClone,
	// ErrCloneBusy.
	Look(ctx context.Context, organizationID string, at mirror.Place, most int) (*mirror.Sight, error)
	// Test tries a connection of an organization step by step, without changing anything
	// in the repository.
	Test(ctx context.Context, o *db.Organization, s mirror.Settings) TestResult
	// Running reports whether a run is under way in this daemon.
	Running(organizationID string) bool
	// Reconnected: the connection's settings were changed or removed.
	Reconnected(organizationID string)
	// Conditions are what a person should know of this daemon although it works.
	Conditions() []mirror.Detail
	// Diagnose adds to a mirror's conditions what this daemon can say of it, and Conditions.
	Diagnose(st *db.Status)
	// Stalled is how many of this daemon's mirrors are stalled.
	Stalled() int
	// Alive reports whether the daemon gets on; it may block where it does not.
	Alive() bool
	// Events subscribes to what happens; the channel is closed by cancel, and a
	// subscriber that does not keep up misses events.
	Events() (events <-chan Event, cancel func())
}

// ErrNoClone: this daemon has no clone of the repository open.
var ErrNoClone = errors.New("web: no clone of the repository is open here")

// ErrCloneBusy: a run works with the clone right now.
var ErrCloneBusy = errors.New("web: a run works with the clone")

// Delivery is a webhook's delivery.
type Delivery struct {
	Event   string     // the event's key
	Refused db.Refusal // "": it was accepted
}

// Event is one message of GET /api/v1/events.
type Event struct {
	// Type is "run.started", "run.progress", "run.finished", "state" or "entity".
	Type         string `json:"type"`
	Organization string `json:"organization"`
	Data         any    `json:"data,omitempty"`
}

// TestResult is the answer of a connection test.
type TestResult struct {
	OK bool `json:"ok"`
	// Code and Message are those of the first step that failed; "" when none did.
	Code    string     `json:"code"`
	Message string     `json:"message"`
	Steps   []TestStep `json:"steps"`
}

// TestStep is one step of a connection test. One that is ok and has a remedy works, and has
// something that should be mended.
type TestStep struct {
	Name    string `json:"name"` // "dns", "tls", "token", "repository", "branch", "write" and so on
	OK      bool   `json:"ok"`
	Skipped bool   `json:"skipped,omitempty"` // not tried: what it needs failed
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}
