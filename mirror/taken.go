package mirror

import "github.com/confmirror/confmirror/mirror/document"

// A person may give a whole entity to one side, whatever stands in the way. That is a
// captured change which names the side: it survives crashes, and counts until it was
// carried out. The other side's document is kept in a conflict if it was never agreed on.

// decideTaken decides an entity that a person gave to one side; nil where there is
// nothing to take and the table decides.
func (p *planner) decideTaken(d *Decision) *Decision {
	switch {
	case !d.live() || d.Taken == "":
		return nil
	case d.Taken == document.PreferDatabase:
		return p.takeRow(d)
	}
	return p.takeFile(d)
}

func (p *planner) takeRow(d *Decision) *Decision {
	if d.Row.Problem != nil {
		return d.refuseRow()
	}
	if git := d.gitChange(); git == changed && d.digestOf(d.file().Document) != d.digest {
		d.Conflicts = append(d.Conflicts, p.conflict(d.Subject, ConflictTaken, document.PreferDatabase, []string{""}))
	}
	return d.converge(d.visible)
}

func (p *planner) takeFile(d *Decision) *Decision {
	f := d.file()
	switch {
	case f.Problem != nil:
		return d.refuse(f.Problem)
	case d.slip != nil:
		return d.refuseSlip()
	case !f.Exists() && d.Base == nil:
		return nil
	case !f.Exists():
		d.Direction = ToDatabase
		return d.with(RemoveRow)
	}
	if db := d.databaseChange(); (db == changed || db == invalid) && d.visible != nil && d.digest != d.digestOf(f.Document) {
		d.Conflicts = append(d.Conflicts, p.conflict(d.Subject, ConflictTaken, document.PreferGit, []string{""}))
	}
	return d.converge(f.Document)
}
