package daemon_test

import (
	"maps"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// The reference model: what a kind's entities become when both sides were edited
// and nobody knows when, how often and with what luck the daemon ran. It is written
// from the decision table and knows nothing of the daemon's own code.

// agreed is what both sides last agreed on for one entity.
type agreed struct {
	row    string
	doc    doc
	text   string // of the file
	parted bool   // one side was deleted, and "deletions: keep" left the other
	// slipped: the file was moved and its slug left as it was, so that it is refused.
	slipped bool
}

// known is a bad file that was found and recorded.
type known struct {
	text string
	doc  doc // the row's at that time
}

// kept is a conflict.
type kept struct {
	reason        mirror.ConflictReason
	decided       document.Policy
	database, git doc
	maybe         bool // it depends on what the brake held
}

// reference is one kind's entities at rest.
type reference struct {
	policy document.Policy
	keep   bool
	list   string // the key that is a set

	bases map[string]*agreed // by slug of the path
	bad   map[string]known   // likewise
	// secrets are values whose entries left their rows, by row, name and target.
	secrets map[string]string

	// What the last settle expects.
	rows      map[string]*row  // by id; a new one by "new " and its slug
	files     map[string]*file // by slug
	conflicts []kept
	errors    map[string]bool // rows with an error
	rejected  map[string]bool // slugs of bad files without a row
	// loose says why the outcome is not certain; "" when it is.
	loose string
}

func newReference(k *modelKind, policy document.Policy, keep bool) *reference {
	return &reference{policy: policy, keep: keep, list: k.list, bases: map[string]*agreed{}, bad: map[string]known{}, secrets: map[string]string{}}
}

// entity is one entity's three sides.
type entity struct {
	slug     string  // of the path
	base     *agreed // nil: never agreed on
	row      *row    // nil: none, or gone for good
	file     *file   // nil: none
	replaced bool    // the base is another row's
	moved    bool    // the file was found elsewhere: git renamed it
	slip     bool    // ... and it is bad there
	edited   bool

	conflicts []kept
}

// settle lets the model come to rest after edits: rows and files as they are now, the
// rows that were written, and whether the branch lost what was settled.
func (m *reference) settle(rows []*row, files map[string]*file, touched map[string]bool, rewritten bool) {
	m.rows, m.files, m.conflicts, m.loose = map[string]*row{}, map[string]*file{}, nil, ""
	m.errors, m.rejected = map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		m.rows[r.id] = r.clone()
	}
	entities := m.join(rows, files)
	entities = m.pairRenames(entities, files)
	bases, bad := m.bases, m.bad
	m.bases, m.bad = map[string]*agreed{}, map[string]known{}
	for _, e := range entities {
		e.edited = e.row != nil && touched[e.row.id]
		before := (*row)(nil)
		if e.row.live() {
			before = m.rows[e.row.id].clone()
		}
		m.decide(e, bases, bad)
		if before == nil || !rewritten || len(e.conflicts) > 0 {
			m.conflicts = append(m.conflicts, e.conflicts...)
			continue
		}
		// What an import or a deletion replaces after a rewrite is kept.
		if after := m.rows[before.id]; after.deleted || !after.doc.equal(before.doc) {
			m.conflicts = append(m.conflicts, kept{mirror.ConflictHistoryRewritten, document.PreferGit, before.doc, e.gitDoc(), after.deleted})
		}
	}
	m.oneRowEach()
}

// oneRowEach: a slug that two live rows would have is nobody's to decide here.
func (m *reference) oneRowEach() {
	taken := map[string]bool{}
	for _, r := range m.rows {
		if r.live() && taken[r.slug] {
			m.unsure("two rows end at " + r.slug)
		}
		taken[r.slug] = taken[r.slug] || r.live()
	}
}

func (e *entity) gitDoc() doc {
	if e.file.valid() {
		return e.file.doc
	}
	return nil
}

