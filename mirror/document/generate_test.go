package document

import (
	"encoding/json"
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// Generators of documents, and of the many ways to write one down.

var (
	anyText   = rapid.OneOf(rapid.SampledFrom([]string{"", "a", "b", "é \"\\/<&>\n\t", "\u2028😀\x01"}), rapid.StringN(0, 8, -1).Filter(func(s string) bool { return !strings.ContainsRune(s, 0) }))
	anyNumber = rapid.SampledFrom([]string{"0", "1", "-1", "100", "1.50", "0.00001", "123456789012345678901234567890"})
	someSlug  = rapid.SampledFrom([]string{"a", "b", "c", "d-e", "f"})
)

// anyValue draws any JSON value.
func anyValue(t *rapid.T, depth int) any {
	kinds := 6
	if depth <= 0 {
		kinds = 4
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "type") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return json.Number(anyNumber.Draw(t, "number"))
	case 3:
		return anyText.Draw(t, "text")
	case 4:
		list := make([]any, rapid.IntRange(0, 3).Draw(t, "length"))
		for i := range list {
			list[i] = anyValue(t, depth-1)
		}
		return list
	}
	object := map[string]any{}
	for range rapid.IntRange(0, 3).Draw(t, "size") {
		object[rapid.SampledFrom([]string{"a", "b", "c", "name", "value", "\"\n"}).Draw(t, "key")] = anyValue(t, depth-1)
	}
	return object
}

// valueOf draws a value that fits a schema, as far as its shape goes.
func valueOf(t *rapid.T, s *schema) any {
	switch s.shape {
	case text:
		if s.rule != nil {
			return rapid.SampledFrom([]string{"a", "b", "draft", "active", "http", "stdio", "https://x", "https://y"}).Filter(func(v string) bool { return s.rule.wrong(v) == "" }).Draw(t, "text")
		}
		if s.filled {
			return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "text")
		}
		return anyText.Draw(t, "text")
	case boolean:
		return rapid.Bool().Draw(t, "flag")
	case list:
		if s.star && rapid.IntRange(0, 4).Draw(t, "star") == 0 {
			return "*"
		}
		list, seen := []any{}, map[string]bool{}
		for range rapid.IntRange(0, 4).Draw(t, "length") {
			v := valueOf(t, s.each)
			if id := elementID(s, v); !seen[id] {
				seen[id] = true
				list = append(list, v)
			}
		}
		return list
	case record:
		if s.entry && rapid.Bool().Draw(t, "plain") {
			return anyText.Draw(t, "value")
		}
		return normalEntryOrRecord(s, recordOf(t, s))
	case table:
		object := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "size") {
			object[someSlug.Draw(t, "name")] = valueOf(t, s.each)
		}
		return object
	}
	return anyValue(t, 2)
}

func normalEntryOrRecord(s *schema, object map[string]any) any {
	if !s.entry {
		return object
	}
	if object["secret"] == true {
		delete(object, "value")
	}
	normal, _ := normalEntry(object)
	return normal
}

