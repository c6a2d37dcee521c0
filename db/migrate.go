package db

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// versionTable is our own: the database may belong to a program that migrates with goose, too.
const versionTable = "confmirror_versions"

// migrationLock is the number of PostgreSQL's advisory lock while migrating.
const migrationLock = 0x636f6e666d6972 // "confmir"

// ErrNewerSchema: a newer confmirror has migrated the database.
var ErrNewerSchema = errors.New("the database was migrated by a newer confmirror")

// Migrate brings the schema to this program's version. Several daemons may do so at once.
func (d *DB) Migrate(ctx context.Context) error {
	provider, err := d.migrator()
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		_, err := provider.Up(ctx)
		if err == nil || errors.Is(err, goose.ErrNoMigrations) {
			break
		}
		// SQLite has no lock to hold around several transactions. Whoever loses the
		// race for a migration finds it applied on the next attempt.
		if d.postgres || attempt == 10 {
			return d.fault(fmt.Errorf("migrate: %w", err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(attempt) * 20 * time.Millisecond):
		}
	}
	current, wanted, err := d.SchemaVersion(ctx)
	if err == nil && current > wanted {
		err = fmt.Errorf("%w: it has version %d, this program knows %d", ErrNewerSchema, current, wanted)
	}
	return err
}

// SchemaVersion tells the version of the database's schema (0 before the first
// migration) and this program's.
func (d *DB) SchemaVersion(ctx context.Context) (current, wanted int64, err error) {
	sources, err := fs.Glob(migrations, "migrations/"+d.dialect()+"/*.sql")
	if err != nil || len(sources) == 0 {
		return 0, 0, fmt.Errorf("no migrations for %s (%w)", d.dialect(), err)
	}
	wanted, err = goose.NumericComponent(sources[len(sources)-1])
	if err != nil {
		return 0, 0, err
	}
	exists := "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '" + versionTable + "'"
	if d.postgres {
		exists = "SELECT count(to_regclass('" + versionTable + "'))"
	}
	var tables int
	if err := d.sql.QueryRowContext(ctx, exists).Scan(&tables); err != nil || tables == 0 {
		return 0, wanted, d.fault(err)
	}
	err = d.sql.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+versionTable).Scan(&current)
	return current, wanted, d.fault(err)
}

func (d *DB) dialect() string {
	if d.postgres {
		return "postgres"
	}
	return "sqlite"
}

func (d *DB) migrator() (*goose.Provider, error) {
	source, err := fs.Sub(migrations, "migrations/"+d.dialect())
	if err != nil {
		return nil, err
	}
	dialect := goose.DialectSQLite3
	options := []goose.ProviderOption{
		goose.WithTableName(versionTable),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(d.log),
	}
	if d.postgres {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, 120))
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(dialect, d.sql, source, options...)
}
