package document

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Redact turns the stored form of a document into file form: secret entries of
// env and headers lose their values, forbidden keys go, normal form.
//
// It fails closed: an entry is public only if it is an object that says
// "secret": false. What has no shape that is known is a secret without
// anything to tell.
func Redact(stored *Document) *Document {
	d := &Document{Kind: stored.Kind, Slug: stored.Slug, Files: slices.Clone(stored.Files)}
	if stored.Fields != nil {
		d.Fields = make(map[string]any, len(stored.Fields))
	}
	for name, value := range stored.Fields {
		switch {
		case forbidden[name]:
		case holdsEntries(d.Kind, name):
			entries, _ := canonical(value)
			d.Fields[name] = redactEntries(entries)
		default:
			d.Fields[name] = canonicalValue(value)
		}
	}
	return d.normalizeOwn()
}

func redactEntries(value any) any {
	entries, ok := value.(map[string]any)
	if !ok {
		if isEmpty(value) {
			return nil
		}
		return false // tells nothing, and Validate refuses it
	}
	redacted := make(map[string]any, len(entries))
	for name, content := range entries {
		redacted[name] = redactEntry(content)
	}
	return redacted
}

// redactEntry shares nothing with the entry.
func redactEntry(content any) any {
	if isPublic(content) {
		public, _ := normalEntry(content)
		return canonicalValue(public)
	}
	redacted := map[string]any{}
	if entry, ok := content.(map[string]any); ok {
		for name, v := range entry {
			if tells(entry, name) {
				redacted[name] = canonicalValue(telling(name, v))
			}
		}
	}
	redacted["secret"] = true
	return redacted
}

// inSecret reports whether a key of a secret entry is part of the document. Any
// other is its side's own: in the database it may be a former value, so it never
// leaves and an import keeps it; in a file it stays where it is.
func inSecret(name string) bool {
	return entries.each.key(name) != nil || strings.HasPrefix(name, "x-")
}

// tells reports whether a key of a secret entry may leave.
func tells(entry map[string]any, name string) bool {
	return name == "required" || name == "description" || strings.HasPrefix(name, "x-") && knowsForm(entry)
}

// knowsForm reports whether an entry says itself that it is a secret, or has a
// value. One that does neither was written by somebody who knows nothing of the
// form: only what certainly is no value leaves.
func knowsForm(entry map[string]any) bool {
	_, has := entry["value"]
	return has || entry["secret"] == true
}

// telling is what a key of a secret entry may say. A description that is no text
// could be anything, so it tells nothing, and Validate refuses it.
func telling(name string, value any) any {
	_, isText := value.(string)
	_, isFlag := value.(bool)
	if value != nil && (name == "description" && !isText || name == "required" && !isFlag) {
		return json.Number("0")
	}
	return value
}

// isPublic reports whether a stored entry says itself that it is no secret.
func isPublic(content any) bool {
	entry, ok := content.(map[string]any)
	return ok && entry["secret"] == false
}

func isEmpty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// Absorb turns a file-form document into stored form: secret entries take what a
// file cannot carry, their values above all, from current, the stored form of the
// same row (nil for a new row). CheckSecrets must have found no problem.
func Absorb(file, current *Document) *Document {
	d := file.Clone().normalizeOwn()
	for _, name := range []string{"env", "headers"} {
		entries, ok := d.Fields[name].(map[string]any)
		if !ok || !holdsEntries(d.Kind, name) {
			continue
		}
		for entry, content := range entries {
			entries[entry] = absorbEntry(content, current.storedEntry(name, entry))
		}
	}
	return d
}

// absorbEntry is the stored form of a file's entry, which it may write to; held is the row's.
func absorbEntry(content, held any) any {
	switch v := content.(type) {
	case string:
		return map[string]any{"value": v, "secret": false}
	case map[string]any:
		if v["secret"] != true {
			v["secret"] = false
			return v
		}
		delete(v, "value")
		maps.Copy(v, withheld(held))
	}
	return content
}

// storedEntry is an entry in stored form, nil if there is none.
func (d *Document) storedEntry(name, entry string) any {
	if d == nil {
		return nil
	}
	entries, _ := d.Fields[name].(map[string]any)
	stored, _ := canonical(entries[entry])
	return stored
}

// withheld is a copy of what a stored entry has and a file cannot carry. What has no shape
// that is known is a value as a whole.
func withheld(held any) map[string]any {
	entry, ok := held.(map[string]any)
	switch {
	case held == nil:
		return nil
	case !ok || shapeless(entry):
		return map[string]any{"value": canonicalValue(held)}
	}
	kept := map[string]any{}
	for name, content := range entry {
		if !inSecret(name) || name == "value" && content != nil {
			kept[name] = canonicalValue(content)
		}
	}
	return kept
}

// shapeless reports whether an entry does not know the form and has more than
// what certainly is no value.
func shapeless(entry map[string]any) bool {
	if isPublic(entry) || knowsForm(entry) {
		return false
	}
	for name := range entry {
		if name != "secret" && !tells(entry, name) {
			return true
		}
	}
	return false
}

// CheckSecrets refuses a file that carries a value, a string or "secret": false
// for an entry that row (file form of the database's row; nil for none) holds as secret.
func CheckSecrets(file, row *Document) *Problem {
	if file == nil || row == nil {
		return nil
	}
	for _, name := range []string{"env", "headers"} {
		held, _ := row.Fields[name].(map[string]any)
		found, _ := file.Fields[name].(map[string]any)
		if !holdsEntries(file.Kind, name) {
			continue
		}
		for _, entry := range sortedKeys(found) {
			if isSecret(held[entry]) && !isBareSecret(found[entry]) {
				return broken(`is a secret in the database: a file must say "secret": true and hold no value; secrecy is lowered only in the database`).
					below(entry).below(name).problem()
			}
		}
	}
	return nil
}

// HasSecrets reports whether a document in stored form has an entry that is not public.
func HasSecrets(stored *Document) bool {
	for name, value := range stored.Fields {
		entries, _ := value.(map[string]any)
		for _, content := range entries {
			if holdsEntries(stored.Kind, name) && !isPublic(content) {
				return true
			}
		}
	}
	return false
}

// isSecret reports whether an entry in file form is a secret.
func isSecret(content any) bool {
	entry, ok := content.(map[string]any)
	return ok && entry["secret"] == true
}

// isBareSecret reports whether a file's entry says that it is a secret, and nothing of its value.
func isBareSecret(content any) bool {
	entry, _ := content.(map[string]any)
	return isSecret(content) && entry["value"] == nil
}
