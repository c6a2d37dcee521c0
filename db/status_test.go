package db

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func run(t testing.TB, d *DB, statement string, values ...any) {
	t.Helper()
	if err := d.gorm.Exec(statement, values...).Error; err != nil {
		t.Fatal(err)
	}
}

func status(t testing.TB, d *DB, id string) *Status {
	t.Helper()
	return must(d.Status(t.Context(), id))(t)
}

func TestStatus(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		if _, err := d.Status(ctx, uuid.NewString()); !errors.Is(err, ErrNotFound) {
			t.Errorf("no organization: %v", err)
		}
		id := newOrganization(t, d, "acme")
		if s := status(t, d, id); s.State.Name != mirror.StateDisconnected || s.Organization != "acme" {
			t.Errorf("never connected: %+v", s)
		}
		save(t, d, id, writeOf(nil))
		set := func(columns string) { t.Helper(); run(t, d, "UPDATE bitbucket_connections SET "+columns) }
		name := func(want mirror.StateName) {
			t.Helper()
			if s := status(t, d, id); s.State.Name != want {
				t.Errorf("state %s, want %s", s.State.Name, want)
			}
		}
		name(mirror.StateSyncing) // never ran
		set("state = 'ok', covered = requested")
		name(mirror.StateOK)
		run(t, d, "INSERT INTO toolkits (organization_id, slug, name) VALUES (?, 'a', 'A')", id)
		name(mirror.StateSyncing)
		run(t, d, "DELETE FROM mirror_changes")
		if _, err := d.Request(ctx, id); err != nil {
			t.Fatal(err)
		}
		name(mirror.StateSyncing)
		set(`state = 'error', detail = '{"code":"NETWORK_UNREACHABLE"}'`)
		name(mirror.StateError)
		set("state = 'held'")
		name(mirror.StateHeld)
		set("state = 'blocked'")
		name(mirror.StateBlocked)
		if s := status(t, d, id); s.State.Detail == nil || s.State.Detail.Code != mirror.CodeNetworkUnreachable {
			t.Errorf("detail %+v", s.State.Detail)
		}
		if err := d.SetPaused(ctx, id, true); err != nil {
			t.Fatal(err)
		}
		name(mirror.StatePaused)
		if _, ok, err := d.ClaimOne(ctx, id, "me", ttl); !ok || err != nil {
			t.Fatal(err)
		}
		if s := status(t, d, id); s.Holder != "me" {
			t.Errorf("holder %q", s.Holder)
		}
		expire(t, d, "me")
		if s := status(t, d, id); s.Holder != "" {
			t.Errorf("holder %q after its lease ended", s.Holder)
		}
		if err := d.Disconnect(ctx, id); err != nil {
			t.Fatal(err)
		}
		name(mirror.StateDisconnected)
	})
}

