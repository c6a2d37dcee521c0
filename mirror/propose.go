package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror/document"
)

// proposing is the round's work on the proposal branch: commits on top of it, or on the
// branch's head where it is to start. What people put on it stays and counts as the proposal.
type proposing struct {
	*apply
	on   Hash // the proposal branch's head, if it counts; "": a new one starts at the branch's head
	base Hash // the latest commit that both have; "" with on
	// merge: the branch's head has what on does not.
	merge bool
	// anew: the branch's history was rewritten, or made anew, and on would bring back what went. The
	// proposal is written once more, from the branch's head.
	anew bool
	// said are decisions whose change the proposal branch has already.
	said []*Decision
	// reset are paths at which the branch counts again; theirs those at which it does while
	// it is merged, since they are written anew.
	reset, theirs []string
	// conflicting: what people changed on both sides is left to them to merge.
	conflicting bool
	// planned counts what there is to do but for the merge.
	planned struct{ exports, reset int }
}

// propose makes the proposal branch say what the exports say. Those that it says already
// are done.
func (a *apply) propose(ctx context.Context, decisions []*Decision) error {
	p := &proposing{apply: a}
	if err := p.stand(ctx); err != nil {
		return err
	}
	a.s.Proposed.Unmerged = ""
	a.proposed = map[*Decision]bool{}
	var written []*Decision
	for _, d := range decisions {
		a.proposed[d] = true
		if p.anew || !d.proposedAs(a.layout) {
			written = append(written, d)
		} else {
			p.said = append(p.said, d)
		}
	}
	for again := true; again; {
		p.findReset(written)
		// Where it is taken back that another took the place of a moved one, nothing is to stand.
		unsaid := p.unsay(func(d *Decision) bool {
			return d.file().Path != d.Path(a.layout) && slices.Contains(p.reset, d.file().Path)
		})
		written, again = append(written, unsaid...), len(unsaid) > 0
	}
	if err := p.exportAll(ctx, written); err != nil {
		return err
	}
	pieces := piecesOf(a.exports)
	if a.knownTooMuch(pieces) {
		return p.less(ctx, decisions, pieces, nil)
	}
	for _, d := range p.said {
		for _, c := range d.Conflicts {
			c.Pending = true
		}
	}
	conflicts := replaced(decisions)
	switch {
	case p.on != "" && len(a.proposed) == 0 && len(p.reset) > 0 && !p.kept():
		return p.takeBack(ctx)
	case len(a.exports)+len(p.reset) == 0 && (!p.merge || len(a.proposed) == 0) && !p.anew:
		return a.intend(ctx, nil, conflicts)
	}
	a.progress("commit", a.report.Exported, a.report.Exported+len(a.exports)+a.waiting())
	built, err := p.build(ctx)
	if err != nil {
		return err
	}
	intents, err := a.intents(ctx, a.view.proposal.branch, built)
	if err != nil {
		return err
	}
	if built.Head() == built.Parent() && (p.on != "" || len(intents) == 0) {
		return a.intend(ctx, nil, conflicts)
	}
	if err := a.intend(ctx, intents, conflicts); err != nil {
		return err
	}
	a.letGo(intents)
	a.progress("push", a.report.Exported, a.report.Exported+len(a.exports)+a.waiting())
	if err := a.clone.PushBranch(ctx, a.view.proposal.branch, a.view.proposal.head, built); err != nil {
		a.logPushFailure(err)
		if refusedForGood(err) {
			a.dropIntents(intents)
		}
		if errors.Is(err, ErrTooLarge) && len(pieces) > 0 {
			a.foundTooMuch(pieces)
			return p.less(ctx, decisions, pieces, err)
		}
		return p.fault(err)
	}
	a.view.proposal.head = built.Head()
	if !p.conflicting {
		a.s.Proposed.Base = a.view.head
	}
	a.report.Commits = append(a.report.Commits, built.Commits()...)
	a.dropProposals(p.reset)
	return nil
}

