package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

// hostileTexts are what no text of a request should be.
var hostileTexts = map[string]string{
	"NUL": "a\x00b", "invalid UTF-8": "a\xff\xfe", "a surrogate": "\xed\xa0\x80", "control characters": "a\r\nSet-Cookie: x=y\x1b[31m",
	"quotes": `a'"; DROP TABLE toolkits; --<script>`, "a way up": "../../mirror/approve", "very long": strings.Repeat("a", 60_000), "per cent": strings.Repeat("%", 40_000),
	"wide": strings.Repeat("𝒳", 2000), "a lone escape": `\ud800`,
}

// hostileNumbers are, where a number or a cursor is expected.
var hostileNumbers = []string{"99999999999999999999999999", "-1", "0", "1e400", "0x10", " 1", "%s", "\ufeff1", "AAAA", "eA", "[]"}

// Whatever a request holds, it is refused or done, and never an internal error.
func TestHostileRequests(t *testing.T) {
	each(t, func(w *world) {
		w.connect("acme", nil)
		w.do("PUT", org("acme", "toolkits/x"), samples[document.Toolkits]).is(201)
		check := func(got *response, why string) {
			t.Helper()
			if got.Status >= 500 && got.Status != http.StatusNotImplemented {
				t.Errorf("%.80s with %s: %d %.300s", got.what, why, got.Status, got.Body)
			}
		}
		for _, escape := range []string{`\ud800`, `\u0000`, `\udfff\ud800`, `\u2028`} {
			check(w.do("PUT", org("acme", "commands/x"), `{"slug":"x","name":"`+escape+`","prompt":"x","x-`+escape+`":["`+escape+`"]}`), escape)
		}
		for _, text := range hostileNumbers {
			for _, path := range []string{"toolkits?limit=", "skills?cursor=", "conflicts?cursor=", "mirror/runs?cursor=", "mirror/runs?limit=", "mirror/runs/", "toolkits?errors="} {
				check(w.do("GET", org("acme", path+url.QueryEscape(text)), nil), text)
			}
		}
		for why, text := range hostileTexts {
			for _, r := range routes {
				if r.path == apiRoot+"/events" {
					continue
				}
				for _, path := range r.expand()[:1] { // the kinds differ in their bodies only
					for _, name := range []string{"{slug}", "{id}", "{run}", "{org}"} {
						if !strings.Contains(path, name) {
							continue
						}
						at := strings.NewReplacer(name, url.PathEscape(text), "{org}", "acme", "{slug}", "x", "{id}", "1", "{run}", "1").Replace(path)
						check(w.do(r.method, at, nil), why+" for "+name)
					}
					at := strings.NewReplacer("{org}", "acme", "{slug}", "x", "{id}", "1", "{run}", "1").Replace(path)
					for _, name := range r.doc.query {
						check(w.do(r.method, at+"?"+name+"="+url.QueryEscape(text), nil), why+" as "+name)
					}
					if r.method != "GET" {
						check(w.do(r.method, at, text), why+" as the body")
						for _, field := range []string{"updated_by", "take", "hold", "name"} {
							check(w.do(r.method, at, map[string]any{field: text}), why+" as "+field)
						}
					}
				}
			}
			for _, name := range []string{"If-Match", "If-None-Match", "Authorization", "Cookie", "Origin", "X-Forwarded-For", "Content-Type", "Last-Event-ID"} {
				check(w.do("PUT", org("acme", "toolkits/x"), samples[document.Toolkits], header(name, text)), why+" in "+name)
				check(w.do("GET", org("acme", "toolkits/x"), nil, header(name, text)), why+" in "+name)
			}
			// Of bodies that are whole but for one text.
			for kind, sample := range samples {
				at := org("acme", string(kind)+"/x")
				own := map[document.Kind][]string{document.Commands: {"prompt"}, document.MCPServers: {"url"}, document.MCPClients: {"client_id", "client_secret"}}
				for _, field := range append(own[kind], "name", "updated_by", "owner_id", text) {
					check(w.do("PUT", at, with(sample, map[string]any{field: text})), why+" as "+field)
				}
				for _, field := range []string{"auth", "env", "integrations", "x-more"} {
					check(w.do("PUT", at, with(sample, map[string]any{field: map[string]any{text: text}})), why+" in "+field)
				}
				w.do("PUT", at, sample)
				check(w.do("DELETE", at, map[string]any{"updated_by": text}), why+" as who deletes")
				check(w.do("POST", at+"/restore", map[string]any{"updated_by": text}), why+" as who restores")
			}
			for _, f := range []map[string]any{skillFile(text, "x"), skillFile("a/"+text, "x"), skillFile("a", text), {"path": "a", "content_base64": text}} {
				check(w.do("PUT", org("acme", "skills/x"), map[string]any{"slug": "x", "files": []any{skillFile("SKILL.md", skillText("x", "d")), f}}), why+" in a skill's files")
			}
			for field := range connectionForm(nil) {
				check(w.do("POST", org("acme", "mirror/connection/test"), connectionForm(map[string]any{field: text})), why+" as "+field)
			}
			for _, field := range connectionFields {
				check(w.do("PUT", org("acme", "mirror/connection"), connectionForm(map[string]any{field: text})), why+" as "+field)
			}
		}
	})
}
