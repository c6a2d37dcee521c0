package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// remoteObjects is the text of every object that the remote has.
func (w *world) remoteObjects() string {
	w.t.Helper()
	objects, err := w.repo.Git("cat-file", "--batch-all-objects", "--batch", "--buffer")
	w.must(err)
	return objects
}

// TestAcceptOddShapesOfSecrets_C3: whatever another program writes into env and headers, no value leaves.
func TestAcceptOddShapesOfSecrets_C3(t *testing.T) {
	shapes := []string{
		`{"A":{"value":"canary-1"}}`, `{"A":{"value":"canary-2","secret":null}}`, `{"A":{"value":"canary-3","secret":0}}`, `{"A":{"value":"canary-4","secret":"no"}}`,
		`{"A":"canary-5"}`, `{"A":["canary-6"]}`, `{"A":{"Value":"canary-7","secret":true}}`, `{"A":{"value":{"deep":"canary-8"},"secret":true}}`,
		`"canary-9"`, `["canary-10"]`, `{"A":{"secret":true,"description":{"value":"canary-12"}}}`,
		`{"A":12345678}`, `{"A":{"VALUE":"canary-13"}}`, `{"A":{"value ":"canary-14"}}`, `{"A":{"password":"canary-16"}}`,
		`{"A":{"secret":true,"description":["canary-17"]}}`, `{"A":{"secret":true,"required":"canary-18"}}`, `{"A":[{"value":"canary-19"}]}`,
	}
	eachWorld(t, nil, func(w *world) {
		for i, shape := range shapes {
			for _, column := range []string{"env", "headers"} {
				w.insert("mcp_servers", "slug", quote(fmt.Sprintf("s%d-%s", i, column)), "name", "'S'", "type", "'stdio'", "command", "'x'", column, quote(shape))
			}
		}
		w.synced()
		if found := canaries(w.remoteObjects()); len(found) > 0 {
			t.Errorf("on the remote: %q", found)
		}
		for _, path := range []string{"mcp-servers?limit=500", "mirror/runs", "mirror/plan"} {
			if _, body := w.callRaw("GET", path); strings.Contains(body, "canary-") {
				at := strings.Index(body, "canary-")
				t.Errorf("%s shows %s", path, body[max(0, at-200):at+20])
			}
		}
		// An import that changes something else loses none of them.
		var changes []bitbuckettest.Change
		for path, text := range w.files() {
			changes = append(changes, bitbuckettest.Write(path, strings.Replace(text, `"name": "S"`, `"name": "T"`, 1)))
		}
		w.commit(changes...)
		w.synced()
		for i, shape := range shapes {
			secret := canaryOf(shape)
			if got := w.query("SELECT env FROM mcp_servers WHERE slug = 's%d-env'", i); !strings.Contains(got, secret) {
				t.Errorf("%s became %s by an import", shape, got)
			}
		}
		w.quiet()
		if found := canaries(w.remoteObjects()); len(found) > 0 {
			t.Errorf("on the remote after the import: %q", found)
		}
		if strings.Contains(w.log.String(), "canary-") {
			t.Error("in the log")
		}
	})
}

// canaryOf is the part of a shape that must be kept: its canary, or its number.
func canaryOf(shape string) string {
	if _, rest, ok := strings.Cut(shape, "canary-"); ok {
		return "canary-" + strings.TrimRight(strings.SplitN(rest, `"`, 2)[0], `"`)
	}
	return "12345678"
}

