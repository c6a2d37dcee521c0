package mirror

import (
	"context"
	"log/slog"
)

// A push may bring thousands of files, and each may be bad: what a run tells of single
// entities is bounded, and says how much there was. Rows and rejected files have it all.
const (
	mostActions = 1000 // in a run's report
	mostLogged  = 20   // of one kind of event
)

// tell adds a decision's actions to the report, once.
func (a *apply) tell(d *Decision) {
	listed := min(len(d.actions), mostActions-len(a.report.Actions))
	a.report.Actions = append(a.report.Actions, d.actions[:listed]...)
	a.report.ActionsLeftOut += len(d.actions) - listed
	d.actions = nil
}

// happening is one kind of what a run logs of single entities.
type happening struct {
	what  string
	level slog.Level
}

// said logs what happened to an entity. What happened to many others before is for
// whoever looks for faults.
func (r *run) said(level slog.Level, what string, args ...any) {
	h := happening{what, level}
	if r.logged[h]++; r.logged[h] > mostLogged {
		level = slog.LevelDebug
	}
	r.log.Log(context.Background(), level, what, args...)
}

// saidMore counts what said left to the debugging.
func (r *run) saidMore() {
	for h, n := range r.logged {
		if n > mostLogged {
			r.log.Log(context.Background(), h.level, "so it was with more entities", "what", h.what, "more", n-mostLogged)
		}
	}
}

// exported logs what was pushed.
func (a *apply) exported(d *Decision, what string) {
	a.said(slog.LevelInfo, what, "kind", d.Kind, "slug", d.Slug(), "path", d.Path(a.layout), "commit", a.head)
}
