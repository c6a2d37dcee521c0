package web

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// samples are a valid body of each kind under the slug "x".
var samples = map[document.Kind]map[string]any{
	document.MCPServers: {"slug": "x", "name": "X", "type": "http", "url": "https://x.example"},
	document.MCPClients: {"slug": "x", "name": "X", "redirect_uris": []any{"https://x.example/back"}},
	document.Commands:   {"slug": "x", "name": "X", "prompt": "Do <it> & more"},
	document.Toolkits:   {"slug": "x", "name": "X", "x-order": 123456789012345678},
	document.Skills:     {"slug": "x", "files": []any{skillFile("SKILL.md", skillText("x", "What it does"))}},
}

func skillFile(path, content string) map[string]any {
	return map[string]any{"path": path, "content": content}
}

func skillText(name, description string) string {
	return fmt.Sprintf("---\nname: %s\ndescription: %s\n---\nHow.\n", name, description)
}

func with(body map[string]any, changes map[string]any) map[string]any {
	all := map[string]any{}
	for k, v := range body {
		all[k] = v
	}
	for k, v := range changes {
		all[k] = v
	}
	return all
}

func TestEntityLife(t *testing.T) {
	each(t, func(w *world) {
		acme := w.organization("acme")
		for _, kind := range document.Kinds {
			path := org("acme", string(kind))
			if got := w.do("GET", path, nil).is(200); string(got.Body) != `{"items":[],"rejected":[],"next_cursor":""}`+"\n" {
				w.t.Errorf("%s: %s", kind, got.Body)
			}
			w.do("GET", path+"/x", nil).fails(404, "NOT_FOUND", kind.Singular())
			w.do("DELETE", path+"/x", nil).fails(404, "NOT_FOUND")
			w.heard()
			created := w.do("PUT", path+"/x", samples[kind]).is(201)
			w.heard("api " + acme)
			got := w.do("GET", path+"/x", nil).is(200)
			if string(got.Body) != string(created.Body) || got.Header.Get("ETag") != created.Header.Get("ETag") || got.Header.Get("ETag") == "" {
				w.t.Errorf("%s: created %s, read %s", kind, created.Body, got.Body)
			}
			if created.Header.Get("Location") != path+"/x" {
				w.t.Errorf("Location %q", created.Header.Get("Location"))
			}
			for _, key := range []string{"slug", "id", "updated_at"} {
				if s, _ := got.at(key).(string); s == "" {
					w.t.Errorf("%s has no %s: %s", kind, key, got.Body)
				}
			}
			for _, key := range []string{"git_integration", "owner_id", "updated_by"} {
				if got.at(key) != nil {
					w.t.Errorf("%s: %s is %v", kind, key, got.at(key))
				}
			}
			w.do("GET", path+"/x", nil, header("If-None-Match", got.Header.Get("ETag"))).Status304(w)
			w.do("GET", path+"/x", nil, header("If-None-Match", `"other", W/`+got.Header.Get("ETag"))).Status304(w)
			w.do("GET", path+"/x", nil, header("If-None-Match", `"other"`)).is(200)
			// What was read can be written back, and is an edit though it changes nothing.
			w.engine.take()
			again := w.do("PUT", path+"/x", string(got.Body)).is(200)
			w.heard("api " + acme)
			if again.at("id") != got.at("id") {
				w.t.Errorf("%s: %s became %s", kind, got.Body, again.Body)
			}
			if list := w.do("GET", path, nil).is(200); list.at("items", 0, "id") != got.at("id") {
				w.t.Errorf("%s", list.Body)
			}
			w.do("DELETE", path+"/x", map[string]any{"updated_by": "Ada <ada@example.com>"}).is(204)
			w.do("GET", path+"/x", nil).is(404)
			w.do("DELETE", path+"/x", nil).is(404)
			restored := w.do("POST", path+"/x/restore", nil).is(200)
			if restored.at("id") != got.at("id") {
				w.t.Errorf("%s: restored %s", kind, restored.Body)
			}
			w.do("POST", path+"/x/restore", nil).fails(409, "SLUG_TAKEN")
			w.do("POST", path+"/nothing/restore", nil).is(404)
			w.heard("api "+acme, "api "+acme)
		}
		// Numbers and signs survive.
		if got := w.do("GET", org("acme", "toolkits/x"), nil); !strings.Contains(string(got.Body), `"x-order":123456789012345678,`) {
			w.t.Errorf("%s", got.Body)
		}
		if got := w.do("GET", org("acme", "commands/x"), nil); !strings.Contains(string(got.Body), `Do <it> & more`) {
			w.t.Errorf("%s", got.Body)
		}
	})
}

