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
		for _, g := range gone {
			g.meetHalfway()
		}
		pairEqual(kind, gone, came, arrived)
		var restGone []*Subject
		for _, g := range gone {
			if g.move == nil {
				restGone = append(restGone, g)
			}
		}
		pairSimilar(restGone, came, arrived)
		p.slips(restGone, bad)
		for _, g := range gone {
			g.prepare() // its file is another one now
		}
	}
	return arrived
}

// meetHalfway finds the rename that both sides made: the file went where the row
// belongs now.
func (s *Subject) meetHalfway() {
	t := s.Target
	if t == nil || t.Document == nil {
		return
	}
	if was := s.baseDocument(); was.Nameless() != t.Document.Nameless() && !document.Similar(was, t.Document) {
		return
	}
	s.move, s.Target = t, nil
	if s.Left == nil {
		s.Left = s.TargetLeft
	}
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
	type half struct{ gone, came []*Subject }
	pair := func(key func(*Subject, *document.Document) string) {
		halves := map[string]*half{}
		at := func(s *Subject, d *document.Document) *half {
			k := key(s, d)
			if halves[k] == nil {
				halves[k] = &half{}
			}
			return halves[k]
		}
		for _, c := range came {
			if !arrived[c] {
				h := at(c, c.File.Document)
				h.came = append(h.came, c)
			}
		}
		for _, g := range gone {
			if g.move == nil {
				h := at(g, g.baseDocument())
				h.gone = append(h.gone, g)
			}
		}
		secrets := kind == document.MCPServers || kind == document.MCPClients
		for _, h := range halves {
			if secrets && (len(h.gone) > 1 || len(h.came) > 1) {
				continue
			}
			for i := range min(len(h.gone), len(h.came)) {
				h.gone[i].arriveAs(h.came[i], arrived)
			}
		}
	}
	contents := map[*Subject]string{}
	content := func(s *Subject, d *document.Document) string {
		if contents[s] == "" {
			contents[s] = string(d.Nameless())
		}
		return contents[s]
	}
	pair(func(s *Subject, d *document.Document) string { return content(s, d) + d.Name() })
	pair(content)
}

// mostCompared bounds the comparisons of pairSimilar: beyond it, whatever was edited
// while it moved is a deletion and a creation.
const mostCompared = 250_000

// pairSimilar pairs what is each other's only possible match.
func pairSimilar(gone, came []*Subject, arrived map[*Subject]bool) {
	var left []*Subject
	for _, c := range came {
		if !arrived[c] {
			left = append(left, c)
		}
	}
	if len(gone)*len(left) > mostCompared {
		return
	}
	candidates := map[*Subject][]*Subject{}
	back := map[*Subject]int{}
	for _, g := range gone {
		for _, c := range left {
			if document.Similar(g.baseDocument(), c.File.Document) {
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

// slips finds the commonest slip: a file was moved (git mv) and still carries its old
// slug, so it is invalid where it stands. That is no deletion.
func (p *planner) slips(gone, bad []*Subject) {
	claiming := map[string][]*Subject{}
	for _, b := range bad {
		if slug := b.File.claimedSlug(); slug != "" {
			claiming[slug] = append(claiming[slug], b)
		}
	}
	for _, g := range gone {
		if g.move == nil {
			g.slip = p.slipOf(g, claiming[g.Base.Slug])
		}
	}
}

func (p *planner) slipOf(g *Subject, claiming []*Subject) *document.Problem {
	refusedBefore := g.Left != nil && g.Left.Reason == ReasonInvalid
	for _, b := range claiming {
		if b.Left != nil && b.Left.GitID == b.File.GitID && !refusedBefore { // it came with another change
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

// claimedSlug is the slug inside a file, wherever the file stands; "" if it has none.
func (f *File) claimedSlug() string {
	if f.Content == nil {
		return ""
	}
	if f.Kind != document.Skills {
		return document.ClaimedSlug(f.Kind, f.Content.Bytes)
	}
	for _, file := range f.Content.Files {
		if file.Path == document.SkillFile {
			return document.ClaimedSlug(f.Kind, file.Content)
		}
	}
	return ""
}
