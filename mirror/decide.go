package mirror

import (
	"cmp"

	"github.com/confmirror/confmirror/mirror/document"
)

// decide says what becomes of a subject.
func (p *planner) decide(s *Subject) *Decision {
	d := p.decideTaken(&Decision{Subject: s})
	if d == nil {
		d = p.fromTable(&Decision{Subject: s})
	}
	return p.meetTarget(d)
}

// fromTable is the decision table.
func (p *planner) fromTable(d *Decision) *Decision {
	s := d.Subject
	db, git := s.databaseChange(), s.gitChange()
	switch {
	case git == invalid:
		return p.decideInvalidFile(d, db)
	case db == invalid:
		return d.refuseRow()
	case s.Base == nil:
		return p.decideWithoutBase(d, db, git)
	case db == private:
		return p.decidePrivate(d, git)
	case db == deleted && git == deleted:
		return d.with(Forget)
	case db == deleted && git == same:
		return p.remove(d, RemoveFile, ToGit)
	case db == deleted && git == changed:
		return d.converge(s.file().Document)
	case db == same && git == same:
		return d.with(Nothing)
	case db == same && git == changed:
		return d.converge(s.file().Document)
	case db == same && git == deleted && s.slip != nil:
		return d.refuseSlip()
	case db == same && git == deleted:
		return p.remove(d, RemoveRow, ToDatabase)
	case git == same, git == deleted: // the database changed: it is exported, again if need be
		return d.converge(s.visible)
	}
	return p.mergeBoth(d)
}

func (d *Decision) with(o Effect) *Decision {
	d.Effect = o
	return d
}

func (d *Decision) converge(doc *document.Document) *Decision {
	d.Effect, d.Document = Converge, doc
	return d
}

func (d *Decision) refuse(problem *document.Problem) *Decision {
	d.Effect, d.Problem = Refuse, problem
	return d
}

func (d *Decision) refuseRow() *Decision {
	d.RowProblem = true
	return d.refuse(d.Row.Problem)
}

// refuseSlip: the file was moved and its name inside was not changed. The row stays
// live and shows why, until the new file is valid or gone.
func (d *Decision) refuseSlip() *Decision {
	d.Due = true
	return d.refuse(d.slip)
}

// decideInvalidFile: a bad file never changes the row and is not a deletion. A row
// that is edited after the file was found bad replaces it.
func (p *planner) decideInvalidFile(d *Decision, db change) *Decision {
	s := d.Subject
	f := s.file()
	d.Due = s.slipped // the deletion that it stands for is not planned without it
	if db == private && s.Base != nil {
		return p.decidePrivate(d, invalid)
	}
	if s.overrules(f, s.Left) {
		return d.converge(s.visible)
	}
	if db == invalid {
		return d.refuseRow()
	}
	return d.refuse(f.Problem)
}

// decideWithoutBase: what stands on one side only is copied, and nothing is deleted.
func (p *planner) decideWithoutBase(d *Decision, db, git change) *Decision {
	s := d.Subject
	switch {
	case db == private: // only organization-level rows are mirrored
		return d.with(Nothing)
	case db == deleted && git == deleted:
		return d.with(Nothing)
	case db == deleted:
		return d.converge(s.file().Document)
	case git == deleted:
		return d.converge(s.visible)
	}
	return p.mergeBoth(d)
}

// decidePrivate: the file leaves the branch and the row stays. What git had newer
// than the base is kept, since it is imported nowhere.
func (p *planner) decidePrivate(d *Decision, git change) *Decision {
	if git == changed {
		d.Conflicts = append(d.Conflicts, p.conflict(d.Subject, ConflictPrivate, document.PreferDatabase, nil))
	}
	if !d.file().Exists() {
		return d.with(Forget)
	}
	return d.with(RemoveFile)
}

// remove is a deletion that follows the other side's. The brake sees it later.
func (p *planner) remove(d *Decision, o Effect, direction Direction) *Decision {
	s := d.Subject
	d.Direction = direction
	if s.Left != nil && (s.Left.Reason == ReasonHeld || s.Left.Reason == ReasonDeclined) && s.Left.Verdict == Discarded {
		// A person undoes it from the side that still has the entity.
		if direction == ToGit {
			return d.converge(s.documentAtBase())
		}
		return d.converge(s.visible)
	}
	if p.Rules.KeepDeleted || s.Base.Parted {
		if s.Edited && direction == ToDatabase {
			return d.converge(s.visible) // the remaining side was saved again
		}
		return d.with(Part)
	}
	return d.with(o)
}

// prefer is the side that wins a place which both changed.
func (p *planner) prefer(s *Subject) document.Policy { return cmp.Or(s.Prefer, p.Policy) }

// mergeBoth joins two changed documents place by place.
func (p *planner) mergeBoth(d *Decision) *Decision {
	s := d.Subject
	mine, theirs := s.visible, s.file().Document
	if s.digest == s.digestOf(theirs) {
		return d.converge(theirs)
	}
	if s.Replaced {
		return p.whole(d, ConflictReplaced, []string{""})
	}
	var base *document.Document
	if s.Base != nil {
		base = s.baseDocument()
	}
	merged, lost := document.Merge(base, mine, theirs, p.prefer(s))
	if merged.Validate(p.Rules.Limits) != nil {
		return p.whole(d, ConflictInvalidMerge, []string{""})
	}
	if len(lost) > 0 {
		d.Conflicts = append(d.Conflicts, p.conflict(s, ConflictBothChanged, p.prefer(s), lost))
	}
	return d.converge(merged)
}

// whole lets one side win entirely and keeps the other.
func (p *planner) whole(d *Decision, reason ConflictReason, places []string) *Decision {
	s := d.Subject
	d.Conflicts = append(d.Conflicts, p.conflict(s, reason, p.prefer(s), places))
	if p.prefer(s) == document.PreferDatabase {
		return d.converge(s.visible)
	}
	return d.converge(s.file().Document)
}
