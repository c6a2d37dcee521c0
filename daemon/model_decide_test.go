package daemon_test

import (
	"slices"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// side is how one side stands against the base.
type side int

const (
	sameSide side = iota
	changedSide
	invalidSide
	deletedSide
	privateSide
)

func (e *entity) database() side {
	switch {
	case e.row == nil || e.row.deleted:
		return deletedSide
	case e.row.private:
		return privateSide
	case e.base != nil && !e.replaced && e.row.doc.equal(e.base.doc):
		return sameSide
	}
	return changedSide
}

func (e *entity) git() side {
	switch {
	case e.file == nil:
		return deletedSide
	case e.file.bad:
		return invalidSide
	case e.base != nil && e.file.doc.equal(e.base.doc):
		return sameSide // perhaps in another form
	}
	return changedSide
}

// decide is the decision table.
func (m *reference) decide(e *entity, bases map[string]*agreed, bad map[string]known) {
	db, git := e.database(), e.git()
	switch {
	case db == privateSide: // the file goes, the row stays
		if e.file != nil && e.base != nil && e.base.parted {
			m.unsure("a row was made private that had no file, and a file came there")
		}
		if git == changedSide {
			e.conflicts = append(e.conflicts, kept{mirror.ConflictPrivate, document.PreferDatabase, e.row.doc, e.file.doc, false})
		}
	case git == invalidSide:
		was, found := bad[e.slug]
		found = found && was.text == e.file.text
		if found && (db == sameSide || db == changedSide) && (e.edited || !e.row.doc.equal(was.doc)) {
			m.converge(e, e.row.doc)
			return
		}
		m.refuse(e)
	case e.base == nil && db == deletedSide: // and the file is good
		m.converge(e, e.file.doc)
	case e.base == nil && git == deletedSide:
		m.converge(e, e.row.doc)
	case db == deletedSide && git == deletedSide:
	case db == deletedSide && git == sameSide:
		if m.keep {
			m.part(e)
		}
	case db == deletedSide:
		m.converge(e, e.file.doc)
	case db == sameSide && git == sameSide:
		m.bases[e.slug] = &agreed{row: e.row.id, doc: e.base.doc, parted: e.base.parted}
		m.files[e.slug] = e.file
	case db == sameSide && git == changedSide:
		m.converge(e, e.file.doc)
	case db == sameSide && e.slip:
		m.bases[e.slug] = e.base
		e.base.slipped = true
		m.errors[e.row.id] = true
		if e.edited {
			m.unsure("a row was saved while its file stands elsewhere under a wrong slug")
		}
	case db == sameSide: // and git deleted it
		switch {
		case m.keep && e.edited && e.base.parted:
			m.converge(e, e.row.doc)
		case m.keep && e.edited:
			m.unsure("a row was saved and its file deleted, and deletions are kept")
		case m.keep:
			m.part(e)
		default:
			m.rows[e.row.id].deleted = true
		}
	case git == sameSide || git == deletedSide:
		m.converge(e, e.row.doc)
	case e.row.doc.equal(e.file.doc):
		m.converge(e, e.row.doc)
	case e.replaced:
		e.conflicts = append(e.conflicts, kept{mirror.ConflictReplaced, m.policy, e.row.doc, e.file.doc, false})
		if m.policy == document.PreferDatabase {
			m.converge(e, e.row.doc)
		} else {
			m.converge(e, e.file.doc)
		}
	default:
		base := doc{}
		if e.base != nil {
			base = e.base.doc
		}
		merged, lost := m.merge(base, e.row.doc, e.file.doc)
		if lost {
			e.conflicts = append(e.conflicts, kept{mirror.ConflictBothChanged, m.policy, e.row.doc, e.file.doc, false})
		}
		m.converge(e, merged)
	}
}

// merge joins two changed documents place by place.
func (m *reference) merge(base, db, git doc) (merged doc, lost bool) {
	merged = doc{}
	for _, side := range []doc{base, db, git} {
		for key := range side {
			b, d, g := base[key], db[key], git[key]
			text := d
			switch {
			case d == g || g == b:
			case d == b:
				text = g
			case key == m.list:
				text = listText(mergeSet(base.list(key), db.list(key), git.list(key)))
			default:
				lost = true
				if m.policy == document.PreferGit {
					text = g
				}
			}
			merged = merged.with(key, text)
		}
	}
	return merged, lost
}

// mergeSet is git's order, then what the database added; what either removed is gone.
func mergeSet(base, db, git []string) []string {
	var merged []string
	for _, e := range git {
		if !slices.Contains(base, e) || slices.Contains(db, e) {
			merged = append(merged, e)
		}
	}
	for _, e := range db {
		if !slices.Contains(base, e) && !slices.Contains(git, e) {
			merged = append(merged, e)
		}
	}
	return merged
}
