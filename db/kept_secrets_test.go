package db

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func init() {
	storeCases["kept secrets: what an import takes away comes back"] = testKeptImport
	storeCases["kept secrets: whatever shape the value has"] = testKeptShapes
	storeCases["kept secrets: a raced import keeps nothing"] = testKeptRaced
	storeCases["kept secrets: a name that no index takes"] = testKeptLongName
	storeCases["kept secrets: a value moved by hand opens nowhere"] = testKeptMoved
	storeCases["kept secrets: many rows in few statements"] = testKeptMany
	storeCases["kept secrets: nothing of a value in any table"] = testKeptSealed
}

// At a.example a server with a token, as a file shows it; and without the token.
const (
	atA      = `"type":"http","url":"https://a.example/mcp"`
	atB      = `"type":"http","url":"https://b.example/mcp"`
	token    = `,"env":{"TOKEN":{"secret":true}}`
	noToken  = `,"env":{"MODE":"fast"}`
	theToken = "hunter2"
)

// server is a file's document of the server slug.
func (w *world) server(slug, fields string) *document.Document {
	w.Helper()
	return doc(w, document.MCPServers, `{"slug":"`+slug+`","name":"S",`+fields+`}`).Normalize()
}

// insertServer adds a server at a.example by SQL, with these env entries, and returns its id.
func (w *world) insertServer(slug, env string) string {
	w.Helper()
	w.exec(`INSERT INTO mcp_servers (organization_id, slug, name, type, url, env) VALUES (?, ?, 'S', 'http', 'https://a.example/mcp', ?)`, w.org(), slug, env)
	w.consumeAll()
	return w.text(`SELECT id FROM mcp_servers WHERE slug = ? AND deleted_at IS NULL`, slug)
}

// imports writes a file into a row, or deletes the row ("").
func (w *world) imports(id, slug, fields string) {
	w.Helper()
	change := remove(w.row(id))
	if fields != "" {
		change = update(w.row(id), w.server(slug, fields))
	}
	w.equal(w.importAll(change), []mirror.Outcome{{RowID: id}})
	w.equal(w.captured(w.org()), []string(nil)) // what was written is what was meant to be
}

// entry is what a server's row holds at a place, as JSON; "" for nothing.
func (w *world) entry(id, place string) string {
	w.Helper()
	rows, err := w.db.load(w.db.gorm, w.org(), tables[document.MCPServers], w.db.inUUID("id", []string{id}))
	w.ok(err)
	entry := entryAt(rows[0].document, place)
	if entry == nil {
		return ""
	}
	text, err := json.Marshal(entry)
	w.ok(err)
	return string(text)
}

func (w *world) kept() string { w.Helper(); return w.text(`SELECT count(*) FROM kept_secrets`) }

