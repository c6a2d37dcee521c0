package daemon_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

const (
	boundServer   = `{"slug": "gh", "name": "GH", "type": "http", "url": "https://good.example/mcp", "headers": {"Token": {"secret": true}}}`
	reboundServer = `{"slug": "gh", "name": "GH 2", "type": "http", "url": "https://other.example/mcp", "headers": {"Token": {"secret": true}}}`
)

// bound has a server with a secret that a push points at another host.
func (w *world) bound() {
	w.t.Helper()
	w.commit(bitbuckettest.Write("mcp-servers/gh.json", boundServer))
	w.synced()
	w.exec(`UPDATE mcp_servers SET headers = '{"Token": {"value": "hunter2", "secret": true}}'`)
	w.synced()
	w.commit(bitbuckettest.Write("mcp-servers/gh.json", reboundServer), bitbuckettest.Write("toolkits/a.json", `{"slug": "a", "name": "A"}`))
	w.sync()
}

func TestRebindIsTold(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.bound()
		if url := w.query("SELECT url FROM mcp_servers"); url != "https://other.example/mcp" {
			t.Errorf("the import went to %q", url)
		}
		if n := w.query("SELECT count(*) FROM mirror_events WHERE code = 'CREDENTIALS_REBOUND' AND message LIKE '%%good.example%%other.example%%'"); n != "1" {
			t.Errorf("%s events, want 1", n)
		}
	})
}

func TestRebindIsHeld(t *testing.T) {
	hold := func(w *world) { w.config.Sync.CredentialRebind = configs.RebindHold }
	held := func(w *world) {
		w.t.Helper()
		if code := w.detailCode(); w.mirror()["state"] != "held" || code != "REBIND_HELD" {
			w.t.Fatalf("state %v, %s", w.mirror()["state"], code)
		}
		if url := w.query("SELECT url FROM mcp_servers"); url != "https://good.example/mcp" {
			w.t.Fatalf("it was imported: %q", url)
		}
	}
	t.Run("approved", func(t *testing.T) {
		eachWorld(t, hold, func(w *world) {
			w.bound()
			held(w)
			if w.query("SELECT slug FROM toolkits") != "a" {
				t.Error("something else was held, too")
			}
			w.exec("UPDATE mcp_servers SET description = 'edited meanwhile'")
			w.sync()
			held(w)
			items := w.get("mirror/hold")["items"].([]any)
			if item := items[0].(map[string]any); len(items) != 1 || item["reason"] != "rebind" || item["path"] != "mcp-servers/gh.json" {
				t.Fatalf("hold: %v", items)
			}
			w.call("POST", "mirror/approve", nil)
			w.synced()
			if url := w.query("SELECT url FROM mcp_servers"); url != "https://other.example/mcp" {
				t.Errorf("approved, but the url is %q", url)
			}
			if !w.branchHas("mcp-servers/gh.json", "edited meanwhile") || !strings.Contains(w.query("SELECT headers FROM mcp_servers"), "hunter2") {
				t.Errorf("the edit or the secret was lost: %s", w.files()["mcp-servers/gh.json"])
			}
		})
	})
	t.Run("discarded", func(t *testing.T) {
		eachWorld(t, hold, func(w *world) {
			w.bound()
			held(w)
			w.call("POST", "mirror/discard", nil)
			w.synced()
			if w.query("SELECT url FROM mcp_servers") != "https://good.example/mcp" || w.query("SELECT name FROM mcp_servers") != "GH 2" {
				t.Error("only the target is undone")
			}
			w.wantFile("mcp-servers/gh.json", strings.Replace(reboundServer, "other.example", "good.example", 1))
		})
	})
	t.Run("pointed somewhere else again", func(t *testing.T) {
		eachWorld(t, hold, func(w *world) {
			w.bound()
			id := w.get("mirror/hold")["id"]
			w.commit(bitbuckettest.Write("mcp-servers/gh.json", strings.Replace(reboundServer, "other.example", "third.example", 1)))
			w.sync()
			if status, _ := w.call("POST", "mirror/approve", map[string]any{"hold": id}); status != 409 {
				t.Errorf("approving what one has not seen: %d", status)
			}
			held(w)
		})
	})
	t.Run("a row that a file brings back", func(t *testing.T) {
		eachWorld(t, hold, func(w *world) {
			w.insert("mcp_servers", "slug", "'gh'", "name", "'GH'", "type", "'http'", "url", "'https://good.example/mcp'", "auth", `'{"token": "hunter2"}'`)
			w.synced()
			w.exec("UPDATE mcp_servers SET deleted_at = CURRENT_TIMESTAMP")
			w.synced()
			w.commit(bitbuckettest.Write("mcp-servers/gh.json", `{"slug": "gh", "name": "GH", "type": "http", "url": "https://other.example/mcp"}`))
			w.sync()
			held(w)
		})
	})
}
