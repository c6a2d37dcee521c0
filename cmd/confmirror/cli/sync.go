package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

func (p *Program) syncCommand() *cobra.Command {
	var organization string
	c := &cobra.Command{
		Use:   "sync",
		Short: "Bring both sides together now",
		Long: `Run the mirror of every connected organization, or of one, now, and wait for the
end. Beside a running daemon the one that holds the mirror is asked to do it;
without one this command does it itself.

Exit status: 0 both sides agree; 1 a run failed and may be tried again; 3 entities
have errors or conflicts are open; 4 a mirror is blocked, or changes are held.`,
		Example: `  confmirror sync
  confmirror sync --organization acme`,
		Args: cobra.NoArgs,
		RunE: p.work(func(ctx context.Context, _ []string) error { return p.sync(ctx, organization) }),
	}
	organizationFlag(c, &organization, "only this organization (`slug`)")
	return c
}

func (p *Program) sync(ctx context.Context, organization string) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	refs, err := s.mirrors(ctx, organization)
	if err != nil {
		return err
	}
	d := p.daemon(s)
	status := p.explainRefused(s)
	for _, ref := range refs {
		if ref.Paused && organization == "" {
			fmt.Fprintf(p.Stdout, "%s: paused, left alone\n", ref.Organization)
			continue
		}
		one, err := p.syncOne(ctx, s, d, ref)
		if ctx.Err() != nil {
			return err
		}
		if err != nil { // the other mirrors go on
			p.explain(err)
			one = exitStatus(err)
		}
		status = worse(status, one)
	}
	return result(status)
}

func (p *Program) syncOne(ctx context.Context, s *site, d *daemon.Daemon, ref db.MirrorRef) (status int, err error) {
	shown := newProgress(p.Stderr, ref.Organization)
	report, err := d.Once(ctx, ref.OrganizationID, daemon.OnceOptions{
		Progress: shown.stage,
		Asked:    func(holder string) { shown.say("asked the daemon " + holder) },
	})
	shown.end()
	if errors.Is(err, daemon.ErrPaused) {
		fmt.Fprintf(p.Stdout, "%s: paused; `confmirror resume --organization %s` lets it go on\n", ref.Organization, ref.Organization)
		return exitBlocked, nil
	}
	if err != nil {
		return exitFailed, fmt.Errorf("%s: %w", ref.Organization, err)
	}
	now, err := s.db.Status(ctx, ref.OrganizationID)
	if err != nil {
		return exitFailed, err
	}
	return p.printRun(report, now), nil
}

// mostActions of a run are printed.
const mostActions = 50

// printRun prints what a run did and how the mirror is after it.
func (p *Program) printRun(r *mirror.Report, now *db.Status) (status int) {
	detail, state := r.Detail, r.State
	if now.Held > 0 && state == mirror.StateOK {
		state, detail = mirror.StateHeld, now.State.Detail
	}
	fmt.Fprintf(p.Stdout, "%s: %s, at %s, in %s\n", now.Organization, state, short(r.SyncedCommit), took(time.Duration(r.DurationMS)*time.Millisecond))
	printCounts(p.Stdout, r)
	for _, a := range r.Actions[:min(len(r.Actions), mostActions)] {
		fmt.Fprintf(p.Stdout, "  %s\n", actionLine(a))
	}
	if more := len(r.Actions) - mostActions + r.ActionsLeftOut; more > 0 {
		fmt.Fprintf(p.Stdout, "  and %d more: GET mirror/runs/%s lists %d in all\n", more, r.RunID, len(r.Actions))
	}
	for _, commit := range r.Commits {
		fmt.Fprintf(p.Stdout, "  pushed commit %s\n", short(commit))
	}
	printDetail(p.Stdout, "  ", detail)
	for _, condition := range now.State.Conditions {
		fmt.Fprintf(p.Stdout, "  note %s: %s\n", condition.Code, condition.Message)
	}
	status = faultStatus(state)
	if now.Errors > 0 || now.Conflicts > 0 {
		fmt.Fprintf(p.Stdout, "  %s, %s: see `confmirror status`\n",
			count(now.Errors, "error", "errors"), count(now.Conflicts, "open conflict", "open conflicts"))
		status = worse(status, exitProblems)
	}
	return status
}

func printCounts(w io.Writer, r *mirror.Report) {
	if r.Exported+r.Imported+r.Deleted+r.Merged+r.Conflicts+r.Errors == 0 {
		if r.Detail == nil {
			fmt.Fprintln(w, "  nothing to do: both sides agree")
		}
		return
	}
	fmt.Fprintf(w, "  exported %d, imported %d, deleted %d, merged %d, conflicts %d, errors %d\n",
		r.Exported, r.Imported, r.Deleted, r.Merged, r.Conflicts, r.Errors)
}

// actionLine is one action as people read it: "to git: update toolkits/a.json".
func actionLine(a mirror.Action) string {
	direction := "to git"
	if a.Direction == mirror.ToDatabase {
		direction = "to database"
	}
	line := fmt.Sprintf("%s: %s %s", direction, a.Verb, a.Path)
	if a.Detail != "" {
		line += " (" + a.Detail + ")"
	}
	return line
}
