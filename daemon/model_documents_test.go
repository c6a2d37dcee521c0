package daemon_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror/document"
)

// doc is a document as the model sees it: flat, a text for each place that is
// merged as one. A list is its JSON; an entry of env is a key "env.NAME" with "="
// and its value, or "secret" for one whose value no file has. Of a skill each file
// is a key.
type doc map[string]string

func (d doc) clone() doc { return maps.Clone(d) }

func (d doc) equal(other doc) bool { return maps.Equal(d, other) }

func (d doc) with(key, value string) doc {
	d = d.clone()
	if value == "" {
		delete(d, key)
	} else {
		d[key] = value
	}
	return d
}

func (d doc) String() string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(d)) {
		fmt.Fprintf(&b, "%s=%s ", key, d[key])
	}
	return "{" + strings.TrimSuffix(b.String(), " ") + "}"
}

// modelKind is what the histories know of a kind.
type modelKind struct {
	kind     document.Kind
	table    string
	texts    []string            // keys with a text that edits mark; each is a column. They are never removed.
	list     string              // a key with a set, "" for none
	elements []string            // of the set
	choices  map[string][]string // keys with one of these JSON texts, or none
	env      bool                // it has entries that may be secret
	flips    bool                // ... and edits make them public or secret, on either side
	lines    bool                // a skill's texts have several lines, and its description may be edited in the column
	fixed    doc                 // what every document has
	unique   string              // a key whose value must tell one entity from another, "" for none
}

// The kinds whose edits the reference model understands to the letter: nothing refers to
// anything, and an entry of env stays what it is.
var (
	modelToolkits = &modelKind{kind: document.Toolkits, table: "toolkits", texts: []string{"name", "description"},
		list: "commands", elements: []string{"p", "q", "r", "s"}}
	modelSkills  = &modelKind{kind: document.Skills, table: "skills", texts: []string{"description", "body"}}
	modelServers = &modelKind{kind: document.MCPServers, table: "mcp_servers", texts: []string{"name", "description"}, env: true, fixed: doc{"type": "http"}, unique: "url"}
)

// The kinds as they are.
var (
	wholeToolkits = &modelKind{kind: document.Toolkits, table: "toolkits", texts: []string{"name", "description"}, list: "commands", elements: modelSlugs,
		choices: map[string][]string{"integrations": {`{"a":{}}`, `{"b":{"tools":["t"]}}`, `{"a":{"tools":"*"},"c":{"tools":["t","u"]}}`}, "skills": {`["a"]`, `["b","c"]`}}}
	wholeCommands = &modelKind{kind: document.Commands, table: "commands", texts: []string{"name", "description", "prompt"},
		choices: map[string][]string{"arguments": {`[{"name":"x"}]`, `[{"name":"x","required":true},{"name":"y"}]`}}}
	wholeSkills  = &modelKind{kind: document.Skills, table: "skills", texts: []string{"description", "body"}, lines: true}
	wholeServers = &modelKind{kind: document.MCPServers, table: "mcp_servers", texts: []string{"name", "description"}, env: true, flips: true, fixed: doc{"type": "http"}, unique: "url",
		choices: map[string][]string{"tools": {`{}`, `{"t":{"enabled":true}}`, `{"t":{},"u":{"enabled":false}}`}}}
)

func (k *modelKind) skills() bool { return k.kind == document.Skills }

// path is where an entity stands: a file, or a skill's directory.
func (k *modelKind) path(slug string) string {
	if k.skills() {
		return "skills/" + slug
	}
	return k.mainPath(slug)
}

// mainPath is the file that says what the entity is.
func (k *modelKind) mainPath(slug string) string {
	if k.skills() {
		return "skills/" + slug + "/" + document.SkillFile
	}
	return string(k.kind) + "/" + slug + ".json"
}

// slugOf is the slug of a path of the kind.
func (k *modelKind) slugOf(path string) (string, bool) {
	name, ok := strings.CutPrefix(path, string(k.kind)+"/")
	slug, isJSON := strings.CutSuffix(name, ".json")
	return slug, ok && isJSON && !strings.Contains(slug, "/")
}

