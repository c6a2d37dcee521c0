package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/confmirror/confmirror/mirror/document"
)

// Hash is a git object id in 40 lower-case hexadecimal digits; "" is none.
type Hash string

// Head is what the remote says of the mirrored branch.
type Head struct {
	// Hash is the branch's commit; "" while the branch does not exist.
	Hash Hash
	// Empty: the repository has no branch at all; a first push makes ours.
	Empty bool
	// Main is the repository's main branch, where its HEAD points; "" if it does not say.
	Main string
	// Others are the commits of the other branches that were asked for, as far as they exist.
	Others map[string]Hash
}

// Entry is one entity's place in a tree: a JSON file, or a skill's directory.
type Entry struct {
	Kind document.Kind
	// Slug is the file's stem or the directory's name. It may be no valid slug:
	// a file that claims to be an entity and cannot be one is reported, not hidden.
	Slug string
	// Path is the path in the repository, prefix included.
	Path string
	// GitID identifies the content: the blob's id, or the id of a skill's tree.
	// Anything but a regular file (a directory, for skills) has "<mode>:<id>".
	// "" means that nothing stands there.
	GitID string
	// Hidden: GitID is of what stands in place of the kind's directory. No Diff names
	// the entity when that goes away.
	Hidden bool
}

// Place names an entity by kind and slug.
type Place struct {
	Kind document.Kind
	Slug string
}

// Content is what an entry holds.
type Content struct {
	Bytes []byte          // JSON kinds: the file as it is
	Files []document.File // skills: every file below the directory, sorted by path
}

// Signature is a commit's author or committer.
type Signature struct {
	Name, Email string
	When        time.Time
}

// Sight is what the branch has of an entity, as far as the clone knows.
type Sight struct {
	// Head is the branch's commit; "" while none is known.
	Head    Hash
	Entry   Entry             // GitID "": the branch has nothing of it
	Content *Content          // nil: nothing, or it cannot be read
	Problem *document.Problem // why it cannot be read
	// Commits changed it, the latest first. Older: there may be more behind them.
	Commits []Logged
	Older   bool
}

// Logged is a commit of the history.
type Logged struct {
	Hash    Hash
	Author  Signature
	Subject string // the first line of its message
}

// Edits are what somebody wrote in the working tree.
type Edits struct {
	// From is the commit that they were made on.
	From    Hash
	Changes []FileChange
	// Later: somebody is still writing; more can be told in a moment.
	Later bool
	// Blocked is what somebody's git has not ended, as "a merge": nothing is told before.
	Blocked string
}

// FileChange writes or deletes one path of a commit's tree.
type FileChange struct {
	Path string // in the repository, with slashes
	// Delete removes the file, or the directory with everything below it.
	Delete     bool
	Content    []byte
	Executable bool
	// KeepMode leaves the mode of an existing regular file as it is.
	KeepMode bool
}

// CommitSpec is one commit to make.
type CommitSpec struct {
	Message string
	Author  Signature
	// Merge, if set, is a commit that is merged first: what either side changed since their
	// latest common commit. Only the first of a build's commits may merge.
	Merge Hash
	// Theirs are paths at which Merge counts, whatever stands there otherwise. That goes for
	// a commit that is contained already, too, which makes no merge of it.
	Theirs  []string
	Changes []FileChange
}

// Built is a chain of commits that exists in the clone's object store and
// nowhere else until it is pushed.
type Built interface {
	Parent() Hash    // the head it builds on; "" for a new branch
	Head() Hash      // the last commit; equals Parent when there was nothing to commit
	Commits() []Hash // oldest first; commits that would have been empty are left out
	// At is the commit that holds the change of the i-th CommitSpec: its own, or the one
	// before it where there was nothing to commit.
	At(i int) Hash
}

// Errors of a Clone.
var (
	// ErrStale: the branch is not where the push expected it. Nothing was written; fetch and plan again.
	ErrStale = errors.New("the branch has moved")
	// ErrTooLarge: the remote takes no push of this size, or none with a file of this size.
	// Nothing was written, and less at a time may be taken. It is wrapped in a [Fault].
	ErrTooLarge = errors.New("the push is too large")
	// ErrNoCommit: the clone does not have the commit, so a comparison with it is impossible.
	ErrNoCommit = errors.New("commit not in the clone")
	// ErrDamaged: an object that must be there is missing or unreadable; Rebuild helps.
	ErrDamaged = errors.New("the clone is damaged")
)

