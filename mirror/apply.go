package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/confmirror/confmirror/mirror/document"
	"github.com/confmirror/confmirror/mirror/parallel"
)

// apply carries out one plan: rows first, then the branch, then what is remembered.
type apply struct {
	*run
	*view
	plan   *Plan
	layout document.Layout
	// head is the branch's head once the exports are pushed.
	head    Hash
	exports []*export
	// checkedOut waits for a checkout that was begun early; nil if none was.
	checkedOut func() error
	// skip holds decisions that could not be carried out in this round.
	skip  map[*Decision]bool
	raced int
	// behind are files that wait for the decision of a row beside them.
	behind []*Unsettled
	// rowsDeleted counts this round's deletions in the database.
	rowsDeleted int
	// proposed are the decisions whose change is on the proposal branch; notAgain those whose
	// change people declined.
	proposed, notAgain map[*Decision]bool
	// proposedAt are the places that wait on the proposal branch; nil: not looked at yet.
	proposedAt map[Key]bool
	// arrived are the decisions whose change the branch has, where it was pushed in parts.
	arrived map[*Decision]bool
	// deferred: a part of the exports is left to the next round.
	deferred bool
	// stored are the conflicts that this round has put into the database.
	stored map[*Conflict]bool
	s      Settlement
}

func newApply(r *run, v *view, p *Plan) *apply {
	return &apply{run: r, view: v, plan: p, layout: p.Layout, head: v.head, skip: map[*Decision]bool{}, notAgain: map[*Decision]bool{}, stored: map[*Conflict]bool{}, s: Settlement{Proposed: r.mirror.Proposed}}
}

// idle reports that the round has nothing to write, remember or answer.
func (a *apply) idle() bool {
	if a.more() || len(a.obs.Changes) > 0 || len(a.foundIntents) > 0 || len(a.mirror.ImportedFrom) > 0 || len(a.obs.Unsettled) > 0 || a.req.Record ||
		a.obs.Requested > a.mirror.Covered || a.mirror.Cursor != a.view.head ||
		a.mirror.RemoteSeen != a.view.head || a.mirror.State.Name != StateOK || !a.mainTold() || a.mirror.PlannedBy != a.plannedBy() {
		return false
	}
	if a.view.proposal.all || !a.view.proposal.askedAt.IsZero() || a.run.undescribed() {
		return false
	}
	for _, d := range a.plan.Decisions {
		if d.Effect != Nothing || a.status(d, nil) != nil || a.formMoved(d) {
			return false
		}
	}
	return a.view.head != ""
}

