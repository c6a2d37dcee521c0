package daemon_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// once runs acme's mirror as a command does, and tells which holder was asked.
func (w *world) once() (report *mirror.Report, asked string, err error) {
	w.t.Helper()
	d := daemon.New(daemon.Options{Config: w.config, DB: w.db, Logger: w.logger(), Version: "test"})
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	report, err = d.Once(ctx, w.orgID, daemon.OnceOptions{Asked: func(holder string) { asked = holder }})
	return report, asked, err
}

func TestOnce(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		// Beside a daemon the holder does it.
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		holder := w.mirror()["holder"]
		report, asked, err := w.once()
		w.must(err)
		if asked != holder || report.State != mirror.StateOK {
			t.Errorf("asked %q, the holder is %v: %+v", asked, holder, report)
		}
		w.wantFile("toolkits/a.json", "{\n  \"slug\": \"a\",\n  \"name\": \"A\"\n}\n")

		// Without one the command does it, and gives the lease back.
		w.stop()
		w.insert("toolkits", "slug", "'b'", "name", "'B'")
		report, asked, err = w.once()
		w.must(err)
		if asked != "" || report.Exported != 1 || len(report.Commits) != 1 {
			t.Errorf("asked %q: %+v", asked, report)
		}
		status, err := w.db.Status(t.Context(), w.orgID)
		w.must(err)
		if status.Holder != "" {
			t.Errorf("the lease is still with %s", status.Holder)
		}

		// A holder that died is waited for as long as its lease lives.
		_, mine, err := w.db.ClaimOne(t.Context(), w.orgID, "dead", time.Second)
		w.must(err)
		report, asked, err = w.once()
		w.must(err)
		if !mine || asked != "dead" || report.State != mirror.StateOK || report.Exported != 0 {
			t.Errorf("claimed %v, asked %q: %+v", mine, asked, report)
		}

		// A fault is a report; what nobody may run is an error.
		undo := w.standIn.Inject(bitbuckettest.Down(503))
		report, _, err = w.once()
		undo()
		w.must(err)
		if report.State != mirror.StateError || report.Detail == nil {
			t.Errorf("while the remote is down: %+v", report)
		}
		w.must(w.db.SetPaused(t.Context(), w.orgID, true))
		if _, _, err := w.once(); !errors.Is(err, daemon.ErrPaused) {
			t.Errorf("paused: %v", err)
		}
		w.must(w.db.Disconnect(t.Context(), w.orgID))
		if _, _, err := w.once(); !errors.Is(err, mirror.ErrNoMirror) {
			t.Errorf("disconnected: %v", err)
		}
	})
}
