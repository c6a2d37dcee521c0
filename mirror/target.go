package mirror

import "github.com/confmirror/confmirror/mirror/document"

// A renamed row's new place may be taken already: a file stands there that nothing was
// agreed on. It is somebody's work, and part of the row's decision.

// meetTarget joins a decision with the file at the row's new place. A file that the
// decision does not reach is left open: the row may be gone before its turn comes.
func (p *planner) meetTarget(d *Decision) *Decision {
	t := d.Target
	switch {
	case t == nil || !t.Exists():
		return d
	case d.Effect != Converge || d.Path(p.Layout) != t.Path:
		d.behind = t
		return d
	case t.Problem != nil && d.Taken != document.PreferDatabase && !d.overrules(t, d.TargetLeft):
		d.atTarget = true
		return d.refuse(t.Problem)
	case t.Problem != nil || d.digestOf(t.Document) == d.digestOf(d.Document):
		return d
	}
	c := p.conflict(d.Subject, ConflictReplaced, p.Policy, nil)
	c.Git, c.GitID = t.Document, t.GitID
	merged, lost := document.Merge(nil, d.Document, t.Document, p.Policy)
	c.Places = lost
	switch {
	case merged.Validate(p.Rules.Limits) != nil:
		c.Reason, c.Places = ConflictInvalidMerge, []string{""}
		if merged = d.Document; p.Policy == document.PreferGit {
			merged = t.Document
		}
	case len(lost) == 0:
		return d.converge(merged)
	}
	d.Conflicts = append(d.Conflicts, c)
	return d.converge(merged)
}

// oneRowToASlug finds the rows that would take a slug which another live row keeps or is
// given. A row that is given it in this plan wins, and what cannot come back beside it is
// kept in a conflict; one that keeps it because its own decision was refused or held has
// to move first.
func (p *planner) oneRowToASlug() {
	holders := map[Place]*Decision{}
	for _, d := range p.decisions {
		switch {
		case !d.live() || d.Effect == RemoveRow:
		case d.Effect != Converge:
			holders[Place{d.Kind, d.Row.Slug}] = d
		case holders[Place{d.Kind, d.Document.Slug}] == nil:
			holders[Place{d.Kind, d.Document.Slug}] = d
		}
	}
	for _, d := range p.decisions {
		if d.Effect != Converge || !d.writesRow() {
			continue
		}
		switch holder := holders[Place{d.Kind, d.Document.Slug}]; {
		case holder == nil || holder == d:
		case holder.Effect == Converge && !d.live():
			c := p.conflict(d.Subject, ConflictReplaced, document.PreferDatabase, []string{""})
			c.Git = d.Document
			d.Conflicts, d.Document, d.gaveWay = []*Conflict{c}, nil, holder
			if d.with(Nothing); d.Base != nil {
				d.with(Forget)
			}
		case holder.Effect != Converge:
			d.refuse(document.Invalid("its slug is taken by another row, which has to move first"))
			d.Document, d.Conflicts, d.rebound, d.Due = nil, nil, nil, true
		}
	}
}

// keepOut refuses the exports to paths where another entity's file stays, whose own
// decision was refused or held: it is not ours to overwrite, not even by a renamed row.
// They are planned again until the place is free. A refused one stays where it is, so
// that whoever wanted its place is refused as well. What only stays because deletions
// are kept gives way: it is as it was agreed.
func (p *planner) keepOut() {
	for again := true; again; {
		again = false
		stays := map[Key]*Decision{}
		for _, d := range p.decisions {
			if f := d.file(); f.Exists() && (d.Effect == Refuse || d.Effect == Hold || d.Effect == Part) {
				stays[Key{d.Kind, f.Path}] = d
			}
		}
		for _, d := range p.decisions {
			if d.Effect != Converge {
				continue
			}
			switch other := stays[Key{d.Kind, d.Path(p.Layout)}]; {
			case other == nil || other.file() == d.file() || other.file() == d.Target:
			case other.Effect == Part:
				other.with(Forget).gaveWay = d
			default:
				d.refuse(document.Invalid("its place %s is taken by another entity's file, which has to go first", other.file().Path))
				d.Document, d.Conflicts, d.rebound = nil, nil, nil
				// A row without base has no place to be left open at but that one.
				d.Due, d.waits, d.RowProblem = d.Base != nil, d.Base == nil, d.Base == nil
				again = true
			}
		}
	}
}

// overrules reports whether the row was edited after the bad file had been found: then
// its document replaces the file.
func (s *Subject) overrules(bad *File, left *Unsettled) bool {
	if !left.found(bad) {
		return false
	}
	db := s.databaseChange()
	return (db == same || db == changed) && (s.Edited || s.digest != left.Digest)
}

// found reports whether it is left open because the file is bad.
func (u *Unsettled) found(bad *File) bool {
	return u != nil && u.Reason == ReasonInvalid && bad.Exists() && u.GitID == bad.GitID
}

// bad is the file that a refusal is about.
func (d *Decision) bad() *File {
	if d.atTarget {
		return d.Target
	}
	return d.file()
}

// unreached are the files that the decision concerns beside the one at its base's
// path: what a round that did not carry it out must not forget.
func (d *Decision) unreached() []*File {
	var files []*File
	if d.move != nil {
		files = append(files, d.move)
	}
	if t := d.Target; t != nil && t.Exists() {
		files = append(files, t)
	}
	return files
}
