package daemon_test

import (
	"maps"
	"slices"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// The reference model: what a kind's entities become when both sides were edited
// and nobody knows when, how often and with what luck the daemon ran. It is written
// from the decision table and knows nothing of the daemon's own code.

// agreed is what both sides last agreed on for one entity.
type agreed struct {
	row    string // its id
	doc    doc
	parted bool // one side was deleted, and "deletions: keep" left the other
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
	maybe         bool // it depends on what the brake held, or on what earlier phases left
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
	slip     bool    // git moved the file, and it is bad where it is now
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
		// What an import or a deletion replaces after a rewrite is kept, and what stays in
		// the database only because deletions are kept.
		after, parted := m.rows[before.id], e.file == nil && m.bases[e.slug] != nil && m.bases[e.slug].parted
		if after.deleted || !after.doc.equal(before.doc) || parted {
			maybe := after.deleted || parted // which no run may look at, or which is kept since it was parted before
			m.conflicts = append(m.conflicts, kept{mirror.ConflictHistoryRewritten, document.PreferGit, before.doc, e.gitDoc(), maybe})
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
		if e.row.live() && e.row.slug != slug && m.bases[e.row.slug] != nil && files[e.row.slug].valid() && files[e.row.slug].doc.equal(e.row.doc) {
			m.unsure("git made another one's file what a push of a renamed row would have made it")
		}
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
