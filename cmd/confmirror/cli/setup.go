package cli

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/db"
)

// load reads the configuration.
func (p *Program) load() (*configs.Config, error) {
	return configs.Load(p.configPath, p.Environ)
}

// logger is the daemon's log, as the configuration wants it.
func (p *Program) logger(c *configs.Config) *slog.Logger { return p.loggerAt(c, p.logLevel(c)) }

func (p *Program) logLevel(c *configs.Config) slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Log.Level)) // checked when it was loaded
	if p.verbose {
		level = min(level, slog.LevelInfo)
	}
	return level
}

// quietLogger is the log of a command that ends: what went wrong is its result,
// which it prints, so that only errors are left for the log.
func (p *Program) quietLogger(c *configs.Config) *slog.Logger {
	if p.verbose || c.Log.Level == "debug" {
		return p.logger(c)
	}
	return p.loggerAt(c, slog.LevelError)
}

func (p *Program) loggerAt(c *configs.Config, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: durationsAsText}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(p.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(p.Stderr, options))
}

// durationsAsText writes durations with their unit: JSON would show bare nanoseconds.
func durationsAsText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// site is a configuration with its database open.
type site struct {
	config *configs.Config
	log    *slog.Logger
	db     *db.DB
	// refused are the configured mirrors that could not be connected, by organization.
	refused map[string]error
}

func (s *site) close() {
	if err := s.db.Close(); err != nil {
		s.log.Warn("closing the database", "error", err)
	}
}

// open loads the configuration and opens its database, migrated, for a command.
func (p *Program) open(ctx context.Context) (*site, error) {
	c, err := p.load()
	if err != nil {
		return nil, err
	}
	log := p.quietLogger(c)
	database, err := openDatabase(ctx, c, log)
	if err != nil {
		return nil, err
	}
	return &site{config: c, log: log, db: database}, nil
}

// look opens what is there, changes nothing about it, and needs no key: for
// commands that only read. A nil site means that nothing was ever set up.
func (p *Program) look(ctx context.Context) (*site, error) {
	c, err := p.load()
	if err != nil {
		return nil, err
	}
	log := p.quietLogger(c)
	if there, err := databaseExists(c); err != nil || !there {
		return nil, err
	}
	database, err := db.Open(ctx, databaseOptions(c, log, nil))
	if err != nil {
		return nil, err
	}
	s := &site{config: c, log: log, db: database}
	current, wanted, err := database.SchemaVersion(ctx)
	switch {
	case err != nil:
	case current == 0:
		s.close()
		return nil, nil
	case current > wanted:
		err = db.ErrNewerSchema
	case current < wanted:
		err = hint(errors.New("the database was made by an older confmirror"), "run `confmirror migrate`, or start the daemon")
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// databaseExists is false for an embedded database that nobody has made yet.
func databaseExists(c *configs.Config) (bool, error) {
	if !c.Database.URL.IsZero() {
		return true, nil
	}
	_, err := os.Stat(filepath.Join(c.DataDir, db.FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func databaseOptions(c *configs.Config, log *slog.Logger, sealer *db.Sealer) db.Options {
	return db.Options{
		URL: c.Database.URL.Reveal(), DataDir: c.DataDir, Sealer: sealer,
		Limits: c.Rules().Limits, Logger: log,
	}
}

// noDataDir is what a directory that cannot be written comes to.
func noDataDir(err error) error {
	return hint(misuse("data_dir: %w", err), "choose another data_dir, or give this user the right to write there")
}

// openDatabase opens the database with its key, and migrates it.
func openDatabase(ctx context.Context, c *configs.Config, log *slog.Logger) (*db.DB, error) {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, noDataDir(err)
	}
	sealer, err := makeSealer(ctx, c, log)
	if err != nil {
		return nil, err
	}
	database, err := db.Open(ctx, databaseOptions(c, log, sealer))
	if err != nil {
		return nil, err
	}
	if err = database.Migrate(ctx); err == nil {
		var resealed int
		if resealed, err = database.UseKey(ctx); resealed > 0 {
			log.Info("stored credentials were sealed anew with the present encryption key", "values", resealed)
		}
	}
	if err != nil {
		database.Close()
		return nil, err
	}
	return database, nil
}
