package db

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror/document"
)

// doc is a document as the API sends it.
func doc(t testing.TB, kind document.Kind, text string) *document.Document {
	t.Helper()
	d, problem := document.UnmarshalDocument(kind, []byte(text), document.DefaultLimits)
	if problem != nil {
		t.Fatal(problem)
	}
	return d
}

func writeDoc(t testing.TB, kind document.Kind, text string) EntityWrite {
	t.Helper()
	return EntityWrite{Document: doc(t, kind, text)}
}

func text2(d *document.Document) string {
	data, err := d.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return string(data)
}

var samples = map[document.Kind]string{
	document.Toolkits:   `{"slug":"a","name":"A","description":"<&>","least_privilege":true,"integrations":{"gh":{"tools":["x"],"prompts":[]}},"skills":["s"],"x-extra":{"n":12345678901234567890.10}}`,
	document.Commands:   `{"slug":"a","name":"A","prompt":"do\nit","arguments":[{"name":"n","required":true}]}`,
	document.MCPServers: `{"slug":"a","name":"A","type":"stdio","command":"npx","args":["-y",""],"env":{"PUBLIC":"v","TOKEN":{"secret":true,"required":true}},"tools":{}}`,
	document.MCPClients: `{"slug":"a","name":"A","enabled":false,"redirect_uris":["https://a.example/cb"],"scope":"s"}`,
	document.Skills:     `{"slug":"a","files":[{"path":"SKILL.md","content":"---\nname: a\ndescription: d\n---\nbody\n","executable":false},{"path":"bin/run","content_base64":"AAE=","executable":true}]}`,
}

func TestEntityRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id, other := newOrganization(t, d, "acme"), newOrganization(t, d, "other")
		for _, kind := range document.Kinds {
			entity, created, err := d.PutEntity(ctx, id, kind, "a", writeDoc(t, kind, samples[kind]))
			if err != nil || !created {
				t.Fatalf("%s: %v, %v", kind, created, err)
			}
			if diff := cmp.Diff(samples[kind], text2(entity.Document)); diff != "" {
				t.Errorf("%s: %s", kind, diff)
			}
			got, err := d.GetEntity(ctx, id, kind, "a", "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(entity, got); diff != "" {
				t.Errorf("%s read again: %s", kind, diff)
			}
			if got.Problem != nil || got.ETag == "" || got.OwnerID != nil || got.UpdatedAt.IsZero() {
				t.Errorf("%s: %+v", kind, got)
			}
			again, created, err := d.PutEntity(ctx, id, kind, "a", EntityWrite{Document: got.Document, IfMatch: got.ETag})
			if err != nil || created || again.ID != got.ID || again.ETag != got.ETag {
				t.Errorf("%s again: %v, %v, %+v", kind, created, err, again)
			}
			if _, err := d.GetEntity(ctx, other, kind, "a", ""); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s of another organization: %v", kind, err)
			}
		}
		for _, slug := range []string{"none", "", "\xff", "a\x00"} {
			if _, err := d.GetEntity(ctx, id, document.Toolkits, slug, ""); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q: %v", slug, err)
			}
		}
		if _, err := d.GetEntity(ctx, id, "users", "a", ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("no kind: %v", err)
		}
	})
}

// TestSavingIsAnEdit: the triggers see every save, an equal one too.
func TestSavingIsAnEdit(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := connect(t, d, "acme")
		author := "Jane <jane@example.com>"
		for _, kind := range document.Kinds {
			if _, _, err := d.PutEntity(ctx, id, kind, "a", writeDoc(t, kind, samples[kind])); err != nil {
				t.Fatal(err)
			}
			for _, by := range []*string{nil, &author} {
				run(t, d, "DELETE FROM mirror_changes")
				w := writeDoc(t, kind, samples[kind])
				w.UpdatedBy = by
				entity, _, err := d.PutEntity(ctx, id, kind, "a", w)
				if err != nil || entity.UpdatedBy != deref(by) {
					t.Fatalf("%s: %+v, %v", kind, entity, err)
				}
				var changes []changeRow
				d.gorm.Find(&changes)
				named := false
				for _, c := range changes {
					named = named || c.Named
				}
				if len(changes) == 0 || named != (by != nil) {
					t.Errorf("%s by %q: captured %+v", kind, deref(by), changes)
				}
			}
		}
	})
}

