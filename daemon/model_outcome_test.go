package daemon_test

import "strings"

// What a decision makes of the reference's rows, files and bases.

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
