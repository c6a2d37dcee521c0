package db

import (
	"fmt"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func count(t testing.TB, d *DB, table, condition string, values ...any) int {
	t.Helper()
	var n int64
	if err := d.gorm.Table(table).Where(condition, values...).Count(&n).Error; err != nil {
		t.Fatal(err)
	}
	return int(n)
}

func housekeep(t testing.TB, d *DB) {
	t.Helper()
	for range 2 { // it is nothing to do it again
		if err := d.Housekeep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHousekeepChanges(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		connected, never, left := connect(t, d, "connected"), newOrganization(t, d, "never"), connect(t, d, "left")
		run(t, d, "UPDATE bitbucket_connections SET cursor_commit = 'c'")
		if err := d.Disconnect(t.Context(), left); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{connected, never, left} {
			insert(t, d, id, "a")
		}
		housekeep(t, d)
		if n := count(t, d, "mirror_changes", "1 = 1"); n != 3 {
			t.Errorf("%d of 3 fresh changes are kept", n)
		}
		run(t, d, "UPDATE mirror_changes SET captured_at = "+d.sqlIn(-2*keepChanges))
		housekeep(t, d)
		if n := count(t, d, "mirror_changes", "organization_id = ?", connected); n != 1 || count(t, d, "mirror_changes", "1 = 1") != 1 {
			t.Errorf("kept %d of the connected one's", n)
		}
		// Who connects again has to compare everything.
		if n := count(t, d, "bitbucket_connections", "organization_id = ? AND cursor_commit = ''", left); n != 1 {
			t.Error("the disconnected mirror kept its cursor")
		}
		if n := count(t, d, "bitbucket_connections", "organization_id = ? AND cursor_commit = 'c'", connected); n != 1 {
			t.Error("the connected mirror lost its cursor")
		}
	})
}

func TestHousekeepHistory(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		id, quiet, gone := connect(t, d, "acme"), connect(t, d, "quiet"), connect(t, d, "gone")
		now := time.Now()
		record := func(organization, runID string, age time.Duration) {
			t.Helper()
			row := must(d.runRow(&mirror.Mirror{OrganizationID: organization}, &mirror.Report{RunID: runID, StartedAt: now.Add(-age)}))(t)
			if err := d.gorm.Create(row).Error; err != nil {
				t.Fatal(err)
			}
		}
		rows := make([]*runRow, 0, keepRuns+5)
		for i := range keepRuns + 5 {
			rows = append(rows, must(d.runRow(&mirror.Mirror{OrganizationID: id}, &mirror.Report{RunID: fmt.Sprint("run-", i), StartedAt: now.Add(-time.Duration(i) * time.Second)}))(t))
		}
		if err := d.gorm.CreateInBatches(rows, 500).Error; err != nil {
			t.Fatal(err)
		}
		record(quiet, "old", keepHistory+2*time.Hour)
		record(quiet, "older", keepHistory+3*time.Hour)
		record(gone, "gone", 0)
		for _, resolved := range []string{"NULL", d.sqlIn(-time.Hour), d.sqlIn(-keepHistory - time.Hour)} {
			run(t, d, "INSERT INTO conflicts (organization_id, kind, path, slug, reason, git_id, resolved_at) VALUES (?, 'toolkits', 'p', 's', 'both_changed', ?, "+resolved+")", id, resolved)
		}
		run(t, d, "DELETE FROM organizations WHERE slug = 'gone'")
		housekeep(t, d)
		if n := count(t, d, "sync_runs", "organization_id = ?", id); n != keepRuns || count(t, d, "sync_runs", "run_id = ?", "run-0") != 1 {
			t.Errorf("%d runs are kept", n)
		}
		if n := count(t, d, "sync_runs", "run_id = 'old'"); n != 1 || count(t, d, "sync_runs", "run_id = 'older'") != 0 {
			t.Errorf("of a quiet mirror the newest run is to stay, and nothing else")
		}
		if n := count(t, d, "sync_runs", "run_id = 'gone'"); n != 0 {
			t.Error("a run of a deleted organization is kept")
		}
		if n := count(t, d, "conflicts", "1 = 1"); n != 2 {
			t.Errorf("%d conflicts are kept", n)
		}
	})
}

func TestHousekeepContents(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		id := connect(t, d, "acme")
		keep := func(kind document.Kind, content *mirror.Content) {
			t.Helper()
			contents := map[string][]byte{}
			contentID := contentOf(kind, content, func(id string, data []byte) { contents[id] = data })
			if err := d.insertContents(d.gorm, id, contents); err != nil {
				t.Fatal(err)
			}
			row := baseRow{OrganizationID: id, Kind: string(kind), Path: contentID, ContentID: contentID}
			if err := d.gorm.Create(&row).Error; err != nil {
				t.Fatal(err)
			}
		}
		keep(document.Toolkits, &mirror.Content{Bytes: []byte("{}")})
		keep(document.Skills, &mirror.Content{Files: []document.File{{Path: "SKILL.md", Content: []byte("shared")}, {Path: "a", Content: []byte("a")}}})
		keep(document.Skills, &mirror.Content{Files: []document.File{{Path: "SKILL.md", Content: []byte("shared")}, {Path: "b", Content: []byte("b")}}})
		housekeep(t, d)
		if n := count(t, d, "mirror_contents", "1 = 1"); n != 6 { // {}, shared, a, b, two lists
			t.Errorf("%d contents", n)
		}
		var bases []baseRow
		d.gorm.Where("kind = 'skills'").Order("path").Find(&bases)
		run(t, d, "DELETE FROM mirror_bases WHERE path = ?", bases[0].Path)
		housekeep(t, d)
		if n := count(t, d, "mirror_contents", "1 = 1"); n != 4 || count(t, d, "mirror_contents", "id = ?", contentID([]byte("shared"))) != 1 {
			t.Errorf("%d contents after one skill went", n)
		}
		run(t, d, "DELETE FROM mirror_bases")
		housekeep(t, d)
		if n := count(t, d, "mirror_contents", "1 = 1"); n != 0 {
			t.Errorf("%d contents after all went", n)
		}
	})
}
