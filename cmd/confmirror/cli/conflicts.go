package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func (p *Program) conflictsCommand() *cobra.Command {
	var organization string
	var all, asJSON bool
	c := &cobra.Command{
		Use:   "conflicts",
		Short: "List conflicts, show one, or take its other side",
		Long: `List conflicts: places that both sides changed since they last agreed. The policy
decided each (sync.conflict); the losing document is kept whole. "show" prints what the
sides have, "take" gives the places to one of them.

Exit status: 0 no conflict is open; 3 some are.`,
		Example: `  confmirror conflicts
  confmirror conflicts show 3f1c0a9b
  confmirror conflicts take 3f1c0a9b database`,
		Args: cobra.NoArgs,
		RunE: p.work(func(ctx context.Context, _ []string) error { return p.conflicts(ctx, organization, all, asJSON) }),
	}
	organizationFlag(c, &organization, "only this organization (`slug`)")
	c.Flags().BoolVar(&all, "all", false, "resolved ones, too")
	c.Flags().BoolVar(&asJSON, "json", false, `print JSON: {"items": [...]}, documents included`)
	c.AddCommand(p.showConflictCommand(), p.takeCommand())
	return c
}

// keptConflict is a conflict as --json prints it: what the API says, and whose it is.
type keptConflict struct {
	Organization string                `json:"organization"`
	ID           string                `json:"id"`
	Kind         document.Kind         `json:"kind"`
	Slug         string                `json:"slug"`
	Path         string                `json:"path"`
	Reason       mirror.ConflictReason `json:"reason"`
	Places       []string              `json:"places"`
	Decided      document.Policy       `json:"decided"`
	Base         *document.Document    `json:"base"`
	Git          *document.Document    `json:"git"`
	Database     *document.Document    `json:"database"`
	CreatedAt    time.Time             `json:"created_at"`
	ResolvedAt   *time.Time            `json:"resolved_at"`
	Resolution   string                `json:"resolution,omitempty"`
}

func newKeptConflict(organization string, c *db.Conflict) keptConflict {
	return keptConflict{
		organization, c.ID, c.Kind, c.Slug, c.Path, c.Reason, append([]string{}, c.Places...), c.Decided,
		c.Base, c.Git, c.Database, c.CreatedAt, c.ResolvedAt, c.Resolution,
	}
}

func (p *Program) conflicts(ctx context.Context, organization string, all, asJSON bool) error {
	s, err := p.look(ctx)
	if err != nil {
		return err
	}
	list := []keptConflict{}
	if s != nil {
		defer s.close()
		if list, err = s.conflicts(ctx, organization, all); err != nil {
			return err
		}
	}
	open := 0
	for _, k := range list {
		if k.ResolvedAt == nil {
			open++
		}
	}
	if asJSON {
		err = p.printJSON(map[string]any{"items": list})
	} else {
		p.printConflicts(list)
	}
	if err == nil && open > 0 {
		return outcome(exitProblems)
	}
	return err
}

func (s *site) conflicts(ctx context.Context, organization string, all bool) ([]keptConflict, error) {
	refs, err := s.db.Mirrors(ctx)
	if err != nil {
		return nil, err
	}
	if organization != "" {
		o, err := s.find(ctx, organization)
		if err != nil {
			return nil, err
		}
		refs = []db.MirrorRef{{OrganizationID: o.ID, Organization: o.Slug}}
	}
	list := []keptConflict{}
	for _, ref := range refs {
		page := db.Page{Limit: 1000}
		for {
			kept, next, err := s.db.Conflicts(ctx, ref.OrganizationID, all, page)
			if err != nil {
				return nil, err
			}
			for _, c := range kept {
				list = append(list, newKeptConflict(ref.Organization, c))
			}
			if page.Cursor = next; next == "" {
				break
			}
		}
	}
	return list, nil
}

func (p *Program) printConflicts(list []keptConflict) {
	if len(list) == 0 {
		fmt.Fprintln(p.Stdout, "no conflicts")
		return
	}
	w := table(p.Stdout)
	fmt.Fprintln(w, "ID\tORGANIZATION\tPATH\tREASON\tWINNER\tPLACES\tWHEN")
	for _, k := range list {
		when := k.CreatedAt.Local().Format(time.DateTime)
		if k.ResolvedAt != nil {
			when += ", resolved"
		}
		winner := cmp.Or(k.Resolution, string(k.Decided), "-")
		places := cmp.Or(strings.Join(k.Places, " "), "-")
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Organization, k.Path, k.Reason, winner, places, when)
	}
	w.Flush()
}

// conflict finds a conflict by its id, or by as much of it as is its alone.
func (s *site) conflict(ctx context.Context, organization, id string) (*db.Organization, *db.Conflict, error) {
	within := ""
	if organization != "" {
		o, err := s.find(ctx, organization)
		if err != nil {
			return nil, nil, err
		}
		within = o.ID
	}
	refs, err := s.db.ConflictsLike(ctx, within, strings.ToLower(id))
	switch {
	case err != nil:
		return nil, nil, err
	case len(refs) == 0:
		return nil, nil, unknownConflict(id)
	case len(refs) > 1:
		var ids []string
		for _, ref := range refs {
			ids = append(ids, ref.ID)
		}
		return nil, nil, hint(misuse("%q begins more than one conflict's id: %s", id, strings.Join(ids, ", ")), "write more of it")
	}
	o, err := s.db.OrganizationByID(ctx, refs[0].OrganizationID)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.db.Conflict(ctx, o.ID, refs[0].ID)
	if errors.Is(err, db.ErrNotFound) {
		err = unknownConflict(id)
	}
	return o, c, err
}

func unknownConflict(id string) error {
	return hint(misuse("there is no conflict %q", id), "`confmirror conflicts --all` lists them")
}
