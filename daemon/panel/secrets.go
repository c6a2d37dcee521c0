package panel

import (
	"maps"
	"strings"

	"github.com/confmirror/confmirror/mirror/document"
)

// notShown stands for what a file says at a place where a secret may be.
const notShown = "(not shown: it may be a secret)"

// withoutSecrets is a document for people, whatever it says: secret entries have no values, and
// what no file may hold is only named. secrets are the row's, by "env/NAME".
func withoutSecrets(d *document.Document, secrets map[string]bool) *document.Document {
	d = d.Clone()
	for name := range d.Fields {
		if document.Forbidden(name) {
			d.Fields[name] = notShown
		}
	}
	if d.Kind != document.MCPServers {
		return d
	}
	for _, key := range []string{"env", "headers"} {
		entries, ok := d.Fields[key].(map[string]any)
		if !ok {
			if d.Fields[key] != nil {
				d.Fields[key] = notShown
			}
			continue
		}
		for name, value := range entries {
			_, secret := secrets[key+"/"+name]
			entries[name] = entryWithoutSecret(value, secret)
		}
	}
	return d
}

// entryWithoutSecret is one of env or headers; secret: the database holds it as one.
func entryWithoutSecret(value any, secret bool) any {
	switch value := value.(type) {
	case string:
		if !secret {
			return value
		}
	case map[string]any:
		if secret || value["secret"] != false && value["secret"] != nil {
			maps.DeleteFunc(value, func(name string, _ any) bool {
				return name != "secret" && name != "required" && name != "description" && !strings.HasPrefix(name, "x-")
			})
		}
		return value
	}
	return notShown
}

// mayHoldSecrets reports whether a file of a kind that cannot be understood is better not shown.
func mayHoldSecrets(k document.Kind) bool {
	return k == document.MCPServers || k == document.MCPClients
}
