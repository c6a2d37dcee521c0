package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
		if p.anew || !a.waits(d) {
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

// waits reports whether the proposal branch has all of the decision's change. A file that
// people moved since on the mirrored branch has to go from its new place, too.
func (a *apply) waits(d *Decision) bool {
	if !d.proposedAs(a.layout) {
		return false
	}
	f := d.file()
	if d.Effect != Converge || !f.Exists() || f.Path == d.Path(a.layout) {
		return true
	}
	if a.proposedAt == nil {
		a.proposedAt = map[Key]bool{}
		for _, i := range a.obs.Intents {
			if a.open[i.ID] {
				a.proposedAt[i.Key] = true
			}
		}
	}
	return a.proposedAt[Key{d.Kind, f.Path}]
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
			covered[d.Proposed.Path], covered[d.file().Path] = true, true // where it goes and leaves
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
