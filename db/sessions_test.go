package db

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

func TestSessions(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx, proof := t.Context(), mirror.NewSecret("admin-token")
		token, err := d.StartSession(ctx, "admin", proof, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		is := func(token string, proof mirror.Secret, want string) {
			t.Helper()
			who, err := d.Session(ctx, token, proof)
			if who != want || (want == "") != errors.Is(err, ErrNotFound) {
				t.Errorf("%q, %v instead of %q", who, err, want)
			}
		}
		is(token.Reveal(), proof, "admin")
		is("", proof, "")
		is(token.Reveal()+"x", proof, "")
		is(token.Reveal(), mirror.NewSecret("another admin token"), "")
		is(token.Reveal(), proof, "admin")
		if n := count(t, d, "panel_sessions", "id = ? OR proof = ?", token.Reveal(), proof.Reveal()); n != 0 {
			t.Error("the database holds what the browser does")
		}

		over, err := d.StartSession(ctx, "admin", proof, -time.Second)
		if err != nil {
			t.Fatal(err)
		}
		is(over.Reveal(), proof, "")
		housekeep(t, d)
		if n := count(t, d, "panel_sessions", "1 = 1"); n != 1 {
			t.Errorf("%d sessions are kept", n)
		}
		for range 2 {
			if err := d.EndSession(ctx, token.Reveal()); err != nil {
				t.Fatal(err)
			}
			is(token.Reveal(), proof, "")
		}
	})
}

// Nobody fills the database with sessions; the latest stay.
func TestManySessions(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx, proof := t.Context(), mirror.NewSecret("admin-token")
		for range maxSessions {
			run(t, d, "INSERT INTO panel_sessions (id, who, proof, created_at, expires_at) VALUES ('"+sessionID(rand.Text())+"', '', '', "+d.sqlIn(-time.Hour)+", "+d.sqlIn(time.Hour)+")")
		}
		token, err := d.StartSession(ctx, "admin", proof, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, d, "panel_sessions", "1 = 1"); n != maxSessions {
			t.Errorf("%d sessions", n)
		}
		if _, err := d.Session(ctx, token.Reveal(), proof); err != nil {
			t.Error(err)
		}
	})
}
