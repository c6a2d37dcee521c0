package db

import (
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func init() {
	storeCases["import: a row that was touched since it was read"] = testImportTouched
}

// Whatever was written to a row since it was read, content decides whether it is raced.
func testImportTouched(t *testing.T, w *world) {
	id := w.insert("a", "A")
	w.exec(`INSERT INTO mcp_servers (organization_id, slug, name, type, command, env) VALUES (?, 's', 'S', 'stdio', 'x', '{"T":{"value":"canary-1","secret":true}}')`, w.org())
	w.consumeAll()
	read := func() *mirror.Observation {
		return w.observe(mirror.Query{Entries: []mirror.Entry{
			{Kind: document.Toolkits, Slug: "a", Path: "toolkits/a.json", GitID: "pushed"},
			{Kind: document.MCPServers, Slug: "s", Path: "mcp-servers/s.json", GitID: "pushed"},
		}})
	}
	named := func(r *mirror.Row, name string) *mirror.RowChange {
		d := r.Document.Clone()
		d.Fields["name"] = name
		return update(r, d)
	}
	both := func(o *mirror.Observation, name string) (raced []bool) {
		for _, slug := range []string{"a", "s"} {
			for _, r := range o.Rows {
				if r.Slug == slug {
					raced = append(raced, w.importAll(named(r, name))[0].Raced)
				}
			}
		}
		return raced
	}
	names := func() []string {
		return []string{w.text(`SELECT name FROM toolkits`), w.text(`SELECT name FROM mcp_servers`)}
	}
	for _, c := range []struct {
		name  string
		touch func()
		raced bool
	}{
		{"untouched", func() {}, false},
		{"status", func() {
			w.exec(`UPDATE toolkits SET git_integration = NULL`)
			w.exec(`UPDATE mcp_servers SET git_integration = NULL`)
		}, false},
		{"edited", func() {
			w.exec(`UPDATE toolkits SET description = 'theirs'`)
			w.exec(`UPDATE mcp_servers SET env = '{"T":{"value":"canary-2","secret":true}}'`)
		}, true},
		{"after the edit", func() {}, false},
	} {
		before := names()
		o := read()
		c.touch()
		w.equal(both(o, c.name), []bool{c.raced, c.raced})
		if c.raced {
			w.equal(names(), before)
		} else {
			w.equal(names(), []string{c.name, c.name})
		}
	}
	w.equal(w.text(`SELECT description FROM toolkits WHERE id = '`+id+`'`), "theirs")
	if env := w.text(`SELECT CAST(env AS TEXT) FROM mcp_servers`); env != `{"T": {"value": "canary-2", "secret": true}}` && env != `{"T":{"value":"canary-2","secret":true}}` {
		t.Errorf("env: %s", env)
	}
	// What was read is read once more for a second import.
	o := read()
	w.equal(both(o, "first"), []bool{false, false})
	w.equal(both(o, "second"), []bool{true, true})
	w.equal(names(), []string{"first", "first"})
}