func testKeptImport(t *testing.T, w *world) {
	type step struct {
		slug, file string // "": the row is deleted
	}
	const (
		has   = `{"secret":true,"value":"hunter2"}`
		blank = `{"secret":true}`
		local = `"type":"stdio","command":"npx"`
	)
	tests := []struct {
		name  string
		steps []step
		want  string // at env/TOKEN
		kept  string // how much stays kept
	}{
		{"the entry", []step{{file: atA + noToken}, {file: atA + token}}, has, "0"},
		{"all of env", []step{{file: atA}, {file: atA + token}}, has, "0"},
		{"twice", []step{{file: atA}, {file: atA + token}, {file: atA}, {file: atA + token}}, has, "0"},
		{"it stays away", []step{{file: atA}, {file: atA + noToken}}, "", "1"},
		{"with another description", []step{{file: atA}, {file: atA + `,"env":{"TOKEN":{"secret":true,"description":"d"}}`}}, `{"description":"d","secret":true,"value":"hunter2"}`, "0"},
		{"as a public entry", []step{{file: atA}, {file: atA + `,"env":{"TOKEN":"public"}`}}, `{"secret":false,"value":"public"}`, "1"},
		{"under another name", []step{{file: atA}, {file: atA + `,"env":{"token":{"secret":true}}`}}, "", "1"},
		{"in headers", []step{{file: atA}, {file: atA + `,"headers":{"TOKEN":{"secret":true}}`}}, "", "1"},
		{"under another slug", []step{{file: atA}, {slug: "renamed", file: atA}, {slug: "renamed", file: atA + token}}, has, "0"},

		{"another path of the host", []step{{file: atA}, {file: `"type":"http","url":"https://A.example:443/x?y"` + token}}, has, "0"},
		{"another host", []step{{file: atA}, {file: atB + token}}, blank, "1"},
		{"another host, then the old one", []step{{file: atA}, {file: atB + token}, {file: atA + token}}, has, "0"},
		{"another host with the removal", []step{{file: atB}, {file: atB + token}}, blank, "1"},
		{"another host with the removal, and back", []step{{file: atB}, {file: atA + token}}, has, "0"},
		{"another host in between", []step{{file: atA}, {file: atB}, {file: atB + token}}, blank, "1"},
		{"another host in between, and back", []step{{file: atA}, {file: atB}, {file: atA}, {file: atA + token}}, has, "0"},
		{"another port", []step{{file: atA}, {file: `"type":"http","url":"https://a.example:444/mcp"` + token}}, blank, "1"},
		{"another scheme", []step{{file: atA}, {file: `"type":"http","url":"http://a.example/mcp"` + token}}, blank, "1"},
		{"another type", []step{{file: atA}, {file: `"type":"sse","url":"https://a.example/mcp"` + token}}, blank, "1"},
		{"a command instead", []step{{file: atA}, {file: local + token}}, blank, "1"},
		// The entry stays, and the value with it; then it is the command's.
		{"a command's, other arguments", []step{{file: local + token}, {file: local}, {file: local + `,"args":["-y"]` + token}}, has, "0"},
		{"a command's, another command", []step{{file: local + token}, {file: local}, {file: `"type":"stdio","command":"sh"` + token}}, blank, "1"},

		{"a deleted row", []step{{}, {file: atA + token}}, has, "0"},
		{"a deleted row, another host", []step{{}, {file: atB + token}}, blank, "1"},
		{"a deleted row, another host, then the old one", []step{{}, {file: atB + token}, {file: atA + token}}, has, "0"},
		{"a deleted row without the entry", []step{{}, {file: atA}, {file: atA + token}}, has, "0"},
		{"a row deleted without the entry", []step{{file: atA}, {}, {file: atA + token}}, has, "0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := &world{TB: t, db: w.db, mirror: w.mirror}
			w.exec(`DELETE FROM mcp_servers`)
			w.exec(`DELETE FROM kept_secrets`)
			id := w.insertServer("s", `{"TOKEN": {"value": "hunter2", "secret": true}}`)
			for _, s := range test.steps {
				if s.slug == "" {
					s.slug = "s"
				}
				w.imports(id, s.slug, s.file)
			}
			w.equal(w.entry(id, "env/TOKEN"), test.want)
			w.equal(w.kept(), test.kept)
		})
	}
}

func testKeptShapes(t *testing.T, w *world) {
	for shape, want := range map[string]string{
		`"bare"`:                       `{"secret":true,"value":"bare"}`,
		`{"value": "x"}`:               `{"secret":true,"value":"x"}`,
		`{"value": "", "secret":true}`: `{"secret":true,"value":""}`,
		`["a", 1.50]`:                  `{"secret":true,"value":["a",1.50]}`,
		`{"password": "x"}`:            `{"secret":true,"value":{"password":"x"}}`,
		`12345678901234567890.1`:       `{"secret":true,"value":12345678901234567890.1}`,
		`{"value": "x", "secret": true, "old_value": "y", "x-note": "n"}`: `{"old_value":"y","secret":true,"value":"x"}`,
		`{"secret": true, "old_value": "y"}`:                              `{"old_value":"y","secret":true}`,
		`{"secret": true, "required": true}`:                              `{"secret":true}`,
		`{"secret": false, "value": "p"}`:                                 `{"secret":true}`,
		`null`:                                                            `{"secret":true}`,
	} {
		t.Run(shape, func(t *testing.T) {
			w := &world{TB: t, db: w.db, mirror: w.mirror}
			w.exec(`DELETE FROM mcp_servers`)
			id := w.insertServer("s", `{"TOKEN": `+shape+`}`)
			w.imports(id, "s", atA)
			w.imports(id, "s", atA+token)
			w.equal(w.entry(id, "env/TOKEN"), want)
			w.equal(w.kept(), "0")
		})
	}
}