// importRows writes rows and their bases in one transaction.
func (a *apply) importRows(ctx context.Context) error {
	var changes []*RowChange
	var decisions []*Decision
	for _, d := range a.plan.Decisions {
		if d.toRow {
			changes = append(changes, a.rowChange(d))
			decisions = append(decisions, d)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	done := a.report.Imported + a.report.Merged
	a.progress("import", done, done+len(changes)+a.waiting())
	outcomes, err := a.Store.Import(ctx, a.mirror, a.view.head, a.req.RunID, changes)
	if err != nil {
		return err
	}
	for i, d := range decisions {
		a.afterImport(d, changes[i], outcomes[i])
	}
	return nil
}

// rowChange is one decision's import. When the branch is written too, what the row
// agrees with after the import is git's version, and the captured changes stay
// until the export is settled: a crash in between leaves an ordinary export.
func (a *apply) rowChange(d *Decision) *RowChange {
	c := &RowChange{Row: d.Row, Conflicts: d.Conflicts, Consume: d.Changes}
	if d.rebound != nil {
		c.Event = &Event{EventRebound, fmt.Sprintf("The branch pointed the MCP server %s, which has credentials, %s.", d.Slug(), d.rebound)}
	}
	for _, key := range a.keys(d) {
		c.Answered = append(c.Answered, a.foundAt[key]...)
	}
	if d.Effect == RemoveRow {
		c.Action, c.Key = RowDelete, d.Base.Key
		return c
	}
	f := d.file()
	c.Action, c.Document = RowUpdate, d.stored(d.Document)
	if d.Row == nil {
		c.Action = RowCreate
	}
	if d.toFile || d.withheld {
		c.KeepChanges, c.Consume = true, nil
		c.Base, c.Key = d.Base, Key{d.Kind, f.Path}
		if f.Document != nil {
			c.Base = newBase(d, f.Path, f.GitID, f.Document, f.Content)
		}
		if c.Base != nil {
			c.Key = c.Base.Key
		}
	} else {
		c.Base = newBase(d, f.Path, f.GitID, d.Document, f.Content)
		c.Key = c.Base.Key
	}
	if d.Base != nil && d.Base.Path != c.Key.Path {
		c.Vacated = d.Base.Path
	}
	c.Integration = a.synced(c.Key.Path, f.GitID, a.view.head, d.Problem)
	return c
}

func (a *apply) afterImport(d *Decision, c *RowChange, o Outcome) {
	log := func(what string, args ...any) {
		a.said(slog.LevelInfo, what, append([]any{"kind", d.Kind, "slug", d.Slug(), "path", c.Key.Path}, args...)...)
	}
	switch {
	case o.Raced:
		a.raced++
		a.skip[d] = true
		u := &Unsettled{Key: c.Key, RowID: rowID(d), Slug: d.Slug(), Reason: ReasonRaced, Due: true, GitID: d.file().GitID}
		if d.Left != nil {
			u = d.Left.due()
		}
		a.leave(d, u)
		log("row was edited meanwhile, left for the next round")
		return
	case o.Problem != nil:
		d.Effect, d.Problem, d.Document, d.toRow, d.toFile = Refuse, o.Problem, nil, false, false
		d.Due = true // nothing tells when the database thinks otherwise
		d.actions = d.describe(a.layout)
		return
	}
	if d.Row == nil {
		d.Row = &Row{Kind: d.Kind, ID: o.RowID, Slug: d.Slug()}
	}
	a.s.Consumed = append(a.s.Consumed, o.Own...)
	if d.rebound != nil {
		a.log.Warn("credentials go to another target", "kind", d.Kind, "slug", d.Slug(), "path", c.Key.Path, "from", d.rebound.from, "to", d.rebound.to)
	}
	a.tell(d) // it is done, whatever becomes of the round
	switch {
	case d.Effect == RemoveRow:
		a.report.Deleted++
		a.rowsDeleted++
		log("soft-deleted in the database")
	case c.KeepChanges:
		a.report.Merged++
		log("merged into the database")
	default:
		a.report.Imported++
		log("imported", "row", o.RowID)
	}
	a.report.Conflicts += len(d.Conflicts)
}

func rowID(d *Decision) string {
	switch {
	case d.Row != nil:
		return d.Row.ID
	case d.Base != nil:
		return d.Base.RowID
	}
	return ""
}

// newBase is what is agreed once doc stands at path.
func newBase(d *Decision, path, gitID string, doc *document.Document, content *Content) *Base {
	return &Base{
		Key: Key{d.Kind, path}, RowID: rowID(d), Slug: doc.Slug, GitID: gitID,
		Digest: d.digestOf(doc), UnknownKeys: doc.UnknownKeys(), Content: content,
	}
}

// keep writes the conflicts that neither an import nor a push brings along: whatever
// becomes of the push, the round settles these decisions. Of a decision that was not
// carried out it keeps what the next run knows nothing of, that history was rewritten.
func (a *apply) keep(ctx context.Context) error {
	var conflicts []*Conflict
	for _, d := range a.plan.Decisions {
		if !a.skip[d] && (d.toRow || d.toFile) {
			continue
		}
		for _, c := range d.Conflicts {
			if !a.skip[d] || c.Reason == ConflictHistoryRewritten {
				conflicts = append(conflicts, c)
			}
		}
	}
	return a.intend(ctx, nil, conflicts)
}

// export commits and pushes what the database changed. The error is a fault of the
// push, ErrStale, or a failure before it; imports are not undone by it.
func (a *apply) export(ctx context.Context) error {
	if a.view.proposal.fate != withdrawn {
		if err := a.endProposal(ctx); err != nil {
			return err
		}
	}
	var decisions []*Decision
	for _, d := range a.plan.Decisions {
		if !a.skip[d] && d.toFile && !a.notWanted(d) {
			decisions = append(decisions, d)
		}
	}
	propose := a.proposes() && a.view.head != ""
	switch {
	case propose && len(decisions) == 0 && (a.view.proposal.head == "" || !a.view.proposal.all):
		return nil
	case len(decisions) > 0 && a.req.Refused != nil:
		return a.req.Refused
	case propose:
		return a.propose(ctx, decisions)
	}
	err := a.pushAll(ctx, decisions)
	if err == nil && a.view.proposal.fate == withdrawn {
		return a.endProposal(ctx)
	}
	if f, ok := errors.AsType[*Fault](err); ok && f.Code == CodeBranchRestricted && a.mirror.Settings.Push == PushAuto && a.view.head != "" {
		a.log.Info("the branch takes no direct pushes; changes are proposed", "said", f.Message)
		a.run.refusedNow = a.Now().UTC()
		return errAgain
	}
	return err
}

func (a *apply) newExports(decisions []*Decision) {
	a.exports = make([]*export, len(decisions))
	_ = parallel.Each(len(decisions), func(i int) error {
		a.exports[i] = a.newExport(decisions[i])
		return nil
	})
}

// replaced are the conflicts that exports bring along, where no import did.
func replaced(decisions []*Decision) (conflicts []*Conflict) {
	for _, d := range decisions {
		if !d.toRow {
			conflicts = append(conflicts, d.Conflicts...)
		}
	}
	return conflicts
}

// push brings the exports to the branch itself, in one push.
func (a *apply) push(ctx context.Context, decisions []*Decision) error {
	if len(decisions) == 0 {
		return nil
	}
	conflicts := replaced(decisions)
	a.newExports(decisions)
	a.progress("commit", a.report.Exported, a.report.Exported+len(a.exports)+a.waiting())
	built, err := a.build(ctx)
	if err != nil {
		return err
	}
	intents, err := a.intents(ctx, a.mirror.Branch(), built)
	if err != nil {
		return err
	}
	if built.Head() == built.Parent() {
		return a.intend(ctx, nil, conflicts) // the files say it already
	}
	if err := a.intend(ctx, intents, conflicts); err != nil {
		return err
	}
	a.letGo(intents)
	a.progress("push", a.report.Exported, a.report.Exported+len(a.exports)+a.waiting())
	if err := a.clone.Push(ctx, built); err != nil {
		a.logPushFailure(err)
		if refusedForGood(err) { // so these commits can never arrive
			a.dropIntents(intents)
			a.run.refusedIntents = append(a.run.refusedIntents, intents...)
		}
		return err
	}
	a.head = built.Head()
	a.report.Commits = append(a.report.Commits, built.Commits()...)
	// This push was made from the observed head, or from what was pushed on it, so no earlier
	// one can still arrive. (What was proposed can.)
	for _, i := range a.obs.Intents {
		if i.Ref == refOf(a.mirror.Branch()) || a.view.proposal.fate == withdrawn {
			a.dropIntents([]*Intent{i})
		}
	}
	a.dropIntents(intents)
	return nil
}

// letGo forgets the contents that the intents have stored: the settle finds them there by
// their git ids, and a large push is not kept in memory twice.
func (a *apply) letGo(intents []*Intent) {
	for _, i := range intents {
		i.Content = nil
	}
	for _, e := range a.exports {
		e.changes, e.content = nil, nil
		if e.base != nil {
			e.base.Content = nil
		}
	}
}

// intend says what the push will make agreed, and keeps what it overwrites.
func (a *apply) intend(ctx context.Context, intents []*Intent, conflicts []*Conflict) error {
	conflicts = slices.DeleteFunc(conflicts, func(c *Conflict) bool { return a.stored[c] })
	if len(intents)+len(conflicts) == 0 {
		return nil
	}
	if err := a.Store.Intend(ctx, a.mirror, a.req.RunID, intents, conflicts); err != nil {
		return err
	}
	for _, c := range conflicts {
		a.stored[c] = true
		if !c.Pending {
			a.report.Conflicts++
		}
	}
	return nil
}

func (a *apply) dropIntents(intents []*Intent) {
	for _, i := range intents {
		a.s.DropIntents = append(a.s.DropIntents, i.ID)
	}
}

// refusedForGood reports that the remote answered, and did not take the push.
func refusedForGood(err error) bool {
	var f *Fault
	return errors.As(err, &f) && f.Class == Permanent
}

// build makes the commits. An export whose path cannot be written is refused by
// itself; the others go on without it.
func (a *apply) build(ctx context.Context) (Built, error) {
	for {
		built, err := a.clone.Build(ctx, a.head, a.commits())
		var occupied *PathError
		if !errors.As(err, &occupied) || !a.refuseExport(occupied) {
			return built, err
		}
	}
}

func (a *apply) refuseExport(occupied *PathError) bool {
	for i, e := range a.exports {
		if !slices.ContainsFunc(e.changes, func(c FileChange) bool { return c.Path == occupied.Path }) {
			continue
		}
		a.exports = slices.Delete(a.exports, i, i+1)
		delete(a.proposed, e.Decision)
		a.refuse(e.Decision, document.Invalid("cannot be written to %s: %s", e.path, occupied.Why))
		return true
	}
	return false
}

// refuse keeps a row from the branch: the row's next edit brings it back.
func (a *apply) refuse(d *Decision, p *document.Problem) {
	if f := d.file(); d.toRow { // the import said that all was well
		d.Row.Integration = a.synced(f.Path, f.GitID, a.view.head, nil)
	}
	d.Effect, d.Document, d.toFile, d.RowProblem, d.Problem = Refuse, nil, false, true, p
	d.actions = d.describe(a.layout)
}

func (a *apply) logPushFailure(err error) {
	if errors.Is(err, ErrStale) {
		a.log.Info("branch moved before the push, nothing was written")
		return
	}
	if errors.Is(err, ErrTooLarge) {
		a.log.Info("the push is too large for the remote", "exports", len(a.exports), "error", err)
		return
	}
	a.log.Warn("push failed, exports stay pending", "exports", len(a.exports), "error", err)
}
