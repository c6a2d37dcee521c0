package mirror

import (
	"context"
	"errors"

	"github.com/confmirror/confmirror/mirror/document"
)

// Key names a base, an unsettled entity or a rejected file: a kind and a path in
// the repository, prefix included.
type Key struct {
	Kind document.Kind
	Path string
}

// RowKey names a row: an id is unique within its own table only.
type RowKey struct {
	Kind document.Kind
	ID   string
}

// Row is one entity as the database holds it.
type Row struct {
	Kind      document.Kind
	ID        string
	Slug      string
	Private   bool // owner_id is set: never exported, never imported into
	Deleted   bool // soft-deleted
	UpdatedBy string
	// Document is the file form (secrets excluded); nil when Problem says why not.
	Document *document.Document
	Problem  *document.Problem
	// Draft is what the file form would be of a row with a problem; nil where the row
	// cannot even be read, and for rows without one.
	Draft *document.Document
	// Guard identifies the complete stored content, secrets included. Only the
	// store computes and compares it.
	Guard string
	// Credentials: the row of an MCP server holds secret entries or auth.
	Credentials bool
	Integration GitIntegration
	// Stored is the store's own: what it read, secrets included, for an Import that finds
	// the row untouched.
	Stored any `json:"-"`
}

// Base is what both sides last agreed on for one entity.
type Base struct {
	Key
	RowID string
	Slug  string
	// GitID is the Entry.GitID that was agreed.
	GitID  string
	Digest document.Digest
	// UnknownKeys are the top-level keys of the agreed file that the kind does not define.
	UnknownKeys []string
	// Content is the agreed content; nil until Store.Contents loaded it.
	Content *Content
	// Parted: one side was deleted under "deletions: keep"; nothing moves or
	// counts until the remaining side is edited or removed.
	Parted bool
}

// Change is one captured write to a row.
type Change struct {
	ID    int64
	Kind  document.Kind
	RowID string // "": the whole kind (TRUNCATE)
	// SlugBefore and SlugAfter are "" for an insert and a delete respectively.
	SlugBefore, SlugAfter string
	// Named: the write named updated_by, so its value is this edit's author.
	Named bool
	// Take: a person gave the whole entity to this side; "" for an ordinary write.
	Take document.Policy
}

// Intent is what a push makes agreed, written before the push.
type Intent struct {
	ID      int64
	Ref     string
	Commit  Hash // which of the push's commits holds the entity's change
	Deleted bool // the push deletes what stands at the path
	Base         // what becomes the base if not Deleted
}

// Reason says why an entity was left open by a run.
type Reason string

const (
	// ReasonInvalid: the file or the row has a problem. Open until one of them changes,
	// or until what WaitsFor names appears.
	ReasonInvalid Reason = "invalid"
	// ReasonRaced: a row was locked or edited while it was imported. Always due.
	ReasonRaced Reason = "raced"
	// ReasonHeld: a deletion that the brake holds.
	ReasonHeld Reason = "held"
	// ReasonRebind: an import that would hand credentials to another target, held.
	ReasonRebind Reason = "rebind"
	// ReasonBehind: a file at a renamed row's new place, which is planned with the row.
	ReasonBehind Reason = "behind"
	// ReasonBlocked: the remote refused the push for good. Always due.
	ReasonBlocked Reason = "blocked"
	// ReasonDeclined: people declined the pull request with the row's change.
	ReasonDeclined Reason = "declined"
)

// Direction is where an action writes.
type Direction string

const (
	ToGit      Direction = "to_git"
	ToDatabase Direction = "to_database"
)

// Verdict is what a person decided on a held deletion.
type Verdict string

const (
	Undecided Verdict = ""
	Approved  Verdict = "approved"
	Discarded Verdict = "discarded"
)

// Unsettled is an entity that a run left open: nothing open is forgotten when
// the cursor moves.
type Unsettled struct {
	Key
	RowID  string
	Slug   string
	Reason Reason
	// WaitsFor are the slugs of MCP servers whose change makes it due.
	WaitsFor []string
	// Due: planned in the next run whatever happens.
	Due bool
	// Digest and GitID are what the two sides were when it was left open.
	Digest    document.Digest
	GitID     string
	Direction Direction
	Verdict   Verdict
}

// Query asks for the database's side of a run.
type Query struct {
	// Preview: nothing will come of it, so the mirror need not be connected yet.
	Preview bool
	// Limit is about how many captured changes are wanted, the oldest ones; 0 is all.
	Limit int
	// Entries are what differs in git: the bases at their paths, the rows of those
	// bases, and the rows (soft-deleted ones too) at their slugs are loaded.
	Entries []Entry
	// Servers are slugs of MCP servers that may come, go, or offer other tools.
	Servers []string
	// Rows are to be looked at though nothing says that they changed.
	Rows []RowKey
	// Open asks for every unsettled entity.
	Open bool
	// Proposals asks for what waits on the proposal branch.
	Proposals bool
}

// Pair is a live organization-level row, without what it holds, and its base.
type Pair struct {
	Row  *Row  // nil: there is none, any more
	Base *Base // nil: nothing was agreed on
}