// join matches bases, rows and files.
func (m *reference) join(rows []*row, files map[string]*file) []*entity {
	byID, at, bySlug := map[string]*row{}, map[string]*entity{}, map[string]*row{}
	for _, r := range rows {
		byID[r.id] = r
		if r.live() {
			bySlug[r.slug] = r
		}
	}
	var entities []*entity
	hasBase := map[string]bool{}
	for _, slug := range slices.Sorted(maps.Keys(m.bases)) {
		base := m.bases[slug]
		hasBase[base.row] = true
		e := &entity{slug: slug, base: base, row: byID[base.row], file: files[slug]}
		entities, at[slug] = append(entities, e), e
	}
	for _, r := range rows {
		if !r.live() || hasBase[r.id] {
			continue
		}
		e := at[r.slug]
		switch {
		case e == nil:
			e = &entity{slug: r.slug, row: r, file: files[r.slug]}
			entities, at[r.slug] = append(entities, e), e
		case !e.row.live():
			e.row, e.replaced = r, true
		default: // the file goes with its own row, to another slug
			entities = append(entities, &entity{slug: r.slug, row: r})
			if !e.file.valid() && e.file != nil {
				m.unsure("a row was made where a renamed row's bad file stands")
			}
		}
	}
	for _, slug := range slices.Sorted(maps.Keys(files)) {
		if at[slug] != nil {
			continue
		}
		e := &entity{slug: slug, file: files[slug]}
		if r := bySlug[slug]; r != nil {
			e.row = r // its base is elsewhere: it was renamed to where the file is
		} else {
			for _, r := range rows {
				if !r.deleted || r.private || r.slug != slug {
					continue
				}
				if hasBase[r.id] {
					m.unsure("a file was added at the slug that a row took before it was deleted")
				}
				e.row = r // the latest is the last
			}
		}
		entities = append(entities, e)
	}
	return entities
}

func (m *reference) unsure(why string) {
	if m.loose == "" {
		m.loose = why
	}
}

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
		m.bases[e.slug] = &agreed{row: e.row.id, doc: e.base.doc, text: e.file.text, parted: e.base.parted}
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

// converge brings both sides to a document.
func (m *reference) converge(e *entity, d doc) {
	slug := d["slug"]
	if e.row == nil {
		e.row = &row{id: "new " + slug}
		m.rows[e.row.id] = e.row
	}
	r := m.rows[e.row.id]
	if r.deleted || !r.doc.equal(d) {
		m.moveSecrets(r, d)
	}
	r.slug, r.doc, r.deleted = slug, d.clone(), false
	if m.bases[slug] != nil || m.files[slug] != nil {
		m.unsure("two entities end at " + slug)
	}
	m.bases[slug] = &agreed{row: r.id, doc: r.doc}
	m.files[slug] = &file{doc: r.doc}
}

// moveSecrets gives a row the secrets of the document that is imported into it. Values
// that it has no entry for are kept, and return with the entry; they serve one target only.
func (m *reference) moveSecrets(r *row, d doc) {
	had := r.secrets
	if r.deleted && target(r.doc) != target(d) {
		had = map[string]string{}
	}
	now := map[string]string{}
	for key, text := range d {
		name, isEntry := strings.CutPrefix(key, "env.")
		if !isEntry || text != "secret" {
			continue
		}
		now[name] = had[name]
		if kept := r.id + " " + name + " " + target(d); now[name] == "" {
			now[name] = m.secrets[kept]
			delete(m.secrets, kept)
		}
	}
	for name, value := range r.secrets {
		if now[name] == "" {
			m.secrets[r.id+" "+name+" "+target(r.doc)] = value
		}
	}
	r.secrets = now
}

// target is who gets a server's secrets.
func target(d doc) string { return d["type"] + " " + d["url"] }

// stay leaves a file where it is.
func (m *reference) stay(slug string, f *file) {
	if m.files[slug] != nil {
		m.unsure("two entities end at " + slug)
	}
	m.files[slug] = f
}

// refuse: a bad file stays, and the row stays as it is.
func (m *reference) refuse(e *entity) {
	m.stay(e.slug, e.file)
	k := known{text: e.file.text}
	if e.row != nil {
		k.doc = e.row.doc
	}
	m.bad[e.slug] = k
	if e.base != nil {
		if m.bases[e.slug] != nil {
			m.unsure("two entities end at " + e.slug)
		}
		m.bases[e.slug] = e.base
	}
	if e.row.live() {
		m.errors[e.row.id] = true
	} else {
		m.rejected[e.slug] = true
	}
}

// part leaves what is left of a pair alone.
func (m *reference) part(e *entity) {
	base := *e.base
	base.parted = true
	if e.file != nil {
		m.stay(e.slug, e.file)
	}
	if m.bases[e.slug] != nil {
		m.unsure("two entities end at " + e.slug)
	}
	m.bases[e.slug] = &base
}
