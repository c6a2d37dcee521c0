package mirror

import (
	"maps"
	"slices"

	"github.com/confmirror/confmirror/mirror/document"
)

// File is git's side of an entity.
type File struct {
	Entry
	// Content was read: it is nil for an absent file, and for one that nobody needed to read.
	Content *Content
	// Document is what the content says; nil while it was not read, and when Problem says why not.
	Document *document.Document
	Problem  *document.Problem
}

// Exists reports whether something stands at the file's path.
func (f *File) Exists() bool { return f.GitID != "" }

// refused is the file with a problem: its document counts for nothing.
func (f *File) refused(problem *document.Problem) *File {
	r := *f
	r.Problem, r.Document = problem, nil
	return &r
}

// locate adds the position within the file to a problem that was found in its document.
func (f *File) locate(problem *document.Problem) *document.Problem {
	if f.Content == nil || f.Kind == document.Skills {
		return problem
	}
	return problem.Locate(f.Content.Bytes)
}

// Subject is one entity with its three states, as observed.
type Subject struct {
	Kind document.Kind
	Base *Base // nil: never agreed on
	Row  *Row  // nil: no row, or the base's row is gone for good
	File *File // git's side, never nil: at the base's path, or where the row belongs
	// Target is git's side at the row's own place when that is not File's: the row was renamed.
	Target *File
	// TargetLeft is what an earlier run left open there.
	TargetLeft *Unsettled
	// Replaced: the base is another row's, which is gone; Row took its slug.
	Replaced bool
	// Edited: a captured write names the row, even one that changed nothing.
	Edited bool
	// Named: one of these writes named updated_by.
	Named   bool
	Changes []int64
	// Taken is the side that a person gave the whole entity to, "" for none. A write
	// after that does not undo it.
	Taken document.Policy
	// Prefer decides instead of the mirror's policy; "" leaves it to that.
	Prefer document.Policy
	// Left is what an earlier run left open here.
	Left *Unsettled
	// Proposed is what the proposal branch has for it, ours; nil for nothing.
	Proposed *Intent

	visible *document.Document // the row's document, or draft, without keys that may not leave
	digest  document.Digest    // of visible
	hidden  map[string]any     // those keys
	// prepared are the documents of row and file that these three were made from.
	prepared [2]*document.Document
	digests  []digested         // see digestOf
	agreed   *document.Document // see baseDocument
	move     *File              // the file that the base's file was renamed to, if it was
	slip     *document.Problem  // the invalid file that the base's file was renamed to, if it was
	slipped  bool               // the file is such an invalid one of another subject
	vouched  *document.Document // see vouch
}

// change is how one side stands against the base.
type change int

const (
	same change = iota
	changed
	invalid
	deleted
	private
)

// file is git's side, renames considered.
func (s *Subject) file() *File {
	if s.move != nil {
		return s.move
	}
	return s.File
}

// setFile replaces what file returns.
func (s *Subject) setFile(f *File) {
	if s.move != nil {
		s.move = f
	} else {
		s.File = f
	}
}

// live reports whether the database holds the entity as an organization-level one.
func (s *Subject) live() bool { return s.Row != nil && !s.Row.Deleted && !s.Row.Private }

// databaseChange classifies the row against the base.
func (s *Subject) databaseChange() change {
	switch {
	case s.Row == nil || s.Row.Deleted:
		return deleted
	case s.Row.Private:
		return private
	case s.Base != nil && !s.Replaced && s.visible != nil && s.digest == s.Base.Digest && s.Row.Slug == s.Base.Slug:
		return same // also if a rule that is stricter now would refuse it
	case s.Row.Problem != nil:
		return invalid
	}
	return changed
}

// gitChange classifies the file against the base.
func (s *Subject) gitChange() change {
	f := s.file()
	switch {
	case s.Base != nil && f == s.File && f.GitID == s.Base.GitID && f.Problem == nil:
		return same
	case !f.Exists():
		return deleted
	case f.Problem != nil:
		return invalid
	case s.Base != nil && f.Path == s.Base.Path && f.Document != nil && s.digestOf(f.Document) == s.Base.Digest:
		return same
	}
	return changed
}

// prepare splits the row's document into what may leave and what may not: an
// unknown key leaves only if the file has it, had it, or it says that it may
// ("x-...", "$..."). Each stage calls it once more, for the file may be read, or found
// to be another one, in between; it costs something only then.
func (s *Subject) prepare() {
	if s.Row == nil || s.Row.draft() == nil {
		return
	}
	from := [2]*document.Document{s.Row.draft(), s.file().Document}
	if s.visible != nil && s.prepared == from {
		return
	}
	s.prepared = from
	known := map[string]bool{}
	if s.Base != nil && !s.Replaced {
		for _, key := range s.Base.UnknownKeys {
			known[key] = true
		}
	}
	if f := s.file(); f.Document != nil {
		for _, key := range f.Document.UnknownKeys() {
			known[key] = true
		}
	}
	s.visible = s.Row.draft()
	if len(s.visible.UnknownKeys()) > 0 {
		visible := *s.visible
		visible.Fields = maps.Clone(visible.Fields)
		visible.DropUnknown(func(key string) bool { return known[key] })
		s.visible = &visible
	}
	s.digest = s.digestOf(s.visible)
	s.hidden = nil
	for key, value := range s.Row.draft().Fields {
		if _, stays := s.visible.Fields[key]; !stays {
			if s.hidden == nil {
				s.hidden = map[string]any{}
			}
			s.hidden[key] = value
		}
	}
}

// digested is a document and its digest.
type digested struct {
	document *document.Document
	digest   document.Digest
}

// digestOf is the digest of one of the entity's documents. They are asked for it again
// and again, and none is written to once it is there.
func (s *Subject) digestOf(d *document.Document) document.Digest {
	for _, known := range s.digests {
		if known.document == d {
			return known.digest
		}
	}
	digest := d.Digest()
	s.digests = append(slices.Clip(s.digests), digested{d, digest})
	return digest
}

// stored is the document to write into the row so that keys that may not leave stay.
func (s *Subject) stored(d *document.Document) *document.Document {
	if len(s.hidden) == 0 {
		return d
	}
	full := d.Clone()
	for key, value := range s.hidden {
		full.Fields[key] = value
	}
	return full
}

// baseDocument is the agreed content, parsed once; nil when it was not loaded. Pairing
// renames compares it with every file that appeared.
func (s *Subject) baseDocument() *document.Document {
	if s.agreed == nil && s.Base != nil && s.Base.Content != nil {
		s.agreed, _ = parse(s.Kind, s.Base.Slug, s.Base.Content, noLimits)
	}
	return s.agreed
}

// documentAtBase is git's unchanged document.
func (s *Subject) documentAtBase() *document.Document {
	if s.File.Document != nil {
		return s.File.Document
	}
	return s.baseDocument()
}
