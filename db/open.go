package db

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/gormlite"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// FileName is the embedded database's file in the data directory.
const FileName = "confmirror.db"

// Options of Open.
type Options struct {
	// URL of a PostgreSQL database; "" is the embedded SQLite in DataDir.
	URL     string
	DataDir string
	// Sealer opens and seals the stored credentials.
	Sealer *Sealer
	// Limits that rows are validated by; what is zero is the default.
	Limits document.Limits
	Logger *slog.Logger
	Now    func() time.Time
}

// DB is the database. It is safe for use by many goroutines.
type DB struct {
	gorm      *gorm.DB
	sql       *sql.DB
	postgres  bool   // else SQLite
	pooled    bool   // PostgreSQL behind a pooler
	url       string // PostgreSQL's, for connections of their own
	file      string // SQLite's
	sealer    *Sealer
	limits    atomic.Pointer[document.Limits]
	refreshes refreshes
	log       *slog.Logger
	now       func() time.Time
}

// Open connects to the database, and makes the embedded one's file. It does not migrate.
func Open(ctx context.Context, o Options) (*DB, error) {
	d := &DB{url: o.URL, sealer: o.Sealer, log: o.Logger, postgres: o.URL != ""}
	d.SetLimits(o.Limits)
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	d.now = func() time.Time { return o.Now().UTC() }
	var err error
	var dialector gorm.Dialector
	if d.postgres {
		if d.sql, d.pooled, err = openPostgres(ctx, o.URL); err != nil {
			return nil, err
		}
		dialector = postgres.New(postgres.Config{Conn: d.sql})
	} else {
		if d.file, err = filepath.Abs(filepath.Join(o.DataDir, FileName)); err != nil {
			return nil, unusable(err)
		}
		if d.sql, err = openSQLite(d.file); err != nil {
			return nil, err
		}
		dialector = gormlite.OpenDB(d.sql)
	}
	if err := d.sql.PingContext(ctx); err != nil {
		d.sql.Close()
		if !d.postgres {
			err = unusable(err)
		}
		return nil, unreachable(err)
	}
	// GORM's own logger writes statements with their values: secrets among them.
	d.gorm, err = gorm.Open(dialector, &gorm.Config{
		Logger:                 logger.Discard,
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		QueryFields:            true, // columns by name: other programs may add theirs at any time
		NowFunc:                d.now,
	})
	if err != nil {
		d.sql.Close()
		return nil, err
	}
	return d, nil
}

func openPostgres(ctx context.Context, address string) (_ *sql.DB, behindPooler bool, _ error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		// The cause repeats the address; what is wrong with it can be said without.
		return nil, false, &mirror.Fault{
			Code:    mirror.CodeDatabaseFailed,
			Message: "The database's URL cannot be read.",
			Remedy:  "Check database.url: postgres://user:password@host:5432/database, special characters percent-encoded.",
			Class:   mirror.Permanent,
		}
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "confmirror"
	}
	behindPooler, err = pooled(ctx, config)
	if err != nil {
		return nil, false, unreachable(err)
	}
	if behindPooler && config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(20)
	pool.SetMaxIdleConns(5)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return pool, behindPooler, nil
}

// openSQLite opens the file in WAL mode: readers never wait. Writing transactions
// begin IMMEDIATE, so that two of them, in this process or another, queue up
// instead of failing halfway.
func openSQLite(path string) (*sql.DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, unusable(err)
	}
	// Made by hand for its mode: the file holds secrets.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, unusable(err)
	}
	file.Close()
	name := path
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	query := url.Values{
		"_pragma": {"busy_timeout(30000)", "journal_mode(wal)", "foreign_keys(on)", "synchronous(full)"},
		"_txlock": {"immediate"},
		"modeof":  {name}, // the log beside the file holds secrets, too
	}.Encode()
	// SQLite knows no plus for a space.
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: strings.ReplaceAll(query, "+", "%20")}
	pool, err := driver.Open(dsn.String())
	if err != nil {
		return nil, unreachable(err)
	}
	pool.SetMaxOpenConns(8)
	pool.SetMaxIdleConns(4)
	return pool, nil
}

// SetLimits changes the limits that rows are validated by from now on.
func (d *DB) SetLimits(limits document.Limits) { d.limits.Store(&limits) }

// Close ends all connections.
func (d *DB) Close() error { return d.sql.Close() }

// unusable is the fault of an embedded database that waiting does not mend; what
// may pass is unreachable.
func unusable(err error) error {
	var code sqlite3.ErrorCode
	errors.As(err, &code)
	fault := &mirror.Fault{Code: mirror.CodeDatabaseFailed, Class: mirror.Permanent, Err: err}
	switch {
	case code == sqlite3.NOTADB || code == sqlite3.CORRUPT:
		fault.Message = "The file of the embedded database is damaged, or is no database."
		fault.Remedy = "Bring " + FileName + " in data_dir back from a backup. Without one move it away: a new one is made, and connecting again imports what the branch holds (without secrets)."
	case code == sqlite3.PERM || code == sqlite3.READONLY || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOTDIR):
		fault.Message = "The embedded database cannot be written."
		fault.Remedy = "Give this user the right to write in data_dir and its files, or choose another data_dir."
	default:
		return unreachable(err)
	}
	return fault
}

// unreachable is the fault of a database that does not answer.
func unreachable(err error) error {
	if known, ok := errors.AsType[*mirror.Fault](err); ok {
		return known
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if full(err) {
		return &mirror.Fault{
			Code:    mirror.CodeDatabaseFailed,
			Message: "The database's disk is full, or fails.",
			Remedy:  "Make room on the disk of the database (data_dir, for the embedded one). The mirrors then go on by themselves; nothing is lost.",
			Class:   mirror.Transient,
			Err:     err,
		}
	}
	return &mirror.Fault{
		Code:    mirror.CodeDatabaseFailed,
		Message: "The database does not answer.",
		Remedy:  "Check that it runs, and database.url (or data_dir, for the embedded one).",
		Class:   mirror.Transient,
		Err:     err,
	}
}
