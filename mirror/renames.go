package mirror

import (
	"github.com/confmirror/confmirror/mirror/document"
)

// pairRenames finds the files that git moved: one that vanished from an agreed
// path and one that appeared where nothing was agreed, of one kind. Equal but for
// slug and name is a rename; failing that, similar documents are, when the pair is
// the only possible one in both directions. Anything else is a deletion and a
// creation, and secrets do not travel. The subjects of the files that arrived are
// returned: they are part of the others' decisions.
func (p *planner) pairRenames() map[*Subject]bool {
	arrived := map[*Subject]bool{}
	for _, kind := range document.Kinds {
		gone, came, bad := p.moved(kind)
		if len(gone) == 0 {
			continue
		}
		pairEqual(kind, gone, came, arrived)
		var restGone []*Subject
		for _, g := range gone {
			if g.move == nil {
				restGone = append(restGone, g)
			}
		}
		pairSimilar(restGone, came, arrived)
		for _, g := range restGone {
			if g.move == nil {
				g.slip = p.slipOf(g, bad)
			}
		}
		for _, g := range gone {
			g.prepare() // its file is another one now
		}
	}
	return arrived
}

// moved lists a kind's subjects whose agreed file is gone, whose file is new, and
// whose file is new and invalid.
func (p *planner) moved(kind document.Kind) (gone, came, bad []*Subject) {
	for _, s := range p.Subjects {
		if s.Kind != kind {
			continue
		}
		switch {
		case s.Base != nil && !s.Replaced && !s.File.Exists() && s.baseDocument() != nil:
			gone = append(gone, s)
		case s.Base != nil || s.live() || !s.File.Exists():
		case s.File.Problem != nil:
			bad = append(bad, s)
		case s.File.Document != nil:
			came = append(came, s)
		}
	}
	return gone, came, bad
}

// arriveAs makes match's file the one that g's moved to, with what was left open there.
func (s *Subject) arriveAs(match *Subject, arrived map[*Subject]bool) {
	s.move = match.File
	if s.Left == nil {
		s.Left = match.Left
	}
	arrived[match] = true
}

// pairEqual pairs documents that are equal but for slug and name: those with the
// same name first. What else is equal may be paired either way, but where rows
// hold secrets only if there is no other way.
func pairEqual(kind document.Kind, gone, came []*Subject, arrived map[*Subject]bool) {
	secrets := kind == document.MCPServers || kind == document.MCPClients
	named := func(g, c *Subject) bool { return g.baseDocument().Name() == c.File.Document.Name() }
	anyhow := func(g, c *Subject) bool { return true }
	for _, like := range []func(g, c *Subject) bool{named, anyhow} {
		candidates := map[*Subject][]*Subject{}
		back := map[*Subject]int{}
		for _, g := range gone {
			if g.move != nil {
				continue
			}
			for _, c := range came {
				if !arrived[c] && like(g, c) && document.SameButName(g.baseDocument(), c.File.Document) {
					candidates[g] = append(candidates[g], c)
					back[c]++
				}
			}
		}
		for _, g := range gone {
			for _, c := range candidates[g] {
				if arrived[c] || secrets && (len(candidates[g]) > 1 || back[c] > 1) {
					continue
				}
				g.arriveAs(c, arrived)
				break
			}
		}
	}
}

// pairSimilar pairs what is each other's only possible match.
func pairSimilar(gone, came []*Subject, arrived map[*Subject]bool) {
	candidates := map[*Subject][]*Subject{}
	back := map[*Subject]int{}
	for _, g := range gone {
		for _, c := range came {
			if !arrived[c] && document.Similar(g.baseDocument(), c.File.Document) {
				candidates[g] = append(candidates[g], c)
				back[c]++
			}
		}
	}
	for _, g := range gone {
		if cs := candidates[g]; len(cs) == 1 && back[cs[0]] == 1 {
			g.arriveAs(cs[0], arrived)
		}
	}
}

// slipOf finds the commonest slip: the file was moved (git mv) and still carries
// its old slug, so it is invalid where it stands. That is no deletion.
func (p *planner) slipOf(g *Subject, bad []*Subject) *document.Problem {
	for _, b := range bad {
		if b.File.Content == nil {
			continue
		}
		doc, problem := parse(g.Kind, g.Base.Slug, b.File.Content, p.Rules.Limits)
		if problem == nil && (doc.Digest() == g.Base.Digest || document.Similar(g.baseDocument(), doc)) {
			b.slipped = true
			found := *b.File.Problem
			found.Message = "renamed to " + b.File.Path + ", which is refused: " + found.Message
			return &found
		}
	}
	return nil
}
