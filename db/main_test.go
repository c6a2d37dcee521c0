package db

import (
	"context"
	"testing"

	"github.com/confmirror/confmirror/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// migrated is what most tests start from.
var migrated = dbtest.Template{Prepare: func(target dbtest.Target) error {
	d, err := Open(context.Background(), Options{URL: target.URL, DataDir: target.DataDir})
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Migrate(context.Background())
}}

// each runs a test on a fresh, migrated database of each kind.
func each(t *testing.T, test func(t *testing.T, d *DB)) {
	t.Helper()
	migrated.Each(t, func(t *testing.T, target dbtest.Target) { test(t, open(t, target)) })
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
