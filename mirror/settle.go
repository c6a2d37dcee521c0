package mirror

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
)

// settle remembers what the round did, in one transaction.
func (a *apply) settle(ctx context.Context, pushFault error) error {
	a.s.Cursor, a.s.RemoteSeen = a.head, a.head
	if !a.portion.last {
		a.s.Cursor, a.s.ImportedFrom = a.mirror.Cursor, a.importedFrom()
	}
	a.s.DropBases = append(a.s.DropBases, a.foundGone()...)
	a.s.DropIntents = append(a.s.DropIntents, a.foundIntents...)
	a.s.Consumed = append(a.s.Consumed, a.view.idle...)
	a.s.Deleted = a.foundDeletions
	exports := make(map[*Decision]*export, len(a.exports))
	for _, e := range a.exports {
		exports[e.Decision] = e
	}
	seen := map[Key]bool{}
	held := heldNow{a.obs.Held[ToGit] + a.obs.Held[ToDatabase], a.obs.HeldRebinds, a.obs.Declined}
	for _, d := range a.plan.Decisions {
		for _, key := range a.keys(d) {
			seen[key] = true
		}
		for _, f := range d.unreached() {
			seen[Key{d.Kind, f.Path}] = true
		}
		held.forget(d.Left)
		if d.Effect == Hold {
			held.add(d.heldAs(), 1)
		}
		if a.notAgain[d] {
			held.add(ReasonDeclined, 1)
		}
		if a.skip[d] {
			continue
		}
		if d.toFile && pushFault != nil && !a.notAgain[d] && !a.arrived[d] {
			a.leavePending(d)
			continue
		}
		if a.proposed[d] || a.notAgain[d] {
			a.settleProposed(d, exports[d])
			continue
		}
		if other := d.gaveWay; other != nil && !a.carriedOut(other, pushFault) {
			a.leavePending(d)
			continue
		}
		a.settleDecision(d, exports[d])
	}
	a.s.Unsettled = append(a.behind, a.s.Unsettled...) // what a file's own decision left counts more
	a.keepFound()
	for key := range a.left {
		if !seen[key] { // nothing stands there any more
			held.forget(a.left[key])
			a.close(key)
		}
	}
	a.settleProposal()
	a.offer(ctx)
	a.s.State = a.state(held, pushFault)
	a.s.Covered, a.s.PlannedBy = a.obs.Requested, a.plannedBy()
	if a.more() { // whoever asked waits for all of it
		a.s.Covered, a.s.PlannedBy = a.mirror.Covered, a.mirror.PlannedBy
	}
	a.report.SyncedCommit = a.head
	a.report.State = a.s.State.Name
	a.report.Detail = a.s.State.Detail
	if a.req.Record || len(a.report.Actions) > 0 || a.s.State.Name != a.mirror.State.Name || a.obs.Requested > a.mirror.Covered {
		a.report.DurationMS = a.Now().Sub(a.report.StartedAt).Milliseconds()
		a.s.Run = &a.report
	}
	if a.rewritten && a.portion.last {
		a.s.Events = append(a.s.Events, Event{EventHistoryRewritten, fmt.Sprintf(
			"The branch no longer contains commit %s, which was synced before; what it replaced is kept in the conflicts.", a.mirror.Cursor)})
	}
	if err := a.Store.Settle(ctx, a.mirror, &a.s); err != nil {
		return err
	}
	a.report.Settled = true
	return nil
}

// more reports whether the round did a part of what there is.
func (a *apply) more() bool { return a.obs.Waiting > 0 || !a.portion.last || a.deferred }

// waiting counts what the round left to the next ones.
func (a *apply) waiting() int {
	return a.obs.Waiting + a.agenda.left() - len(a.portion.rows) - len(a.portion.entries)
}

// importedFrom is where bases are ahead of the cursor after a part of a run.
func (a *apply) importedFrom() []Hash {
	heads := slices.DeleteFunc(slices.Clone(a.mirror.ImportedFrom), func(h Hash) bool { return h == a.view.head || h == a.head })
	if a.head == "" {
		return heads
	}
	return append(heads, a.head) // which contains the observed head, with what was pushed on it
}

