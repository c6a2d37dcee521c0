package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

const holdText = `When one run would delete a large part of what is mirrored, additions and changes
go through and the deletions are held until a person decides; so is, with
sync.credential_rebind: hold, a push that points an MCP server with credentials at
another host; and what people declined in a pull request. `

func (p *Program) approveCommand() *cobra.Command {
	return p.holdCommand(mirror.Approved, &cobra.Command{
		Use:   "approve",
		Short: "Let what is held happen",
		Long: holdText + `This command lets it happen. With --hold only
if the list is still the one that was looked at.`,
		Example: `  confmirror approve --list
  confmirror approve --organization acme --hold 3f1c0a9b2d4e`,
	})
}

func (p *Program) discardCommand() *cobra.Command {
	return p.holdCommand(mirror.Discarded, &cobra.Command{
		Use:   "discard",
		Short: "Undo what is held from the other side",
		Long: holdText + `This command undoes it: deleted rows come back
from git, deleted files from the database, and rows take the branch's version of what
was declined. With --hold only if the list is still the
one that was looked at.`,
		Example: `  confmirror discard --list
  confmirror discard --organization acme --hold 3f1c0a9b2d4e`,
	})
}

func (p *Program) holdCommand(verdict mirror.Verdict, c *cobra.Command) *cobra.Command {
	var organization, hold string
	var list bool
	c.Args = cobra.NoArgs
	c.RunE = p.work(func(ctx context.Context, _ []string) error {
		return p.decideHold(ctx, organization, hold, list, verdict)
	})
	organizationFlag(c, &organization, "the organization's `slug` (default: the only one)")
	c.Flags().StringVar(&hold, "hold", "", "`id` of the list, as --list prints it (default: the list as it is now)")
	c.Flags().BoolVar(&list, "list", false, "only print what is held")
	return c
}

func (p *Program) decideHold(ctx context.Context, organization, id string, list bool, verdict mirror.Verdict) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	o, err := s.one(ctx, organization)
	if err != nil {
		return err
	}
	held, err := s.db.Hold(ctx, o.ID)
	if errors.Is(err, db.ErrNoHold) {
		if list {
			fmt.Fprintf(p.Stdout, "%s: nothing is held\n", o.Slug)
			return nil
		}
		return fmt.Errorf("%s: nothing is held", o.Slug)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "%s: %s held, hold %s\n", o.Slug, count(len(held.Items), "change is", "changes are"), held.ID)
	for _, item := range held.Items {
		fmt.Fprintf(p.Stdout, "  %s: %s %s\n", directionName(item.Direction), heldVerb(item.Reason), item.Path)
	}
	if list {
		return outcome(exitBlocked)
	}
	if id == "" {
		id = held.ID // exactly what was just printed
	}
	if err := s.db.DecideHold(ctx, o.ID, id, verdict); errors.Is(err, db.ErrHoldChanged) {
		return hint(err, "look at it again with --list, then decide")
	} else if err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "%s; the next run carries it out (`confmirror sync` runs now)\n", verdict)
	return nil
}

func heldVerb(r mirror.Reason) string {
	switch r {
	case mirror.ReasonRebind:
		return "hand the credentials to another target of"
	case mirror.ReasonDeclined:
		return "propose again"
	}
	return "delete"
}

func directionName(d mirror.Direction) string {
	if d == mirror.ToDatabase {
		return "to database"
	}
	return "to git"
}
