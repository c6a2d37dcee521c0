package db

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror"
)

func TestStalled(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	failed := func(since time.Duration) *mirror.Detail {
		return &mirror.Detail{Code: mirror.CodeNetworkUnreachable, Remedy: "Look at the network.", Since: *ago(since)}
	}
	for _, tc := range []struct {
		name  string
		st    Status
		want  string // part of the message; "": not stalled
		cure  string
		since time.Duration
	}{
		{name: "nothing waits", st: Status{State: mirror.State{Name: mirror.StateOK}, Succeeded: ago(time.Minute)}},
		{name: "an edit is young", st: Status{State: mirror.State{Name: mirror.StateSyncing}, PendingSince: ago(19 * time.Minute)}},
		{name: "an edit is old", st: Status{State: mirror.State{Name: mirror.StateSyncing}, PendingSince: ago(21 * time.Minute), Holder: "there"},
			want: "not exported", cure: "there", since: 21 * time.Minute},
		{name: "nobody runs it", st: Status{State: mirror.State{Name: mirror.StateSyncing}, PendingSince: ago(21 * time.Minute)},
			want: "not exported", cure: "No daemon", since: 21 * time.Minute},
		{name: "a commit is old", st: Status{State: mirror.State{Name: mirror.StateOK}, BehindSince: ago(time.Hour), PendingSince: ago(2 * time.Hour)},
			want: "not imported", since: time.Hour},
		{name: "no run ends", st: Status{State: mirror.State{Name: mirror.StateOK}, Succeeded: ago(21 * time.Minute)},
			want: "No run", since: 21 * time.Minute},
		{name: "runs fail", st: Status{State: mirror.State{Name: mirror.StateError, Detail: failed(30 * time.Minute)}, PendingSince: ago(time.Hour)},
			want: mirror.CodeNetworkUnreachable, cure: "the network", since: 30 * time.Minute},
		{name: "runs fail since a moment ago", st: Status{State: mirror.State{Name: mirror.StateError, Detail: failed(time.Minute)}}},
		{name: "a person has to act", st: Status{State: mirror.State{Name: mirror.StateBlocked, Detail: failed(30 * time.Minute)}},
			want: mirror.CodeNetworkUnreachable, since: 30 * time.Minute},
		{name: "held", st: Status{State: mirror.State{Name: mirror.StateHeld, Detail: failed(30 * time.Minute)}}},
		{name: "paused", st: Status{State: mirror.State{Name: mirror.StatePaused}, PendingSince: ago(time.Hour), Succeeded: ago(time.Hour)}},
		{name: "disconnected", st: Status{State: mirror.State{Name: mirror.StateDisconnected}, PendingSince: ago(time.Hour)}},
	} {
		got := tc.st.Stalled(20*time.Minute, now)
		switch {
		case tc.want == "" && got != nil:
			t.Errorf("%s: %+v", tc.name, got)
		case tc.want == "":
		case got == nil || !strings.Contains(got.Message, tc.want) || !strings.Contains(got.Remedy, tc.cure) || !got.Since.Equal(*ago(tc.since)):
			t.Errorf("%s: %+v", tc.name, got)
		case got.Code != mirror.CodeStalled || got.Severity() != mirror.SeverityCritical:
			t.Errorf("%s: %s is %s", tc.name, got.Code, got.Severity())
		}
	}
}

// Of many mirrors each is as it is by itself.
func TestStatuses(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		a, b, other := connect(t, d, "a"), connect(t, d, "b"), newOrganization(t, d, "other")
		run(t, d, "INSERT INTO commands (organization_id, slug, name, prompt) VALUES (?, 'x', 'X', 'p')", a)
		run(t, d, "INSERT INTO conflicts (organization_id, kind, path, slug, reason) VALUES (?, 'commands', 'commands/c.json', 'c', 'both_changed')", b)
		if n := must(d.Unheld(ctx))(t); n != 2 {
			t.Errorf("%d mirrors without a daemon", n)
		}
		if _, ok, err := d.ClaimOne(ctx, b, "me", ttl); !ok || err != nil {
			t.Fatal(err)
		}
		if n := must(d.Unheld(ctx))(t); n != 1 {
			t.Errorf("%d mirrors without a daemon", n)
		}
		list := must(d.Statuses(ctx, []string{b, a, other, uuid.NewString()}))(t)
		if len(list) != 2 || list[0].OrganizationID != a || list[1].OrganizationID != b {
			t.Fatalf("%+v", list)
		}
		if s := list[0]; s.Organization != "a" || s.Pending != 1 || s.PendingSince == nil || s.Conflicts != 0 || s.Holder != "" {
			t.Errorf("%+v", s)
		}
		if s := list[1]; s.Organization != "b" || s.Pending != 0 || s.PendingSince != nil || s.Conflicts != 1 || s.Holder != "me" {
			t.Errorf("%+v", s)
		}
		if list := must(d.Statuses(ctx, nil))(t); len(list) > 0 {
			t.Errorf("of none: %+v", list)
		}
	})
}