// foundGone are the bases that an intent turned out to have ended. An import of this round
// may have agreed on what somebody has put there since.
func (a *apply) foundGone() []Key {
	agreed := map[Key]bool{}
	for _, d := range a.plan.Decisions {
		if d.toRow && d.Effect == Converge && !a.skip[d] {
			agreed[Key{d.Kind, d.file().Path}] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(a.foundDrops), func(key Key) bool { return agreed[key] })
}

// keepFound settles what an intent turned out to be, where no decision moved on from it.
func (a *apply) keepFound() {
	moved := map[Key]bool{}
	for _, key := range a.s.DropBases {
		moved[key] = true
	}
	for _, b := range a.s.Bases {
		moved[b.Key] = true
	}
	for _, d := range a.plan.Decisions {
		if d.toRow && d.Base != nil {
			moved[d.Base.Key] = true
		}
	}
	for _, b := range a.foundBases {
		if !moved[b.Key] {
			a.s.Bases = append(a.s.Bases, b)
		}
	}
}

// keys are the paths that a decision answers for.
func (a *apply) keys(d *Decision) []Key {
	keys := []Key{{d.Kind, d.File.Path}}
	if d.move != nil {
		keys = append(keys, Key{d.Kind, d.move.Path})
	}
	if d.Base != nil {
		keys = append(keys, d.Base.Key)
	}
	if d.Effect == Converge {
		keys = append(keys, Key{d.Kind, d.Path(a.layout)})
	}
	return keys
}

// leave keeps a decision open that was not carried out, together with the files that
// only its row leads to: the row may be gone in the next run.
func (a *apply) leave(d *Decision, u *Unsettled) {
	for _, f := range d.unreached() {
		a.s.Unsettled = append(a.s.Unsettled, &Unsettled{Key: Key{d.Kind, f.Path}, RowID: u.RowID, Slug: f.Slug, Reason: u.Reason, Due: u.Due, GitID: f.GitID})
	}
	a.s.Unsettled = append(a.s.Unsettled, u) // the last one counts where two have one key
}

// close forgets what was left open at key.
func (a *apply) close(key Key) {
	if a.left[key] != nil {
		a.s.Settled = append(a.s.Settled, key)
		a.s.Accepted = append(a.s.Accepted, key)
	}
}

// due is what was left open, to be planned again whatever happens: what a person
// decided, or what was found bad, must not be forgotten.
func (u *Unsettled) due() *Unsettled {
	left := *u
	left.Due = true
	return &left
}

// leavePending keeps an export that was not pushed: its captured changes stay, and
// so does its place in the next plan.
func (a *apply) leavePending(d *Decision) {
	key := Key{d.Kind, d.Path(a.layout)}
	if d.Base != nil {
		key = d.Base.Key
	}
	u := &Unsettled{Key: key, RowID: rowID(d), Slug: d.Slug(), Reason: ReasonBlocked, Due: true, Digest: d.digest, GitID: d.file().GitID}
	if d.Left != nil && d.Left.Reason != ReasonBlocked {
		u = d.Left.due()
	}
	a.leave(d, u)
	if d.Effect == RemoveFile {
		if status := a.status(d, nil); status != nil {
			a.s.Statuses = append(a.s.Statuses, *status)
		}
	}
}

// carriedOut reports whether a decision's document is on both sides now.
func (a *apply) carriedOut(d *Decision, pushFault error) bool {
	return d.Effect == Converge && !a.skip[d] && !d.withheld && (!d.toFile || pushFault == nil || a.arrived[d])
}

// leaveBehind keeps a file open that waits for the decision of the row beside it; once
// that is carried out elsewhere, or another row takes the place of the row's base,
// nothing leads to the file any more.
func (a *apply) leaveBehind(d *Decision, f *File) {
	due := d.Effect != Refuse && d.Effect != Hold || a.losesBase(d)
	a.behind = append(a.behind, &Unsettled{Key: Key{d.Kind, f.Path}, RowID: rowID(d), Slug: f.Slug, Reason: ReasonBehind, Due: due, GitID: f.GitID})
}

// losesBase reports whether another entity is written where the decision's base is.
func (a *apply) losesBase(d *Decision) bool {
	return d.Base != nil && slices.ContainsFunc(a.exports, func(e *export) bool {
		return e.Decision != d && e.Effect == Converge && e.Kind == d.Kind && e.path == d.Base.Path
	})
}

func (a *apply) settleDecision(d *Decision, e *export) {
	if d.behind != nil {
		a.leaveBehind(d, d.behind)
	}
	if d.Effect != Hold && d.Effect != Refuse {
		for _, key := range a.keys(d) {
			a.close(key)
		}
	}
	if !d.recorded() {
		a.tell(d)
	}
	if (!d.toRow || e != nil) && !d.waits {
		a.s.Consumed = append(a.s.Consumed, d.Changes...)
	}
	if d.waits && len(d.Changes) == 0 { // they were heard when it was proposed
		a.s.Requeued = append(a.s.Requeued, Change{Kind: d.Kind, RowID: d.Row.ID, SlugBefore: d.Row.Slug, SlugAfter: d.Row.Slug})
	}
	switch d.Effect {
	case Nothing:
		if a.formMoved(d) {
			f := d.file()
			a.s.Bases = append(a.s.Bases, newBase(d, f.Path, f.GitID, f.Document, f.Content))
		}
	case Converge:
		a.settleConverged(d, e)
	case RemoveFile:
		a.s.DropBases = append(a.s.DropBases, d.Base.Key)
		if d.Direction == ToGit {
			a.s.Deleted++
		}
		if e != nil {
			a.report.Deleted++
			a.exported(d, "deleted on the branch")
		}
	case Forget:
		a.s.DropBases = append(a.s.DropBases, d.Base.Key)
	case Part:
		base := *d.Base
		base.Parted = true
		a.s.Bases = append(a.s.Bases, &base)
	case Hold:
		a.leaveHeld(d)
	case Refuse:
		a.settleRefused(d)
	}
	if status := a.status(d, e); status != nil {
		a.s.Statuses = append(a.s.Statuses, *status)
	}
}

// heldNow counts what waits for a person.
type heldNow struct{ deletions, rebinds, declined int }

func (h *heldNow) add(reason Reason, n int) {
	switch reason {
	case ReasonHeld:
		h.deletions += n
	case ReasonRebind:
		h.rebinds += n
	case ReasonDeclined:
		h.declined += n
	}
}

// forget takes away what was held before the run; it counts anew if it still is.
func (h *heldNow) forget(u *Unsettled) {
	if u != nil && u.Verdict == Undecided {
		h.add(u.Reason, -1)
	}
}

func (d *Decision) heldAs() Reason {
	if d.rebound != nil {
		return ReasonRebind
	}
	return ReasonHeld
}

func (a *apply) leaveHeld(d *Decision) {
	f := d.file()
	key := Key{d.Kind, f.Path}
	if d.Base != nil {
		key = d.Base.Key
	}
	a.leave(d, &Unsettled{Key: key, RowID: rowID(d), Slug: d.Slug(), Reason: d.heldAs(), Direction: d.Direction, GitID: f.GitID})
}

func (a *apply) settleConverged(d *Decision, e *export) {
	if d.toRow && e == nil {
		return // the import wrote it all
	}
	base := (*Base)(nil)
	if e != nil {
		base = e.base
		if !d.toRow {
			a.report.Exported++
			a.exported(d, "exported")
		}
	} else {
		f := d.file()
		base = newBase(d, f.Path, f.GitID, d.Document, f.Content)
	}
	a.s.Bases = append(a.s.Bases, base)
	if d.Base != nil && d.Base.Path != base.Path {
		a.s.DropBases = append(a.s.DropBases, d.Base.Key)
	}
	if f := d.file(); d.toRow && f.Path != base.Path { // where this round's import agreed meanwhile
		a.s.DropBases = append(a.s.DropBases, Key{d.Kind, f.Path})
	}
}

// recorded reports whether the decision is a refusal that an earlier run told of.
func (d *Decision) recorded() bool {
	switch {
	case d.Effect != Refuse:
		return false
	case d.live():
		was := d.Row.Integration.Error
		return was != nil && was.Code == d.Problem.Code && was.Message == d.Problem.Message
	}
	return d.Left.found(d.bad())
}

func (a *apply) settleRefused(d *Decision) {
	f := d.bad()
	a.report.Errors++
	level := slog.LevelWarn
	if d.recorded() {
		level = slog.LevelDebug
	}
	a.said(level, "refused", "kind", d.Kind, "slug", d.Slug(), "path", f.Path, "code", d.Problem.Code, "problem", d.Problem.Message)
	if (d.RowProblem || d.atTarget) && d.Left != nil && d.Left.Reason != ReasonInvalid {
		for _, key := range a.keys(d) {
			a.close(key) // it is held, blocked or raced no longer
		}
	}
	if d.RowProblem { // the row's next edit brings it back, and only the row leads to these
		for _, f := range d.unreached() {
			a.leaveBehind(d, f)
		}
		if f := d.file(); d.Base == nil && f.Exists() && (d.Left == nil || d.Left.Reason != ReasonInvalid) {
			a.leaveBehind(d, f)
		}
		return
	}
	key := Key{d.Kind, f.Path}
	if d.slip != nil {
		key = d.Base.Key
	}
	u := &Unsettled{Key: key, Slug: f.Slug, Reason: ReasonInvalid, WaitsFor: d.Problem.WaitsFor, Due: d.Due || f.Hidden, GitID: f.GitID}
	if d.Base != nil || d.live() { // a deleted row that happens to have had the slug is not always found
		u.RowID, u.Digest = rowID(d), d.digest
	}
	a.s.Unsettled = append(a.s.Unsettled, u)
	if !d.live() {
		a.s.Rejected = append(a.s.Rejected, &RejectedFile{Key: key, Slug: f.Slug, GitID: f.GitID, Error: a.entityError(d.Problem, f.Path)})
	} else if d.Left != nil {
		a.s.Accepted = append(a.s.Accepted, key) // the row shows it now
	}
}

// formMoved: git wrote the same content in another form.
func (a *apply) formMoved(d *Decision) bool {
	f := d.file()
	return d.Effect == Nothing && d.Base != nil && d.live() && f.Exists() && f.Document != nil && f.GitID != d.Base.GitID
}