// columns are those that hold the document.
func (k *modelKind) columns() []string {
	if k.skills() {
		return []string{"slug", "name", "description", "extra"}
	}
	columns := slices.Concat([]string{"slug"}, k.texts, slices.Sorted(maps.Keys(k.choices)), slices.Sorted(maps.Keys(k.fixed)))
	for _, column := range []string{k.list, k.unique} {
		if column != "" {
			columns = append(columns, column)
		}
	}
	if k.env {
		columns = append(columns, "env")
	}
	return append(columns, "extra")
}

// isJSON tells the columns that hold JSON from those with a text.
func (k *modelKind) isJSON(column string) bool {
	return column == k.list || column == "extra" || column == "env" || k.choices[column] != nil
}

// flatten makes a document of a file's top-level keys, or of a row's columns; secrets
// takes the values that a row has and a file must not have.
func flatten(top map[string]any, secrets map[string]string) doc {
	d := doc{}
	for key, value := range top {
		switch v := value.(type) {
		case nil:
		case string:
			if v != "" {
				d[key] = v
			}
		case []any:
			if len(v) > 0 {
				d[key] = encodeJSON(v)
			}
		case map[string]any:
			if key == "env" {
				for name, entry := range v {
					d["env."+name] = flattenEntry(name, entry, secrets)
				}
			} else if len(v) > 0 || key == "tools" {
				d[key] = encodeJSON(v)
			}
		default:
			d[key] = encodeJSON(v)
		}
	}
	return d
}

// flattenEntry reads an entry of env: in a row what does not say that it is public
// is secret, in a file it is the other way round.
func flattenEntry(name string, entry any, secrets map[string]string) string {
	object, isObject := entry.(map[string]any)
	if !isObject {
		object = map[string]any{"value": entry}
	}
	value, _ := object["value"].(string)
	if public := object["secret"] == false || secrets == nil && object["secret"] == nil; public {
		return "=" + value
	}
	if secrets != nil {
		secrets[name] = value
	}
	return "secret"
}

// file is the document as somebody writes it into a file.
func (d doc) file(indent string) string {
	top := map[string]any{}
	env := map[string]any{}
	for key, text := range d {
		name, isEntry := strings.CutPrefix(key, "env.")
		switch {
		case isEntry && text == "secret":
			env[name] = map[string]any{"secret": true}
		case isEntry:
			env[name] = text[1:]
		case strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{"):
			top[key] = json.RawMessage(text)
		default:
			top[key] = text
		}
	}
	if len(env) > 0 {
		top["env"] = env
	}
	text, err := json.MarshalIndent(top, "", indent)
	if err != nil {
		panic(err)
	}
	return string(text) + "\n"
}

// column is the document's part in a column of a row with these secrets, as a SQL literal.
func (d doc) column(column string, secrets map[string]string) string {
	object := map[string]any{}
	switch column {
	case "extra":
		for key, text := range d {
			if strings.HasPrefix(key, "x-") {
				object[key] = text
			}
		}
	case "env":
		for key, text := range d {
			name, isEntry := strings.CutPrefix(key, "env.")
			switch {
			case isEntry && text == "secret":
				object[name] = map[string]any{"value": secrets[name], "secret": true}
			case isEntry:
				object[name] = map[string]any{"value": text[1:], "secret": false}
			}
		}
	default:
		if d[column] == "" {
			return "NULL"
		}
		return quote(d[column])
	}
	if len(object) == 0 {
		return "NULL"
	}
	return quote(encodeJSON(object))
}

// list reads a set's elements, in order.
func (d doc) list(key string) []string {
	var elements []string
	_ = json.Unmarshal([]byte(d[key]), &elements)
	return elements
}

func listText(elements []string) string {
	if len(elements) == 0 {
		return ""
	}
	return encodeJSON(elements)
}

func encodeJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}
