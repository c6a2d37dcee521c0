package mirror

import (
	"fmt"
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
	p.judgeReferences()
	if in.HistoryRewritten {
		p.keepReplaced()
	}
	p.scan()
	for _, d := range p.decisions {
		d.toRow, d.toFile = d.writesRow(), d.writesFile(in.Layout)
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
		f := s.file()
		if f.Document == nil || s.Row == nil || s.Row.Document == nil || s.Row.Private || s.Replaced {
			continue
		}
		if problem := document.CheckSecrets(f.Document, s.Row.Document); problem != nil {
			s.setFile(f.refused(f.locate(problem)))
		}
	}
}

type planner struct {
	Input
	decisions []*Decision
}

// decide is the decision table.
func (p *planner) decide(s *Subject) *Decision {
	db, git := s.databaseChange(), s.gitChange()
	d := &Decision{Subject: s}
	switch {
	case git == invalid:
		return p.decideInvalidFile(d, db)
	case db == invalid:
		return d.refuseRow()
	case s.Base == nil:
		return p.decideWithoutBase(d, db, git)
	case db == private:
		return p.decidePrivate(d, git)
	case db == deleted && git == deleted:
		return d.with(Forget)
	case db == deleted && git == same:
		return p.remove(d, RemoveFile, ToGit)
	case db == deleted && git == changed:
		return d.converge(s.file().Document)
	case db == same && git == same:
		return d.with(Nothing)
	case db == same && git == changed:
		return d.converge(s.file().Document)
	case db == same && git == deleted && s.slip != nil:
		return d.refuseSlip()
	case db == same && git == deleted:
		return p.remove(d, RemoveRow, ToDatabase)
	case git == same, git == deleted: // the database changed: it is exported, again if need be
		return p.exportTo(d)
	}
	return p.mergeBoth(d)
}

func (d *Decision) with(o Effect) *Decision {
	d.Effect = o
	return d
}

func (d *Decision) converge(doc *document.Document) *Decision {
	d.Effect, d.Document = Converge, doc
	return d
}

func (d *Decision) refuse(problem *document.Problem) *Decision {
	d.Effect, d.Problem = Refuse, problem
	return d
}

func (d *Decision) refuseRow() *Decision {
	d.RowProblem = true
	return d.refuse(d.Row.Problem)
}

// refuseSlip: the file was moved and its name inside was not changed. The row stays
// live and shows why, until the new file is valid or gone.
func (d *Decision) refuseSlip() *Decision {
	d.Due = true
	return d.refuse(d.slip)
}

// decideInvalidFile: a bad file never changes the row and is not a deletion. A row
// that is edited after the file was found bad replaces it.
func (p *planner) decideInvalidFile(d *Decision, db change) *Decision {
	s := d.Subject
	f := s.file()
	d.Due = s.slipped // the deletion that it stands for is not planned without it
	if db == private && s.Base != nil {
		return p.decidePrivate(d, invalid)
	}
	known := s.Left != nil && s.Left.Reason == ReasonInvalid && s.Left.GitID == f.GitID
	if known && (db == same || db == changed) &&
		(s.Edited || (db == changed && s.visible.Digest() != s.Left.Digest)) {
		return p.exportTo(d)
	}
	if db == invalid {
		return d.refuseRow()
	}
	return d.refuse(f.Problem)
}

// decideWithoutBase: what stands on one side only is copied, and nothing is deleted.
func (p *planner) decideWithoutBase(d *Decision, db, git change) *Decision {
	s := d.Subject
	switch {
	case db == private: // only organization-level rows are mirrored
		return d.with(Nothing)
	case db == deleted && git == deleted:
		return d.with(Nothing)
	case db == deleted:
		return d.converge(s.file().Document)
	case git == deleted:
		return p.exportTo(d)
	}
	return p.mergeBoth(d)
}

// decidePrivate: the file leaves the branch and the row stays. What git had newer
// than the base is kept, since it is imported nowhere.
func (p *planner) decidePrivate(d *Decision, git change) *Decision {
	if git == changed {
		d.Conflicts = append(d.Conflicts, p.conflict(d.Subject, ConflictPrivate, document.PreferDatabase, nil))
	}
	if !d.file().Exists() {
		return d.with(Forget)
	}
	return d.with(RemoveFile)
}

// remove is a deletion that follows the other side's. The brake sees it later.
func (p *planner) remove(d *Decision, o Effect, direction Direction) *Decision {
	s := d.Subject
	d.Direction = direction
	if s.Left != nil && s.Left.Reason == ReasonHeld && s.Left.Verdict == Discarded {
		// A person undoes it from the side that still has the entity.
		if direction == ToGit {
			return d.converge(s.documentAtBase())
		}
		return p.exportTo(d)
	}
	if p.Rules.KeepDeleted || s.Base.Parted {
		if s.Edited && direction == ToDatabase {
			return p.exportTo(d) // the remaining side was saved again
		}
		return d.with(Part)
	}
	return d.with(o)
}

// exportTo makes the database's document the agreed one. A file that already stands
// at a renamed row's new place is somebody's work: it is merged, not overwritten.
func (p *planner) exportTo(d *Decision) *Decision {
	s := d.Subject
	doc := s.visible
	if s.Target != nil && s.Target.Document != nil && s.Target.Document.Digest() != doc.Digest() {
		merged, lost := document.Merge(nil, doc, s.Target.Document, p.Policy)
		if len(lost) > 0 {
			c := p.conflict(s, ConflictReplaced, p.Policy, lost)
			c.Git, c.GitID = s.Target.Document, s.Target.GitID
			d.Conflicts = append(d.Conflicts, c)
		}
		doc = merged
	}
	return d.converge(doc)
}

