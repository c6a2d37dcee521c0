package mirror

import "github.com/confmirror/confmirror/mirror/document"

// Effect is what the planner decided for a subject.
type Effect int

const (
	// Nothing: both sides are as agreed (or both moved in form only).
	Nothing Effect = iota
	// Converge: both sides become Decision.Document.
	Converge
	// RemoveFile: the row is gone or private, the file follows, the base goes.
	RemoveFile
	// RemoveRow: the file is gone, the row is soft-deleted, the base goes.
	RemoveRow
	// Forget: both sides are gone, the base goes.
	Forget
	// Part: one side is gone and "deletions: keep" leaves the other alone.
	Part
	// Hold: what waits for a person: RemoveFile or RemoveRow, or an import that would
	// hand a server's credentials to somebody else.
	Hold
	// Refuse: a problem is recorded and nothing moves.
	Refuse
)

// Decision is the planner's answer for one subject.
type Decision struct {
	*Subject
	Effect   Effect
	Document *document.Document // Converge: what both sides become
	// Problem is recorded on the entity: why it was refused, or a missing
	// reference of a row that is exported all the same.
	Problem *document.Problem
	// RowProblem: the problem is the row's own, not the file's.
	RowProblem bool
	Conflicts  []*Conflict
	// Direction and Waits describe a held deletion.
	Direction Direction
	// Due: the refusal is planned again in every run.
	Due bool

	atTarget bool  // the refusal is about Target
	withheld bool  // git's half is imported, and Problem keeps the row's from being exported
	waits    bool  // its captured changes stay, so that it is planned again
	behind   *File // Target, when the decision does not reach it
	rebound  *rebinding
	// gaveWay is the decision whose file comes to where this one's stands: nothing is
	// forgotten before it is there.
	gaveWay *Decision

	// What follows from the above, worked out once the plan is complete.
	toRow, toFile bool
	actions       []Action
}

// Path is where the entity's file stands once the decision is carried out.
func (d *Decision) Path(l document.Layout) string {
	if d.Effect == Converge {
		return l.Path(d.Kind, d.Document.Slug)
	}
	return d.file().Path
}

// Slug names the entity in messages.
func (d *Decision) Slug() string {
	switch {
	case d.Effect == Converge:
		return d.Document.Slug
	case d.Base != nil:
		return d.Base.Slug
	case d.Row != nil:
		return d.Row.Slug
	}
	return d.File.Slug
}

// writesRow reports whether the decision changes the row.
func (d *Decision) writesRow() bool {
	switch d.Effect {
	case RemoveRow:
		return true
	case Converge:
		return !d.live() || d.Row.Problem != nil || d.Row.Slug != d.Document.Slug ||
			d.digest != d.digestOf(d.Document)
	}
	return false
}

// writesFile reports whether the decision changes the branch.
func (d *Decision) writesFile(l document.Layout) bool {
	f := d.file()
	switch d.Effect {
	case RemoveFile:
		return f.Exists()
	case Converge:
		switch {
		case !f.Exists(), f.Problem != nil, f.Path != d.Path(l):
			return true
		case f.Document != nil:
			return d.digestOf(f.Document) != d.digestOf(d.Document)
		}
		return d.Base == nil || d.Base.Digest != d.digestOf(d.Document)
	}
	return false
}

// verb names the decision in plans and commit messages.
func (d *Decision) verb(l document.Layout, direction Direction) Verb {
	switch d.Effect {
	case RemoveFile, RemoveRow:
		return VerbDelete
	case Hold:
		if d.rebound != nil {
			return VerbUpdate
		}
		return VerbDelete
	case Refuse:
		return VerbError
	}
	if len(d.Conflicts) > 0 {
		return VerbConflict
	}
	if d.writesRow() && d.writesFile(l) {
		return VerbMerge
	}
	if direction == ToGit {
		switch f := d.file(); {
		case !f.Exists():
			return VerbCreate
		case f.Path != d.Path(l):
			return VerbRename
		}
		return VerbUpdate
	}
	switch {
	case !d.live():
		return VerbCreate
	case d.Row.Slug != d.Document.Slug:
		return VerbRename
	}
	return VerbUpdate
}
