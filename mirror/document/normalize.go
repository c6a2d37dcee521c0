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
	d.Fields = canonicalValue(d.Fields).(map[string]any)
	return d.normalizeOwn()
}

// normalizeOwn is Normalize for a document that shares its fields with nobody.
func (d *Document) normalizeOwn() *Document {
	if d.Kind == Skills {
		return d.Normalize()
	}
	d.Fields = nonNil(d.Fields)
	makeNormal(d.Kind, d.Fields)
	if _, has := d.Fields["slug"]; !has && d.Slug != "" {
		d.Fields["slug"] = d.Slug
	}
	return d
}

// normal is d in normal form; it shares what is normal with d, and is to be looked at.
func (d *Document) normal() *Document {
	return (&Document{Kind: d.Kind, Slug: d.Slug, Files: d.Files, Fields: maps.Clone(d.Fields)}).normalizeOwn()
}

// normalFields is the normal form of a file's top-level keys. It changes nothing in
// fields, and shares the values that are normal with it: it is to be looked at.
func normalFields(k Kind, fields map[string]any) map[string]any {
	normal := nonNil(maps.Clone(fields))
	makeNormal(k, normal)
	return normal
}

// makeNormal gives top-level keys their normal form; their values stay untouched. What is
// normal is not written again: a full map grows when it is written to.
func makeNormal(k Kind, fields map[string]any) {
	for name, value := range fields {
		switch normal, present, changed := normalField(k, name, value); {
		case !present:
			delete(fields, name)
		case changed:
			fields[name] = normal
		}
	}
}

// normalField is the normal form of one top-level key's value, which shares what is normal
// with it; present is false if the key stands for nothing.
func normalField(k Kind, name string, value any) (normal any, present, changed bool) {
	normal, changed = canonical(value)
	key := schemaOf(k).key(name)
	switch v := normal.(type) {
	case nil:
		return nil, false, true
	case string:
		if v == "" {
			return nil, false, true
		}
		if key != nil && key.schema.alias[v] != "" {
			normal, changed = key.schema.alias[v], true
		}
	case []any:
		// An empty array is no way to say "has none": Validate refuses it.
		if len(v) == 0 && !saysNone(k, name) {
			return nil, false, true
		}
	case map[string]any:
		if len(v) == 0 && !saysNone(k, name) {
			return nil, false, true
		}
		if holdsEntries(k, name) {
			entries, other := normalEntries(v)
			normal, changed = entries, changed || other
		}
	}
	if key != nil && key.absent != nil && key.absent == normal {
		return nil, false, true
	}
	return normal, true, changed
}

// saysNone reports whether an empty value of a top-level key says something
// other than its absence.
func saysNone(k Kind, name string) bool { return k == MCPServers && name == "tools" }

// holdsEntries reports whether a top-level key holds values that may be secret.
func holdsEntries(k Kind, name string) bool {
	return k == MCPServers && (name == "env" || name == "headers")
}

// normalEntries is the normal form of env or headers of a file: the same map where all
// entries are normal.
func normalEntries(entries map[string]any) (normal map[string]any, changed bool) {
	return rewritten(entries, normalEntry)
}

// rewritten is an object with each value in the form that f gives it: the same map where
// f changes none.
func rewritten(object map[string]any, f func(value any) (form any, changed bool)) (result map[string]any, changed bool) {
	result = object
	for name, value := range object {
		if form, other := f(value); other {
			if !changed {
				result, changed = maps.Clone(object), true
			}
			result[name] = form
		}
	}
	return result, changed
}

// normalEntry is the normal form of one of them: the entry itself where that is normal.
func normalEntry(content any) (normal any, changed bool) {
	entry, ok := content.(map[string]any)
	if !ok {
		return content, false
	}
	secret := entry["secret"] == true
	goes := func(name string, v any) bool {
		return name == "value" && v == nil || name == "secret" && v == false || secret && !inSecret(name)
	}
	for name, v := range entry {
		if goes(name, v) {
			entry, changed = maps.Clone(entry), true
			maps.DeleteFunc(entry, goes)
			break
		}
	}
	if value, public := entry["value"].(string); public && len(entry) == 1 {
		return value, true
	}
	return entry, changed
}

// canonical is canonicalValue without a copy of what is canonical as it stands.
func canonical(value any) (form any, changed bool) {
	switch v := value.(type) {
	case nil, bool, string:
		return v, false
	case json.Number:
		if text := canonicalLiteral(string(v)); text != string(v) {
			return json.Number(text), true
		}
		return value, false
	case []any:
		list, changed := v, v == nil
		for i, e := range v {
			if form, other := canonical(e); other {
				if !changed {
					list, changed = slices.Clone(v), true
				}
				list[i] = form
			}
		}
		if v == nil {
			list = []any{}
		}
		return list, changed
	case map[string]any:
		return rewritten(v, canonical)
	}
	return canonicalValue(value), true
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