// PathError: a commit would write what must not be written, for instance over a
// directory of people's own that stands where an entity's file belongs. Nothing was built.
type PathError struct {
	Path string // of the FileChange
	Why  string
}

func (e *PathError) Error() string { return fmt.Sprintf("path %q: %s", e.Path, e.Why) }

// MergeError: two branches changed the same files in different ways. Nothing was built.
type MergeError struct {
	Paths []string // in the repository; a directory where one side has a file there
}

func (e *MergeError) Error() string {
	return fmt.Sprintf("both sides changed %q", e.Paths)
}

// Clone is the working-tree clone of one mirror. It is a cache: deleting it at
// any moment loses nothing. One goroutine uses it at a time. Network faults and
// refusals come as *Fault.
type Clone interface {
	// Remote asks the remote for the branch's head, and for those of other branches: one
	// request, nothing is written.
	Remote(ctx context.Context, others ...string) (Head, error)
	// Fetch brings a commit that Remote named, with its history, into the clone.
	Fetch(ctx context.Context, head Hash) error
	// FetchBranch brings the commit of another branch.
	FetchBranch(ctx context.Context, branch string, head Hash) error
	// Has reports whether the clone has the commit.
	Has(ctx context.Context, commit Hash) bool
	// MergeBase is a latest commit that is in both histories; "" if there is none.
	MergeBase(ctx context.Context, a, b Hash) (Hash, error)
	// Contains reports whether ancestor is in the history of commit (or is it).
	// ErrNoCommit when either is not in the clone.
	Contains(ctx context.Context, commit, ancestor Hash) (bool, error)
	// Diff lists the entities whose content differs between two commits, as they
	// are in to (GitID "" where gone). from "" lists every entity of to.
	Diff(ctx context.Context, from, to Hash) ([]Entry, error)
	// Lookup finds entities in a commit ("" has none): one Entry for each place, in order.
	Lookup(ctx context.Context, at Hash, places []Place) ([]Entry, error)
	// Read reads an entry's content, within the limits. What is wrong with the
	// entry itself (a symlink, too large, a pointer) is a problem.
	Read(ctx context.Context, e Entry) (*Content, *document.Problem, error)
	// Build makes commits on top of parent ("" for a new branch). Committer is the daemon. A
	// *PathError says which change cannot be made, a *MergeError what cannot be merged.
	Build(ctx context.Context, parent Hash, commits []CommitSpec) (Built, error)
	// Push moves the remote branch from b.Parent() to b.Head(), or fails with
	// ErrStale or a *Fault. Any other outcome of an error leaves open whether the branch moved.
	Push(ctx context.Context, b Built) error
	// PushBranch moves another branch from old ("": there is none) to b.Head(), with the
	// outcomes of Push.
	PushBranch(ctx context.Context, branch string, old Hash, b Built) error
	// DeleteBranch deletes another branch that stands at old, with the outcomes of Push. One
	// that is gone already is ErrStale.
	DeleteBranch(ctx context.Context, branch string, old Hash) error
	// Checkout brings working files, index and the local branch to head. A file
	// that somebody changed by hand is kept aside, never overwritten unseen.
	Checkout(ctx context.Context, head Hash) error
	// Restore brings back working files of ours that are missing or were emptied, and
	// names them. It looks at every file.
	Restore(ctx context.Context) ([]string, error)
	// Edits are what somebody wrote in the working tree, has been still for so long and was
	// not told before. Files that are missing are brought back. It looks at every file.
	Edits(ctx context.Context, still time.Duration) (*Edits, error)
	// Taken tells what became of edits: those imported are in the database, and Checkout may
	// replace them; the others stay where they are, and are not told again either.
	Taken(ctx context.Context, changes []FileChange, imported func(path string) bool) error
	// Rebuild throws the clone away and starts an empty one; Fetch fills it.
	Rebuild(ctx context.Context) error
	// Close gives the clone back: locks and descriptors.
	Close() error
}
