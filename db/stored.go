package db

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// storedRow is a row read: its document in stored form, secrets included.
type storedRow struct {
	record   record
	kind     document.Kind
	document *document.Document
	// problem: a column holds what cannot even be read.
	problem *document.Problem
	guard   string
}

// readRow reads a record. The guard is computed on the way: over all that an
// import would write, and all that decides whether it may.
func readRow(k document.Kind, r record) *storedRow {
	s := &storedRow{record: r, kind: k}
	e := r.entity()
	sum := guards.Get().(*guard)
	defer sum.giveBack()
	fields := map[string]any{"slug": e.Slug}
	for _, c := range r.cells() {
		value, problem := c.value()
		s.refuse(problem)
		sum.note(c.column, value, problem != nil, c.at)
		if value != nil {
			fields[c.column] = value
		}
	}
	extra, problem := cell{"extra", &e.Extra}.value()
	s.refuse(problem)
	sum.note("extra", extra, problem != nil, &e.Extra)
	switch extra := extra.(type) {
	case nil:
	case map[string]any:
		unknown := document.Document{Kind: k, Fields: extra}
		for _, key := range unknown.UnknownKeys() {
			fields[key] = extra[key]
		}
	default:
		s.refuse(document.Invalid("extra: must be an object"))
	}
	for _, c := range r.secrets() {
		value, problem := c.value() // not the document's problem
		sum.note(c.column, value, problem != nil, c.at)
	}
	sum.add(e.Slug)
	sum.add(e.DeletedAt.Valid)
	sum.add(e.OrganizationID)
	if id := owner(r); id != nil {
		sum.add(*id)
	} else {
		sum.add(nil)
	}
	s.document = &document.Document{Kind: k, Slug: e.Slug, Fields: fields}
	if skill, ok := r.(*skillRow); ok {
		s.document.Fields = nil
		for _, f := range skill.Files {
			if f.Executable.Other != "" {
				s.refuse(document.Invalid("%s: executable must be true or false", f.Path))
			}
			s.document.Files = append(s.document.Files, document.File{Path: f.Path, Executable: f.Executable.Bool, Content: f.Content})
			sum.file(f)
		}
		s.document.Normalize()
	}
	s.guard = sum.digest()
	return s
}

func (s *storedRow) refuse(p *document.Problem) {
	if s.problem == nil {
		s.problem = p
	}
}

// value is what a column says in a document: nil for NULL.
func (c cell) value() (any, *document.Problem) {
	switch at := c.at.(type) {
	case **string:
		if *at != nil {
			return **at, nil
		}
	case *flag:
		if at.Other != "" {
			return nil, document.Invalid("%s: must be true or false", c.column)
		}
		if at.Valid {
			return at.Bool, nil
		}
	case *jsonColumn:
		if *at == "" {
			return nil, nil
		}
		value, problem := document.ParseValue([]byte(*at), document.Limits{})
		if problem != nil {
			return nil, document.Invalid("%s: holds no valid JSON: %s", c.column, problem.Message)
		}
		return value, nil
	}
	return nil, nil
}

// row is the row as the domain sees it. doc is its document in stored form, which
// for skills may be s.document with a column's edit (see derive).
func (s *storedRow) row(doc *document.Document, limits document.Limits) *mirror.Row {
	e := s.record.entity()
	row := &mirror.Row{
		Kind:    s.kind,
		ID:      e.ID,
		Slug:    e.Slug,
		Private: owner(s.record) != nil,
		Deleted: e.DeletedAt.Valid,
		Guard:   s.guard,
		Problem: s.problem,
	}
	if e.UpdatedBy != nil {
		row.UpdatedBy = *e.UpdatedBy
	}
	// What another program left there is replaced by the next status.
	_ = json.Unmarshal([]byte(e.GitIntegration), &row.Integration)
	row.Credentials = s.credentials()
	if row.Problem == nil {
		file := document.Redact(doc)
		if row.Problem = file.Validate(limits); row.Problem == nil {
			row.Document = file
		} else {
			row.Draft = file
		}
	}
	return row
}

// credentials reports whether an MCP server's row holds what only its target may get.
// Values of entries do not count in a soft-deleted row: it comes back for another
// target without them.
func (s *storedRow) credentials() bool {
	server, ok := s.record.(*serverRow)
	return ok && (server.Auth != "" || !server.Entity.DeletedAt.Valid && document.HasSecrets(s.document))
}

// put writes a document in stored form into the record's columns, and notes which of them
// say something else now; was is what they said, if that is known. What is absent becomes
// NULL, what the kind does not define goes into extra.
func put(r record, stored, was *document.Document) {
	e := r.entity()
	if e.Slug != stored.Slug {
		e.Slug = stored.Slug
		e.change("slug")
	}
	write := func(c cell, value any) {
		if !c.holds(value) {
			c.set(value)
			e.change(c.column)
		}
	}
	if skill, ok := r.(*skillRow); ok {
		name, description := stored.Frontmatter()
		write(cell{"name", &e.Name}, textValue(name))
		write(cell{"description", &e.Description}, textValue(description))
		skill.Files = nil
		for _, f := range stored.Files {
			content := f.Content
			if content == nil {
				content = []byte{}
			}
			skill.Files = append(skill.Files, skillFileRow{
				SkillID: e.ID, Path: f.Path, Content: content, Executable: flag{Bool: f.Executable, Valid: true},
			})
		}
		return
	}
	for _, c := range r.cells() {
		value := stored.Fields[c.column]
		if was == nil || value == nil || !reflect.DeepEqual(was.Fields[c.column], value) {
			write(c, value)
		}
	}
	extra := unspeakable(stored.Kind, e.Extra)
	for _, key := range stored.UnknownKeys() {
		extra[key] = stored.Fields[key]
	}
	if len(extra) > 0 {
		write(cell{"extra", &e.Extra}, extra)
	} else {
		write(cell{"extra", &e.Extra}, nil)
	}
}

// unspeakable are the keys of the column extra that no document has, because their
// names mean something else there: they stay as they are.
func unspeakable(k document.Kind, column jsonColumn) map[string]any {
	kept := map[string]any{}
	value, _ := cell{"extra", &column}.value()
	extra, _ := value.(map[string]any)
	for key, value := range extra {
		if !document.MayHold(k, key) {
			kept[key] = value
		}
	}
	return kept
}

// holds reports whether a column says just that. What cannot be read says nothing, and
// JSON's null is another thing than NULL.
func (c cell) holds(value any) bool {
	held, problem := c.value()
	if problem != nil || !reflect.DeepEqual(held, value) {
		return false
	}
	column, ok := c.at.(*jsonColumn)
	return value != nil || !ok || *column == ""
}

// set writes a document's value, which is of the column's type: the document is valid.
func (c cell) set(value any) {
	switch at := c.at.(type) {
	case **string:
		*at = nil
		if value, ok := value.(string); ok {
			*at = &value
		}
	case *flag:
		*at = flag{}
		if value, ok := value.(bool); ok {
			*at = flag{Bool: value, Valid: true}
		}
	case *jsonColumn:
		*at = ""
		if value != nil {
			*at = encode(value)
		}
	}
}

// text is a nullable column's value: nil for "".
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// textValue is what a text says in a nullable column: nil for "".
func textValue(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// encode writes a JSON value for a column: numbers as they are, no HTML escapes.
func encode(value any) jsonColumn {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "" // nothing that we write has no JSON form
	}
	return jsonColumn(bytes.TrimSuffix(out.Bytes(), []byte("\n")))
}
