package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func (w *world) live(table string) string {
	w.t.Helper()
	return w.query("SELECT count(*) FROM %s WHERE deleted_at IS NULL", table)
}

func TestAcceptDeletionsKept(t *testing.T) {
	eachWorld(t, func(w *world) { w.config.Sync.Deletions = "keep" }, func(w *world) {
		for _, slug := range []string{"a", "b", "c"} {
			w.insert("toolkits", "slug", quote(slug), "name", quote(slug))
		}
		w.synced()
		w.commit(bitbuckettest.Remove("toolkits/a.json"), bitbuckettest.Remove("toolkits/c.json"))
		w.exec("DELETE FROM toolkits WHERE slug = 'b'")
		w.synced()
		if w.live("toolkits") != "2" || !w.branchHas("toolkits/b.json", "") {
			t.Errorf("a deletion travelled: %s rows, %v", w.live("toolkits"), w.files())
		}
		w.quiet()
		if got := w.get("mirror/plan")["actions"].([]any); len(got) != 0 {
			t.Errorf("plan: %v", got)
		}
		// The remaining side is edited: the entity is back. Removed too: nothing is left.
		w.exec("UPDATE toolkits SET name = 'A' WHERE slug = 'a'")
		w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
		w.exec("DELETE FROM toolkits WHERE slug = 'c'")
		w.synced()
		if !w.branchHas("toolkits/a.json", "A") || w.query("SELECT name FROM toolkits WHERE slug = 'b' AND deleted_at IS NULL") != "B" || w.live("toolkits") != "2" {
			t.Errorf("%s rows, %v", w.live("toolkits"), w.files())
		}
		w.quiet()
		w.exec("UPDATE toolkits SET name = 'A2' WHERE slug = 'a'")
		w.synced()
		if !w.branchHas("toolkits/a.json", "A2") {
			t.Error("what came back does not travel any more")
		}
		w.quiet()
	})
}

func TestAcceptTheBrake_D5(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		var values []string
		for i := range 30 {
			values = append(values, fmt.Sprintf("('%s', 'c%d', 'C', 'p')", w.orgID, i))
		}
		w.exec("INSERT INTO commands (organization_id, slug, name, prompt) VALUES %s", strings.Join(values, ", "))
		w.synced()
		w.exec("DELETE FROM commands WHERE slug IN ('c0','c1','c2','c3','c4','c5','c6','c7','c8','c9')") // ten go
		w.synced()
		w.wantNoFile("commands/c0.json")
		w.exec("UPDATE commands SET deleted_at = CURRENT_TIMESTAMP WHERE slug IN ('c10','c11')") // two more within the hour are held
		w.exec("UPDATE commands SET owner_id = '8b8f9e9e-8d9e-4f7e-9d7b-222222222222' WHERE slug = 'c12'")
		w.exec("UPDATE commands SET slug = 'renamed' WHERE slug = 'c13'")
		if report := w.sync(); report["state"] != "held" {
			t.Errorf("report: %v", report)
		}
		if !w.branchHas("commands/c10.json", "") || w.branchHas("commands/c12.json", "") || !w.branchHas("commands/renamed.json", "") {
			t.Errorf("held, private or renamed: %v", w.files())
		}
		if m := w.mirror(); m["state"] != "held" || w.detailCode() != "DELETIONS_HELD" {
			t.Errorf("mirror: %v", m)
		}
		// One of the held comes back by itself, invalid at that; the hold shrinks.
		w.exec("UPDATE commands SET deleted_at = NULL, prompt = NULL WHERE slug = 'c10'")
		w.sync()
		hold := w.get("mirror/hold")
		if items := hold["items"].([]any); len(items) != 1 || items[0].(map[string]any)["slug"] != "c11" {
			t.Errorf("hold: %v", hold)
		}
		// Discarded: the row comes back from git.
		if status, answer := w.call("POST", "mirror/discard", map[string]any{"hold": hold["id"]}); status >= 300 {
			t.Fatalf("discard: %d %v", status, answer)
		}
		w.synced()
		if w.query("SELECT count(*) FROM commands WHERE slug = 'c11' AND deleted_at IS NULL") != "1" {
			t.Error("the discarded deletion's row is not back")
		}
		w.exec("UPDATE commands SET prompt = 'p' WHERE slug = 'c10'")
		w.synced()
		w.quiet()
		w.checkClone()
	})
}

func TestAcceptNothingLeftIsSaid(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		w.exec("DELETE FROM toolkits")
		w.synced()
		conditions := w.mirror()["conditions"].([]any)
		if len(conditions) != 1 || conditions[0].(map[string]any)["code"] != "NOTHING_ELIGIBLE" {
			t.Errorf("conditions: %v", conditions)
		}
		w.quiet()
		w.checkClone()
	})
}

// TestAcceptAFileBringsBackADeletedRow: with its id and what it held secret; another row in its place has neither.
func TestAcceptAFileBringsBackADeletedRow(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"a", "b"} {
			w.insert("mcp_servers", "slug", quote(slug), "name", "'N'", "type", "'stdio'", "command", quote(slug), "env", `'{"T":{"value":"canary-1","secret":true}}'`)
		}
		w.insert("toolkits", "slug", "'x'", "name", "'X'")
		w.synced()
		id := w.query("SELECT id FROM mcp_servers WHERE slug = 'a'")
		file := w.files()["mcp-servers/a.json"]
		w.commit(bitbuckettest.Remove("mcp-servers/a.json"))
		w.synced()
		w.commit(bitbuckettest.Write("mcp-servers/a.json", file))
		w.synced()
		if got := w.query("SELECT CAST(id AS TEXT) || CAST(env AS TEXT) FROM mcp_servers WHERE slug = 'a' AND deleted_at IS NULL"); !strings.HasPrefix(got, id) || !strings.Contains(got, "canary-1") {
			t.Errorf("row: %s, want %s with its secret", got, id)
		}
		w.exec("DELETE FROM mcp_servers WHERE slug = 'b'")
		w.insert("mcp_servers", "slug", "'b'", "name", "'N'", "type", "'stdio'", "command", "'b'", "env", `'{"T":{"secret":true}}'`)
		w.synced()
		if got := w.query("SELECT env FROM mcp_servers WHERE slug = 'b'"); strings.Contains(got, "canary") {
			t.Errorf("a replacement got the secrets of the row before: %s", got)
		}
		w.quiet()
	})
}
