package mirror

import (
	"sort"

	"github.com/confmirror/confmirror/mirror/document"
)

// Input is everything that a plan is made from.
type Input struct {
	Subjects []*Subject
	// Servers are the organization's live MCP servers that toolkits among the
	// subjects name, as the database has them.
	Servers map[string]document.Server
	Layout  document.Layout
	Policy  document.Policy
	Rules   Rules
	// Scanner holds back what looks like a credential; nil lets everything pass.
	Scanner Scanner
	// HistoryRewritten: the branch does not contain what was last settled, so
	// every document that an import replaces is kept.
	HistoryRewritten bool
	// What the brake counts; see Observation.
	Mirrored int
	Deleted  map[Direction]int
	Held     map[Direction]int
}

// Plan is what a run will do: one decision for each subject, dependencies first.
type Plan struct {
	Decisions []*Decision
	Layout    document.Layout
}

type planner struct {
	Input
	decisions []*Decision
	renames   document.Renames // what toolkits follow
}

// NewPlan decides every subject. It is a pure function: no I/O, no clock.
func NewPlan(in Input) *Plan {
	p := &planner{Input: in}
	for _, s := range in.Subjects {
		s.prepare()
	}
	arrived := p.pairRenames()
	p.refuseSecrets()
	for _, s := range in.Subjects {
		if !arrived[s] {
			p.decisions = append(p.decisions, p.decide(s))
		}
	}
	p.brake()
	p.guardSecrets()
	p.rebinds()
	p.followRenames()
	p.judgeReferences()
	if in.HistoryRewritten {
		p.keepReplaced()
	}
	p.scan()
	p.oneRowToASlug()
	p.keepOut()
	for _, d := range p.decisions {
		d.toRow, d.toFile = d.writesRow(), d.writesFile(in.Layout) && !d.withheld
		d.actions = d.describe(in.Layout)
	}
	sort.SliceStable(p.decisions, func(i, j int) bool {
		a, b := p.decisions[i], p.decisions[j]
		if a.Kind != b.Kind {
			return a.Kind.Order() < b.Kind.Order()
		}
		return a.Slug() < b.Slug()
	})
	return &Plan{Decisions: p.decisions, Layout: in.Layout}
}

// refuseSecrets marks the files that carry a value for what the database holds as a
// secret. Secrecy is lowered in the database only.
func (p *planner) refuseSecrets() {
	for _, s := range p.Subjects {
		if s.Row == nil || s.Row.draft() == nil || s.Row.Private && s.Base == nil {
			continue
		}
		if t := s.Target; t != nil && t.Document != nil {
			if problem := document.CheckSecrets(t.Document, s.Row.draft()); problem != nil {
				s.Target = t.refused(t.locate(problem))
			}
		}
		f := s.file()
		if f.Document == nil || s.gitChange() == same { // it was public when it was agreed on, or another row's
			continue
		}
		if problem := document.CheckSecrets(f.Document, s.Row.draft()); problem != nil {
			s.setFile(f.refused(f.locate(problem)))
		}
	}
}

// guardSecrets refuses what would lower a secret's secrecy by whatever way it was
// decided: a person's word for a file that was agreed on before, for one.
func (p *planner) guardSecrets() {
	for i, d := range p.decisions {
		if d.Effect != Converge || d.Row == nil || d.Row.draft() == nil {
			continue
		}
		problem := document.CheckSecrets(d.Document, d.Row.draft())
		switch {
		case problem == nil:
		case d.Taken != "": // the word is spent, the row says why, and what was edited goes its way
			p.decisions[i] = p.meetTarget(p.fromTable(&Decision{Subject: d.Subject}))
			p.decisions[i].Problem = d.file().locate(problem)
		default:
			d.refuse(d.file().locate(problem))
			d.Document, d.Conflicts = nil, nil
		}
	}
}

// draft is the row in file form, whether that is valid or not; nil where it cannot be read.
func (r *Row) draft() *document.Document {
	if r.Document != nil {
		return r.Document
	}
	return r.Draft
}
