package mirror

import (
	"slices"

	"github.com/confmirror/confmirror/mirror/document"
)

// notWanted reports whether people declined exactly this change of the row, and nobody
// asked for it since. That holds for direct pushes, too.
func (a *apply) notWanted(d *Decision) bool {
	declinedNow := a.view.proposal.fate == declined && a.waits(d)
	declinedThen := d.declined() && d.Left.Verdict != Approved
	a.notAgain[d] = declinedNow || declinedThen
	return a.notAgain[d]
}

// declined reports whether people declined this very change of the row before.
func (d *Decision) declined() bool {
	return d.Left != nil && d.Left.Reason == ReasonDeclined && d.Left.Slug == d.Slug() && d.Left.Digest == d.meant()
}

// describe lists what the round would do: for what waits to be merged, or was declined,
// it would do nothing.
func (a *apply) describe() []Action {
	for _, d := range a.plan.Decisions {
		if d.toFile && (a.proposes() && a.waits(d) || a.notWanted(d)) {
			d.actions = slices.DeleteFunc(d.actions, func(was Action) bool { return was.Direction == ToGit })
		}
	}
	return a.plan.Describe()
}

// meant is the digest of what the decision would make of the file; "" for its removal.
func (d *Decision) meant() document.Digest {
	if d.Effect == RemoveFile {
		return ""
	}
	return d.digestOf(d.Document)
}

// settleProposed remembers a change that the branch does not have yet: its captured writes
// have been heard, and what it was proposed from stays what is agreed.
func (a *apply) settleProposed(d *Decision, e *export) {
	if d.behind != nil {
		a.leaveBehind(d, d.behind)
	}
	if d.Left != nil && d.Left.Reason != ReasonDeclined || !a.notAgain[d] {
		for _, key := range a.keys(d) {
			a.closeProposed(d, key)
		}
	}
	if a.notAgain[d] {
		key := Key{d.Kind, d.Path(a.layout)}
		if d.Base != nil {
			key = d.Base.Key
		}
		u := &Unsettled{Key: key, RowID: rowID(d), Slug: d.Slug(), Reason: ReasonDeclined, Direction: ToGit, Digest: d.meant(), GitID: d.file().GitID}
		if d.Left != nil {
			u.Verdict = d.Left.Verdict // discarded, though the branch has no version to take
		}
		a.leave(d, u)
	}
	if !d.waits {
		a.s.Consumed = append(a.s.Consumed, d.Changes...)
	}
	if d.Effect == Converge {
		base := newBase(d, d.Path(a.layout), "", d.Document, nil)
		if e != nil && e.base != nil {
			base = e.base
		}
		a.s.Offered = append(a.s.Offered, base)
	}
	if e != nil {
		a.tell(d)
		if d.Effect == RemoveFile {
			a.report.Deleted++
			if d.Direction == ToGit {
				a.s.Deleted++
			}
		} else if !d.toRow {
			a.report.Exported++
		}
		a.exported(d, "proposed")
	}
	if status := a.proposedStatus(d); status != nil {
		a.s.Statuses = append(a.s.Statuses, *status)
	}
}

// closeProposed forgets what was left open at key. A bad file stands there until the
// proposal is merged; that the row replaces it is remembered as it being another document.
func (a *apply) closeProposed(d *Decision, key Key) {
	for _, f := range []*File{d.file(), d.Target} {
		if left := a.left[key]; f != nil && f.Path == key.Path && d.Effect == Converge && left.found(f) {
			overruled := *left
			overruled.Digest = ""
			a.s.Unsettled = append(a.s.Unsettled, &overruled)
			return
		}
	}
	a.close(key)
}

// proposedStatus is what the row says of itself: where it was synced last, and its error.
func (a *apply) proposedStatus(d *Decision) *RowStatus {
	if !d.live() && (d.Row == nil || !d.Row.Private) || d.toRow {
		return nil
	}
	next := d.Row.Integration
	if d.Row.Private {
		next.Pending = PendingRemoval
	} else {
		next.Error = a.keepError(d)
	}
	if next.same(d.Row.Integration) {
		return nil
	}
	return &RowStatus{Kind: d.Kind, RowID: d.Row.ID, Integration: next}
}

// settleProposal remembers where the proposal is, and forgets what was said of it before.
func (a *apply) settleProposal() {
	p := &a.s.Proposed
	a.dropIntents(a.run.refusedIntents)
	if !a.run.refusedNow.IsZero() {
		p.Refused, p.RefusedAs = a.run.refusedNow, a.mirror.Settings.pusher()
	}
	observed := &a.view.proposal
	if !observed.askedAt.IsZero() && p.Trouble == "" {
		p.Asked = observed.askedAt
	}
	latest := map[RowKey]*Intent{}
	for _, i := range a.obs.Intents {
		if was := latest[RowKey{i.Kind, i.RowID}]; a.open[i.ID] && (was == nil || i.ID > was.ID) {
			latest[RowKey{i.Kind, i.RowID}] = i
		}
	}
	for _, i := range a.obs.Intents {
		if i.Ref != refOf(a.mirror.Branch()) && !a.mayLand(i, latest[RowKey{i.Kind, i.RowID}]) {
			a.s.DropIntents = append(a.s.DropIntents, i.ID)
		}
	}
	if a.proposed == nil {
		return // nothing is proposed, or nothing was looked at
	}
	p.Head, p.Branch, p.Entities = observed.head, observed.branch, len(a.proposed)
	if p.Head == "" {
		*p = p.ended()
	}
}

// mayLand reports whether what an intent proposed may be merged yet. What the row's latest
// one replaced cannot be, once the branch was seen not to have it.
func (a *apply) mayLand(i, latest *Intent) bool {
	switch a.view.proposal.fate {
	case declined, withdrawn:
		return false
	}
	return a.open[i.ID] && (i.Commit == latest.Commit || a.view.head != a.mirror.RemoteSeen)
}
