package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Between this program and PostgreSQL there may be a pooler, such as PgBouncer. In its
// transaction mode each transaction may come to another server process: what a session
// keeps (prepared statements, LISTEN, advisory locks) is not there for the next one. A
// session of ours keeps none then:
//
//   - Statements are described once and sent without a name.
//   - Migrations hold a lock of a transaction, see migrating.
//   - The pending set is polled, if a notification that we send does not arrive.
//
// A pooler shows in the process that the server names when a connection is made, which a
// pooler makes up, since the cancel requests for it go to the pooler.

// pooled reports whether a pooler answers at an address.
func pooled(ctx context.Context, config *pgx.ConnConfig) (bool, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, err
	}
	defer closeConn(ctx, conn)
	var pid uint32
	// Simple: a statement with a name is what may not work.
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid); err != nil {
		return false, err
	}
	return pid != conn.PgConn().PID(), nil
}

// closeConn says goodbye, also when ctx has ended.
func closeConn(ctx context.Context, conn *pgx.Conn) {
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	conn.Close(closing)
}

// errNotNotified: LISTEN was accepted and notifications do not arrive.
var errNotNotified = errors.New("notifications do not come through")

// arrives sends a notification on another connection and waits for it to arrive. What
// arrives before it is passed on.
func (w *watcher) arrives(ctx context.Context, conn *pgx.Conn) error {
	probe := "probe " + uuid.NewString()
	if _, err := w.db.sql.ExecContext(ctx, "SELECT pg_notify($1, $2)", channel, probe); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, w.notified)
	defer cancel()
	for {
		notification, err := conn.WaitForNotification(waiting)
		switch {
		case err != nil && ctx.Err() == nil && waiting.Err() != nil:
			return errNotNotified
		case err != nil:
			return fmt.Errorf("wait for notifications: %w", err)
		case notification.Payload == probe:
			return nil
		}
		w.hear(notification.Payload)
	}
}