func TestAcceptSecrecyIsLoweredInTheDatabaseOnly(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("mcp_servers", "slug", "'gh'", "name", "'GH'", "type", "'http'", "url", "'https://x.example'",
			"env", `'{"A":{"value":"canary-1","secret":true,"required":true,"description":"d"},"P":{"value":"public","secret":false},"Q":{"value":"q","secret":false,"description":"why"}}'`)
		w.insert("toolkits", "slug", "'x'", "name", "'X'")
		w.synced()
		good := w.files()["mcp-servers/gh.json"]
		if !strings.Contains(good, `"P": "public"`) || !strings.Contains(good, `"value": "q"`) {
			t.Errorf("public entries:\n%s", good)
		}
		file := func(env string) string {
			return `{"slug":"gh","name":"GH","type":"http","url":"https://x.example","env":` + env + `}`
		}
		for _, env := range []string{`{"A":"planted"}`, `{"A":{"value":"planted"}}`, `{"A":{"secret":false}}`, `{"A":{"secret":true,"value":"planted"}}`, `{"A":""}`, `{"A":{"value":""}}`, `{"A":{}}`, `{"A":{"required":true}}`} {
			w.commit(bitbuckettest.Write("mcp-servers/gh.json", file(env)))
			w.synced()
			if code := w.entityError("mcp-servers", "gh"); code != "VALIDATION_FAILED" || !strings.Contains(w.message("mcp-servers", "gh"), "A") || strings.Contains(w.message("mcp-servers", "gh"), "planted") {
				t.Errorf("%s: %q %q", env, code, w.message("mcp-servers", "gh"))
			}
			if got := w.query("SELECT env FROM mcp_servers WHERE slug = 'gh'"); !strings.Contains(got, "canary-1") || strings.Contains(got, "planted") {
				t.Errorf("%s: env %s", env, got)
			}
		}
		// A public entry becomes secret by the file, and its value stays; a new entry is public as the file says.
		w.commit(bitbuckettest.Write("mcp-servers/gh.json", file(`{"A":{"secret":true},"P":{"secret":true},"N":"new"}`)))
		w.synced()
		env := w.get("mcp-servers/gh")["env"].(map[string]any)
		if p := env["P"].(map[string]any); p["secret"] != true || p["set"] != true {
			t.Errorf("P: %v", p)
		}
		stored := w.query("SELECT env FROM mcp_servers WHERE slug = 'gh'")
		if !strings.Contains(stored, "canary-1") || !strings.Contains(stored, `"public"`) || strings.Contains(stored, `"Q"`) {
			t.Errorf("stored %s", stored)
		}
		// Lowered in the database: the value may leave.
		w.exec(`UPDATE mcp_servers SET env = '{"A":{"value":"now public","secret":false}}' WHERE slug = 'gh'`)
		w.synced()
		if !w.branchHas("mcp-servers/gh.json", "now public") {
			t.Errorf("lowered in the database:\n%s", w.files()["mcp-servers/gh.json"])
		}
		// Removed by the file: gone from the row.
		w.commit(bitbuckettest.Write("mcp-servers/gh.json", `{"slug":"gh","name":"GH","type":"http","url":"https://x.example"}`))
		w.synced()
		if got := w.query("SELECT env FROM mcp_servers WHERE slug = 'gh'"); got != "" && got != "{}" {
			t.Errorf("env after removal: %s", got)
		}
		w.quiet()
	})
}

func TestAcceptARenamedServerKeepsItsSecrets_I3(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"a", "b", "c"} {
			w.insert("mcp_servers", "slug", quote(slug), "name", quote("Server "+slug), "type", "'http'", "url", "'https://x.example'",
				"env", quote(`{"TOKEN":{"value":"canary-`+slug+`","secret":true}}`), "auth", quote(`{"t":"canary-auth-`+slug+`"}`))
		}
		w.synced()
		files := w.files()
		// In git: a to z and b to y, alike but for slug and name.
		w.commit(bitbuckettest.Remove("mcp-servers/a.json"), bitbuckettest.Remove("mcp-servers/b.json"),
			bitbuckettest.Write("mcp-servers/z.json", strings.Replace(files["mcp-servers/a.json"], `"slug": "a"`, `"slug": "z"`, 1)),
			bitbuckettest.Write("mcp-servers/y.json", strings.Replace(files["mcp-servers/b.json"], `"slug": "b"`, `"slug": "y"`, 1)))
		w.exec("UPDATE mcp_servers SET slug = 'c2' WHERE slug = 'c'")
		w.synced()
		for slug, was := range map[string]string{"z": "a", "y": "b", "c2": "c"} {
			if got := w.query("SELECT CAST(env AS TEXT) || CAST(auth AS TEXT) || name FROM mcp_servers WHERE slug = %s AND deleted_at IS NULL", quote(slug)); !strings.Contains(got, "canary-"+was+`"`) || !strings.Contains(got, "canary-auth-"+was) || !strings.Contains(got, "Server "+was) {
				t.Errorf("%s, which was %s, holds %s", slug, was, got)
			}
		}
		w.quiet()
		// Another server under a new slug is no rename: secrets do not travel.
		w.commit(bitbuckettest.Remove("mcp-servers/z.json"), bitbuckettest.Write("mcp-servers/w.json", `{"slug":"w","name":"Server a","type":"http","url":"https://evil.example","env":{"TOKEN":{"secret":true}}}`))
		w.synced()
		if got := w.query("SELECT env FROM mcp_servers WHERE slug = 'w'"); strings.Contains(got, "canary") {
			t.Errorf("secrets travelled: %s", got)
		}
		if found := canaries(w.remoteObjects()); len(found) > 0 {
			t.Errorf("on the remote: %q", found)
		}
		w.quiet()
	})
}

