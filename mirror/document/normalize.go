package document

import (
	"encoding/json"
	"maps"
	"slices"
	"sort"
)

// Normalize brings Fields into the normal form that Document describes, sorts Files; it returns d.
//
// Within env and headers the normal form of a public entry is its plain string
// if it has nothing but a value, else an object without "secret"; a secret entry
// is an object with "secret": true and no keys but those that inSecret names.
// "value": null is no value. The stored form
// has no normal form: there an entry that does not say "secret": false is secret.
func (d *Document) Normalize() *Document {
	if d.Kind == Skills {
		if !sort.SliceIsSorted(d.Files, func(i, j int) bool { return d.Files[i].Path < d.Files[j].Path }) {
			d.Files = slices.Clone(d.Files)
			sort.SliceStable(d.Files, func(i, j int) bool { return d.Files[i].Path < d.Files[j].Path })
		}
		return d
	}
	d.Fields = normalFields(d.Kind, d.Fields)
	if _, has := d.Fields["slug"]; !has && d.Slug != "" {
		d.Fields["slug"] = d.Slug
	}
	return d
}

// normalFields is the normal form of a file's top-level keys; it shares nothing
// with fields that it would have to change.
func normalFields(k Kind, fields map[string]any) map[string]any {
	normal := make(map[string]any, len(fields))
	for name, value := range fields {
		if v, present := normalField(k, name, value); present {
			normal[name] = v
		}
	}
	return normal
}

// normalField is the normal form of one top-level key's value; present is false
// if the key stands for nothing.
func normalField(k Kind, name string, value any) (normal any, present bool) {
	normal = canonicalValue(value)
	switch v := normal.(type) {
	case nil:
		return nil, false
	case string:
		if v == "" {
			return nil, false
		}
		if k == MCPServers && name == "type" && v == "streamable-http" {
			normal = "http"
		}
	case []any:
		// An empty array is no way to say "has none": Validate refuses it.
		if len(v) == 0 && !saysNone(k, name) {
			return nil, false
		}
	case map[string]any:
		if len(v) == 0 && !saysNone(k, name) {
			return nil, false
		}
		if holdsEntries(k, name) {
			for entry, content := range v { // v is canonicalValue's own copy
				v[entry] = normalEntry(content)
			}
		}
	}
	if key := schemaOf(k).key(name); key != nil && key.absent != nil && key.absent == normal {
		return nil, false
	}
	return normal, true
}

// saysNone reports whether an empty value of a top-level key says something
// other than its absence.
func saysNone(k Kind, name string) bool { return k == MCPServers && name == "tools" }

// holdsEntries reports whether a top-level key holds values that may be secret.
func holdsEntries(k Kind, name string) bool {
	return k == MCPServers && (name == "env" || name == "headers")
}

// normalEntry is the normal form of one env or headers entry of a file.
func normalEntry(content any) any {
	entry, ok := content.(map[string]any)
	if !ok {
		return content
	}
	entry = maps.Clone(entry)
	if value, has := entry["value"]; has && value == nil {
		delete(entry, "value")
	}
	switch entry["secret"] {
	case false:
		delete(entry, "secret")
	case true:
		maps.DeleteFunc(entry, func(name string, _ any) bool { return !inSecret(name) })
	}
	if value, public := entry["value"].(string); public && len(entry) == 1 {
		return value
	}
	return entry
}

// canonicalValue copies a JSON value deeply with its numbers in canonical form.
// What is no JSON value of the documented types becomes one, or null.
func canonicalValue(value any) any {
	switch v := value.(type) {
	case nil, bool, string:
		return v
	case json.Number:
		return json.Number(canonicalLiteral(string(v)))
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = canonicalValue(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, e := range v {
			out[name] = canonicalValue(e)
		}
		return out
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	root, bad := parseJSON(data, fileDepth)
	if bad != nil {
		return nil
	}
	return root.any()
}

// Clone copies the document deeply (file contents are shared: they are never written to).
func (d *Document) Clone() *Document {
	if d == nil {
		return nil
	}
	c := &Document{Kind: d.Kind, Slug: d.Slug, Files: slices.Clone(d.Files)}
	if d.Fields != nil {
		c.Fields = canonicalValue(d.Fields).(map[string]any)
	}
	return c
}

// Name is the document's display name (skills: the slug).
func (d *Document) Name() string {
	if name, ok := d.Fields["name"].(string); ok && name != "" {
		return name
	}
	return d.Slug
}

// UnknownKeys lists d's top-level keys that the kind does not define, sorted.
func (d *Document) UnknownKeys() []string {
	var names []string
	for _, name := range sortedKeys(d.Fields) {
		if schemaOf(d.Kind).key(name) == nil {
			names = append(names, name)
		}
	}
	return names
}

// MayHold reports whether a document of the kind may have a top-level key that the kind
// does not define: not one that it defines, nor one that never stands in a file.
func MayHold(k Kind, key string) bool { return !forbidden[key] && schemaOf(k).key(key) == nil }

// DropUnknown removes unknown top-level keys for which keep is false. Keys that
// begin with "x-" or "$" always stay.
func (d *Document) DropUnknown(keep func(key string) bool) {
	for _, name := range d.UnknownKeys() {
		if name[:min(2, len(name))] == "x-" || name[:min(1, len(name))] == "$" || keep != nil && keep(name) {
			continue
		}
		delete(d.Fields, name)
	}
}