// Status304 checks an answer without a body.
func (r *response) Status304(w *world) {
	w.t.Helper()
	if r.Status != http.StatusNotModified || len(r.Body) > 0 {
		w.t.Errorf("%s: %d %s", r.what, r.Status, r.Body)
	}
}

func TestEntitiesThatCannotBe(t *testing.T) {
	w := embedded(t, nil)
	w.organization("acme")
	server, toolkit, client := samples[document.MCPServers], samples[document.Toolkits], samples[document.MCPClients]
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	for name, test := range map[string]struct {
		path   string
		body   any
		status int
		code   string
		says   string
	}{
		"no JSON":                   {"toolkits/x", "{", 400, "INVALID_JSON", "line 1"},
		"an empty body":             {"toolkits/x", "", 400, "INVALID_JSON", ""},
		"a duplicate key":           {"toolkits/x", `{"slug":"x","name":"a","name":"b"}`, 400, "INVALID_JSON", "name"},
		"a list":                    {"toolkits/x", "[]", 400, "VALIDATION_FAILED", "object"},
		"no name":                   {"toolkits/x", `{"slug":"x"}`, 400, "VALIDATION_FAILED", "name"},
		"a name of another type":    {"toolkits/x", `{"slug":"x","name":1}`, 400, "VALIDATION_FAILED", "name"},
		"another slug, new":         {"toolkits/y", toolkit, 404, "NOT_FOUND", "toolkit"},
		"no slug":                   {"toolkits/No%20Slug", with(toolkit, map[string]any{"slug": "No Slug"}), 400, "VALIDATION_FAILED", "slug"},
		"a slug of another type":    {"toolkits/x", with(toolkit, map[string]any{"slug": 1}), 400, "VALIDATION_FAILED", "slug"},
		"U+0000":                    {"toolkits/x", `{"slug":"x","name":"a\u0000"}`, 400, "VALIDATION_FAILED", "U+0000"},
		"very deep":                 {"toolkits/x", `{"slug":"x","name":"a","x-deep":` + deep + `}`, 400, "VALIDATION_FAILED", ""},
		"too large":                 {"toolkits/x", `{"slug":"x","name":"` + strings.Repeat("x", 2<<20+64<<10) + `"}`, 413, "BODY_TOO_LARGE", ""},
		"a secret with two lives":   {"mcp-servers/x", with(server, map[string]any{"env": map[string]any{"K": map[string]any{"secret": true, "value": 5}}}), 400, "VALIDATION_FAILED", "K"},
		"an owner of another type":  {"toolkits/x", with(toolkit, map[string]any{"owner_id": 5}), 400, "VALIDATION_FAILED", "owner_id"},
		"a client with an owner":    {"mcp-clients/x", with(client, map[string]any{"owner_id": "u1"}), 400, "VALIDATION_FAILED", "owner_id"},
		"a client's owner asked":    {"mcp-clients/x?owner=u1", client, 400, "BAD_REQUEST", "owner"},
		"auth of a toolkit":         {"toolkits/x", with(toolkit, map[string]any{"auth": map[string]any{}}), 400, "VALIDATION_FAILED", "auth"},
		"client_id of a server":     {"mcp-servers/x", with(server, map[string]any{"client_id": "a"}), 400, "VALIDATION_FAILED", "client_id"},
		"a skill without files":     {"skills/x", `{"slug":"x"}`, 400, "VALIDATION_FAILED", "files"},
		"a skill without SKILL.md":  {"skills/x", `{"slug":"x","files":[]}`, 400, "EMPTY_DIRECTORY", "SKILL.md"},
		"a skill of another name":   {"skills/x", map[string]any{"slug": "x", "files": []any{skillFile("SKILL.md", skillText("y", "d"))}}, 400, "VALIDATION_FAILED", "name"},
		"a skill with other keys":   {"skills/x", with(samples[document.Skills], map[string]any{"license": "MIT"}), 400, "VALIDATION_FAILED", "license"},
		"a skill's slug":            {"skills/x", with(samples[document.Skills], map[string]any{"slug": 5}), 400, "VALIDATION_FAILED", "slug"},
		"a file outside":            {"skills/x", map[string]any{"slug": "x", "files": []any{skillFile("SKILL.md", skillText("x", "d")), skillFile("../y", "")}}, 400, "VALIDATION_FAILED", ""},
		"a file in .git":            {"skills/x", map[string]any{"slug": "x", "files": []any{skillFile("SKILL.md", skillText("x", "d")), skillFile(".GIT/config", "")}}, 400, "VALIDATION_FAILED", ""},
		"no base64":                 {"skills/x", `{"slug":"x","files":[{"path":"a","content_base64":"!"}]}`, 400, "VALIDATION_FAILED", "base64"},
		"content twice":             {"skills/x", `{"slug":"x","files":[{"path":"a","content":"","content_base64":""}]}`, 400, "VALIDATION_FAILED", "either"},
		"an unknown kind":           {"gadgets/x", toolkit, 404, "NOT_FOUND", ""},
		"a slug that is no path":    {"toolkits/..%2F..%2Fetc", with(toolkit, map[string]any{"slug": "../../etc"}), 400, "VALIDATION_FAILED", "slug"},
		"an author of another type": {"toolkits/x", with(toolkit, map[string]any{"updated_by": []any{}}), 400, "VALIDATION_FAILED", "updated_by"},
	} {
		got := w.do("PUT", org("acme", test.path), test.body)
		if got.Status != test.status || got.at("error", "code") != test.code || !strings.Contains(string(got.Body), test.says) {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	w.heard()
}

func TestSecretsOfEntities(t *testing.T) {
	each(t, func(w *world) {
		w.organization("acme")
		path := org("acme", "mcp-servers/x")
		entry := func(value any) map[string]any { return map[string]any{"secret": true, "value": value} }
		put := func(env map[string]any, more map[string]any) *response {
			w.t.Helper()
			return w.do("PUT", path, with(samples[document.MCPServers], with(map[string]any{"env": env}, more)))
		}
		got := put(map[string]any{"KEY": entry(canary + "key"), "EMPTY": map[string]any{"secret": true}, "MODE": "fast"},
			map[string]any{"auth": map[string]any{"token": canary + "auth"}, "updated_by": "Ada <ada@example.com>"}).is(201)
		if got.at("env", "KEY", "secret") != true || got.at("env", "KEY", "set") != true || got.at("env", "EMPTY", "set") != false || got.at("env", "MODE") != "fast" {
			w.t.Errorf("%s", got.Body)
		}
		if got.at("auth_set") != true || got.at("auth") != nil || got.at("updated_by") != "Ada <ada@example.com>" {
			w.t.Errorf("%s", got.Body)
		}
		// Left out keeps, null clears; a string does not make it public by accident.
		if got := put(map[string]any{"KEY": map[string]any{"secret": true, "set": true, "description": "d"}}, nil).is(200); got.at("env", "KEY", "set") != true || got.at("auth_set") != true || got.at("updated_by") != nil {
			w.t.Errorf("%s", got.Body)
		}
		put(map[string]any{"KEY": "public"}, nil).fails(400, "VALIDATION_FAILED", "KEY")
		if got := put(map[string]any{"KEY": entry(nil)}, map[string]any{"auth": nil}).is(200); got.at("env", "KEY", "set") != false || got.at("auth_set") != false {
			w.t.Errorf("%s", got.Body)
		}
		client := org("acme", "mcp-clients/x")
		got = w.do("PUT", client, with(samples[document.MCPClients], map[string]any{"client_id": canary + "id", "client_secret": canary + "secret"})).is(201)
		if got.at("client_id_set") != true || got.at("client_secret_set") != true || got.at("client_secret") != nil {
			w.t.Errorf("%s", got.Body)
		}
		if got = w.do("PUT", client, with(samples[document.MCPClients], map[string]any{"client_secret": nil})).is(200); got.at("client_id_set") != true || got.at("client_secret_set") != false {
			w.t.Errorf("%s", got.Body)
		}
		w.do("GET", org("acme", "mcp-servers"), nil).is(200)
		w.do("GET", org("acme", "mcp-clients"), nil).is(200)
	})
}

func TestPreconditions(t *testing.T) {
	each(t, func(w *world) {
		w.organization("acme")
		path, body := org("acme", "toolkits/x"), samples[document.Toolkits]
		w.do("PUT", path, body, header("If-Match", "*")).fails(412, "PRECONDITION_FAILED")
		first := w.do("PUT", path, body, header("If-None-Match", "*")).is(201).Header.Get("ETag")
		w.do("PUT", path, body, header("If-None-Match", "*")).fails(412, "PRECONDITION_FAILED", "There is one of that slug already")
		second := w.do("PUT", path, with(body, map[string]any{"name": "Y"}), header("If-Match", first)).is(200).Header.Get("ETag")
		if first == second {
			w.t.Errorf("the ETag stayed %s", first)
		}
		w.do("PUT", path, body, header("If-Match", first)).fails(412, "PRECONDITION_FAILED")
		w.do("DELETE", path, nil, header("If-Match", first)).fails(412, "PRECONDITION_FAILED")
		w.do("DELETE", path, nil, header("If-Match", first+", "+second)).is(204)
	})
}

func TestRenameAndOwners(t *testing.T) {
	each(t, func(w *world) {
		w.organization("acme")
		path := func(rest string) string { return org("acme", "toolkits/"+rest) }
		toolkit := func(slug string, more map[string]any) map[string]any {
			return with(map[string]any{"slug": slug, "name": "T"}, more)
		}
		id := w.do("PUT", path("a"), toolkit("a", nil)).is(201).at("id")
		w.do("PUT", path("b"), toolkit("b", nil)).is(201)
		w.do("PUT", path("a"), toolkit("b", nil)).fails(409, "SLUG_TAKEN")
		if got := w.do("PUT", path("a"), toolkit("c", nil)).is(200); got.at("id") != id || got.at("slug") != "c" {
			w.t.Errorf("%s", got.Body)
		}
		w.do("GET", path("a"), nil).is(404)
		// Without a slug the path's is meant.
		w.do("PUT", path("c"), `{"name":"T"}`).is(200)
		// Private ones live beside the organization's.
		private := w.do("PUT", path("b?owner=u1"), toolkit("b", nil)).is(201)
		if private.at("owner_id") != "u1" {
			w.t.Errorf("%s", private.Body)
		}
		if list := w.do("GET", org("acme", "toolkits?owner=u1"), nil).is(200); list.at("items", 0, "owner_id") != "u1" {
			w.t.Errorf("%s", list.Body)
		}
		if list := w.do("GET", org("acme", "toolkits"), nil).is(200); len(list.at("items").([]any)) != 2 {
			w.t.Errorf("%s", list.Body)
		}
		w.do("PUT", path("b?owner=u1"), toolkit("b", map[string]any{"owner_id": nil})).fails(409, "SLUG_TAKEN")
		if got := w.do("PUT", path("c"), toolkit("c", map[string]any{"owner_id": "u2"})).is(200); got.at("owner_id") != "u2" || got.at("id") != id {
			w.t.Errorf("%s", got.Body)
		}
		w.do("GET", path("c"), nil).is(404)
		w.do("DELETE", path("c?owner=u2"), nil).is(204)
		w.do("POST", path("c/restore"), nil).is(404)
		w.do("POST", path("c/restore?owner=u2"), nil).is(200)
	})
}

func TestSkillFiles(t *testing.T) {
	each(t, func(w *world) {
		w.organization("acme")
		binary := base64.StdEncoding.EncodeToString([]byte{0, 1, 0xff})
		got := w.do("PUT", org("acme", "skills/x"), map[string]any{"slug": "x", "files": []any{
			map[string]any{"path": "scripts/run.sh", "content": "#!/bin/sh\n", "executable": true},
			map[string]any{"path": "data/ä b.bin", "content_base64": binary},
			skillFile("SKILL.md", skillText("x", "What it does")),
		}}).is(201)
		if got.at("name") != "x" || got.at("description") != "What it does" || got.at("files", 0, "path") != "SKILL.md" ||
			got.at("files", 1, "content_base64") != binary || got.at("files", 1, "path") != "data/ä b.bin" || got.at("files", 2, "executable") != true {
			w.t.Errorf("%s", got.Body)
		}
		for i := range 25 {
			slug := fmt.Sprintf("s-%02d", i)
			w.do("PUT", org("acme", "skills/"+slug), map[string]any{"slug": slug, "files": []any{skillFile("SKILL.md", skillText(slug, "d"))}}).is(201)
		}
		var slugs []string
		for cursor := ""; ; {
			page := w.do("GET", org("acme", "skills?limit=12&cursor="+cursor), nil).is(200)
			for _, item := range page.at("items").([]any) {
				slugs = append(slugs, item.(map[string]any)["slug"].(string))
			}
			if cursor = page.at("next_cursor").(string); cursor == "" {
				break
			}
		}
		if len(slugs) != 26 || slugs[0] != "s-00" || slugs[25] != "x" {
			w.t.Errorf("%v", slugs)
		}
	})
}

// More bad files than a page shows are on the next ones, which the answer tells as for any list.
func TestVeryManyRejectedFilesComeInPages_I1(t *testing.T) {
	each(t, func(w *world) {
		acme := w.connect("acme", nil)
		m, err := w.db.Mirror(w.t.Context(), acme)
		if err != nil {
			w.t.Fatal(err)
		}
		settlement := &mirror.Settlement{State: mirror.State{Name: mirror.StateOK}}
		for _, kind := range []document.Kind{document.Toolkits, document.Skills} {
			for i := range 1500 {
				slug := fmt.Sprint("bad-", i)
				settlement.Rejected = append(settlement.Rejected, &mirror.RejectedFile{Key: mirror.Key{Kind: kind, Path: document.Layout{}.Path(kind, slug)}, Slug: slug,
					Error: mirror.EntityError{Code: document.InvalidJSON, HTTPCode: 400, DetectedAt: w.clock}})
			}
		}
		if err := w.db.Settle(w.t.Context(), m, settlement); err != nil {
			w.t.Fatal(err)
		}
		w.do("PUT", org("acme", "toolkits/good"), map[string]any{"slug": "good", "name": "Good"}).is(201)
		for _, kind := range []string{"toolkits", "skills"} {
			told := map[any]bool{}
			for path, page := org("acme", kind), 0; ; page++ {
				got := w.do("GET", path, nil).is(200)
				for _, f := range got.at("rejected").([]any) {
					told[f.(map[string]any)["slug"]] = true
				}
				next := got.at("next_cursor").(string)
				if next == "" {
					if page != 1 || len(told) != 1500 {
						w.t.Errorf("%s: %d bad files on %d pages", kind, len(told), page+1)
					}
					break
				}
				path = org("acme", kind) + "?cursor=" + next
			}
		}
	})
}

func TestRejectedFilesAreListed(t *testing.T) {
	each(t, func(w *world) {
		acme := w.connect("acme", nil)
		m, err := w.db.Mirror(w.t.Context(), acme)
		if err != nil {
			w.t.Fatal(err)
		}
		err = w.db.Settle(w.t.Context(), m, &mirror.Settlement{State: mirror.State{Name: mirror.StateOK}, Rejected: []*mirror.RejectedFile{{
			Key: mirror.Key{Kind: document.Toolkits, Path: "toolkits/bad.json"}, Slug: "bad",
			Error: mirror.EntityError{Code: document.InvalidJSON, HTTPCode: 400, Message: "line 1", DetectedAt: w.clock},
		}}})
		if err != nil {
			w.t.Fatal(err)
		}
		got := w.do("GET", org("acme", "toolkits"), nil).is(200)
		if got.at("rejected", 0, "slug") != "bad" || got.at("rejected", 0, "path") != "toolkits/bad.json" || got.at("rejected", 0, "error", "code") != "INVALID_JSON" {
			w.t.Errorf("%s", got.Body)
		}
		w.do("PUT", org("acme", "toolkits/good"), map[string]any{"slug": "good", "name": "100 %"}).is(201)
		w.do("PUT", org("acme", "toolkits/other"), map[string]any{"slug": "other", "name": "Other"}).is(201)
		for query, items := range map[string]int{"": 2, "search=100+%25": 1, "search=GOOD": 1, "search=%00": 0, "errors=true": 0, "errors=false": 2} {
			if got := w.do("GET", org("acme", "toolkits?"+query), nil).is(200); len(got.at("items").([]any)) != items {
				w.t.Errorf("%s: %s", query, got.Body)
			}
		}
		w.do("GET", org("acme", "toolkits?errors=many"), nil).is(400)
		if got := w.do("GET", org("acme", "mirror"), nil).is(200); got.at("errors") != 1 {
			w.t.Errorf("%s", got.Body)
		}
	})
}

// No body is a fault of ours; one that is taken reads back, and writes back, the same.
func FuzzPutEntity(f *testing.F) {
	for i, kind := range document.Kinds {
		body, err := json.Marshal(samples[kind])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, body)
		for _, text := range []string{"", "{}", "null", `{"slug":1}`, `{"files":[{}]}`, `{"env":{"A":{"secret":true,"value":null}}}`, `{"auth":1e999,"owner_id":""}`, "\xef\xbb\xbf{}"} {
			f.Add(i, []byte(text))
		}
	}
	w := embedded(f, nil)
	w.organization("acme")
	f.Fuzz(func(t *testing.T, kind int, body []byte) {
		w.t = t
		k := document.Kinds[uint(kind)%uint(len(document.Kinds))]
		path := org("acme", string(k)+"/x")
		got := w.do("PUT", path, body)
		switch {
		case got.Status >= 500:
			t.Fatalf("%d: %s", got.Status, got.Body)
		case got.Status >= 300:
			return
		}
		slug, _ := got.at("slug").(string)
		query := ""
		if owner, _ := got.at("owner_id").(string); owner != "" {
			return // it is found under its owner, which may need escaping
		}
		read := w.do("GET", org("acme", string(k)+"/"+slug)+query, nil).is(200)
		if string(read.Body) != string(got.Body) {
			t.Fatalf("answered %s, read %s", got.Body, read.Body)
		}
		w.do("PUT", org("acme", string(k)+"/"+slug), read.Body).is(200)
		w.do("DELETE", org("acme", string(k)+"/"+slug), nil).is(204)
	})
}
