package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/mirror"
)

func (p *Program) planCommand() *cobra.Command {
	var organization string
	var asJSON bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show what a run would do",
		Long: `Show what a run would do now, decided by the same code as a run. Nothing is
written to the database's entities or to the branch, and a running daemon is not
disturbed.

Exit status: 0 there is nothing to do; 3 there is something to do; 4 blocked.`,
		Example: `  confmirror plan
  confmirror plan --organization acme --json`,
		Args: cobra.NoArgs,
		RunE: p.work(func(ctx context.Context, _ []string) error { return p.plan(ctx, organization, asJSON) }),
	}
	organizationFlag(c, &organization, "only this organization (`slug`)")
	c.Flags().BoolVar(&asJSON, "json", false, `print JSON: {"actions": [...]}`)
	return c
}

// plannedAction is an action with the organization that it concerns.
type plannedAction struct {
	Organization string `json:"organization"`
	mirror.Action
}

func (p *Program) plan(ctx context.Context, organization string, asJSON bool) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	refs, err := s.lookedAt(ctx, organization)
	if err != nil {
		return err
	}
	d := p.daemon(s)
	planned := []plannedAction{}
	status := exitDone
	for _, ref := range refs {
		var actions []mirror.Action
		if settings := s.configured(ref.Organization); settings != nil {
			actions, err = d.PlanWith(ctx, ref, *settings)
		} else {
			actions, err = d.Plan(ctx, ref.OrganizationID)
		}
		if ctx.Err() != nil {
			return err
		}
		if err != nil { // the other mirrors' plans are worth printing
			err = fmt.Errorf("%s: %w", ref.Organization, err)
			p.explain(err)
			status = worse(status, exitStatus(err))
		}
		for _, a := range actions {
			planned = append(planned, plannedAction{ref.Organization, a})
		}
	}
	if asJSON {
		if err := p.printJSON(map[string]any{"actions": planned}); err != nil {
			return err
		}
	} else if status == exitDone || len(planned) > 0 {
		p.printPlan(planned)
	}
	if len(planned) > 0 {
		status = worse(status, exitProblems)
	}
	return result(status)
}

func (p *Program) printPlan(planned []plannedAction) {
	if len(planned) == 0 {
		fmt.Fprintln(p.Stdout, "nothing to do: both sides agree")
		return
	}
	w := table(p.Stdout)
	fmt.Fprintln(w, "ORGANIZATION\tDIRECTION\tACTION\tPATH\tDETAIL")
	for _, a := range planned {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.Organization, a.Direction, a.Verb, a.Path, cmp.Or(a.Detail, "-"))
	}
	w.Flush()
}
