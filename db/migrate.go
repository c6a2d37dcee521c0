package db

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// versionTable is our own: the database may belong to a program that migrates with goose, too.
const versionTable = "confmirror_versions"

// migrationLock is the number of PostgreSQL's advisory lock while migrating.
const migrationLock = 0x636f6e666d6972 // "confmir"

// migrationWait is how long others may take to migrate.
const migrationWait = 2 * time.Minute

// ErrNewerSchema: a newer confmirror has migrated the database.
var ErrNewerSchema = errors.New("the database was migrated by a newer confmirror")

// Migrate brings the schema to this program's version. Several daemons may do so at once.
func (d *DB) Migrate(ctx context.Context) error {
	provider, err := d.migrator()
	if err != nil {
		return err
	}
	done, err := d.migrating(ctx)
	if err != nil {
		return d.fault(fmt.Errorf("migrate: %w", err))
	}
	defer done()
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

// migrating waits until nobody else migrates, and keeps others out until done is called.
// The lock is a transaction's, not a session's as is usual: behind a pooler nobody can say
// which session one has when it is time to unlock.
func (d *DB) migrating(ctx context.Context) (done func(), err error) {
	if !d.postgres {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, migrationWait)
	defer cancel()
	// Not under that ctx, with which it would be rolled back.
	tx, err := d.sql.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return nil, err
	}
	if _, err = tx.ExecContext(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err == nil {
		_, err = tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock))
	}
	if err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return func() { _ = tx.Rollback() }, nil
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
	}
	return goose.NewProvider(dialect, d.sql, source, options...)
}