func recordOf(t *rapid.T, s *schema) map[string]any {
	object := map[string]any{}
	for _, k := range s.keys {
		if k.required || rapid.Bool().Draw(t, k.name+"?") {
			object[k.name] = valueOf(t, k.schema)
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "unknown") == 0 {
		object[rapid.SampledFrom([]string{"x-a", "$schema", "zz", "é"}).Draw(t, "key")] = anyValue(t, 2)
	}
	return object
}

var jsonKinds = rapid.SampledFrom([]Kind{Toolkits, Commands, MCPServers, MCPClients})

// documentOf draws a valid document of a JSON kind, in normal form.
func documentOf(t *rapid.T, k Kind) *Document {
	d := &Document{Kind: k, Slug: "a", Fields: recordOf(t, schemaOf(k))}
	d.Fields["slug"] = "a"
	if k == MCPServers {
		delete(d.Fields, "command")
		delete(d.Fields, "url")
		if d.Fields["type"] == "stdio" {
			d.Fields["command"] = "c"
		} else {
			d.Fields["url"] = "https://x"
		}
	}
	return d.Normalize()
}

// fileOf draws a way to write the document down that parses to it.
func fileOf(t *rapid.T, d *Document) []byte {
	w := &writer{t: t, newline: rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "newline"), layout: rapid.IntRange(0, 3).Draw(t, "layout"),
		unit: rapid.SampledFrom([]string{"  ", "\t", "    ", ""}).Draw(t, "unit"), colon: rapid.SampledFrom([]string{":", ": ", " : "}).Draw(t, "colon")}
	fields := map[string]any{}
	for name, value := range d.Fields {
		fields[name] = value
		if entries, ok := value.(map[string]any); ok && holdsEntries(d.Kind, name) {
			fields[name] = respelled(t, entries)
		}
	}
	for _, key := range schemaOf(d.Kind).keys {
		if _, has := fields[key.name]; !has && key.absent != nil && rapid.Bool().Draw(t, "default") {
			fields[key.name] = key.absent
		} else if !has && rapid.IntRange(0, 4).Draw(t, "null") == 0 {
			fields[key.name] = nil
		}
	}
	w.value(fields, 0)
	head := rapid.SampledFrom([]string{"", "\xef\xbb\xbf", "\n"}).Draw(t, "head")
	return []byte(head + w.String() + rapid.SampledFrom([]string{"", w.newline, "\n\n"}).Draw(t, "end"))
}

// respelled writes public entries in one of their spellings.
func respelled(t *rapid.T, entries map[string]any) map[string]any {
	out := map[string]any{}
	for name, content := range entries {
		out[name] = content
		object, _ := spelledOut(content).(map[string]any)
		if object == nil || !rapid.Bool().Draw(t, "object") {
			continue
		}
		entry := map[string]any{}
		for k, v := range object {
			entry[k] = v
		}
		if entry["secret"] == nil && rapid.Bool().Draw(t, "secret false") {
			entry["secret"] = false
		}
		if _, has := entry["value"]; !has && rapid.Bool().Draw(t, "value null") {
			entry["value"] = nil
		}
		out[name] = entry
	}
	return out
}

// writer writes JSON in many layouts: 0 on one line, 1 spread, 2 and 3 mixed.
type writer struct {
	strings.Builder
	t                    *rapid.T
	layout               int
	newline, unit, colon string
}

func (w *writer) value(value any, depth int) {
	switch v := value.(type) {
	case map[string]any:
		names := rapid.Permutation(sortedKeys(v)).Draw(w.t, "order")
		w.items(len(names), "{", "}", depth, func(i int) {
			w.value(names[i], depth)
			w.WriteString(w.colon)
			w.value(v[names[i]], depth+1)
		})
	case []any:
		w.items(len(v), "[", "]", depth, func(i int) { w.value(v[i], depth+1) })
	case string:
		if rapid.IntRange(0, 5).Draw(w.t, "escaped") > 0 {
			w.Write(appendString(nil, v))
			return
		}
		data, _ := json.Marshal(v)
		w.Write(data)
	case json.Number:
		w.WriteString(map[string]string{"100": "1e2", "0": "-0", "1.50": "15.0e-1", "0.00001": "1E-5"}[string(v)])
		if v != "100" && v != "0" && v != "1.50" && v != "0.00001" {
			w.WriteString(string(v))
		}
	default:
		fmt.Fprint(w, map[any]string{nil: "null", true: "true", false: "false"}[v])
	}
}

func (w *writer) items(n int, opening, closing string, depth int, item func(int)) {
	spread := w.layout == 1 || w.layout == 2 && rapid.Bool().Draw(w.t, "spread") || w.layout == 3 && depth == 0
	w.WriteString(opening)
	for i := range n {
		if i > 0 {
			w.WriteString(",")
		}
		if spread {
			w.WriteString(w.newline + strings.Repeat(w.unit, depth+1))
		} else if i > 0 && w.layout > 0 {
			w.WriteString(" ")
		}
		item(i)
	}
	if spread && n > 0 {
		w.WriteString(w.newline + strings.Repeat(w.unit, depth))
	}
	w.WriteString(closing)
}
