package document

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// peoples is a file with the habits of people: four spaces, an order of their own,
// keys that nobody knows, blanks where there need be none, no final newline.
const peoples = `{
    "$schema": "https://example.com/toolkit.schema.json",
    "name" : "Ticket \u00e9 \/ triage",

    "slug": "a",
    "x-build": 12345678901234567890,
    "skills": ["one",  "two", "three"],
    "integrations": {
        "github": { "tools": [ "search", "read" ], "note": 1.10 },
        "jira": {
            "tools": "*",
            "prompts": [
                "a",
                "b"
            ]
        }
    },
    "commands": [
        "first",
        "last"
    ],
    "x-empty": {},
    "status": "active"
}`

// Each edit is one change of the document and the one replacement in the file
// that it must be.
func TestEditKeepsPeoplesHabits(t *testing.T) {
	object := func(d *Document, path ...string) map[string]any {
		at := d.Fields
		for _, step := range path {
			at = at[step].(map[string]any)
		}
		return at
	}
	for _, c := range []struct {
		name     string
		edit     func(d *Document)
		old, new string
	}{
		{"a text with escapes", func(d *Document) { d.Fields["name"] = "é / <b>" }, `"Ticket \u00e9 \/ triage"`, `"é / <b>"`},
		{"a number of twenty digits", func(d *Document) { d.Fields["x-build"] = json.Number("99999999999999999999") }, `12345678901234567890`, `99999999999999999999`},
		{"first key goes", func(d *Document) { delete(d.Fields, "$schema") }, "\n    \"$schema\": \"https://example.com/toolkit.schema.json\",", ""},
		{"last key changes", func(d *Document) { d.Fields["status"] = "draft" }, `"active"`, `"draft"`},
		{"a key comes", func(d *Document) { d.Fields["description"] = "d" }, "triage\",\n", "triage\",\n    \"description\": \"d\",\n"},
		{"an unknown key comes", func(d *Document) { d.Fields["x-z"] = true }, "\"active\"\n}", "\"active\",\n    \"x-z\": true\n}"},
		{"first of a list on one line", func(d *Document) { d.Fields["skills"] = []any{"two", "three"} }, `["one",  "two", "three"]`, `["two", "three"]`},
		{"middle of a list on one line", func(d *Document) { d.Fields["skills"] = []any{"one", "three"} }, `["one",  "two", "three"]`, `["one", "three"]`},
		{"last of a list on one line", func(d *Document) { d.Fields["skills"] = []any{"one", "two", "four"} }, `"three"`, `"four"`},
		{"one more on one line", func(d *Document) { d.Fields["skills"] = []any{"one", "two", "three", "four"} }, `"three"`, `"three", "four"`},
		{"first of a list on lines", func(d *Document) { d.Fields["commands"] = []any{"last"} }, "        \"first\",\n", ""},
		{"last of a list on lines", func(d *Document) { d.Fields["commands"] = []any{"first"} }, ",\n        \"last\"", ""},
		{"one more on lines", func(d *Document) { d.Fields["commands"] = []any{"new", "first", "last"} }, "        \"first\"", "        \"new\",\n        \"first\""},
		{"a list within", func(d *Document) { object(d, "integrations", "github")["tools"] = []any{"search", "read", "write"} }, `"read" ]`, `"read", "write" ]`},
		{"a list on lines within", func(d *Document) { object(d, "integrations", "jira")["prompts"] = []any{"a"} }, ",\n                \"b\"", ""},
		{"a star becomes a list", func(d *Document) { object(d, "integrations", "jira")["tools"] = []any{"x"} }, `"*"`, "[\n                \"x\"\n            ]"},
		{"an integration goes", func(d *Document) { delete(object(d, "integrations"), "github") }, "\n        \"github\": { \"tools\": [ \"search\", \"read\" ], \"note\": 1.10 },", ""},
		{"an integration comes", func(d *Document) { object(d, "integrations")["gitlab"] = map[string]any{"tools": "*"} }, "1.10 },", "1.10 },\n        \"gitlab\": {\n            \"tools\": \"*\"\n        },"},
		{"an empty object fills", func(d *Document) { d.Fields["x-empty"] = map[string]any{"k": "v"} }, `{},`, "{\n        \"k\": \"v\"\n    },"},
		{"a key of an unknown value", func(d *Document) { object(d, "integrations", "github")["note"] = "n" }, `1.10`, `"n"`},
	} {
		for form, spell := range map[string]func(string) string{
			"as it is":        func(s string) string { return s },
			"CRLF":            func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
			"tabs":            func(s string) string { return strings.ReplaceAll(s, "    ", "\t") },
			"byte order mark": func(s string) string { return "\ufeff" + s },
			"final newlines":  func(s string) string { return s + "\n\n" },
		} {
			t.Run(c.name+", "+form, func(t *testing.T) {
				file, want := spell(peoples), spell(strings.Replace(peoples, c.old, c.new, 1))
				d, p := ParseFile(Toolkits, "a", []byte(file), Limits{})
				if p != nil {
					t.Fatal(p)
				}
				c.edit(d)
				if got := string(Edit([]byte(file), d)); got != want || want == file {
					t.Errorf("got\n%s", differing(got, want))
				}
			})
		}
	}
}

// differing shows the lines in which two texts differ.
func differing(got, want string) string {
	a, b := strings.Split(show(got), "\n"), strings.Split(show(want), "\n")
	var out strings.Builder
	for _, h := range diff(a, b) {
		fmt.Fprintf(&out, "%s\nwant\n%s\n", strings.Join(a[h.aLo:h.aHi], "\n"), strings.Join(b[h.bLo:h.bHi], "\n"))
	}
	return out.String()
}