// stand finds what the proposal is built on.
func (p *proposing) stand(ctx context.Context) error {
	head := p.view.proposal.head
	in, err := contains(ctx, p.clone, p.view.head, head)
	if err != nil || head == "" || in {
		return err // or it is all there already, and left over
	}
	p.on = head
	if p.base, err = p.clone.MergeBase(ctx, head, p.view.head); err != nil {
		return err
	}
	p.merge, p.anew = p.base != p.view.head, p.base == ""
	if holds := p.mirror.Proposed.Base; holds != "" {
		kept, err := contains(ctx, p.clone, p.view.head, holds)
		p.anew = p.anew || !kept
		return err
	}
	return nil
}

// unsay takes decisions that are to be written after all from those that are said.
func (p *proposing) unsay(which func(*Decision) bool) (unsaid []*Decision) {
	p.said = slices.DeleteFunc(p.said, func(d *Decision) bool {
		if which(d) {
			unsaid = append(unsaid, d)
			return true
		}
		return false
	})
	return unsaid
}

// proposedAs reports whether the proposal branch has the decision's change, in whatever
// form people gave it since.
func (d *Decision) proposedAs(l document.Layout) bool {
	i := d.Proposed
	switch {
	case i == nil:
		return false
	case d.Effect == RemoveFile:
		return i.Deleted && i.Path == d.file().Path
	}
	return !i.Deleted && i.Path == d.Path(l) && i.Slug == d.Document.Slug && i.Digest == d.digestOf(d.Document)
}

// findReset finds what is proposed and not meant any more: the row went back, was
// renamed once more, or is gone.
func (p *proposing) findReset(written []*Decision) {
	anew := make(map[*Decision]bool, len(written))
	for _, d := range written {
		anew[d] = true
	}
	keeps := func(d *Decision) bool {
		return p.skip[d] || d.Effect == Refuse || d.Effect == Hold || p.proposed[d] && !anew[d]
	}
	latest := map[*Intent]*Decision{}
	for _, d := range p.plan.Decisions {
		if d.Proposed != nil {
			latest[d.Proposed] = d
		}
	}
	type move struct { // a rename is two intents
		RowKey
		commit Hash
	}
	moved := func(i *Intent) move { return move{RowKey{i.Kind, i.RowID}, i.Commit} }
	stays := map[move]bool{}
	for i, d := range latest {
		stays[moved(i)] = stays[moved(i)] || keeps(d)
	}
	p.reset = nil
	covered := map[string]bool{}
	for _, d := range written {
		covered[d.Path(p.layout)], covered[d.file().Path] = true, true
	}
	for _, d := range p.plan.Decisions {
		if keeps(d) && d.Proposed != nil {
			covered[d.Proposed.Path] = true
		}
	}
	for _, i := range p.obs.Intents {
		if p.open[i.ID] && !stays[moved(i)] && !covered[i.Path] {
			covered[i.Path] = true
			p.reset = append(p.reset, i.Path)
		}
	}
}

// kept reports whether anything but what is taken back is on the proposal branch: what
// could not be planned this time, or what people put there.
func (p *proposing) kept() bool {
	for _, i := range p.obs.Intents {
		if p.open[i.ID] && !slices.Contains(p.reset, i.Path) {
			return true
		}
	}
	return p.on != p.mirror.Proposed.Head
}

// fault says of a refusal which branch it is about.
func (p *proposing) fault(err error) error {
	f, ok := errors.AsType[*Fault](err)
	if !ok || f.Code != CodeBranchRestricted {
		return err
	}
	refused := *f
	refused.Message = fmt.Sprintf("The branch %s, where changes are proposed, cannot be written: %s", p.view.proposal.branch, f.Message)
	refused.Remedy = fmt.Sprintf("Allow the consumer or token to create and write branches named %s.", p.view.proposal.branch)
	return &refused
}

// takeBack ends a proposal of which nothing is left.
func (p *proposing) takeBack(ctx context.Context) error {
	p.view.proposal.fate = withdrawn
	p.dropProposals(p.reset)
	return p.endProposal(ctx)
}

// dropProposals forgets what was proposed at the paths.
func (a *apply) dropProposals(paths []string) {
	for _, i := range a.obs.Intents {
		if i.Ref != refOf(a.mirror.Branch()) && slices.Contains(paths, i.Path) {
			a.s.DropIntents = append(a.s.DropIntents, i.ID)
		}
	}
}

