package daemon_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/confmirror/confmirror/db/dbtest"
)

// BenchmarkPages asks for each page of an organization of 10,000 entities in sync, of which
// a hundred are then failing and a thousand in conflict, and tells how long the first byte
// takes; that of the whole page is ns/op.
func BenchmarkPages(b *testing.B) {
	for dialect, target := range map[string]func(testing.TB) dbtest.Target{"postgres": migrated.Postgres, "sqlite": migrated.SQLite} {
		b.Run(dialect, func(b *testing.B) {
			w := newWorld(b, target(b))
			w.start()
			w.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
				INSERT INTO commands (organization_id, slug, name, description, prompt)
				SELECT '%s', 'command-' || i, 'Command ' || i, 'Does ' || i, 'Do it' FROM n`, w.orgID)
			w.sync()
			w.exec(`UPDATE commands SET git_integration = '{"path":"x","error":{"code":"INVALID_JSON","http_code":400,"message":"m","path":"x"}}' WHERE slug LIKE 'command-%%00'`)
			w.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
				INSERT INTO conflicts (organization_id, kind, path, slug, reason) SELECT '%s', 'commands', 'commands/command-' || i || '.json', 'command-' || i, 'both_changed' FROM n`, w.orgID)
			v := w.visitor()
			v.signIn()
			for _, path := range []string{"", "/entities?kind=commands", "/entities?kind=commands&search=999", "/entities?kind=commands&errors=true",
				"/entities/commands/command-5000", "/entities/commands/command-5000/git", "/conflicts", "/held", "/activity", "/settings"} {
				b.Run(fmt.Sprintf("page=%s", path), func(b *testing.B) {
					var first time.Duration
					for b.Loop() {
						first += v.firstByte("/organizations/acme" + path)
					}
					b.ReportMetric(float64(first.Microseconds())/1000/float64(b.N), "ms-first-byte")
				})
			}
		})
	}
}

// firstByte asks for a page, and tells how long its beginning took.
func (v *visitor) firstByte(path string) time.Duration {
	v.t.Helper()
	start := time.Now()
	answer, err := v.client.Get(v.url + path)
	v.must(err)
	took := time.Since(start) // headers have come, and with them the first byte
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		v.t.Fatalf("%s: %s", path, answer.Status)
	}
	return took
}
