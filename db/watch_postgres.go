package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// channel is what the capture triggers notify; the payload is an organization's id.
const channel = "confmirror"

// listenerName is how the listening connection shows in pg_stat_activity.
const listenerName = "confmirror listener"

// listen watches PostgreSQL on a connection of its own, until that fails.
func (w *watcher) listen(ctx context.Context) error {
	config, err := pgx.ParseConfig(w.db.url)
	if err != nil {
		return err
	}
	config.RuntimeParams["application_name"] = listenerName
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect to listen: %w", err)
	}
	defer closeConn(ctx, conn)
	if _, err := conn.Exec(ctx, "LISTEN "+channel, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if w.db.pooled {
		if err := w.arrives(ctx, conn); err != nil {
			return err
		}
	}
	// Only now: what commits after this look is notified.
	sets, err := w.db.pending(ctx)
	if err != nil {
		return err
	}
	for id := range sets {
		w.wake(id)
	}
	w.watching()
	for {
		payload, err := w.next(ctx, conn)
		if err != nil {
			return err
		}
		w.hear(payload)
	}
}

// hear wakes whom a notification names. Anybody who may connect may notify.
func (w *watcher) hear(payload string) {
	if uuid.Validate(payload) == nil && len(payload) == 36 {
		w.wake(payload)
	}
}

// next waits for a notification; "" when there was none for a while but the
// connection is alive.
func (w *watcher) next(ctx context.Context, conn *pgx.Conn) (string, error) {
	waiting, cancel := context.WithTimeout(ctx, w.keepalive)
	defer cancel()
	notification, err := conn.WaitForNotification(waiting)
	if err == nil {
		return notification.Payload, nil
	}
	if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) || conn.IsClosed() {
		return "", fmt.Errorf("wait for notifications: %w", err)
	}
	trying, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := conn.Ping(trying); err != nil {
		return "", fmt.Errorf("listening connection: %w", err)
	}
	return "", nil
}
