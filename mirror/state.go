package mirror

import (
	"fmt"
	"slices"
	"time"
)

// state is how the round leaves the mirror.
func (a *apply) state(held heldNow, pushFault error) State {
	s := State{Name: StateOK}
	now := a.Now().UTC()
	since := func(d *Detail) *Detail {
		if was := a.mirror.State.Detail; was != nil && was.Code == d.Code {
			d.Since = was.Since
		} else {
			d.Since = now
		}
		return d
	}
	switch {
	case pushFault != nil:
		f := AsFault(pushFault)
		s.Name = StateError
		if f.Class == Permanent {
			s.Name = StateBlocked
		}
		s.Detail = since(&Detail{Code: f.Code, Message: f.Message, Remedy: f.Remedy})
	case held.deletions > 0:
		s.Name = StateHeld
		s.Detail = since(&Detail{Code: CodeDeletionsHeld,
			Message: fmt.Sprintf("%d deletions at once are more than the limit allows; they wait for a person. Everything else goes on.", held.deletions),
			Remedy:  "Look at the list (GET mirror/hold, or confmirror approve --list) and approve it, or discard it to bring the entities back."})
	case held.rebinds > 0:
		s.Name = StateHeld
		s.Detail = since(&Detail{Code: CodeRebindHeld,
			Message: fmt.Sprintf("%d MCP servers with credentials would be pointed at another host or command by the branch; they wait for a person. Everything else goes on.", held.rebinds),
			Remedy:  "Look at the list (GET mirror/hold, or confmirror approve --list) and approve it, or discard it to keep the targets that the database has."})
	case held.declined > 0:
		s.Name = StateHeld
		s.Detail = since(&Detail{Code: CodePullRequestDeclined,
			Message: fmt.Sprintf("%d changes of the database were declined with their pull request; they are held. Everything else goes on.", held.declined),
			Remedy:  "Look at the list (GET mirror/hold, or confmirror approve --list). Approve it to propose them once more, discard it to take the branch's version, or edit the entities."})
	}
	s.Conditions = a.conditions(now)
	if d := a.proposedCondition(now); d != nil {
		s.Conditions = append(s.Conditions, *d)
	}
	return s
}

// conditions are what people should know although nothing is wrong.
func (a *apply) conditions(now time.Time) []Detail {
	conditions := []Detail{}
	gone := a.rowsDeleted + len(a.s.DropBases)
	if a.obs.Mirrored <= gone && len(a.s.Bases) == 0 && a.report.Imported == 0 {
		conditions = append(conditions, Detail{Code: CodeNothingEligible,
			Message: "There is nothing to mirror yet: the database has no organization-level entity without errors (rows with an owner_id are private) and the branch has no valid file of the five kinds.",
			Remedy:  "Add an entity without owner_id, or a file such as toolkits/example.json on the branch; mend those that are listed with errors.", Since: now})
	}
	was := a.mirror.State.condition(CodeMainBranchChanged)
	switch {
	case a.view.main == "" && was != nil: // not asked this time
		conditions = append(conditions, *was)
	case a.otherMain():
		d := Detail{Code: CodeMainBranchChanged,
			Message: fmt.Sprintf("The repository's main branch is %q now. This mirror stays on %q, which was the main branch when it was connected.", a.view.main, a.mirror.Branch()),
			Remedy:  "Set the branch in the connection to say which one is meant.", Since: now}
		if was != nil {
			d.Since = was.Since
		}
		conditions = append(conditions, d)
	}
	return conditions
}

// otherMain reports that the repository has another main branch than the one that
// "the main branch" meant when the mirror was connected.
func (a *apply) otherMain() bool {
	return a.mirror.Settings.Branch == "" && a.view.main != "" && a.view.main != a.mirror.Branch()
}

// mainTold reports whether the mirror's state says already what the remote's main branch is.
func (a *apply) mainTold() bool {
	return a.view.main == "" || a.otherMain() == (a.mirror.State.condition(CodeMainBranchChanged) != nil)
}

func (s State) condition(code string) *Detail {
	if i := slices.IndexFunc(s.Conditions, func(d Detail) bool { return d.Code == code }); i >= 0 {
		return &s.Conditions[i]
	}
	return nil
}