// TestAcceptASecretAtTheNewPlace: a row is renamed to where git has a file that holds its secret's name as public.
func TestAcceptASecretAtTheNewPlace(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("mcp_servers", "slug", "'a'", "name", "'A'", "type", "'stdio'", "command", "'x'", "env", `'{"T":{"value":"canary-1","secret":true}}'`)
		w.synced()
		w.repo.Restrict("main")
		w.exec("UPDATE mcp_servers SET slug = 'b' WHERE slug = 'a'")
		w.sync()
		w.commit(bitbuckettest.Write("mcp-servers/b.json", `{"slug":"b","name":"B","type":"stdio","command":"x","env":{"T":"planted"}}`))
		w.repo.Unrestrict()
		w.synced()
		if got := w.query("SELECT env FROM mcp_servers WHERE slug = 'b'"); !strings.Contains(got, "canary-1") || strings.Contains(got, "planted") {
			t.Errorf("env: %s", got)
		}
		if code := w.entityError("mcp-servers", "b"); code != "VALIDATION_FAILED" {
			t.Errorf("the row whose place is taken by a refused file has %q", code)
		}
		w.quiet()
		w.exec("UPDATE mcp_servers SET name = name WHERE slug = 'b'")
		w.synced()
		if f := w.files()["mcp-servers/b.json"]; strings.Contains(f, "planted") || strings.Contains(f, "canary") {
			t.Errorf("file:\n%s", f)
		}
		if _, body := w.callRaw("GET", "conflicts?all=true"); strings.Contains(body, "planted") {
			t.Errorf("the refused value was copied into the database: %s", body)
		}
		w.quiet()
	})
}

// TestAcceptNoRefusedValueIsKept: what a file must not carry is not kept as the losing side either.
func TestAcceptNoRefusedValueIsKept(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"private", "replaced", "same"} {
			w.insert("mcp_servers", "slug", quote(slug), "name", "'A'", "type", "'stdio'", "command", "'x'", "env", `'{"T":{"value":"public","secret":false}}'`)
		}
		w.exec(`UPDATE mcp_servers SET env = '{"T":{"value":"canary-1","secret":true}}' WHERE slug = 'private'`)
		w.insert("toolkits", "slug", "'x'", "name", "'X'")
		w.synced()
		w.repo.Restrict("main")
		w.exec("UPDATE mcp_servers SET owner_id = '8b8f9e9e-8d9e-4f7e-9d7b-222222222222' WHERE slug = 'private'")
		w.exec("DELETE FROM mcp_servers WHERE slug IN ('replaced', 'same')")
		for _, slug := range []string{"replaced", "same"} {
			w.insert("mcp_servers", "slug", quote(slug), "name", "'New'", "type", "'stdio'", "command", "'x'", "env", `'{"T":{"value":"canary-2","secret":true}}'`)
		}
		w.sync()
		for _, slug := range []string{"private", "replaced"} {
			w.commit(bitbuckettest.Write("mcp-servers/"+slug+".json", `{"slug":"`+slug+`","name":"G","type":"stdio","command":"x","env":{"T":"planted"}}`))
		}
		w.repo.Unrestrict()
		w.synced()
		w.wantNoFile("mcp-servers/private.json")
		if !w.branchHas("mcp-servers/same.json", "New") || w.branchHas("mcp-servers/same.json", "public") {
			t.Errorf("same:\n%s", w.files()["mcp-servers/same.json"])
		}
		if code := w.entityError("mcp-servers", "replaced"); code != "VALIDATION_FAILED" {
			t.Errorf("replaced: %q", code)
		}
		if got := w.query("SELECT env FROM mcp_servers WHERE slug = 'replaced'"); !strings.Contains(got, "canary-2") {
			t.Errorf("a file lowered secrecy: %s", got)
		}
		if _, body := w.callRaw("GET", "conflicts?all=true"); strings.Contains(body, "planted") {
			t.Errorf("the refused value was copied into the database: %s", body)
		}
		w.exec("UPDATE mcp_servers SET name = 'Newer' WHERE slug = 'replaced'")
		w.synced()
		if !w.branchHas("mcp-servers/replaced.json", "Newer") || w.branchHas("mcp-servers/replaced.json", "planted") {
			t.Errorf("replaced:\n%s", w.files()["mcp-servers/replaced.json"])
		}
		w.quiet()
	})
}
