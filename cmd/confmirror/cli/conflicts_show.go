package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func (p *Program) showConflictCommand() *cobra.Command {
	var organization string
	var asJSON bool
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show what the sides of a conflict have, and what taking one would do",
		Long: `Show a conflict: what both sides had agreed on, what git and what the database made
of it, which of them stands, and what "take" would change now. The id may be shortened.`,
		Example: `  confmirror conflicts show 3f1c0a9b`,
		Args:    cobra.ExactArgs(1),
		RunE: p.work(func(ctx context.Context, args []string) error {
			return p.showConflict(ctx, organization, args[0], asJSON)
		}),
	}
	organizationFlag(c, &organization, "look in this organization only (`slug`)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON: the conflict, its documents, and what taking a side would do")
	return c
}

// effect is what taking a side would do now.
type effect struct {
	Changes []db.PlaceChange `json:"changes"`
	// Error says why the side cannot be taken; "" when it can.
	Error string `json:"error,omitempty"`
	err   error
}

func (s *site) effect(ctx context.Context, o *db.Organization, c *db.Conflict, side document.Policy) (effect, error) {
	taking, err := s.db.PreviewTaking(ctx, o.ID, c.ID, side)
	switch {
	case err == nil:
		return effect{Changes: taking.Changes()}, nil
	case refusedTaking(err):
		return effect{Changes: []db.PlaceChange{}, Error: err.Error(), err: err}, nil
	}
	return effect{}, err
}

// refusedTaking tells what cannot be taken from what went wrong.
func refusedTaking(err error) bool {
	var changed *db.PlacesChangedError
	var problem *document.Problem
	return errors.As(err, &changed) || errors.As(err, &problem) || errors.Is(err, db.ErrGone) || errors.Is(err, db.ErrSlugTaken)
}

var sides = []document.Policy{document.PreferGit, document.PreferDatabase}

func (p *Program) showConflict(ctx context.Context, organization, id string, asJSON bool) error {
	s, err := p.look(ctx)
	if err != nil {
		return err
	}
	if s == nil {
		return unknownConflict(id)
	}
	defer s.close()
	o, c, err := s.conflict(ctx, organization, id)
	if err != nil {
		return err
	}
	effects := map[document.Policy]effect{}
	for _, side := range sides {
		if effects[side], err = s.effect(ctx, o, c, side); err != nil {
			return err
		}
	}
	if asJSON {
		return p.printJSON(struct {
			keptConflict
			Take map[document.Policy]effect `json:"take"`
		}{newKeptConflict(o.Slug, c), effects})
	}
	p.printConflict(o, c)
	for _, side := range sides {
		p.printEffect(c, side, effects[side])
	}
	return nil
}

// reasons in words.
var reasons = map[mirror.ConflictReason]string{
	mirror.ConflictBothChanged:      "both sides changed the same places since they last agreed",
	mirror.ConflictReplaced:         "another row came to a place where a file stood",
	mirror.ConflictHistoryRewritten: "the branch's history was rewritten, and the row followed it",
	mirror.ConflictPrivate:          "the row became private while git had something newer",
	mirror.ConflictInvalidMerge:     "both sides changed it, and the merge of them breaks a rule",
	mirror.ConflictTaken:            "a person gave the whole entity to one side",
}

func (p *Program) printConflict(o *db.Organization, c *db.Conflict) {
	fmt.Fprintf(p.Stdout, "conflict %s\n", c.ID)
	w := table(p.Stdout)
	fmt.Fprintf(w, "  organization\t%s\n  path\t%s\n  reason\t%s: %s\n", o.Slug, c.Path, c.Reason, reasons[c.Reason])
	fmt.Fprintf(w, "  decided\tfor %s, %s\n", c.Decided, c.CreatedAt.Local().Format(time.DateTime))
	if c.ResolvedAt != nil {
		fmt.Fprintf(w, "  resolved\t%s was taken, %s\n", c.Resolution, c.ResolvedAt.Local().Format(time.DateTime))
	} else {
		fmt.Fprintln(w, "  resolved\tno")
	}
	w.Flush()
	places := c.Places
	if c.Whole() {
		places = document.Differing(c.Database, c.Git)
		if c.Git == nil {
			fmt.Fprintln(p.Stdout, "\ngit has no file any more; the database had:")
		} else {
			fmt.Fprintln(p.Stdout, "\nthe whole document was decided on; the sides differ in:")
		}
	}
	p.printPlaces(c, places)
}

func (p *Program) printEffect(c *db.Conflict, side document.Policy, e effect) {
	var changed *db.PlacesChangedError
	switch {
	case errors.As(e.err, &changed):
		fmt.Fprintf(p.Stdout, "\ntake %s: not possible, these places were edited since\n", side)
		p.printDifference(changed)
	case e.err != nil:
		fmt.Fprintf(p.Stdout, "\ntake %s: not possible, %s\n", side, refusal(e.err))
	case len(e.Changes) > 0:
		fmt.Fprintf(p.Stdout, "\ntake %s: changes\n", side)
		p.printChanges(e.Changes)
	case side == c.Winner() && c.ResolvedAt == nil:
		fmt.Fprintf(p.Stdout, "\ntake %s: changes nothing, it has won; the conflict is put away\n", side)
	case side == c.Winner():
		fmt.Fprintf(p.Stdout, "\ntake %s: nothing is left to do\n", side)
	default:
		fmt.Fprintf(p.Stdout, "\ntake %s: changes nothing, it is so already; the conflict is put away\n", side)
	}
}

// refusal says why a side cannot be taken.
func refusal(err error) string {
	var problem *document.Problem
	if errors.As(err, &problem) {
		return problem.Message
	}
	return err.Error()
}