func testKeptRaced(t *testing.T, w *world) {
	id := w.insertServer("s", `{"TOKEN": {"value": "hunter2", "secret": true}}`)
	other := w.insertServer("other", `{"TOKEN": {"value": "hunter2", "secret": true}}`)
	seen := w.row(id)
	w.exec(`UPDATE mcp_servers SET env = '{"TOKEN": {"value": "newer", "secret": true}}' WHERE id = ?`, id)
	out := w.importAll(update(seen, w.server("s", atA)), update(w.row(other), w.server("s", atA)))
	w.equal([]bool{out[0].Raced, out[1].Raced}, []bool{true, true})
	w.equal(w.kept(), "0")
	w.consumeAll()
	w.imports(id, "s", atA)
	// What a raced import would have returned stays kept.
	seen = w.row(id)
	w.exec(`UPDATE mcp_servers SET name = 'edited' WHERE id = ?`, id)
	w.equal(w.importAll(update(seen, w.server("s", atA+token)))[0].Raced, true)
	w.equal([]string{w.entry(id, "env/TOKEN"), w.kept()}, []string{"", "1"})
}

func testKeptLongName(t *testing.T, w *world) {
	name := strings.Repeat("n", 100_000)
	id := w.insertServer("s", `{"`+name+`": {"value": "hunter2", "secret": true}, "TOKEN": {"value": "hunter2", "secret": true}}`)
	w.imports(id, "s", atA)
	w.equal(w.kept(), "2")
	w.imports(id, "s", atA+`,"env":{"`+name+`":{"secret":true}}`)
	w.equal([]string{w.entry(id, "env/"+name), w.kept()}, []string{`{"secret":true,"value":"hunter2"}`, "1"})
}

// Whoever can write to the table alone cannot hand one row's value to another, nor to another host.
func testKeptMoved(t *testing.T, w *world) {
	id, other := w.insertServer("s", `{"TOKEN": {"value": "hunter2", "secret": true}}`), w.insertServer("other", `{"MODE": "x"}`)
	w.imports(id, "s", atA)
	w.exec(`UPDATE kept_secrets SET target = ?`, document.Target(w.server("s", atB)))
	w.imports(id, "s", atB+token)
	w.equal(w.entry(id, "env/TOKEN"), `{"secret":true}`)
	w.exec(`UPDATE kept_secrets SET target = ?, row_id = ?`, document.Target(w.server("s", atA)), other)
	w.imports(other, "other", atA+`,"env":{"TOKEN":{"secret":true},"MODE":{"secret":true}}`)
	w.equal(w.entry(other, "env/TOKEN"), `{"secret":true}`)
}

func testKeptMany(t *testing.T, w *world) {
	const n = 2000
	for i := range n {
		w.exec(`INSERT INTO mcp_servers (organization_id, slug, name, type, url, env) VALUES (?, ?, 'S', 'http', 'https://a.example', ?)`,
			w.org(), fmt.Sprintf("s-%d", i), fmt.Sprintf(`{"TOKEN": {"value": "token-%d", "secret": true}}`, i))
	}
	w.consumeAll()
	importAll := func(fields string) (statements int) {
		t.Helper()
		var changes []*mirror.RowChange
		for _, r := range w.all().Rows {
			changes = append(changes, update(r, w.server(r.Slug, fields)))
		}
		statements = w.statements(func() { w.importAll(changes...) })
		w.equal(w.captured(w.org()), []string(nil))
		return statements
	}
	const same = `"type":"http","url":"https://a.example"`
	usual := importAll(same + token)
	lost := importAll(same)
	w.equal(w.kept(), fmt.Sprint(n))
	returned := importAll(same + token)
	w.equal(w.kept(), "0")
	// The key's setting, the batches of the kept ones; what is kept is looked up once and forgotten once.
	if lost > usual+3+n/engineBatch || returned > usual+2 {
		t.Errorf("%d statements to import, %d where secrets go, %d where they return", usual, lost, returned)
	}
	for _, i := range []int{0, n / 2, n - 1} {
		id := w.text(`SELECT id FROM mcp_servers WHERE slug = ?`, fmt.Sprintf("s-%d", i))
		w.equal(w.entry(id, "env/TOKEN"), fmt.Sprintf(`{"secret":true,"value":"token-%d"}`, i))
	}
	// Other kinds know nothing of it.
	o := w.importAll(create(toolkit("t", "T")))
	toolkits := w.statements(func() { w.importAll(update(w.row(o[0].RowID), toolkit("t", "T2"))) })
	w.exec(`DROP TABLE kept_secrets`)
	w.equal(w.statements(func() { w.importAll(update(w.row(o[0].RowID), toolkit("t", "T3"))) }), toolkits)
}

