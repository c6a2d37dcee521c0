package db

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func init() {
	storeCases["property: what is imported is what is observed"] = testRoundTrip
}

// Strings that databases, drivers and JSON have been known to change.
var (
	texts   = rapid.OneOf(rapid.StringMatching(`[ -~]{1,20}`), rapid.SampledFrom([]string{"<a>&\u2028", "é\u0301 🎉", "\t\r\n", `\u0041 "'\`, "?1 $1 @x :y", "NULL", "{}", "\u0001"}))
	numbers = rapid.Custom(func(t *rapid.T) any {
		return json.Number(rapid.SampledFrom([]string{"0", "-0", "1e2", "1.50", "12345678901234567890123", "-0.000", "1E-7", "100", "0.1e1"}).Draw(t, "number"))
	})
)

// anything draws a JSON value.
func anything(t *rapid.T, depth int) any {
	switch shape := rapid.IntRange(0, 6).Draw(t, "shape"); {
	case shape == 0 && depth > 0:
		out := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			out = append(out, anything(t, depth-1))
		}
		return out
	case shape == 1 && depth > 0:
		out := map[string]any{}
		for range rapid.IntRange(0, 3).Draw(t, "size") {
			out[texts.Draw(t, "key")] = anything(t, depth-1)
		}
		return out
	case shape < 4:
		return texts.Draw(t, "text")
	case shape < 6:
		return numbers.Draw(t, "number")
	}
	return rapid.SampledFrom([]any{nil, true, false}).Draw(t, "constant")
}

func list(t *rapid.T, name string) []any {
	out := []any{}
	for i := range rapid.IntRange(0, 3).Draw(t, name) {
		out = append(out, fmt.Sprintf("%s-%d", name, i))
	}
	return out
}

// drawDocument makes a valid document in file form.
func drawDocument(t *rapid.T, k document.Kind, slug string) *document.Document {
	if k == document.Skills {
		d := skillDocument(slug, rapid.StringMatching(`[a-z][a-z ]{0,30}[a-z]`).Draw(t, "description"))
		for i := range rapid.IntRange(0, 3).Draw(t, "files") {
			d.Files = append(d.Files, document.File{
				Path:       fmt.Sprintf("dir/%d-%s", i, rapid.SampledFrom([]string{"é", "a b", "x"}).Draw(t, "path")),
				Executable: rapid.Bool().Draw(t, "executable"),
				Content:    append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "content")...),
			})
		}
		return d.Normalize()
	}
	f := map[string]any{"slug": slug, "name": texts.Draw(t, "name"), "description": rapid.SampledFrom([]string{"", "d", "?"}).Draw(t, "description")}
	maybe := func(name string, value func() any) {
		if rapid.Bool().Draw(t, "has "+name) {
			f[name] = value()
		}
	}
	maybe("x-anything", func() any { return anything(t, 3) })
	maybe("$schema", func() any { return "https://example.com/schema" })
	if k != document.MCPClients {
		f["status"] = rapid.SampledFrom([]string{"draft", "active"}).Draw(t, "status")
	}
	switch k {
	case document.Toolkits:
		f["skills"], f["commands"] = list(t, "skills"), list(t, "commands")
		maybe("least_privilege", func() any { return rapid.Bool().Draw(t, "least_privilege") })
		maybe("integrations", func() any {
			return map[string]any{"github": map[string]any{"tools": "*", "prompts": list(t, "prompts")}, "jira": map[string]any{}}
		})
	case document.Commands:
		f["prompt"] = texts.Draw(t, "prompt")
		maybe("arguments", func() any {
			return []any{map[string]any{"name": texts.Draw(t, "argument"), "required": rapid.Bool().Draw(t, "required")}}
		})
	case document.MCPServers:
		if rapid.Bool().Draw(t, "stdio") {
			f["type"], f["command"], f["args"] = "stdio", "run", list(t, "args")
		} else {
			f["type"], f["url"] = "streamable-http", "https://example.com/mcp"
		}
		maybe("env", func() any {
			return map[string]any{"A": texts.Draw(t, "public"), "B": map[string]any{"secret": true, "required": true}, "C": map[string]any{"value": "v", "secret": false, "description": "d"}}
		})
		maybe("tools", func() any { return map[string]any{} })
	case document.MCPClients:
		maybe("enabled", func() any { return rapid.Bool().Draw(t, "enabled") })
		maybe("client_uri", func() any { return "https://example.com" })
		f["grant_types"] = list(t, "grant")
		maybe("redirect_uris", func() any { return []any{"http://127.0.0.1:1/x"} })
		maybe("scope", func() any { return "a b" })
	}
	return (&document.Document{Kind: k, Slug: slug, Fields: f}).Normalize()
}

func testRoundTrip(t *testing.T, w *world) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		first, second := map[string]*document.Document{}, map[string]*document.Document{}
		var changes []*mirror.RowChange
		for _, k := range document.Kinds {
			slug := fmt.Sprintf("r%d-%s", n, strings.ReplaceAll(string(k), "_", "-"))
			first[slug], second[slug] = drawDocument(rt, k, slug), drawDocument(rt, k, slug)
			for _, d := range []*document.Document{first[slug], second[slug]} {
				if problem := d.Validate(document.Limits{}); problem != nil {
					rt.Fatalf("%+v: %v", d, problem)
				}
			}
			changes = append(changes, create(first[slug]))
		}
		check := func(changes []*mirror.RowChange, want map[string]*document.Document) map[string]*mirror.Row {
			rows := map[string]*mirror.Row{}
			outcomes, err := w.db.Import(t.Context(), w.mirror, "", "r", changes)
			if err != nil {
				rt.Fatal(err)
			}
			var entries []mirror.Entry
			for i, o := range outcomes {
				if o.Raced || o.Problem != nil {
					rt.Fatalf("%+v", o)
				}
				entries = append(entries, mirror.Entry{Kind: changes[i].Key.Kind, Slug: changes[i].Document.Slug, Path: changes[i].Key.Path})
			}
			o, err := w.db.Observe(t.Context(), w.mirror, mirror.Query{Entries: entries})
			if err != nil {
				rt.Fatal(err)
			}
			if len(o.Changes) != 0 {
				rt.Fatalf("captured and not consumed: %+v", o.Changes)
			}
			for _, r := range o.Rows {
				if r.Problem != nil || r.Document.Digest() != want[r.Slug].Digest() {
					rt.Fatalf("%+v\nis observed as\n%+v %v", want[r.Slug], r.Document, r.Problem)
				}
				rows[r.Slug] = r
			}
			if len(rows) != len(changes) {
				rt.Fatalf("%d rows of %d", len(rows), len(changes))
			}
			return rows
		}
		rows := check(changes, first)
		changes = nil
		for slug, d := range second {
			changes = append(changes, update(rows[slug], d))
		}
		check(changes, second)
	})
}
