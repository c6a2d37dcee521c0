package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func (p *Program) takeCommand() *cobra.Command {
	var organization, author string
	c := &cobra.Command{
		Use:   "take ID git|database",
		Short: "Give the places of a conflict to one side",
		Long: `Give the contested places of a conflict to git's or to the database's document, as it
was kept; edits elsewhere stay. The side that has won already changes nothing: the
conflict is put away. Taking is an edit of the entity in the database, which is
exported like any other; a row that became private stays private. The id may be
shortened; "conflicts show" says beforehand what would change.

Exit status: 0 taken; 1 not: the places were edited since, the entity is gone, or the
result would break a rule; 2 there is no such conflict or side.`,
		Example: `  confmirror conflicts take 3f1c0a9b database
  confmirror conflicts take 3f1c0a9b git --author "Jane Doe <jane@example.com>"`,
		Args: cobra.ExactArgs(2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) != 1 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return []string{string(document.PreferGit), string(document.PreferDatabase)}, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: p.work(func(ctx context.Context, args []string) error {
			return p.take(ctx, organization, args[0], document.Policy(args[1]), author)
		}),
	}
	organizationFlag(c, &organization, "look in this organization only (`slug`)")
	c.Flags().StringVar(&author, "author", "", "author of the edit, and of its commit (`\"Name <email>\"`; default: nobody)")
	return c
}

func (p *Program) take(ctx context.Context, organization, id string, side document.Policy, author string) error {
	if side != document.PreferGit && side != document.PreferDatabase {
		return hint(misuse("%q is no side", string(side)), "take git or database")
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	o, c, err := s.conflict(ctx, organization, id)
	if err != nil {
		return err
	}
	var updatedBy *string // nobody
	if author != "" {
		updatedBy = &author
	}
	taking, err := s.db.ResolveConflict(ctx, o.ID, c.ID, side, updatedBy)
	if err != nil {
		return p.notTaken(c, err)
	}
	changes := taking.Changes()
	if len(changes) == 0 {
		fmt.Fprintf(p.Stdout, "%s: %s: %s was there already, nothing changed; the conflict is put away\n", o.Slug, c.Path, side)
		return nil
	}
	fmt.Fprintf(p.Stdout, "%s: %s: %s taken\n", o.Slug, c.Path, side)
	p.printChanges(changes)
	if c.Reason != mirror.ConflictPrivate {
		fmt.Fprintln(p.Stdout, "the next run exports it (`confmirror sync` runs now)")
	}
	return nil
}

// notTaken says why a side was not taken, and what can be done.
func (p *Program) notTaken(c *db.Conflict, err error) error {
	var changed *db.PlacesChangedError
	var problem *document.Problem
	switch {
	case errors.As(err, &changed):
		fmt.Fprintf(p.Stdout, "%s: these places were edited since the conflict was decided\n", c.Path)
		p.printDifference(changed)
		return hint(fmt.Errorf("%s: %w", c.Path, err), "edit the entity as it is to be; then take %s, which has won, to put the conflict away", c.Winner())
	case errors.As(err, &problem): // no misuse: the command was understood
		return hint(fmt.Errorf("%s: %s", c.Path, err), "edit the entity as it is to be; then take %s, which has won, to put the conflict away", c.Winner())
	case errors.Is(err, db.ErrGone):
		return hint(fmt.Errorf("%s: %w", c.Path, err), "restore it first, or take %s, which has won, to put the conflict away", c.Winner())
	case errors.Is(err, db.ErrSlugTaken):
		return hint(fmt.Errorf("%s: %w by another entity", c.Path, err), "rename that one first")
	}
	return err
}