// statements counts those that f makes.
func (w *world) statements(f func()) (n int) {
	w.Helper()
	count := func(*gorm.DB) { n++ }
	const name = "test:count"
	callbacks := w.db.gorm.Callback()
	w.ok(errors.Join(
		callbacks.Query().Register(name, count), callbacks.Create().Register(name, count), callbacks.Update().Register(name, count),
		callbacks.Delete().Register(name, count), callbacks.Row().Register(name, count), callbacks.Raw().Register(name, count),
	))
	defer func() {
		w.ok(errors.Join(
			callbacks.Query().Remove(name), callbacks.Create().Remove(name), callbacks.Update().Remove(name),
			callbacks.Delete().Remove(name), callbacks.Row().Remove(name), callbacks.Raw().Remove(name),
		))
	}()
	f()
	return n
}

func testKeptSealed(t *testing.T, w *world) {
	id := w.insertServer("s", `{"TOKEN": {"value": "hunter2", "secret": true, "old_value": "old-hunter2"}}`)
	w.equal(w.tablesWith(theToken), []string{"mcp_servers"})
	w.imports(id, "s", atA)
	w.equal(w.tablesWith(theToken), []string(nil))
	w.imports(id, "s", atA+token)
	w.equal(w.tablesWith(theToken), []string{"mcp_servers"})
	w.equal(w.kept(), "0")
}

// tablesWith are the tables that have a text in any column of any row.
func (w *world) tablesWith(text string) (found []string) {
	w.Helper()
	list := `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`
	if w.db.postgres {
		list = `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY table_name`
	}
	var tables []string
	w.ok(w.db.gorm.Raw(list).Scan(&tables).Error)
	if len(tables) < 15 {
		w.Fatalf("only the tables %v", tables)
	}
	for _, table := range tables {
		var rows []map[string]any
		w.ok(w.db.gorm.Table(table).Find(&rows).Error)
		for _, row := range rows {
			for name, value := range row {
				if data, ok := value.([]byte); ok {
					row[name] = string(data)
				}
			}
		}
		if strings.Contains(fmt.Sprint(rows), text) {
			found = append(found, table)
		}
	}
	return found
}

func TestKeptSecretsAreSwept(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		keep := func(organization string) (id string) {
			t.Helper()
			w := writeDoc(t, document.MCPServers, `{"slug":"s","name":"S",`+atA+`,"env":{"TOKEN":{"secret":true,"value":"hunter2"}}}`)
			entity, _, err := d.PutEntity(ctx, organization, document.MCPServers, "s", w)
			if err == nil {
				_, _, err = d.PutEntity(ctx, organization, document.MCPServers, "s", writeDoc(t, document.MCPServers, `{"slug":"s","name":"S",`+atA+`}`))
			}
			if err != nil {
				t.Fatal(err)
			}
			return entity.ID
		}
		stays, deleted := keep(connect(t, d, "stays")), keep(connect(t, d, "deleted"))
		run(t, d, "UPDATE mcp_servers SET deleted_at = created_at WHERE id = ?", deleted)
		run(t, d, "DELETE FROM mcp_servers WHERE id = ?", keep(connect(t, d, "row-gone")))
		run(t, d, "UPDATE kept_secrets SET kept_at = "+d.sqlIn(-keepHistory)+" WHERE row_id = ?", keep(connect(t, d, "old")))
		keep(connect(t, d, "organization-gone"))
		run(t, d, "DELETE FROM organizations WHERE slug = 'organization-gone'")
		disconnected := connect(t, d, "disconnected")
		keep(disconnected)
		if err := d.Disconnect(ctx, disconnected); err != nil {
			t.Fatal(err)
		}
		if n := count(t, d, "kept_secrets", "1 = 1"); n != 6 {
			t.Fatalf("%d are kept", n)
		}
		housekeep(t, d)
		if n := count(t, d, "kept_secrets", "row_id IN (?)", []string{stays, deleted}); n != 2 || count(t, d, "kept_secrets", "1 = 1") != n {
			t.Errorf("of %d kept, %d are those that should be", count(t, d, "kept_secrets", "1 = 1"), n)
		}
	})
}

