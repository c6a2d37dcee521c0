package db

import (
	"context"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Servers tells of the organization's own live MCP servers with these slugs. A
// server that breaks a rule counts: it is there.
func (d *DB) Servers(ctx context.Context, m *mirror.Mirror, slugs []string) (map[string]document.Server, error) {
	servers := make(map[string]document.Server, len(slugs))
	if len(slugs) == 0 {
		return servers, nil
	}
	t := tables[document.MCPServers]
	tx := d.gorm.WithContext(ctx).Select("id", "slug", "tools")
	rows, err := d.load(tx, m.OrganizationID, t, t.holding(d, slugs))
	if err != nil {
		return nil, d.fault(err)
	}
	for _, r := range rows {
		servers[r.document.Slug] = r.document.ServerFacts()
	}
	return servers, nil
}