// exportAll makes the exports of the decisions, and adds them.
func (p *proposing) exportAll(ctx context.Context, decisions []*Decision) error {
	if p.on == "" {
		p.newExports(decisions)
		return nil
	}
	ours, err := p.entries(ctx, decisions, func(d *Decision) Hash {
		if d.Proposed != nil {
			return d.Proposed.Commit
		}
		return p.base
	})
	if err != nil {
		return err
	}
	there, err := p.entries(ctx, decisions, func(*Decision) Hash { return p.on })
	if err != nil {
		return err
	}
	for i, d := range decisions {
		e, err := p.newProposal(ctx, d, ours[i], there[i])
		if err != nil {
			return err
		}
		p.exports = append(p.exports, e)
	}
	return nil
}

// entries finds the decisions' places in commits.
func (p *proposing) entries(ctx context.Context, decisions []*Decision, at func(*Decision) Hash) ([]Entry, error) {
	found := make([]Entry, len(decisions))
	places := map[Hash][]Place{}
	which := map[Hash][]int{}
	for i, d := range decisions {
		h := at(d)
		places[h] = append(places[h], Place{d.Kind, d.Slug()})
		which[h] = append(which[h], i)
	}
	for h, list := range places {
		entries, err := p.clone.Lookup(ctx, h, list)
		if err != nil {
			return nil, err
		}
		for n, i := range which[h] {
			found[i] = entries[n]
		}
	}
	return found, nil
}

// newProposal is an export on top of the proposal branch, where stands what there says;
// ours is what we, or whoever came before the proposal, had put there.
func (p *proposing) newProposal(ctx context.Context, d *Decision, ours, there Entry) (*export, error) {
	e := &export{Decision: d, verb: d.verb(p.layout, ToGit), path: d.Path(p.layout)}
	if d.Effect == RemoveFile {
		e.changes = []FileChange{{Path: e.path, Delete: true}}
		return e, nil
	}
	if f := d.file(); f.Exists() && f.Path != e.path {
		e.from = f.Path
		e.changes = append(e.changes, FileChange{Path: f.Path, Delete: true})
	}
	on := &File{Entry: there}
	if err := on.read(ctx, p.clone, noLimits); err != nil {
		return nil, err
	}
	doc := d.Document
	if there.GitID != "" && there.GitID != ours.GitID && there.GitID != d.file().GitID && on.Document != nil {
		mixed, err := p.mix(ctx, d, ours, on)
		if err != nil {
			return nil, err
		}
		e.mixed = d.digestOf(mixed) != d.digestOf(doc)
		doc = mixed
	}
	if on.Exists() && !p.anew && e.verb == VerbCreate {
		e.verb = VerbUpdate
	}
	if p.anew || d.Kind != document.Skills && (on.Problem != nil || !on.Exists() && e.from == "") {
		on = d.file() // its layout
	}
	e.write(on, doc)
	if p.merge && !p.anew { // which may take away what is as it was on the proposal branch
		e.writeWhole()
	}
	return e, nil
}

// mix joins a row's newer edit with what somebody changed in its proposal. Where both
// changed the same, the newer one counts; the other stays in the branch's history.
func (p *proposing) mix(ctx context.Context, d *Decision, ours Entry, on *File) (*document.Document, error) {
	was := &File{Entry: ours}
	if err := was.read(ctx, p.clone, noLimits); err != nil {
		return nil, err
	}
	mixed, _ := document.Merge(was.Document, d.Document, on.Document, document.PreferDatabase)
	if mixed.Validate(p.Rules.Limits) != nil || mixed.Slug != d.Document.Slug {
		return d.Document, nil
	}
	return mixed, nil
}

// build makes the commits: first one that brings the branch's news, then the exports'.
func (p *proposing) build(ctx context.Context) (Built, error) {
	parent := p.on
	if parent == "" || p.anew {
		parent = p.view.head
	}
	p.planned.exports, p.planned.reset = len(p.exports), len(p.reset)
	for {
		specs := p.commits()
		if first, ok := p.first(); ok {
			for _, e := range p.exports {
				e.spec++
			}
			specs = slices.Insert(specs, 0, first)
		}
		built, err := p.clone.Build(ctx, parent, specs)
		conflict, unmerged := errors.AsType[*MergeError](err)
		occupied, _ := errors.AsType[*PathError](err)
		switch {
		case unmerged && !p.conflicting:
			again, err := p.settles(ctx, conflict)
			if err != nil {
				return nil, err
			}
			if !again {
				p.leaveMerge(conflict)
			}
		case occupied != nil && p.refuseExport(occupied):
		default:
			return built, err
		}
	}
}

