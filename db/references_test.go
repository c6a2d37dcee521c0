package db

import (
	"testing"

	"github.com/confmirror/confmirror/db/dbtest"
)

// What toolkits named before there was a table for it is in the table.
func TestUpgradeKnowsWhatToolkitsName(t *testing.T) {
	target := dbtest.Target{Dialect: "sqlite", DataDir: t.TempDir()}
	d := open(t, target)
	provider, err := d.migrator()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, db: d, dataDir: target.DataDir}
	w.exec(`INSERT INTO organizations (id, slug) VALUES ('o', 'acme')`)
	w.exec(`INSERT INTO toolkits (id, organization_id, slug, integrations, commands, skills)
		VALUES ('t', 'o', 'a', '{"github": {}}', '["ship", 1, null]', '["write"]'), ('u', 'o', 'b', '{broken', NULL, '[]')`)
	w.ok(d.Migrate(t.Context()))
	w.equal(w.text(`SELECT group_concat(toolkit_id || ' ' || kind || ' ' || slug, ', ') FROM (SELECT * FROM mirror_references ORDER BY kind)`),
		"t commands ship, t mcp-servers github, t skills write")
}
