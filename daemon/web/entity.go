package web

import (
	"encoding/json"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// entity is one entity as the API shows it: the document's keys at the top level,
// then what the database adds. Nothing that is secret is in it.
type entity struct {
	document *document.Document
	about    about
}

// about is what the database adds to a document.
type about struct {
	// Name and Description are a skill's, out of SKILL.md; other kinds have them in the document.
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty"`

	ID             string                 `json:"id"`
	GitIntegration *mirror.GitIntegration `json:"git_integration"`
	OwnerID        *string                `json:"owner_id"`
	UpdatedBy      *string                `json:"updated_by"`
	CreatedAt      time.Time              `json:"created_at"`
	UpdatedAt      time.Time              `json:"updated_at"`
	// What is write-only: whether there is any.
	AuthSet         *bool `json:"auth_set,omitempty"`
	ClientIDSet     *bool `json:"client_id_set,omitempty"`
	ClientSecretSet *bool `json:"client_secret_set,omitempty"`
}

func showEntity(row *db.Entity) *entity {
	e := &entity{document: row.Document, about: about{
		ID: row.ID, OwnerID: row.OwnerID, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}}
	if row.UpdatedBy != "" {
		e.about.UpdatedBy = &row.UpdatedBy
	}
	if row.Integration != (mirror.GitIntegration{}) {
		e.about.GitIntegration = &row.Integration
	}
	switch row.Kind {
	case document.MCPServers:
		e.document = ShowSecrets(row)
		e.about.AuthSet = &row.HasAuth
	case document.MCPClients:
		e.about.ClientIDSet, e.about.ClientSecretSet = &row.HasClientID, &row.HasClientSecret
	case document.Skills:
		name, description := row.Document.Frontmatter()
		e.about.Name, e.about.Description = &name, &description
	}
	return e
}

// ShowSecrets is an entity's document for people: each secret entry tells whether it has a
// value.
func ShowSecrets(row *db.Entity) *document.Document {
	shown := row.Document.Clone()
	for _, key := range []string{"env", "headers"} {
		entries, _ := shown.Fields[key].(map[string]any)
		for name, value := range entries {
			entry, ok := value.(map[string]any)
			if set, secret := row.Secrets[key+"/"+name]; ok && secret {
				delete(entry, "value") // the file form has none; whatever that is, it is not shown
				entry["set"] = set
			}
		}
	}
	return shown
}

// MarshalJSON joins both into one object.
func (e *entity) MarshalJSON() ([]byte, error) {
	body, err := e.document.MarshalJSON() // json.Marshal would write < as \u003c
	if err != nil {
		return nil, err
	}
	about, err := json.Marshal(e.about)
	if err != nil {
		return nil, err
	}
	body = body[:len(body)-1]
	if len(body) > 1 {
		body = append(body, ',')
	}
	return append(body, about[1:]...), nil
}
