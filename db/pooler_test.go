package db

import (
	"strings"
	"sync"
	"testing"

	"github.com/confmirror/confmirror/db/dbtest"
)

// Behind a pooler in transaction mode no session is one's own: the schema is made all the same,
// also by several at once, and edits are found by polling.
func TestBehindAPooler(t *testing.T) {
	direct := dbtest.Postgres(t)
	target := dbtest.Target{Dialect: "postgres", URL: dbtest.Pooler(t, direct)}
	d := open(t, target)
	if !d.pooled {
		t.Fatal("the pooler was not noticed")
	}
	var together sync.WaitGroup
	for range 4 {
		together.Go(func() {
			if err := d.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	together.Wait()
	id := connect(t, d, "acme")
	settled(t, d)
	w := watch(t, d, true)
	insert(t, d, id, "a")
	w.tick()
	if woken := w.next(); woken != id {
		t.Errorf("woken %s", woken)
	}
	var held int
	if err := d.sql.QueryRow("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").Scan(&held); err != nil || held > 0 {
		t.Errorf("%d locks are left (%v)", held, err)
	}
}

// Statements work whichever server process they come to.
func TestStatementsBehindAPooler(t *testing.T) {
	d := open(t, dbtest.Target{Dialect: "postgres", URL: dbtest.Pooler(t, dbtest.Postgres(t))})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 20 {
				var got string
				if err := d.sql.QueryRow("SELECT $1 || $2", "a", strings.Repeat("b", i)).Scan(&got); err != nil || len(got) != i+1 {
					t.Errorf("%q (%v)", got, err)
				}
			}
		})
	}
	all.Wait()
}

func TestNoPooler(t *testing.T) {
	if d := postgresDB(t); d.pooled {
		t.Error("PostgreSQL itself was taken for a pooler")
	}
}
