package web

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror/document"
)

// Keys of an entity's body that are no part of its document.
var (
	writeOnly = []string{"owner_id", "auth", "client_id", "client_secret", "updated_by"}
	// readOnly is what a read answers beside the document. It is accepted, so that what
	// was read can be edited and written back, and ignored.
	readOnly = []string{"id", "git_integration", "created_at", "updated_at", "auth_set", "client_id_set", "client_secret_set"}
	// skillKeys are a skill's; name and description follow SKILL.md.
	skillKeys = []string{"slug", "files", "name", "description"}
)

// bodyLimit bounds an entity's body: JSON's escapes and base64 make a document larger than its files.
func bodyLimit(k document.Kind, limits document.Limits) int64 {
	if k == document.Skills {
		return 2*limits.MaxSkillSize + 1<<20
	}
	return 2*limits.MaxFileSize + 64<<10
}

// entityWrite reads the body of a PUT.
func (c *call) entityWrite(limits document.Limits) (w db.EntityWrite, err error) {
	body, err := c.body(bodyLimit(c.kind, limits))
	if err != nil {
		return w, err
	}
	doc, problem := document.UnmarshalDocument(c.kind, body, limits)
	if problem != nil {
		return w, problem
	}
	// It is an object now, without duplicate keys.
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), &keys); err != nil {
		return w, &document.Problem{Code: document.InvalidJSON, Message: "the body is not JSON"}
	}
	for _, name := range slices.Concat(writeOnly, readOnly) {
		delete(doc.Fields, name)
	}
	if c.kind == document.Skills {
		if err := skillForm(keys); err != nil {
			return w, err
		}
	}
	w = db.EntityWrite{Document: doc, IfMatch: c.ifMatch(), IfNoneMatch: c.Header.Get("If-None-Match") == "*"}
	if raw, given := keys["auth"]; given {
		w.Auth = db.Some(raw)
	}
	author := db.Optional[string]{}
	for name, at := range map[string]*db.Optional[string]{
		"owner_id": &w.OwnerID, "client_id": &w.ClientID, "client_secret": &w.ClientSecret, "updated_by": &author,
	} {
		if *at, err = optionalText(keys, name); err != nil {
			return w, err
		}
	}
	w.UpdatedBy = author.Value
	if w.OwnerID.Given && c.kind == document.MCPClients && (w.OwnerID.Value == nil || *w.OwnerID.Value == "") {
		w.OwnerID = db.Optional[string]{} // what a read answers
	}
	return w, nil
}

// optionalText is a key's string; null clears.
func optionalText(keys map[string]json.RawMessage, name string) (db.Optional[string], error) {
	raw, given := keys[name]
	if !given {
		return db.Optional[string]{}, nil
	}
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil {
		return db.Optional[string]{}, document.Invalid("%s: must be a string or null", name)
	}
	return db.Optional[string]{Given: true, Value: text}, nil
}

// skillForm refuses what a skill's body cannot have: everything in it but its files
// would be lost without a word.
func skillForm(keys map[string]json.RawMessage) error {
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		if !slices.Contains(slices.Concat(skillKeys, writeOnly, readOnly), name) {
			return document.Invalid("%q: a skill has slug and files; everything else stands in SKILL.md", shorten(name))
		}
	}
	if raw, given := keys["slug"]; given {
		var slug string
		if err := json.Unmarshal(raw, &slug); err != nil || slug == "" {
			return document.Invalid("slug: must be a string")
		}
	}
	return nil
}