func TestEntitySecrets(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		put := func(w EntityWrite) *Entity {
			t.Helper()
			entity, _, err := d.PutEntity(ctx, id, w.Document.Kind, "a", w)
			if err != nil {
				t.Fatal(err)
			}
			if shown := fmt.Sprintf("%+v %s", entity, text2(entity.Document)); strings.Contains(shown, "hunter2") {
				t.Errorf("a secret is shown: %s", shown)
			}
			return entity
		}
		server := func(env string) EntityWrite {
			t.Helper()
			return writeDoc(t, document.MCPServers, `{"slug":"a","name":"A","type":"stdio","command":"c","env":`+env+`}`)
		}
		stored := func() string {
			t.Helper()
			var row serverRow
			if err := d.gorm.Take(&row).Error; err != nil {
				t.Fatal(err)
			}
			value, _ := document.ParseValue([]byte(row.Env), document.Limits{})
			data, _ := json.Marshal(value)
			return string(data)
		}
		w := server(`{"T":{"secret":true,"value":"hunter2"},"U":{"secret":true}}`)
		w.Auth = Some(json.RawMessage(`{"token":"hunter2"}`))
		first := put(w)
		if !first.Secrets["env/T"] || first.Secrets["env/U"] || len(first.Secrets) != 2 || !first.HasAuth {
			t.Errorf("secrets %v, auth %v", first.Secrets, first.HasAuth)
		}
		kept := put(server(`{"T":{"secret":true,"set":true},"U":{"secret":true}}`))
		if !kept.Secrets["env/T"] || !kept.HasAuth || stored() != `{"T":{"secret":true,"value":"hunter2"},"U":{"secret":true}}` {
			t.Errorf("kept %v, stored %s", kept.Secrets, stored())
		}
		if kept.ETag != first.ETag {
			t.Error("equal content has another ETag")
		}
		changed := put(server(`{"T":{"secret":true,"value":"hunter22"},"U":{"secret":true}}`))
		if changed.ETag == first.ETag {
			t.Error("another secret has the same ETag")
		}
		w = server(`{"T":{"secret":true,"value":null}}`)
		w.Auth = Null[json.RawMessage]()
		if cleared := put(w); cleared.Secrets["env/T"] || cleared.HasAuth || stored() != `{"T":{"secret":true}}` {
			t.Errorf("cleared %v, stored %s", cleared.Secrets, stored())
		}
		if public := put(server(`{"T":{"secret":false,"value":"open"}}`)); len(public.Secrets) != 0 || text2(public.Document) != `{"slug":"a","name":"A","type":"stdio","command":"c","env":{"T":"open"}}` {
			t.Errorf("public %v %s", public.Secrets, text2(public.Document))
		}

		client := writeDoc(t, document.MCPClients, samples[document.MCPClients])
		client.ClientID, client.ClientSecret = Some("id"), Some("hunter2")
		if c := put(client); !c.HasClientID || !c.HasClientSecret {
			t.Errorf("client %+v", c)
		}
		client.ClientID, client.ClientSecret = Optional[string]{}, Null[string]()
		if c := put(client); !c.HasClientID || c.HasClientSecret {
			t.Errorf("client %+v", c)
		}
	})
}

