package dbtest

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestServerComesBackWithWhatWasCommitted(t *testing.T) {
	server := StartServer(t)
	url := server.URL(t)
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE TABLE mark (id int); INSERT INTO mark VALUES (7)"); err != nil {
		t.Fatal(err)
	}
	server.Crash(t)
	if again, err := pgx.Connect(ctx, url); err == nil {
		again.Close(ctx)
		t.Error("a crashed server takes connections")
	}
	server.Restart(t)
	again, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close(ctx)
	var id int
	if err := again.QueryRow(ctx, "SELECT id FROM mark").Scan(&id); err != nil || id != 7 {
		t.Errorf("%d, %v", id, err)
	}
}