// leaveMerge leaves the merge to people: what they changed on both branches is theirs to
// decide. What was only to be written because of the merge is not.
func (p *proposing) leaveMerge(conflict *MergeError) {
	p.log.Warn("the branch cannot be merged into the proposal: people changed the same files on both", "branch", p.view.proposal.branch, "paths", conflict.Paths)
	p.conflicting = true
	p.exports, p.reset = p.exports[:p.planned.exports], p.reset[:p.planned.reset]
	p.s.Proposed.Unmerged = listed(conflict.Paths)
}

// listed are a few of many paths.
func listed(paths []string) string {
	const most = 3
	text := strings.Join(paths[:min(len(paths), most)], ", ")
	if n := len(paths) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// first is the commit that comes before the exports', if there has to be one.
func (p *proposing) first() (CommitSpec, bool) {
	author := p.Committer
	author.When = p.Now()
	switch {
	case p.on == "" || p.anew || p.conflicting || !p.merge && len(p.reset) == 0:
		return CommitSpec{}, false
	case p.merge:
		return CommitSpec{Message: fmt.Sprintf("Merge branch '%s' into %s\n\nConfmirror-Run: %s\n", p.mirror.Branch(), p.view.proposal.branch, p.req.RunID),
			Author: author, Merge: p.view.head, Theirs: slices.Concat(p.reset, p.theirs)}, true
	}
	return CommitSpec{Message: fmt.Sprintf("Take back %d proposals\n\nConfmirror-Run: %s\n", len(p.reset), p.req.RunID),
		Author: author, Merge: p.view.head, Theirs: p.reset}, true
}

// settles decides the conflicts of a merge that are ours: what is written anew, and what
// cannot be proposed as things are, while nobody else had a hand in it. It reports whether
// the merge is worth another try.
func (p *proposing) settles(ctx context.Context, conflict *MergeError) (again bool, err error) {
	unsaid := p.unsay(func(d *Decision) bool {
		return slices.ContainsFunc(conflict.Paths, func(path string) bool { return within(path, d.Path(p.layout)) || within(path, d.file().Path) })
	})
	if err := p.exportAll(ctx, unsaid); err != nil {
		return false, err
	}
	for _, path := range conflict.Paths {
		for _, e := range p.exports {
			for _, own := range []string{e.path, e.from} {
				if own != "" && within(path, own) && !slices.Contains(p.theirs, own) {
					p.theirs, again = append(p.theirs, own), true
					e.writeWhole()
				}
			}
		}
	}
	if again {
		return true, nil
	}
	for _, i := range p.obs.Intents {
		if p.open[i.ID] && !slices.Contains(p.reset, i.Path) && slices.ContainsFunc(conflict.Paths, func(path string) bool { return within(path, i.Path) }) {
			ours, err := p.untouched(ctx, i)
			if err != nil {
				return false, err
			}
			for _, i := range ours {
				p.reset, again = append(p.reset, i.Path), true
			}
		}
	}
	return again, nil
}

// untouched is what was proposed of an intent's row together, if it stands on the
// proposal branch as it was put there.
func (p *proposing) untouched(ctx context.Context, one *Intent) ([]*Intent, error) {
	latest := map[Key]*Intent{}
	for _, i := range p.obs.Intents {
		if p.open[i.ID] {
			latest[i.Key] = i
		}
	}
	var ours []*Intent
	for _, i := range latest {
		if i.Key == one.Key || i.RowID != "" && i.Kind == one.Kind && i.RowID == one.RowID {
			ours = append(ours, i)
		}
	}
	places := make([]Place, len(ours))
	for n, i := range ours {
		places[n] = Place{i.Kind, i.Slug}
	}
	entries, err := p.clone.Lookup(ctx, p.on, places)
	if err != nil {
		return nil, err
	}
	for n, i := range ours {
		if is := entries[n].GitID; i.Deleted && is != "" || !i.Deleted && is != i.GitID {
			return nil, nil
		}
	}
	return ours, nil
}

// within reports whether path is own, or lies in it.
func within(path, own string) bool {
	return path == own || len(path) > len(own) && path[:len(own)+1] == own+"/"
}