func TestEntityRefusals(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		if _, _, err := d.PutEntity(ctx, id, document.Toolkits, "taken", writeDoc(t, document.Toolkits, `{"slug":"taken","name":"T"}`)); err != nil {
			t.Fatal(err)
		}
		nul, owner := "\x00", "jane"
		for _, test := range []struct {
			name  string
			kind  document.Kind
			text  string
			with  func(*EntityWrite)
			wrong string // of the problem; "" wants err
			err   error
		}{
			{name: "a rule", kind: document.Toolkits, text: `{"slug":"a"}`, wrong: "name"},
			{name: "a slug that is none", kind: document.Toolkits, text: `{"slug":"A b","name":"A"}`, err: ErrNotFound},
			{name: "a forbidden key", kind: document.Toolkits, text: `{"slug":"a","name":"A","organization_id":"x"}`, wrong: "organization_id"},
			{name: "renaming what is not there", kind: document.Toolkits, text: `{"slug":"b","name":"B"}`, err: ErrNotFound},
			{name: "If-Match without an entity", kind: document.Toolkits, text: `{"slug":"a","name":"A"}`, with: func(w *EntityWrite) { w.IfMatch = "*" }, err: ErrPrecondition},
			{name: "an owner of a client", kind: document.MCPClients, text: samples[document.MCPClients], with: func(w *EntityWrite) { w.OwnerID = Some(owner) }, wrong: "owner_id"},
			{name: "auth of a toolkit", kind: document.Toolkits, text: `{"slug":"a","name":"A"}`, with: func(w *EntityWrite) { w.Auth = Some(json.RawMessage(`{}`)) }, wrong: "auth"},
			{name: "client_id of a command", kind: document.Commands, text: samples[document.Commands], with: func(w *EntityWrite) { w.ClientID = Some("x") }, wrong: "client_id"},
			{name: "auth that is no JSON", kind: document.MCPServers, text: samples[document.MCPServers], with: func(w *EntityWrite) { w.Auth = Some(json.RawMessage(`{`)) }, wrong: "auth"},
			{name: "U+0000", kind: document.Toolkits, text: `{"slug":"a","name":"A"}`, with: func(w *EntityWrite) { w.UpdatedBy = &nul }, wrong: "updated_by"},
		} {
			t.Run(test.name, func(t *testing.T) {
				w := writeDoc(t, test.kind, test.text)
				if test.with != nil {
					test.with(&w)
				}
				_, _, err := d.PutEntity(ctx, id, test.kind, "a", w)
				problem, _ := errors.AsType[*document.Problem](err)
				if test.wrong == "" && !errors.Is(err, test.err) || test.wrong != "" && (problem == nil || !strings.Contains(problem.Message, test.wrong)) {
					t.Errorf("error %v", err)
				}
			})
		}
		if _, _, err := d.PutEntity(ctx, id, document.Toolkits, "taken", EntityWrite{Document: doc(t, document.Toolkits, `{"slug":"taken","name":"T"}`), IfNoneMatch: true}); !errors.Is(err, ErrPrecondition) {
			t.Errorf("only create: %v", err)
		}
		if _, _, err := d.PutEntity(ctx, id, document.Toolkits, "taken", EntityWrite{Document: doc(t, document.Toolkits, `{"slug":"taken","name":"T"}`), IfMatch: `"other", W/"another"`}); !errors.Is(err, ErrPrecondition) {
			t.Errorf("another entity: %v", err)
		}
	})
}

func TestEntityRenameAndOwner(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		put := func(slug, text string, with func(*EntityWrite)) (*Entity, error) {
			w := writeDoc(t, document.Toolkits, text)
			if with != nil {
				with(&w)
			}
			e, _, err := d.PutEntity(ctx, id, document.Toolkits, slug, w)
			return e, err
		}
		one, _ := put("one", `{"slug":"one","name":"1"}`, nil)
		if _, err := put("two", `{"slug":"two","name":"2"}`, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := put("one", `{"slug":"two","name":"1"}`, nil); !errors.Is(err, ErrSlugTaken) {
			t.Errorf("a taken slug: %v", err)
		}
		renamed, err := put("one", `{"slug":"three","name":"1"}`, nil)
		if err != nil || renamed.ID != one.ID || renamed.Slug != "three" {
			t.Fatalf("renamed %+v, %v", renamed, err)
		}
		private, err := put("three", `{"slug":"three","name":"1"}`, func(w *EntityWrite) { w.OwnerID = Some("jane") })
		if err != nil || private.ID != one.ID || deref(private.OwnerID) != "jane" {
			t.Fatalf("private %+v, %v", private, err)
		}
		if _, err := d.GetEntity(ctx, id, document.Toolkits, "three", ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("the organization's: %v", err)
		}
		if e, err := d.GetEntity(ctx, id, document.Toolkits, "three", "jane"); err != nil || e.ID != one.ID {
			t.Errorf("jane's: %v", err)
		}
		// The same slug may be the organization's at the same time.
		if _, err := put("three", `{"slug":"three","name":"3"}`, nil); err != nil {
			t.Error(err)
		}
		if _, err := put("three", `{"slug":"three","name":"1"}`, func(w *EntityWrite) { w.Owner, w.OwnerID = "jane", Null[string]() }); !errors.Is(err, ErrSlugTaken) {
			t.Errorf("back into a taken slug: %v", err)
		}
		kept, err := put("three", `{"slug":"three","name":"1!"}`, func(w *EntityWrite) { w.Owner = "jane" })
		if err != nil || kept.ID != one.ID || deref(kept.OwnerID) != "jane" {
			t.Errorf("not mentioned: %+v, %v", kept, err)
		}
	})
}

