package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
	"github.com/confmirror/confmirror/mirror/secretscan"
)

func (p *Program) exportCommand() *cobra.Command {
	var organization string
	c := &cobra.Command{
		Use:   "export DIR",
		Short: "Write an organization's entities as files, without git",
		Long: `Write an organization's own entities into a new or empty directory, as the files that a
mirror would have: to move an organization, or to look at it. No secret leaves the
database, neither does what belongs to a person. The organization need not be connected.

Exit status: 0 all of them are written; 3 some have problems and are not.`,
		Example: `  confmirror export --organization acme acme-files
  confmirror import --organization acme --config other.yaml acme-files`,
		Args: cobra.ExactArgs(1),
		RunE: p.work(func(ctx context.Context, args []string) error { return p.export(ctx, organization, args[0]) }),
	}
	organizationFlag(c, &organization, "the organization's `slug` (default: the only connected one)")
	return c
}

func (p *Program) export(ctx context.Context, organization, dir string) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	o, err := s.one(ctx, organization)
	if err != nil {
		return err
	}
	root, err := emptyDirectory(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var scanner mirror.Scanner
	if s.config.Sync.SecretScan != configs.SecretScanOff {
		scanner = secretscan.New()
	}
	written, problems := 0, 0
	err = s.eachEntity(ctx, o.ID, func(e *db.Entity) error {
		problem := e.Problem
		if problem == nil && scanner != nil {
			problem = mirror.Credential(scanner, e.Document)
		}
		if problem != nil {
			problems++
			fmt.Fprintf(p.Stderr, "%s %s is not written: %s %s\n", e.Kind.Singular(), e.Slug, problem.Code, problem.Message)
			return nil
		}
		written++
		return writeEntity(root, e)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "%s: %s written to %s\n", o.Slug, count(written, "entity", "entities"), dir)
	if problems > 0 {
		return outcome(exitProblems)
	}
	return nil
}

// emptyDirectory opens a directory that has nothing in it, and makes it where there is none.
func emptyDirectory(dir string) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, &usageError{err}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &usageError{err}
	}
	entries, err := fs.ReadDir(root.FS(), ".")
	if err == nil && len(entries) > 0 {
		err = misuse("%s is not empty: what stands there would be mixed up with what is written", dir)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

// eachEntity visits an organization's own entities, kind by kind: servers before the toolkits
// that name them.
func (s *site) eachEntity(ctx context.Context, organizationID string, visit func(e *db.Entity) error) error {
	for _, kind := range document.Kinds {
		for cursor := ""; ; {
			items, _, next, err := s.db.ListEntities(ctx, organizationID, kind, db.EntityFilter{Cursor: cursor})
			if err != nil {
				return err
			}
			for _, e := range items {
				if err := visit(e); err != nil {
					return err
				}
			}
			if cursor = next; cursor == "" {
				break
			}
		}
	}
	return nil
}

func writeEntity(root *os.Root, e *db.Entity) error {
	at := document.Layout{}.Dir(e.Kind)
	if e.Kind != document.Skills {
		return writeNew(root, path.Join(at, e.Slug+".json"), document.Encode(e.Document), 0o644)
	}
	for _, f := range e.Document.Files {
		mode := fs.FileMode(0o644)
		if f.Executable {
			mode = 0o755
		}
		if err := writeNew(root, path.Join(at, e.Slug, f.Path), f.Content, mode); err != nil {
			return err
		}
	}
	return nil
}

// writeNew writes a file that is not there yet, with the directories that lead to it.
func writeNew(root *os.Root, name string, content []byte, mode fs.FileMode) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