// Observation is the database's side, read in one snapshot. It holds
//
//   - the captured changes, and every outstanding intent for the branch, with those for the
//     proposal branch if the query is for them;
//   - the unsettled entities that are due, that stand at a path or belong to a row
//     which a change, an entry or an intent names, or that wait for one of the query's
//     servers (all of them if the query is for that);
//   - the toolkits that name one of these servers, or a server, command or skill whose
//     slug a change or an entry says was given up;
//   - the rows of all these (by id, and by slug: a soft-deleted organization-level
//     row too, the latest one last), the bases of these rows, the bases at the paths
//     of these rows, entries, intents and unsettled entities, and those bases' rows.
//
// A base's row that is missing here is gone for good.
type Observation struct {
	Changes []Change
	// Waiting counts the captured changes beyond Query.Limit; of very many the first ones.
	Waiting   int
	Rows      []*Row
	Bases     []*Base
	Intents   []*Intent
	Unsettled []*Unsettled
	// Mirrored is the number of bases; LargestMirrored the largest within the last hour.
	// Counting reads them all: Mirrored says no more than whether there are any (1), until
	// Store.Mirrored has counted.
	Mirrored, LargestMirrored int
	// Deleted counts the deletions settled within the last hour; Held those that wait for a person.
	Deleted, Held map[Direction]int
	// HeldRebinds counts the imports that wait for a person, Declined the changes that
	// people did not want on the branch.
	HeldRebinds, Declined int
	// Requested is Mirror.Requested in this snapshot.
	Requested int64
}

// CountMirrored takes the number of bases.
func (o *Observation) CountMirrored(n int) {
	o.Mirrored, o.LargestMirrored = n, max(o.LargestMirrored, n)
}

// RowStatus writes a row's git_integration.
type RowStatus struct {
	Kind        document.Kind
	RowID       string
	Integration GitIntegration
}

// RejectedFile is a file with an error and no entity.
type RejectedFile struct {
	Key
	Slug  string
	GitID string
	Error EntityError
}

// Event is something that happened to a mirror and that people may want to know later.
type Event struct {
	Code    string
	Message string
}

// Codes of events.
const (
	// EventHistoryRewritten: the branch does not contain what was settled last.
	EventHistoryRewritten = "HISTORY_REWRITTEN"
	// EventRebound: an import pointed an MCP server with credentials at another target.
	EventRebound = "CREDENTIALS_REBOUND"
)

// Settlement is all that a run remembers, written in one transaction.
type Settlement struct {
	Cursor Hash
	// ImportedFrom is what Mirror.ImportedFrom becomes: not empty where the run goes on.
	ImportedFrom []Hash
	RemoteSeen   Hash
	Bases        []*Base
	DropBases    []Key
	Consumed     []int64
	// Requeued are rows to be planned again as if they had been written just now.
	Requeued []Change
	// Offered are the documents of rows that are proposed, as bases that they may become:
	// what rows say of themselves follows them already.
	Offered []*Base
	// DropIntents: a push from the observed head has won (or an intent was found to
	// be the base), so these intents are history.
	DropIntents []int64
	Unsettled   []*Unsettled
	Settled     []Key // no longer unsettled
	Statuses    []RowStatus
	Rejected    []*RejectedFile
	Accepted    []Key // no longer rejected
	// Deleted counts the deletions on the branch, for the brake; those in the database
	// were counted with their import.
	Deleted   int
	Events    []Event
	State     State
	Proposed  Proposed
	PlannedBy string
	// Run is recorded when not nil.
	Run *Report
	// Covered answers every request up to this number.
	Covered int64
}

// Errors of a Store.
var (
	// ErrLeaseLost: another daemon holds the mirror now; nothing was written.
	ErrLeaseLost = errors.New("the mirror's lease went to another daemon")
	// ErrNoMirror: the organization has no connection.
	ErrNoMirror = errors.New("no such mirror")
)

// Store is the database. Every method is one transaction, or none.
type Store interface {
	// Mirror loads a mirror.
	Mirror(ctx context.Context, organizationID string) (*Mirror, error)
	// Identify stores what a connection was resolved to. Another identity than the
	// stored one forgets the cursor; bases are kept for each identity.
	Identify(ctx context.Context, m *Mirror, identity Identity, repository Repository) error
	// Observe reads the database's side.
	Observe(ctx context.Context, m *Mirror, q Query) (*Observation, error)
	// Pairs lists a kind's live organization-level rows, without their documents, and bases.
	Pairs(ctx context.Context, m *Mirror, k document.Kind) ([]Pair, error)
	// Rows reads those of a kind with these ids that are still there, by id.
	Rows(ctx context.Context, m *Mirror, k document.Kind, ids []string) (map[string]*Row, error)
	// Mirrored counts the bases.
	Mirrored(ctx context.Context, m *Mirror) (int, error)
	// Contents fills Base.Content.
	Contents(ctx context.Context, m *Mirror, bases []*Base) error
	// Servers tells of the organization-level MCP servers with these slugs; absent ones are left out.
	Servers(ctx context.Context, m *Mirror, slugs []string) (map[string]document.Server, error)
	// Import writes rows, in the order given, and their bases in one transaction; one
	// Outcome for each. Slugs may be swapped among the rows of one import. Deletions,
	// conflicts and events are remembered with it, whatever becomes of the run.
	//
	// head is the commit that the import was planned against. It stays in
	// Mirror.ImportedFrom until a settle, since until then the bases are ahead of the
	// cursor. ErrLeaseLost, with nothing written, as from Settle.
	Import(ctx context.Context, m *Mirror, head Hash, runID string, changes []*RowChange) ([]Outcome, error)
	// Intend writes intents and conflicts before a push: ErrLeaseLost as from Settle.
	Intend(ctx context.Context, m *Mirror, runID string, intents []*Intent, conflicts []*Conflict) error
	// Settle ends a run: ErrLeaseLost when the epoch is not the mirror's any more.
	Settle(ctx context.Context, m *Mirror, s *Settlement) error
}
