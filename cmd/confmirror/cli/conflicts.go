package cli

import (
	"cmp"
	"context"
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
		Short: "List the documents that lost a conflict",
		Long: `List conflicts: places that both sides changed since they last agreed. The policy
decided each (sync.conflict); the losing document is kept whole, and --json prints it.

Exit status: 0 no conflict is open; 3 some are.`,
		Example: `  confmirror conflicts
  confmirror conflicts --all --json`,
		Args: cobra.NoArgs,
		RunE: p.work(func(ctx context.Context, _ []string) error { return p.conflicts(ctx, organization, all, asJSON) }),
	}
	organizationFlag(c, &organization, "only this organization (`slug`)")
	c.Flags().BoolVar(&all, "all", false, "resolved ones, too")
	c.Flags().BoolVar(&asJSON, "json", false, `print JSON: {"items": [...]}, documents included`)
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
				list = append(list, keptConflict{
					ref.Organization, c.ID, c.Kind, c.Slug, c.Path, c.Reason, c.Places, c.Decided,
					c.Base, c.Git, c.Database, c.CreatedAt, c.ResolvedAt,
				})
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
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Organization, k.Path, k.Reason,
			cmp.Or(string(k.Decided), "-"), cmp.Or(strings.Join(k.Places, " "), "-"), when)
	}
	w.Flush()
}
