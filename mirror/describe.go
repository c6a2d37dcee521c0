package mirror

import (
	"fmt"

	"github.com/confmirror/confmirror/mirror/document"
)

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
		if d.rebound != nil {
			return []Action{line(d.Direction, "held: would hand this server's credentials "+d.rebound.String())}
		}
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