func TestStatusCounts(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id, other := connect(t, d, "acme"), connect(t, d, "other")
		const bad = `{"path":"toolkits/bad.json","error":{"code":"INVALID_JSON","http_code":400,"message":"m","path":"p"}}`
		for _, organization := range []string{id, other} {
			run(t, d, "INSERT INTO toolkits (organization_id, slug, git_integration) VALUES (?, 'bad', ?)", organization, bad)
			run(t, d, "INSERT INTO toolkits (organization_id, slug, git_integration) VALUES (?, 'good', ?)", organization, `{"path":"x"}`)
			run(t, d, "INSERT INTO mcp_clients (organization_id, slug, git_integration) VALUES (?, 'bad', ?)", organization, bad)
			run(t, d, "INSERT INTO commands (organization_id, slug, git_integration, deleted_at) VALUES (?, 'gone', ?, CURRENT_TIMESTAMP)", organization, bad)
			run(t, d, "INSERT INTO rejected_files (organization_id, kind, path, slug, error) VALUES (?, 'commands', 'commands/x.json', 'x', ?)", organization, `{"code":"VALIDATION_FAILED"}`)
			run(t, d, "INSERT INTO conflicts (organization_id, kind, path, slug, reason) VALUES (?, 'commands', 'commands/c.json', 'c', 'both_changed')", organization)
			run(t, d, "INSERT INTO conflicts (organization_id, kind, path, slug, reason, resolved_at) VALUES (?, 'commands', 'commands/d.json', 'd', 'both_changed', CURRENT_TIMESTAMP)", organization)
		}
		run(t, d, "UPDATE toolkits SET name = 'again' WHERE organization_id = ? AND slug = 'bad'", id)
		s := status(t, d, id)
		if s.Pending != 4 || s.Errors != 3 || s.Conflicts != 1 || s.Held != 0 {
			t.Errorf("pending %d, errors %d, conflicts %d, held %d", s.Pending, s.Errors, s.Conflicts, s.Held)
		}
		var got []string
		for _, f := range must(d.Errors(ctx, id, 0))(t) {
			got = append(got, fmt.Sprintf("%s/%s %s rejected=%v", f.Kind, f.Slug, f.Error.Code, f.Rejected))
		}
		want := []string{"mcp-clients/bad INVALID_JSON rejected=false", "commands/x VALIDATION_FAILED rejected=true", "toolkits/bad INVALID_JSON rejected=false"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if limited := must(d.Errors(ctx, id, 1))(t); len(limited) != 1 {
			t.Errorf("limited: %+v", limited)
		}
		if d.postgres {
			return
		}
		// What another program leaves there fails neither its statement nor ours.
		run(t, d, "UPDATE toolkits SET git_integration = 'no json' WHERE organization_id = ?", id)
		if s := status(t, d, id); s.Errors != 2 {
			t.Errorf("errors %d", s.Errors)
		}
	})
}

// How far each side is behind is told by the age of the oldest thing that it lacks.
func TestStatusTellsSinceWhen(t *testing.T) {
	migrated.Each(t, func(t *testing.T, target dbtest.Target) {
		w := newWorld(t, target)
		id := w.mirror.OrganizationID
		told := func() (pending, behind *time.Time) {
			t.Helper()
			s := status(t, w.db, id)
			return s.PendingSince, s.BehindSince
		}
		w.settle(mirror.Settlement{Cursor: "a", RemoteSeen: "a", State: mirror.State{Name: mirror.StateOK}})
		w.consumeAll()
		if pending, behind := told(); pending != nil || behind != nil {
			t.Errorf("in sync: %v, %v", pending, behind)
		}
		w.exec("INSERT INTO toolkits (organization_id, slug, name) VALUES (?, 'a', 'A')", id)
		w.exec("UPDATE mirror_changes SET captured_at = " + w.db.sqlIn(-time.Hour))
		w.exec("INSERT INTO toolkits (organization_id, slug, name) VALUES (?, 'b', 'B')", id)
		w.settle(mirror.Settlement{Cursor: "a", RemoteSeen: "b", State: mirror.State{Name: mirror.StateOK}})
		pending, behind := told()
		if pending == nil || behind == nil || behind.Sub(*pending).Round(time.Minute) != time.Hour {
			t.Fatalf("behind: %v, %v", pending, behind)
		}
		w.exec("UPDATE bitbucket_connections SET behind_since = " + w.db.sqlIn(-2*time.Hour))
		w.settle(mirror.Settlement{Cursor: "a", RemoteSeen: "c", State: mirror.State{Name: mirror.StateOK}})
		if _, longer := told(); longer == nil || behind.Sub(*longer).Round(time.Minute) != 2*time.Hour {
			t.Errorf("further behind: %v", longer)
		}
		w.settle(mirror.Settlement{Cursor: "c", RemoteSeen: "c", State: mirror.State{Name: mirror.StateOK}})
		if _, behind := told(); behind != nil {
			t.Errorf("caught up: %v", behind)
		}
	})
}