func TestKeptSecretsFollowTheKey(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		use := func(present []byte, previous ...[]byte) (int, error) {
			d.sealer = newTestSealer(t, present, previous...)
			return d.UseKey(ctx)
		}
		put := func(env string) (*Entity, error) {
			t.Helper()
			entity, _, err := d.PutEntity(ctx, id, document.MCPServers, "s", writeDoc(t, document.MCPServers, `{"slug":"s","name":"S",`+atA+`,"env":`+env+`}`))
			return entity, err
		}
		must(use(testKey(1)))(t)
		must(put(`{"TOKEN":{"secret":true,"value":"hunter2"},"LATER":{"secret":true,"value":"x"}}`))(t)
		must(put(`{"LATER":{"secret":true}}`))(t)
		if _, err := use(testKey(2)); !isMismatch(err) {
			t.Errorf("a key that fits nothing: %v", err)
		}
		// A daemon that was left with another key seals nothing, and the write is undone.
		if _, err := put(`{}`); !isMismatch(err) {
			t.Errorf("kept with another key: %v", err)
		}
		if n, err := use(testKey(2), testKey(1)); err != nil || n != 1 {
			t.Fatalf("rotation: %d, %v", n, err)
		}
		if n, err := use(testKey(2)); err != nil || n != 0 {
			t.Fatalf("after the rotation: %d, %v", n, err)
		}
		if entity := must(put(`{"TOKEN":{"secret":true},"LATER":{"secret":true}}`))(t); !entity.Secrets["env/TOKEN"] || !entity.Secrets["env/LATER"] {
			t.Errorf("after the rotation: %v", entity.Secrets)
		}
	})
}

func isMismatch(err error) bool {
	_, is := errors.AsType[*KeyMismatchError](err)
	return is
}