// mergeBoth joins two changed documents place by place.
func (p *planner) mergeBoth(d *Decision) *Decision {
	s := d.Subject
	mine, theirs := s.visible, s.file().Document
	if mine.Digest() == theirs.Digest() {
		return d.converge(theirs)
	}
	if s.Replaced {
		return p.whole(d, ConflictReplaced, []string{""})
	}
	var base *document.Document
	if s.Base != nil {
		base = s.baseDocument()
	}
	merged, lost := document.Merge(base, mine, theirs, p.Policy)
	if merged.Validate(p.Rules.Limits) != nil {
		return p.whole(d, ConflictInvalidMerge, []string{""})
	}
	if len(lost) > 0 {
		d.Conflicts = append(d.Conflicts, p.conflict(s, ConflictBothChanged, p.Policy, lost))
	}
	return d.converge(merged)
}

// whole lets one side win entirely and keeps the other.
func (p *planner) whole(d *Decision, reason ConflictReason, places []string) *Decision {
	s := d.Subject
	d.Conflicts = append(d.Conflicts, p.conflict(s, reason, p.Policy, places))
	if p.Policy == document.PreferDatabase {
		return d.converge(s.visible)
	}
	return d.converge(s.file().Document)
}

// conflict keeps the documents of both sides and their base.
func (p *planner) conflict(s *Subject, reason ConflictReason, decided document.Policy, places []string) *Conflict {
	f := s.file()
	c := &Conflict{
		Key: Key{s.Kind, f.Path}, Slug: f.Slug, Reason: reason,
		Database: s.visible, Git: f.Document, GitID: f.GitID,
		Decided: decided, Places: places,
	}
	if s.Row != nil {
		c.RowID, c.Slug = s.Row.ID, s.Row.Slug
	}
	if s.visible != nil {
		c.DatabaseID = s.visible.Digest()
	}
	if s.Base != nil && !s.Replaced {
		c.Base, c.BaseGitID = s.baseDocument(), s.Base.GitID
	}
	return c
}

// keepReplaced records what imports and deletions overwrite after the branch's history was rewritten.
func (p *planner) keepReplaced() {
	for _, d := range p.decisions {
		if d.writesRow() && d.live() && d.visible != nil && len(d.Conflicts) == 0 {
			d.Conflicts = append(d.Conflicts, p.conflict(d.Subject, ConflictHistoryRewritten, document.PreferGit, nil))
		}
	}
}

// baseDocument parses the agreed content; nil when it was not loaded.
func (s *Subject) baseDocument() *document.Document {
	if s.Base == nil || s.Base.Content == nil {
		return nil
	}
	doc, problem := parse(s.Kind, s.Base.Slug, s.Base.Content, noLimits)
	if problem != nil {
		return nil
	}
	return doc
}

// documentAtBase is git's unchanged document.
func (s *Subject) documentAtBase() *document.Document {
	if s.File.Document != nil {
		return s.File.Document
	}
	return s.baseDocument()
}

// noLimits reads what was agreed under limits that may have been lowered since.
var noLimits = document.Limits{MaxFileSize: 1 << 40, MaxSkillFiles: 1 << 30, MaxSkillSize: 1 << 40, MaxDepth: 100}

// parse turns an entry's content into a document.
func parse(k document.Kind, slug string, c *Content, limits document.Limits) (*document.Document, *document.Problem) {
	if !document.ValidSlug(k, slug) {
		return nil, document.Invalid("the name is not a valid slug for %s: use lower-case letters and digits joined by single '-'%s", k.Plural(), map[bool]string{true: "", false: ", '_' or '.'"}[k == document.Skills])
	}
	if k == document.Skills {
		return document.ParseSkill(slug, c.Files, limits)
	}
	return document.ParseFile(k, slug, c.Bytes, limits)
}

// Describe lists the plan's actions for people.
func (p *Plan) Describe() []Action {
	var actions []Action
	for _, d := range p.Decisions {
		actions = append(actions, d.actions...)
	}
	return actions
}

func (d *Decision) describe(l document.Layout) []Action {
	line := func(direction Direction, detail string) Action {
		return Action{Direction: direction, Verb: d.verb(l, direction), Kind: d.Kind, Slug: d.Slug(), Path: d.Path(l), Detail: detail}
	}
	switch d.Effect {
	case Refuse:
		direction := ToDatabase
		if d.RowProblem {
			direction = ToGit
		}
		return []Action{line(direction, fmt.Sprintf("%s: %s", d.Problem.Code, d.Problem.Message))}
	case Hold:
		return []Action{line(d.Direction, "held: too many deletions at once")}
	}
	var actions []Action
	if d.toRow {
		actions = append(actions, line(ToDatabase, d.detail()))
	}
	if d.toFile {
		actions = append(actions, line(ToGit, d.detail()))
	}
	return actions
}

func (d *Decision) detail() string {
	if len(d.Conflicts) > 0 {
		c := d.Conflicts[0]
		return fmt.Sprintf("%s: %s's side wins %v", c.Reason, c.Decided, c.Places)
	}
	if d.Problem != nil {
		return fmt.Sprintf("%s: %s", d.Problem.Code, d.Problem.Message)
	}
	if d.Effect == Converge && d.Base != nil && d.Base.Slug != d.Document.Slug {
		return "was " + d.Base.Slug
	}
	return ""
}
