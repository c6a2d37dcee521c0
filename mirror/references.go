package mirror

import (
	"context"
	"maps"
	"slices"

	"github.com/confmirror/confmirror/mirror/document"
)

// followRenames rewrites the toolkits that name what the plan renames, on both sides,
// unless another entity has the old slug then.
func (p *planner) followRenames() {
	p.renames = p.plannedRenames()
	if len(p.renames) == 0 {
		return
	}
	for _, d := range p.decisions {
		doc := d.Document
		if d.Effect == Nothing && d.live() {
			doc = d.visible
		}
		if doc == nil || d.Effect != Nothing && d.Effect != Converge {
			continue
		}
		if followed := doc.Following(p.renames); followed != doc {
			d.converge(followed)
		}
	}
}

func (p *planner) plannedRenames() document.Renames {
	renames := document.Renames{}
	for _, d := range p.decisions {
		if d.Effect != Converge || d.Base == nil || d.Replaced || d.Base.Slug == d.Document.Slug || !slices.Contains(document.Referable, d.Kind) {
			continue
		}
		if renames[d.Kind] == nil {
			renames[d.Kind] = map[string]string{}
		}
		renames[d.Kind][d.Base.Slug] = d.Document.Slug
	}
	if len(renames) == 0 {
		return nil
	}
	for _, d := range p.decisions {
		switch {
		case d.Effect == Converge:
			delete(renames[d.Kind], d.Document.Slug)
		case d.live() && d.Effect != RemoveRow:
			delete(renames[d.Kind], d.Row.Slug)
		}
	}
	return renames
}

// judgeReferences checks the toolkits against the servers that will be there once
// the plan is carried out. A file that names a missing one is refused like an
// invalid file; a row is exported all the same, with the problem recorded.
func (p *planner) judgeReferences() {
	servers := p.plannedServers()
	for i, d := range p.decisions {
		if d.Kind != document.Toolkits {
			continue
		}
		switch d.Effect {
		case Converge:
			if d.vouchedFor(d.Document) {
				d.Problem = nil
				continue
			}
			problem := document.CheckReferences(d.Document, servers)
			if problem != nil && d.gitChange() == changed && d.writesRow() {
				// What the database names alone does not stop the file's import.
				own := document.CheckReferences(d.file().Document.Following(p.renames), servers)
				if own == nil {
					d.Problem = problem
					continue
				}
				subject := *d.Subject
				subject.setFile(d.file().refused(d.file().locate(own)))
				p.decisions[i] = p.decide(&subject)
				if again := p.decisions[i]; again.Effect == Converge {
					again.Document = again.Document.Following(p.renames)
					again.Problem = document.CheckReferences(again.Document, servers)
				}
				continue
			}
			d.Problem = problem
		case Nothing:
			if d.live() && d.visible != nil {
				d.Problem = nil
				if !d.vouchedFor(d.visible) {
					d.Problem = document.CheckReferences(d.visible, servers)
				}
			}
		}
	}
}

// plannedServers are the database's servers with the plan applied.
func (p *planner) plannedServers() map[string]document.Server {
	servers := make(map[string]document.Server, len(p.Servers))
	for slug, server := range p.Servers {
		servers[slug] = server
	}
	for _, d := range p.decisions {
		if d.Kind != document.MCPServers {
			continue
		}
		if d.Effect == RemoveRow || (d.Effect == Converge && d.Row != nil && d.Row.Slug != d.Document.Slug) {
			delete(servers, d.Row.Slug)
		}
	}
	for _, d := range p.decisions {
		if d.Kind == document.MCPServers && d.Effect == Converge {
			servers[d.Document.Slug] = d.Document.ServerFacts()
		}
	}
	return servers
}

// otherServers are the slugs of MCP servers that may come, go or offer other tools by
// this plan: whoever names one of them has to be judged anew. Most edits of a server
// change none of that, and many toolkits may name it.
func (v *view) otherServers(ctx context.Context, m *Mirror, store Store) ([]string, error) {
	slugs := map[string]bool{}
	concerned := func(s *Subject) {
		slugs[s.File.Slug] = true
		if s.Base != nil {
			slugs[s.Base.Slug] = true
		}
		if s.Row != nil {
			slugs[s.Row.Slug] = true
		}
	}
	var edited []*Subject // in the database: what they offered is said by their bases
	var bases []*Base
	for _, s := range v.subjects {
		if s.Kind != document.MCPServers {
			continue
		}
		s.prepare()
		db, git := s.databaseChange(), s.gitChange()
		switch {
		case s.Base != nil && db == same && git == same && !s.Edited && m.settled():
		case v.unmissed && s.Base == nil && (s.Row == nil || !s.File.Exists()): // new on one side only
		case s.Base == nil || s.Replaced || !s.live() || s.Row.Slug != s.Base.Slug || s.Left != nil || s.Target != nil || s.Taken != "" || git == deleted,
			db == invalid || db == same && (s.Edited || git == same) || s.Row.Integration.Error != nil: // the database was ahead of the base, or is
			concerned(s)
		case db == changed:
			edited = append(edited, s)
			if s.Base.Content == nil {
				bases = append(bases, s.Base)
			}
		case git == changed && !sameServer(s.visible, s.File.Document):
			concerned(s)
		}
	}
	if len(bases) > 0 {
		if err := store.Contents(ctx, m, bases); err != nil {
			return nil, err
		}
	}
	for _, s := range edited {
		agreed := s.baseDocument()
		if agreed == nil || !sameServer(agreed, s.visible) || s.File.Document != nil && !sameServer(agreed, s.File.Document) {
			concerned(s)
		}
	}
	return slices.Sorted(maps.Keys(slugs)), nil
}

// vouch notes the agreed document if it names servers that were found to offer what it
// wants, and none of them is among those which may be others now: most edits of a toolkit
// leave its servers alone, and then nothing has to be known of them. The row's status says
// that they were found; one that is about another version says nothing about this one.
func (s *Subject) vouch(others map[string]bool) {
	if s.Base == nil || s.Replaced || s.Left != nil || s.TargetLeft != nil || s.Taken != "" || !s.live() ||
		s.Row.Integration.Error != nil || s.Row.Integration.GitID != s.Base.GitID {
		return
	}
	var agreed *document.Document
	switch {
	case s.databaseChange() == same:
		agreed = s.visible
	case s.gitChange() == same:
		agreed = s.file().Document
	}
	if agreed != nil && !slices.ContainsFunc(agreed.Integrations(), func(slug string) bool { return others[slug] }) {
		s.vouched = agreed
	}
}

// vouchedFor reports whether a document of the toolkit names what the agreed one does, which is there.
func (s *Subject) vouchedFor(d *document.Document) bool {
	return s.vouched != nil && (d == s.vouched || d.SameIntegrations(s.vouched))
}

// sameServer reports whether a reference check finds the same in both.
func sameServer(a, b *document.Document) bool {
	x, y := a.ServerFacts(), b.ServerFacts()
	return x.ToolsKnown == y.ToolsKnown && maps.Equal(x.Tools, y.Tools)
}
