package mirror

import (
	"context"
	"maps"
	"slices"

	"github.com/confmirror/confmirror/mirror/document"
	"github.com/confmirror/confmirror/mirror/parallel"
)

// read reads and parses the files that a decision may need: those that git
// changed, and those that the database is about to change.
func (v *view) read(ctx context.Context, c Clone, limits document.Limits) error {
	leaving := v.leaving()
	for _, s := range v.subjects {
		if s.Target != nil {
			if err := s.Target.read(ctx, c, limits); err != nil {
				return err
			}
		}
	}
	return parallel.Each(len(v.subjects), func(i int) error {
		s := v.subjects[i]
		s.prepare()
		if !s.File.Exists() {
			return nil
		}
		untouched := s.Base != nil && !s.Replaced && s.File.GitID == s.Base.GitID
		if !untouched || s.Left != nil || s.Taken != "" || s.databaseChange() == changed || s.names(leaving) {
			if err := s.File.read(ctx, c, limits); err != nil {
				return err
			}
		}
		if untouched && s.File.Problem != nil {
			s.File.acceptAgreed()
		}
		return nil
	})
}

// acceptAgreed forgives a file what limits that were lowered since say against it: it
// was agreed on, and an edit of its row may be what mends it.
func (f *File) acceptAgreed() {
	f.Problem = nil
	if f.Content != nil {
		f.Document, f.Problem = parse(f.Kind, f.Slug, f.Content, noLimits)
	}
}

// leaving are the slugs that entities give up, perhaps for another one: a toolkit that
// names one of them may have to follow.
func (v *view) leaving() map[Place]bool {
	var places map[Place]bool
	for _, s := range v.subjects {
		if s.Base == nil || !slices.Contains(document.Referable, s.Kind) || s.File.Exists() && !(s.live() && s.Row.Slug != s.Base.Slug) {
			continue
		}
		if places == nil {
			places = map[Place]bool{}
		}
		places[Place{s.Kind, s.Base.Slug}] = true
	}
	return places
}

// names reports whether the row names one of the entities.
func (s *Subject) names(places map[Place]bool) bool {
	if len(places) == 0 || s.visible == nil || s.Kind != document.Toolkits {
		return false
	}
	for _, k := range document.Referable {
		for _, slug := range s.visible.References(k) {
			if places[Place{k, slug}] {
				return true
			}
		}
	}
	return false
}

// read reads and parses the file, unless that was done or there is none.
func (f *File) read(ctx context.Context, c Clone, limits document.Limits) error {
	if !f.Exists() || f.Content != nil || f.Problem != nil {
		return nil
	}
	content, problem, err := c.Read(ctx, f.Entry)
	if err != nil {
		return err
	}
	f.Content, f.Problem = content, problem
	if problem == nil {
		f.Document, f.Problem = parse(f.Kind, f.Slug, content, limits)
	}
	return nil
}

// load fetches what only some decisions need: agreed contents for merges and
// renames, the number of entities for the brake, and the servers that toolkits name.
func (v *view) load(ctx context.Context, m *Mirror, store Store) error {
	var bases []*Base
	slugs := map[string]bool{}
	vanished := len(v.foundDrops) > 0
	for _, s := range v.subjects {
		s.prepare()
		git, db := s.gitChange(), s.databaseChange()
		vanished = vanished || s.Base != nil && (git == deleted || db == deleted || db == private)
		if s.Base != nil && s.Base.Content == nil && (git == deleted || s.Taken != "" || (git != same && db != same)) {
			bases = append(bases, s.Base)
		}
		if s.Kind == document.Toolkits {
			if !v.complete && m.settled() {
				s.vouch(v.others)
			}
			docs := []*document.Document{s.visible, s.File.Document}
			if s.Target != nil {
				docs = append(docs, s.Target.Document) // which may be merged into it
			}
			for _, doc := range docs {
				if doc != nil && !s.vouchedFor(doc) {
					for _, slug := range doc.Integrations() {
						slugs[slug] = true
					}
				}
			}
		}
	}
	if len(bases) > 0 {
		if err := store.Contents(ctx, m, bases); err != nil {
			return err
		}
	}
	if vanished {
		n, err := store.Mirrored(ctx, m)
		if err != nil {
			return err
		}
		v.obs.CountMirrored(n)
	}
	var err error
	v.servers, err = serversNamed(ctx, store, m, slugs)
	return err
}

// serversNamed loads the servers with these slugs.
func serversNamed(ctx context.Context, store Store, m *Mirror, slugs map[string]bool) (map[string]document.Server, error) {
	if len(slugs) == 0 {
		return nil, nil
	}
	return store.Servers(ctx, m, slices.Sorted(maps.Keys(slugs)))
}
