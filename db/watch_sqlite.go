package db

import (
	"context"
	"database/sql"
	"fmt"
)

// pollFile watches SQLite. PRAGMA data_version changes, for one connection, with
// every commit of another one, in whatever process; it costs no read of the
// database. The connection is taken from the pool for good and never writes.
func (w *watcher) pollFile(ctx context.Context) error {
	conn, err := w.db.sql.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	var seen sql.NullInt64
	return w.poll(ctx, pollSQLite, func(ctx context.Context) (bool, error) {
		var version int64
		if err := conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
			return false, fmt.Errorf("data_version: %w", err)
		}
		changed := !seen.Valid || seen.Int64 != version
		seen = sql.NullInt64{Int64: version, Valid: true}
		return changed, nil
	})
}
