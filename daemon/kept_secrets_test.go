package daemon_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// keptServer is a file of the MCP server gh: at a host, with these entries of env.
func keptServer(host, env string) bitbuckettest.Change {
	return bitbuckettest.Write("mcp-servers/gh.json", `{"slug":"gh","name":"GH","type":"http","url":"https://`+host+`/mcp","env":`+env+"}\n")
}

// shows reports what the API tells of gh's entry TOKEN: that it is there, and has a value.
func (w *world) shows() (there, set bool) {
	w.t.Helper()
	env, _ := w.get("mcp-servers/gh")["env"].(map[string]any)
	entry, there := env["TOKEN"].(map[string]any)
	return there, entry["set"] == true
}

// TestARemovedSecretReturnsToItsHostOnly: an entry that git takes away and brings back has
// its value again; at another host it has none, in however many pushes the host was changed.
func TestARemovedSecretReturnsToItsHostOnly(t *testing.T) {
	const token, none = `{"MODE":"fast","TOKEN":{"secret":true}}`, `{"MODE":"fast"}`
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"'a'", "'b'", "'c'"} { // so that a deletion is not that of everything
			w.insert("toolkits", "slug", slug, "name", "'T'")
		}
		w.insert("mcp_servers", "slug", "'gh'", "name", "'GH'", "type", "'http'", "url", "'https://a.example/mcp'",
			"env", `'{"MODE":{"value":"fast","secret":false},"TOKEN":{"value":"canary-1","secret":true}}'`)
		w.synced()
		for _, step := range []struct {
			change     bitbuckettest.Change
			there, set bool
		}{
			{keptServer("a.example", none), false, false},
			{keptServer("a.example", token), true, true},
			{keptServer("a.example", none), false, false},
			{keptServer("evil.example", token), true, false},
			{keptServer("evil.example", none), false, false},
			{keptServer("a.example", token), true, true},
			{keptServer("evil.example", none), false, false},
			{keptServer("evil.example", token), true, false},
			{bitbuckettest.Remove("mcp-servers/gh.json"), false, false},
			{keptServer("a.example", token), true, true},
			{bitbuckettest.Remove("mcp-servers/gh.json"), false, false},
			{keptServer("evil.example", token), true, false},
		} {
			w.commit(step.change)
			w.synced()
			if step.change.Delete {
				continue
			}
			there, set := w.shows()
			stored := strings.Contains(w.query("SELECT env FROM mcp_servers WHERE slug = 'gh'"), "canary-1")
			if there != step.there || set != step.set || stored != step.set {
				t.Errorf("after %s: there %v, set %v, stored %v; want %v, %v", step.change.Content, there, set, stored, step.there, step.set)
			}
		}
		if kept := w.query("SELECT value FROM kept_secrets"); !strings.HasPrefix(kept, "v1:") {
			t.Errorf("kept as %q", kept)
		}
		if found := canaries(w.remoteObjects() + w.log.String()); len(found) > 0 {
			t.Errorf("left the database: %q", found)
		}
		w.quiet()
	})
}

// TestATakenConflictBringsItsSecretBack: git removed an entry whose description the database had
// changed, and won; the value is there when a person takes the database's side.
func TestATakenConflictBringsItsSecretBack(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("mcp_servers", "slug", "'gh'", "name", "'GH'", "type", "'http'", "url", "'https://a.example/mcp'",
			"env", `'{"TOKEN":{"value":"canary-1","secret":true}}'`)
		w.synced()
		w.exec(`UPDATE mcp_servers SET env = '{"TOKEN":{"value":"canary-1","secret":true,"description":"ask ops"}}' WHERE slug = 'gh'`)
		w.commit(keptServer("a.example", "{}"))
		w.synced()
		if there, _ := w.shows(); there {
			t.Fatal("git did not win")
		}
		id := w.get("conflicts")["items"].([]any)[0].(map[string]any)["id"].(string)
		if status, answer := w.call("POST", "conflicts/"+id+"/resolve", map[string]any{"take": "database"}); status != http.StatusOK {
			t.Fatalf("resolve: %d %v", status, answer)
		}
		w.synced()
		if there, set := w.shows(); !there || !set {
			t.Errorf("taken: there %v, set %v", there, set)
		}
		if !w.branchHas("mcp-servers/gh.json", "ask ops") {
			t.Errorf("file:\n%s", w.files()["mcp-servers/gh.json"])
		}
		w.quiet()
	})
}
