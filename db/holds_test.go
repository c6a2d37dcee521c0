package db

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func TestHold(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id, other := connect(t, d, "acme"), connect(t, d, "other")
		run(t, d, "UPDATE bitbucket_connections SET identity = 'here'")
		hold := func(organization, identity, path, reason string) {
			run(t, d, `INSERT INTO mirror_unsettled (organization_id, identity, kind, path, slug, reason, direction)
				VALUES (?, ?, 'toolkits', ?, 's', ?, 'to_git')`, organization, identity, path, reason)
		}
		if _, err := d.Hold(ctx, id); !errors.Is(err, ErrNoHold) {
			t.Errorf("before: %v", err)
		}
		if err := d.DecideHold(ctx, id, "", mirror.Approved); !errors.Is(err, ErrNoHold) {
			t.Errorf("decided nothing: %v", err)
		}
		hold(id, "here", "toolkits/b.json", "held")
		hold(id, "here", "toolkits/a.json", "held")
		hold(id, "here", "toolkits/invalid.json", "invalid")
		hold(id, "before", "toolkits/c.json", "held") // of a place that was connected before
		hold(other, "here", "toolkits/d.json", "held")
		first := must(d.Hold(ctx, id))(t)
		want := []HeldItem{{mirror.ReasonHeld, mirror.ToGit, document.Toolkits, "s", "toolkits/a.json"}, {mirror.ReasonHeld, mirror.ToGit, document.Toolkits, "s", "toolkits/b.json"}}
		if diff := cmp.Diff(want, first.Items); diff != "" || first.CreatedAt.IsZero() {
			t.Error(diff, first.CreatedAt)
		}
		if again := must(d.Hold(ctx, id))(t); again.ID != first.ID {
			t.Error("the same list has another id")
		}
		hold(id, "here", "toolkits/e.json", "held")
		if err := d.DecideHold(ctx, id, first.ID, mirror.Approved); !errors.Is(err, ErrHoldChanged) {
			t.Errorf("a list that has grown: %v", err)
		}
		if s := status(t, d, id); s.Held != 3 {
			t.Errorf("held %d", s.Held)
		}
		before := status(t, d, id).Requested
		if err := d.DecideHold(ctx, id, must(d.Hold(ctx, id))(t).ID, mirror.Discarded); err != nil {
			t.Fatal(err)
		}
		if s := status(t, d, id); s.Held != 0 || s.Requested != before+1 {
			t.Errorf("held %d, requested %d after %d", s.Held, s.Requested, before)
		}
		if err := d.DecideHold(ctx, id, first.ID, mirror.Approved); !errors.Is(err, ErrHoldChanged) {
			t.Errorf("decided twice: %v", err)
		}
		var decided int64
		d.gorm.Model(&unsettledRow{}).Where("verdict = 'discarded' AND due").Count(&decided)
		if decided != 3 {
			t.Errorf("%d were decided", decided)
		}
		if h := must(d.Hold(ctx, other))(t); len(h.Items) != 1 {
			t.Errorf("the other organization's: %+v", h)
		}
	})
}

func TestConflicts(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id, other := newOrganization(t, d, "acme"), newOrganization(t, d, "other")
		for _, c := range []struct{ organization, slug, resolved string }{{id, "a", ""}, {id, "b", "2026-01-01T00:00:00Z"}, {id, "c", ""}, {other, "d", ""}} {
			var resolved any
			if c.resolved != "" {
				resolved = c.resolved
			}
			run(t, d, `INSERT INTO conflicts (organization_id, kind, path, slug, reason, database, git, places, decided, resolved_at)
				VALUES (?, 'toolkits', ?, ?, 'both_changed', '{"slug":"x","name":"D"}', '{"slug":"x","name":"G"}', '["/name"]', 'git', ?)`,
				c.organization, "toolkits/"+c.slug+".json", c.slug, resolved)
		}
		slugs := func(all bool) (slugs []string) {
			page := Page{Limit: 1}
			for {
				conflicts, next, err := d.Conflicts(ctx, id, all, page)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range conflicts {
					slugs = append(slugs, c.Slug)
				}
				if page.Cursor = next; next == "" {
					return slugs
				}
			}
		}
		if open := slugs(false); len(open) != 2 {
			t.Errorf("open %v", open)
		}
		if all := slugs(true); len(all) != 3 {
			t.Errorf("all %v", all)
		}
		conflicts, _, _ := d.Conflicts(ctx, id, false, Page{})
		one := must(d.Conflict(ctx, id, conflicts[0].ID))(t)
		if one.Base != nil || one.Database.Fields["name"] != "D" || one.Git.Fields["name"] != "G" || one.Decided != document.PreferGit || len(one.Places) != 1 {
			t.Errorf("conflict %+v", one)
		}
		for _, bad := range []string{"", "x", id} {
			if _, err := d.Conflict(ctx, id, bad); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if _, err := d.Conflict(ctx, other, one.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("another organization's: %v", err)
		}
	})
}
