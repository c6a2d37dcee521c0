package db

import (
	"testing"

	"github.com/confmirror/confmirror/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// each runs a test on a fresh, migrated database of each kind.
func each(t *testing.T, test func(t *testing.T, d *DB)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, target dbtest.Target) {
		d := open(t, target)
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		test(t, d)
	})
}

// newOrganization makes an organization and returns its id.
func newOrganization(t testing.TB, d *DB, slug string) string {
	t.Helper()
	o, err := d.CreateOrganization(t.Context(), slug, "")
	if err != nil {
		t.Fatal(err)
	}
	return o.ID
}
