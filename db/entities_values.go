package db

import (
	"maps"
	"slices"

	"github.com/confmirror/confmirror/mirror/document"
)

// entryKeys are the keys of an MCP server whose entries may be secret.
var entryKeys = []string{"env", "headers"}

// entryValues are the values that a write carries for secret entries, by
// "env/NAME": nil clears, an absent one keeps what the row holds.
type entryValues map[string]*string

// takeValues turns a document as the API sends it into file form and the secret
// values that came with it. current is the file form of the row, nil for a new one.
//
// The database is where secrecy is lowered, but only by saying so: "secret":
// false with the value to publish. A string, or an object that does not mention
// secret, for an entry that is a secret would publish by accident, and is refused.
func takeValues(sent, current *document.Document) (*document.Document, entryValues, *document.Problem) {
	file, values := sent.Clone(), entryValues{}
	for _, key := range entryKeys {
		entries, ok := file.Fields[key].(map[string]any)
		if !ok || file.Kind != document.MCPServers {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			held := isSecretEntry(current, key, name)
			entry, ok := entries[name].(map[string]any)
			if !ok {
				if held {
					return nil, nil, document.Invalid(`%s: %q is a secret: write {"secret": true, "value": ...} to change it, {"secret": false, "value": ...} to make it public`, key, name)
				}
				continue
			}
			delete(entry, "set") // what a read answered instead of the value
			secret, said := entry["secret"]
			value, sent := entry["value"]
			switch {
			case secret == true:
				text, isText := value.(string)
				if sent && value != nil && !isText {
					return nil, nil, document.Invalid("%s: %q: value must be a string", key, name)
				}
				if isText {
					values[key+"/"+name] = &text
				} else if sent {
					values[key+"/"+name] = nil
				}
				delete(entry, "value")
			case held && !said:
				return nil, nil, document.Invalid(`%s: %q is a secret: say "secret": true to keep it one, or "secret": false with its value to make it public`, key, name)
			case held && value == nil:
				return nil, nil, document.Invalid(`%s: %q is a secret: making it public needs its value in the same request`, key, name)
			}
		}
	}
	return file, values, nil
}

// said are the entries whose values a request names or clears, by "env/NAME": the
// secret ones, and the public ones of its document in file form.
func (values entryValues) said(file *document.Document) []string {
	said := slices.Collect(maps.Keys(values))
	for _, key := range entryKeys {
		entries, _ := file.Fields[key].(map[string]any)
		for name, content := range entries {
			_, isText := content.(string)
			entry, _ := content.(map[string]any)
			if isText || entry["value"] != nil {
				said = append(said, key+"/"+name)
			}
		}
	}
	return said
}

// isSecretEntry reports whether a document in file form has the entry as a secret.
func isSecretEntry(file *document.Document, key, name string) bool {
	if file == nil {
		return false
	}
	entries, _ := file.Fields[key].(map[string]any)
	entry, _ := entries[name].(map[string]any)
	return entry["secret"] == true
}

// putInto writes the values into a document in stored form.
func (values entryValues) putInto(stored *document.Document) {
	for _, key := range entryKeys {
		entries, _ := stored.Fields[key].(map[string]any)
		for name, content := range entries {
			value, given := values[key+"/"+name]
			entry, ok := content.(map[string]any)
			if !given || !ok {
				continue
			}
			if value == nil {
				delete(entry, "value")
			} else {
				entry["value"] = *value
			}
		}
	}
}

// secretsOf tells which secret entries a document has, by "env/NAME", and
// whether the stored form holds a value for them.
func secretsOf(stored, file *document.Document) map[string]bool {
	secrets := map[string]bool{}
	for _, key := range entryKeys {
		shown, _ := file.Fields[key].(map[string]any)
		held, _ := stored.Fields[key].(map[string]any)
		for name := range shown {
			if !isSecretEntry(file, key, name) {
				continue
			}
			value := held[name] // a bare string, written by another program, is a secret
			if entry, ok := value.(map[string]any); ok {
				value = entry["value"]
			}
			secrets[key+"/"+name] = value != nil && value != ""
		}
	}
	return secrets
}

// CheckEntity says what is wrong with a document that somebody is about to write, as far as
// it can be told without what is stored.
func (d *DB) CheckEntity(sent *document.Document) *document.Problem {
	file, _, problem := takeValues(sent, &document.Document{Kind: sent.Kind})
	if problem != nil {
		return problem
	}
	return file.Validate(*d.limits.Load())
}