func TestRequestIsCoveredByAFault(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := connect(t, d, "acme")
		lease, _, err := d.ClaimOne(ctx, id, "me", ttl)
		if err != nil {
			t.Fatal(err)
		}
		request := must(d.Request(ctx, id))(t)
		m := must(d.Mirror(ctx, id))(t)
		since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		fault := func(code string, name mirror.StateName, runID, trigger string) error {
			since = since.Add(time.Hour)
			detail := &mirror.Detail{Code: code, Message: "m", Remedy: "r", Since: since}
			return d.RecordFault(ctx, m, mirror.State{Name: name, Detail: detail},
				&mirror.Report{RunID: runID, Trigger: trigger, State: name, Detail: detail, StartedAt: since, Actions: nil})
		}
		if err := fault(mirror.CodeRateLimited, mirror.StateError, "run-1", "poll"); err != nil {
			t.Fatal(err)
		}
		if covered, runID, err := d.Covered(ctx, id); err != nil || covered != request || runID != "run-1" {
			t.Errorf("covered %d of %d by %q, %v", covered, request, runID, err)
		}
		began := status(t, d, id).State.Detail.Since
		for i := range 3 { // the same at every poll
			if err := fault(mirror.CodeRateLimited, mirror.StateError, fmt.Sprint("poll-", i), "poll"); err != nil {
				t.Fatal(err)
			}
		}
		if s := status(t, d, id); !s.State.Detail.Since.Equal(began) || s.LastRun.RunID != "run-1" {
			t.Errorf("since %v, last run %+v", s.State.Detail.Since, s.LastRun)
		}
		if err := fault(mirror.CodePermissionDenied, mirror.StateBlocked, "run-2", "poll"); err != nil {
			t.Fatal(err)
		}
		if s := status(t, d, id); !s.State.Detail.Since.Equal(since) || s.State.Name != mirror.StateBlocked || s.LastRun.RunID != "run-2" {
			t.Errorf("status %+v", s)
		}
		m.Epoch = lease.Epoch - 1
		if err := fault(mirror.CodeInternal, mirror.StateError, "run-3", "poll"); !errors.Is(err, mirror.ErrLeaseLost) {
			t.Errorf("an older epoch: %v", err)
		}
		if _, err := d.Run(ctx, id, "run-3"); !errors.Is(err, ErrNotFound) {
			t.Errorf("its run: %v", err)
		}
	})
}

func TestRunPages(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id, other := newOrganization(t, d, "acme"), newOrganization(t, d, "other")
		start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		for i := range 5 {
			for _, organization := range []string{id, other} {
				report := &mirror.Report{
					RunID: fmt.Sprintf("%s-%d", organization[:8], i), Trigger: "poll", State: mirror.StateOK, Exported: i,
					Commits: []mirror.Hash{"c1"}, StartedAt: start.Add(time.Duration(i/2) * time.Minute),
					Actions: []mirror.Action{{Kind: document.Toolkits, Slug: "a", Verb: mirror.VerbCreate}}, ActionsLeftOut: i,
				}
				if err := d.gorm.Create(must(d.runRow(&mirror.Mirror{OrganizationID: organization}, report))(t)).Error; err != nil {
					t.Fatal(err)
				}
			}
		}
		var got []int
		page := Page{Limit: 2}
		for {
			runs, next, err := d.Runs(ctx, id, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range runs {
				got = append(got, r.Exported)
			}
			if page.Cursor = next; next == "" {
				break
			}
		}
		if diff := cmp.Diff([]int{4, 3, 2, 1, 0}, got); diff != "" {
			t.Error(diff)
		}
		one := must(d.Run(ctx, id, id[:8]+"-3"))(t)
		if one.Exported != 3 || len(one.Actions) != 1 || one.ActionsLeftOut != 3 || len(one.Commits) != 1 || !one.StartedAt.Equal(start.Add(time.Minute)) {
			t.Errorf("run %+v", one)
		}
		if _, err := d.Run(ctx, id, other[:8]+"-3"); !errors.Is(err, ErrNotFound) {
			t.Errorf("another organization's run: %v", err)
		}
	})
}
