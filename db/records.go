package db

import (
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror/document"
)

// cell is one content column of a row: its name, which is also the key in the
// document, and where the model keeps it (a **string, *flag or *jsonColumn).
type cell struct {
	column string
	at     any
}

// record is a row of any of the five kinds.
type record interface {
	entity() *entityColumns
	// owned is nil for mcp-clients, which have no owner.
	owned() *ownedColumns
	// cells are the columns that the document is made of (but slug, extra and a skill's files).
	cells() []cell
	// secrets are columns that never leave the database and that an import leaves alone.
	secrets() []cell
}

func (r *toolkitRow) entity() *entityColumns { return &r.Entity }
func (r *commandRow) entity() *entityColumns { return &r.Entity }
func (r *serverRow) entity() *entityColumns  { return &r.Entity }
func (r *clientRow) entity() *entityColumns  { return &r.Entity }
func (r *skillRow) entity() *entityColumns   { return &r.Entity }

func (r *toolkitRow) owned() *ownedColumns { return &r.Owned }
func (r *commandRow) owned() *ownedColumns { return &r.Owned }
func (r *serverRow) owned() *ownedColumns  { return &r.Owned }
func (r *clientRow) owned() *ownedColumns  { return nil }
func (r *skillRow) owned() *ownedColumns   { return &r.Owned }

func (r *toolkitRow) secrets() []cell { return nil }
func (r *commandRow) secrets() []cell { return nil }
func (r *serverRow) secrets() []cell  { return []cell{{"auth", &r.Auth}} }
func (r *clientRow) secrets() []cell {
	return []cell{{"client_id", &r.ClientID}, {"client_secret", &r.ClientSecret}}
}
func (r *skillRow) secrets() []cell { return nil }

func (r *toolkitRow) cells() []cell {
	return []cell{
		{"name", &r.Entity.Name}, {"description", &r.Entity.Description}, {"status", &r.Owned.Status},
		{"least_privilege", &r.LeastPrivilege},
		{"integrations", &r.Integrations}, {"skills", &r.Skills}, {"commands", &r.Commands},
	}
}

func (r *commandRow) cells() []cell {
	return []cell{
		{"name", &r.Entity.Name}, {"description", &r.Entity.Description}, {"status", &r.Owned.Status},
		{"prompt", &r.Prompt}, {"arguments", &r.Arguments},
	}
}

func (r *serverRow) cells() []cell {
	return []cell{
		{"name", &r.Entity.Name}, {"description", &r.Entity.Description}, {"status", &r.Owned.Status},
		{"type", &r.Type}, {"command", &r.Command}, {"args", &r.Args}, {"url", &r.URL},
		{"env", &r.Env}, {"headers", &r.Headers}, {"tools", &r.Tools},
	}
}

func (r *clientRow) cells() []cell {
	return []cell{
		{"name", &r.Entity.Name}, {"description", &r.Entity.Description},
		{"enabled", &r.Enabled}, {"client_uri", &r.ClientURI}, {"logo_uri", &r.LogoURI},
		{"redirect_uris", &r.RedirectURIs}, {"grant_types", &r.GrantTypes}, {"response_types", &r.ResponseTypes},
		{"token_endpoint_auth_method", &r.TokenEndpointAuthMethod}, {"scope", &r.Scope},
	}
}

// A skill's name and description follow SKILL.md.
func (r *skillRow) cells() []cell {
	return []cell{{"name", &r.Entity.Name}, {"description", &r.Entity.Description}}
}

// table is where a kind lives.
type table struct {
	kind   document.Kind
	name   string
	blank  func() record
	copy   func(record) record
	find   func(*gorm.DB) ([]record, error)
	create func(*gorm.DB, []record) error
}

var tables = map[document.Kind]*table{
	document.Toolkits:   tableOf[toolkitRow](document.Toolkits, "toolkits"),
	document.Commands:   tableOf[commandRow](document.Commands, "commands"),
	document.MCPServers: tableOf[serverRow](document.MCPServers, "mcp_servers"),
	document.MCPClients: tableOf[clientRow](document.MCPClients, "mcp_clients"),
	document.Skills:     tableOf[skillRow](document.Skills, "skills"),
}

// createBatch rows go into one INSERT: the widest table stays below SQLite's 32,766 parameters.
const createBatch = 500

func tableOf[T any, P interface {
	*T
	record
}](kind document.Kind, name string,
) *table {
	return &table{
		kind:  kind,
		name:  name,
		blank: func() record { return P(new(T)) },
		copy:  func(r record) record { c := *r.(P); return P(&c) },
		find: func(tx *gorm.DB) ([]record, error) {
			var rows []T
			if err := tx.Find(&rows).Error; err != nil {
				return nil, err
			}
			records := make([]record, len(rows))
			for i := range rows {
				records[i] = P(&rows[i])
			}
			return records, nil
		},
		create: func(tx *gorm.DB, records []record) error {
			rows := make([]P, len(records))
			for i, r := range records {
				rows[i] = r.(P)
			}
			return tx.CreateInBatches(rows, createBatch).Error
		},
	}
}

// owner is the row's owner, nil for the organization's own.
func owner(r record) *string {
	if owned := r.owned(); owned != nil {
		return owned.OwnerID
	}
	return nil
}

// hasOwners reports whether rows of the kind may be private.
func (t *table) hasOwners() bool { return t.kind != document.MCPClients }

// ours is the condition for the organization's own rows.
func (t *table) ours() clause.Expression {
	if t.hasOwners() {
		return clause.Expr{SQL: "owner_id IS NULL"}
	}
	return clause.Expr{SQL: "1 = 1"}
}

// holding is the condition for the organization's own live rows with these slugs. It is
// said so that PostgreSQL cannot take the index on live slugs for it, which has the owner
// before the slug: it would use its beginning only, and read them all.
func (t *table) holding(d *DB, slugs []string) clause.Expression {
	return clause.And(t.ours(), clause.Expr{SQL: "(deleted_at IS NULL) IS TRUE"}, d.inText("slug", slugs))
}

// live is the condition for rows that are not soft-deleted.
var live = clause.Expr{SQL: "deleted_at IS NULL"}
