package db

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
)

// What people do to a mirror is noted with who did it, once, and without secrets.
func TestEvents(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		id := newOrganization(t, d, "acme")
		ctx := As(t.Context(), "ada")
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		save := func(change func(*ConnectionWrite)) {
			t.Helper()
			_, err := d.SaveConnection(ctx, id, writeOf(change))
			must(err)
		}
		save(nil)
		save(nil)
		save(func(w *ConnectionWrite) { w.Branch, w.WebhookSecret = "dev", mirror.NewSecret("another-secret") })
		for _, paused := range []bool{true, true, false, false} {
			must(d.SetPaused(ctx, id, paused))
		}
		must(d.Disconnect(ctx, id))
		if err := d.SetPaused(ctx, id, true); !errors.Is(err, mirror.ErrNoMirror) {
			t.Errorf("%v", err)
		}
		save(nil)
		want := []string{EventConnected, EventDisconnected, EventResumed, EventPaused, EventSettings, EventConnected}
		var got []string
		page := Page{Limit: 4}
		for {
			events, next, err := d.Events(t.Context(), id, page)
			must(err)
			for _, e := range events {
				got = append(got, e.Code)
				if e.Who != "ada" || e.At.IsZero() || strings.Contains(e.Message, "secret ") || strings.Contains(e.Message, "another") {
					t.Errorf("%+v", e)
				}
				if e.Code == EventSettings && e.Message != "The connection was changed: branch, webhook_secret." {
					t.Errorf("%s", e.Message)
				}
			}
			if page.Cursor = next; next == "" {
				break
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", got, want)
		}
		if _, _, err := d.Events(t.Context(), id, Page{Cursor: pageCursor("x")}); !errors.Is(err, ErrBadCursor) {
			t.Errorf("%v", err)
		}
	})
}
