package mirror

import "github.com/confmirror/confmirror/mirror/document"

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
				own := document.CheckReferences(d.file().Document, servers)
				if own == nil {
					d.Problem = problem
					continue
				}
				subject := *d.Subject
				subject.setFile(d.file().refused(d.file().locate(own)))
				p.decisions[i] = p.decide(&subject)
				if again := p.decisions[i]; again.Effect == Converge {
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
