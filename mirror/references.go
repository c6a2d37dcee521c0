package mirror

import (
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
				d.Problem = document.CheckReferences(d.visible, servers)
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
