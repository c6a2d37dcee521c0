package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// importer is who edits rows by this command.
const importer = "import"

func (p *Program) importCommand() *cobra.Command {
	var organization, prefix string
	var dryRun bool
	c := &cobra.Command{
		Use:   "import DIR",
		Short: "Take an organization's entities from files, without git",
		Long: `Take entities from the files of a directory, as "export" writes them, or from a
checked-out repository. Entities are created or replaced, each by itself; what the directory
does not have stays. Secrets keep the values that the database has. An organization that is
not there is made. Where a mirror is connected it exports what was imported, as any edit.

Each problem is a line "path:line:column CODE message"; the other files are imported.

Exit status: 0 all files are imported; 3 there are problems.`,
		Example: `  confmirror import --organization acme --dry-run acme-files
  confmirror import --organization acme acme-files`,
		Args: cobra.ExactArgs(1),
		RunE: p.work(func(ctx context.Context, args []string) error {
			return p.importFiles(ctx, organization, args[0], prefix, dryRun)
		}),
	}
	organizationFlag(c, &organization, "the organization's `slug` (default: the only connected one)")
	c.Flags().StringVar(&prefix, "path-prefix", "", "`directory` in DIR that holds the five kinds' directories")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be imported, and change nothing")
	return c
}

// importing is one import under way.
type importing struct {
	*site
	organizationID   string
	dryRun           bool
	known            map[mirror.Key]document.Digest // of the entities that are there
	created, updated int
	same             int
	err              error // of the database: it ends the import
}

func (p *Program) importFiles(ctx context.Context, organization, dir, prefix string, dryRun bool) error {
	clean, err := mirror.CleanPathPrefix(prefix)
	if err != nil {
		return misuse("--path-prefix %q: %w", prefix, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &usageError{err}
	}
	defer root.Close()
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	o, err := p.organizationToFill(ctx, s, organization, dryRun)
	if err != nil {
		return err
	}
	i := &importing{site: s, organizationID: o.ID, dryRun: dryRun, known: map[mirror.Key]document.Digest{}}
	v := &validation{
		root: root, layout: document.Layout{Prefix: clean}, limits: s.config.Rules().Limits, submodules: submodules(root),
		servers: map[string]document.Server{},
		valid:   func(f *validated, d *document.Document) *document.Problem { return i.take(ctx, f, d) },
	}
	err = s.eachEntity(ctx, o.ID, func(e *db.Entity) error {
		i.known[mirror.Key{Kind: e.Kind, Path: e.Slug}] = e.Document.Digest()
		if e.Kind == document.MCPServers {
			v.servers[e.Slug] = e.Document.ServerFacts()
		}
		return nil
	})
	if err != nil {
		return err
	}
	v.run()
	if i.err != nil {
		return i.err
	}
	for _, f := range v.files {
		if f.problem != nil {
			fmt.Fprintln(p.Stderr, f.line())
		}
	}
	would := ""
	if dryRun {
		would = "would be "
	}
	fmt.Fprintf(p.Stdout, "%s: %d %screated, %d %sreplaced, %d as they are, %s\n", o.Slug, i.created, would, i.updated, would, i.same, count(v.failed(), "problem", "problems"))
	if v.failed() > 0 {
		return outcome(exitProblems)
	}
	return nil
}

// organizationToFill is made where it is not there and somebody named it.
func (p *Program) organizationToFill(ctx context.Context, s *site, organization string, dryRun bool) (*db.Organization, error) {
	if organization == "" || dryRun {
		return s.one(ctx, organization)
	}
	o, created, err := s.db.EnsureOrganization(ctx, organization)
	if problem := (*document.Problem)(nil); errors.As(err, &problem) {
		return nil, misuse("--organization %q: %s", organization, problem.Message)
	}
	if created {
		fmt.Fprintf(p.Stdout, "organization %s is created\n", o.Slug)
	}
	return o, err
}

// take brings a valid document into the database, unless it is there.
func (i *importing) take(ctx context.Context, f *validated, d *document.Document) *document.Problem {
	if i.err != nil {
		return nil // the import has ended
	}
	digest, there := i.known[mirror.Key{Kind: f.kind, Path: f.slug}]
	if there && digest == d.Digest() {
		i.same++
		return nil
	}
	if !i.dryRun {
		by := importer
		_, _, err := i.db.PutEntity(ctx, i.organizationID, f.kind, f.slug, db.EntityWrite{Document: d, UpdatedBy: &by})
		var problem *document.Problem
		switch {
		case errors.As(err, &problem):
			return problem
		case err != nil:
			i.err = fmt.Errorf("%s: %w", f.path, err)
			return nil
		}
	}
	if there {
		i.updated++
	} else {
		i.created++
	}
	return nil
}