func TestDeleteAndRestore(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		for _, kind := range document.Kinds {
			first, _, err := d.PutEntity(ctx, id, kind, "a", writeDoc(t, kind, samples[kind]))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.DeleteEntity(ctx, id, kind, "a", EntityEdit{IfMatch: `"x"`}); !errors.Is(err, ErrPrecondition) {
				t.Errorf("%s: another: %v", kind, err)
			}
			if err := d.DeleteEntity(ctx, id, kind, "a", EntityEdit{IfMatch: first.ETag}); err != nil {
				t.Fatal(err)
			}
			if err := d.DeleteEntity(ctx, id, kind, "a", EntityEdit{}); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: twice: %v", kind, err)
			}
			if _, err := d.GetEntity(ctx, id, kind, "a", ""); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: deleted: %v", kind, err)
			}
			restored, err := d.RestoreEntity(ctx, id, kind, "a", EntityEdit{})
			if err != nil || restored.ID != first.ID || text2(restored.Document) != samples[kind] {
				t.Fatalf("%s: restored %+v, %v", kind, restored, err)
			}
			if err := d.DeleteEntity(ctx, id, kind, "a", EntityEdit{}); err != nil {
				t.Fatal(err)
			}
			second, created, err := d.PutEntity(ctx, id, kind, "a", writeDoc(t, kind, samples[kind]))
			if err != nil || !created || second.ID == first.ID {
				t.Fatalf("%s: a new one: %v, %v", kind, created, err)
			}
			if _, err := d.RestoreEntity(ctx, id, kind, "a", EntityEdit{}); !errors.Is(err, ErrSlugTaken) {
				t.Errorf("%s: restored over a live one: %v", kind, err)
			}
			if _, err := d.RestoreEntity(ctx, id, kind, "none", EntityEdit{}); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: restored nothing: %v", kind, err)
			}
		}
	})
}

func TestListEntities(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		for i := range 5 {
			run(t, d, "INSERT INTO toolkits (organization_id, slug, name, owner_id) VALUES (?, ?, ?, NULL)", id, fmt.Sprintf("t-%d", i), fmt.Sprintf("100%% %d_x", i))
		}
		run(t, d, "INSERT INTO toolkits (organization_id, slug, name, owner_id) VALUES (?, 't-0', 'hers', 'jane')", id)
		run(t, d, "INSERT INTO toolkits (organization_id, slug, name, deleted_at) VALUES (?, 't-9', 'gone', CURRENT_TIMESTAMP)", id)
		run(t, d, "UPDATE toolkits SET git_integration = ? WHERE slug = 't-3'", `{"error":{"code":"INVALID_JSON"}}`)
		run(t, d, "INSERT INTO rejected_files (organization_id, kind, path, slug, error) VALUES (?, 'toolkits', 'toolkits/bad.json', 'bad', ?)", id, `{"code":"INVALID_JSON"}`)
		list := func(f EntityFilter) string {
			t.Helper()
			var got []string
			rejects := 0
			for {
				items, rejected, next, err := d.ListEntities(ctx, id, document.Toolkits, f)
				if err != nil {
					t.Fatal(err)
				}
				lines, sameRejected, sameNext, err := d.EntityLines(ctx, id, document.Toolkits, f)
				if err != nil || len(lines) != len(items) || len(sameRejected) != len(rejected) || sameNext != next {
					t.Errorf("%+v: lines differ from the entities: %+v, %v", f, lines, err)
				}
				for i, e := range items {
					got = append(got, e.Slug)
					if l := lines[i]; l.ID != e.ID || l.Slug != e.Slug || l.UpdatedAt != e.UpdatedAt || (l.OwnerID == nil) != (e.OwnerID == nil) || !reflect.DeepEqual(l.Integration, e.Integration) {
						t.Errorf("the line %+v of %+v", l, e)
					}
				}
				rejects += len(rejected)
				if f.Cursor = next; next == "" {
					return fmt.Sprint(strings.Join(got, " "), " +", rejects)
				}
			}
		}
		jane := "jane"
		for _, test := range []struct {
			filter EntityFilter
			want   string
		}{
			{EntityFilter{}, "t-0 t-1 t-2 t-3 t-4 +1"},
			{EntityFilter{Limit: 2}, "t-0 t-1 t-2 t-3 t-4 +1"},
			{EntityFilter{Owner: &jane}, "t-0 +0"},
			{EntityFilter{AllOwners: true, Limit: 1}, "t-0 t-0 t-1 t-2 t-3 t-4 +1"},
			{EntityFilter{ErrorsOnly: true}, "t-3 +1"},
			{EntityFilter{Search: "T-4"}, "t-4 +0"},
			{EntityFilter{Search: "0% 2_X"}, "t-2 +0"},
			{EntityFilter{Search: "_-"}, " +0"},
			{EntityFilter{Search: "BAD"}, " +1"},
			{EntityFilter{Search: "\xff"}, " +0"},
		} {
			if got := list(test.filter); got != test.want {
				t.Errorf("%+v: %q, want %q", test.filter, got, test.want)
			}
		}
		for _, cursor := range []string{"x", pageCursor("a"), pageCursor("a", "no uuid", "")} {
			if _, _, _, err := d.ListEntities(ctx, id, document.Toolkits, EntityFilter{Cursor: cursor}); !errors.Is(err, ErrBadCursor) {
				t.Errorf("cursor %q: %v", cursor, err)
			}
		}
		var many []rejectedRow
		for i := range 2 * maxPage {
			many = append(many, rejectedRow{OrganizationID: id, Kind: "toolkits", Path: fmt.Sprintf("toolkits/x%04d.json", i), Slug: "many", Error: "{}", CreatedAt: at(d.now()), UpdatedAt: at(d.now())})
		}
		if err := d.gorm.CreateInBatches(many, 500).Error; err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			filter EntityFilter
			want   string
		}{
			{EntityFilter{}, "t-0 t-1 t-2 t-3 t-4 +2001"},
			{EntityFilter{Limit: 2}, "t-0 t-1 t-2 t-3 t-4 +2001"},
			{EntityFilter{Search: "x"}, "t-0 t-1 t-2 t-3 t-4 +2000"},
			{EntityFilter{Search: "x0"}, " +1000"},
			{EntityFilter{Search: "kits/x"}, " +2000"}, // no entity at all
			{EntityFilter{Owner: &jane}, "t-0 +0"},
		} {
			if got := list(test.filter); got != test.want {
				t.Errorf("%+v: %q, want %q", test.filter, got, test.want)
			}
		}
		for _, kind := range document.Kinds { // columns differ
			if _, _, _, err := d.ListEntities(ctx, id, kind, EntityFilter{Search: "x", ErrorsOnly: true, Owner: &jane}); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
	})
}