func TestKeptSecretsOfRequests(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		put := func(t *testing.T, organization, slug, text string) *Entity {
			t.Helper()
			entity, _, err := d.PutEntity(ctx, organization, document.MCPServers, slug, writeDoc(t, document.MCPServers, text))
			if err != nil {
				t.Fatal(err)
			}
			return entity
		}
		server := func(slug, fields string) string { return `{"slug":"` + slug + `","name":"S",` + fields + `}` }
		for i, test := range []struct {
			name   string
			writes []string // after the entry was removed
			want   map[string]bool
			kept   int
		}{
			{"returned", []string{server("s", atA+token)}, map[string]bool{"env/TOKEN": true}, 0},
			{"another host", []string{server("s", atB+token)}, map[string]bool{"env/TOKEN": false}, 1},
			{"another value", []string{server("s", atA+`,"env":{"TOKEN":{"secret":true,"value":"new"}}`), server("s", atA+`,"env":{"TOKEN":{"secret":true,"value":null}}`), server("s", atA+token)}, map[string]bool{"env/TOKEN": false}, 0},
			{"cleared", []string{server("s", atA+`,"env":{"TOKEN":{"secret":true,"value":null}}`), server("s", atA+token)}, map[string]bool{"env/TOKEN": false}, 0},
			{"cleared for another host", []string{server("s", atB+`,"env":{"TOKEN":{"secret":true,"value":null}}`), server("s", atA+token)}, map[string]bool{"env/TOKEN": false}, 0},
			{"made public", []string{server("s", atA+`,"env":{"TOKEN":"public"}`), server("s", atA), server("s", atA+token)}, map[string]bool{"env/TOKEN": false}, 0},
			{"renamed meanwhile", []string{server("t", atA), server("t", atA+token)}, map[string]bool{"env/TOKEN": true}, 0},
		} {
			t.Run(test.name, func(t *testing.T) {
				run(t, d, "DELETE FROM kept_secrets")
				id := newOrganization(t, d, fmt.Sprint("acme-", i))
				put(t, id, "s", server("s", atA+`,"env":{"TOKEN":{"secret":true,"value":"hunter2"}}`))
				slug := "s"
				entity := put(t, id, slug, server("s", atA+noToken))
				for _, text := range test.writes {
					entity = put(t, id, slug, text)
					slug = entity.Slug
				}
				if diff := cmp.Diff(test.want, entity.Secrets); diff != "" {
					t.Error(diff)
				}
				if n := count(t, d, "kept_secrets", "1 = 1"); n != test.kept {
					t.Errorf("%d kept, want %d", n, test.kept)
				}
			})
		}
		t.Run("deleted and restored", func(t *testing.T) {
			id := newOrganization(t, d, "acme")
			put(t, id, "s", server("s", atA+`,"env":{"TOKEN":{"secret":true,"value":"hunter2"},"GONE":{"secret":true,"value":"x"}}`))
			put(t, id, "s", server("s", atA+token))
			if err := d.DeleteEntity(ctx, id, document.MCPServers, "s", EntityEdit{}); err != nil {
				t.Fatal(err)
			}
			if entity := must(d.RestoreEntity(ctx, id, document.MCPServers, "s", EntityEdit{}))(t); !entity.Secrets["env/TOKEN"] {
				t.Errorf("restored with %v", entity.Secrets)
			}
			entity := put(t, id, "s", server("s", atA+`,"env":{"TOKEN":{"secret":true},"GONE":{"secret":true}}`))
			if diff := cmp.Diff(map[string]bool{"env/TOKEN": true, "env/GONE": true}, entity.Secrets); diff != "" {
				t.Error(diff)
			}
		})
	})
}

// TestKeptSecretsOfAConflict: the side that lost had an entry, and gets it back with its value when it is taken.
func TestKeptSecretsOfAConflict(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		for host, want := range map[string]bool{atA: true, atB: false} {
			id := newOrganization(t, d, fmt.Sprintf("kept-%t", want))
			server := func(fields string) string { return `{"slug":"s","name":"S",` + fields + `}` }
			var entity *Entity
			for _, text := range []string{server(atA + `,"env":{"TOKEN":{"secret":true,"value":"hunter2"}}`), server(host)} {
				var err error
				if entity, _, err = d.PutEntity(ctx, id, document.MCPServers, "s", writeDoc(t, document.MCPServers, text)); err != nil {
					t.Fatal(err)
				}
			}
			row := conflictRow{
				ID: uuid.NewString(), OrganizationID: id, Kind: "mcp-servers", Path: "mcp-servers/s.json", Slug: "s", RowID: entity.ID,
				Reason: string(mirror.ConflictBothChanged), Base: jsonColumn(server(atA + token)), Git: jsonColumn(server(atA)),
				Database: jsonColumn(server(host + `,"env":{"TOKEN":{"secret":true,"description":"ask ops"}}`)),
				Decided:  "git", CreatedAt: at(d.now()),
			}
			if err := d.gorm.Create(&row).Error; err != nil {
				t.Fatal(err)
			}
			if _, err := d.ResolveConflict(ctx, id, row.ID, document.PreferDatabase, nil); err != nil {
				t.Fatal(err)
			}
			entity = must(d.GetEntity(ctx, id, document.MCPServers, "s", ""))(t)
			if diff := cmp.Diff(map[string]bool{"env/TOKEN": want}, entity.Secrets); diff != "" {
				t.Errorf("at %s: %s", host, diff)
			}
		}
	})
}
