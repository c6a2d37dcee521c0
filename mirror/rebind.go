package mirror

import (
	"fmt"

	"github.com/confmirror/confmirror/mirror/document"
)

// rebinds finds the imports that point an MCP server which holds credentials at somebody
// else: from then on the platform sends them there. They go through and are told, or
// wait for a person where the rules say so.
func (p *planner) rebinds() {
	for _, d := range p.decisions {
		if d.Effect != Converge || d.Row == nil || !d.Row.Credentials || d.Row.draft() == nil {
			continue
		}
		from, to := document.Target(d.Row.draft()), document.Target(d.Document)
		if from == to {
			continue
		}
		verdict := Undecided
		if d.Left != nil && d.Left.Reason == ReasonRebind && d.Left.GitID == d.file().GitID {
			verdict = d.Left.Verdict
		}
		switch {
		case !p.Rules.HoldRebind || d.Taken != "" || verdict == Approved:
			d.rebound = &rebinding{from, to}
		case verdict == Discarded && d.Row.Document == nil:
			d.refuseRow()
		case verdict == Discarded:
			d.converge(p.withTarget(d.Document, d.Row.draft()))
		default:
			d.rebound, d.Direction = &rebinding{from, to}, ToDatabase
			d.with(Hold)
		}
	}
}

// rebinding is who got a server's credentials, and who gets them now.
type rebinding struct{ from, to string }

func (r rebinding) String() string { return fmt.Sprintf("from %s to %s", r.from, r.to) }

// withTarget is a server's document with the target of another version of it; that
// version where the two do not go together.
func (p *planner) withTarget(doc, other *document.Document) *document.Document {
	mixed := doc.Clone()
	for _, key := range []string{"type", "command", "url"} {
		if value, has := other.Fields[key]; has {
			mixed.Fields[key] = value
		} else {
			delete(mixed.Fields, key)
		}
	}
	if mixed.Validate(p.Rules.Limits) != nil {
		return other
	}
	return mixed
}