// TestPutAtOnce: of many that create or change the same entity each succeeds, and one creates.
func TestPutAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		id := newOrganization(t, d, "acme")
		var made atomic.Int32
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				w := writeDoc(t, document.MCPServers, fmt.Sprintf(`{"slug":"a","name":"%d","type":"stdio","command":"c","env":{"T":{"secret":true}}}`, i))
				_, created, err := d.PutEntity(t.Context(), id, document.MCPServers, "a", w)
				if err != nil {
					t.Error(err)
				}
				if created {
					made.Add(1)
				}
			})
		}
		group.Wait()
		if made.Load() != 1 {
			t.Errorf("created %d times", made.Load())
		}
	})
}

// TestForeignRow: what another program wrote is shown as far as it can be read.
func TestForeignRow(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		id := newOrganization(t, d, "acme")
		run(t, d, "INSERT INTO mcp_servers (organization_id, slug, env, auth) VALUES (?, 'a', ?, ?)", id, `{"T":"bare","U":{"value":"also"}}`, `{"k":"hunter2"}`)
		e, err := d.GetEntity(t.Context(), id, document.MCPServers, "a", "")
		if err != nil {
			t.Fatal(err)
		}
		if e.Problem == nil || !e.Secrets["env/T"] || !e.Secrets["env/U"] || !e.HasAuth || strings.Contains(text2(e.Document), "bare") {
			t.Errorf("entity %+v %s", e, text2(e.Document))
		}
	})
}

func TestEntityLinesTellWhatWaits(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		id := connect(t, d, "acme")
		for _, kind := range document.Kinds {
			run(t, d, "INSERT INTO "+tables[kind].name+" (organization_id, slug, name, description) VALUES (?, 'a', 'A', 'Of A')", id)
			run(t, d, "INSERT INTO "+tables[kind].name+" (organization_id, slug) VALUES (?, 'b')", id)
			run(t, d, "DELETE FROM mirror_changes WHERE kind = ? AND slug_after = 'b'", string(kind))
			lines, _, _, err := d.EntityLines(t.Context(), id, kind, EntityFilter{})
			if err != nil || len(lines) != 2 {
				t.Fatal(kind, lines, err)
			}
			if a, b := lines[0], lines[1]; !a.Waiting || b.Waiting || a.Name != "A" || a.Description != "Of A" || a.Kind != kind || b.Name != "" {
				t.Errorf("%s: %+v", kind, lines)
			}
		}
	})
}
