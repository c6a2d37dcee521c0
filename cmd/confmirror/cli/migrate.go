package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/db"
)

func (p *Program) migrateCommand() *cobra.Command {
	var statusOnly bool
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema to this version",
		Long: `Bring the database's schema to this program's version. The daemon and the other
commands do so by themselves; this command is for whoever wants to do it at a time
of their own, for instance with a database user that has more rights.

Several migrations at once wait for each other.`,
		Example: `  confmirror migrate --status           print the versions, change nothing
  CONFMIRROR_DATABASE_URL=postgres://owner@db/app confmirror migrate`,
		Args: cobra.NoArgs,
		RunE: p.work(func(ctx context.Context, _ []string) error { return p.migrate(ctx, statusOnly) }),
	}
	c.Flags().BoolVar(&statusOnly, "status", false, "only print the versions")
	return c
}

func (p *Program) migrate(ctx context.Context, statusOnly bool) error {
	c, err := p.load()
	if err != nil {
		return err
	}
	if statusOnly {
		if there, err := databaseExists(c); err != nil {
			return err
		} else if !there {
			fmt.Fprintln(p.Stdout, "there is no database yet")
			return nil
		}
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return noDataDir(err)
	}
	database, err := db.Open(ctx, databaseOptions(c, p.quietLogger(c), nil))
	if err != nil {
		return err
	}
	defer database.Close()
	before, wanted, err := database.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if statusOnly {
		fmt.Fprintf(p.Stdout, "database  version %d\nprogram   version %d\n", before, wanted)
		return nil
	}
	if err := database.Migrate(ctx); err != nil {
		return err
	}
	after, _, err := database.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if before == after {
		fmt.Fprintf(p.Stdout, "nothing to do: the database has version %d\n", after)
	} else {
		fmt.Fprintf(p.Stdout, "migrated the database from version %d to %d\n", before, after)
	}
	return nil
}
