package mirror

// brake holds deletions that are too many: more within an hour than both a count
// and a percentage of what is mirrored, or all of several. Additions and changes
// are never held. A held deletion stays held until a person decides on it, or
// until it is no deletion any more.
func (p *planner) brake() {
	for _, direction := range []Direction{ToGit, ToDatabase} {
		var fresh []*Decision
		for _, d := range p.decisions {
			if (d.Effect != RemoveFile && d.Effect != RemoveRow) || d.Direction != direction {
				continue // a row that became private has no direction: it does not count
			}
			if d.Taken != "" {
				continue // a person decided on this very entity
			}
			if d.Proposed != nil && d.Proposed.Deleted || d.declined() {
				continue // it was counted when it was proposed
			}
			if d.Left != nil && d.Left.Reason == ReasonHeld {
				if d.Left.Verdict != Approved {
					d.Effect = Hold
				}
				continue
			}
			fresh = append(fresh, d)
		}
		if p.tooMany(len(fresh), direction) {
			for _, d := range fresh {
				d.Effect = Hold
			}
		}
	}
}

func (p *planner) tooMany(planned int, direction Direction) bool {
	if planned == 0 {
		return false
	}
	total := planned + p.Deleted[direction] + p.Held[direction]
	limit := max(p.Rules.DeleteCount, p.Mirrored*p.Rules.DeletePercent/100)
	return total > limit || (total > 1 && total >= p.Mirrored)
}
