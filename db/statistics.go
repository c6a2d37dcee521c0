package db

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/confmirror/confmirror/mirror/document"
)

const (
	// bulk is how many entities written in one go leave PostgreSQL's planner with a
	// picture of the tables that has nothing to do with them any more.
	bulk = 1000
	// autovacuumComes is after how long autovacuum has had a look by itself.
	autovacuumComes = time.Minute
)

// refreshStatistics tells the planner what the tables hold after n entities were
// written. Autovacuum would do so within minutes; until then a run with one change
// might read whole tables. It is no part of what was asked for: where it fails, as for a
// user who does not own the tables, nothing is lost but time.
//
// Only columns that queries ask for: documents are long, and nobody plans by them. And
// not what the queues hold, which is most likely nothing at the moment: a planner that
// believes it would be lost in the next burst, and without statistics it is not.
func (d *DB) refreshStatistics(ctx context.Context, n int) {
	if !d.postgres || n < bulk || !d.refreshes.due(n, d.now()) {
		return
	}
	asked := []string{"skill_files (skill_id, path)", "mirror_bases (organization_id, identity, kind, path, row_id)", "mirror_contents (organization_id, id)"}
	for _, k := range document.Kinds {
		columns := "id, organization_id, slug, deleted_at"
		if k != document.MCPClients { // nobody owns those
			columns += ", owner_id"
		}
		asked = append(asked, tables[k].name+" ("+columns+")")
	}
	if err := d.gorm.WithContext(ctx).Exec("ANALYZE (SKIP_LOCKED) " + strings.Join(asked, ", ")).Error; err != nil {
		d.log.Debug("the planner's statistics were not refreshed", "error", err)
	}
}

// refreshes remembers the statistics' refreshes of a burst. Another one is worth its
// while when the burst has doubled: one for each part would take longer than the part.
type refreshes struct {
	mu      sync.Mutex
	written int // by the burst
	seen    int // of these, by the last refresh
	last    time.Time
}

func (r *refreshes) due(n int, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.last) > autovacuumComes {
		r.written, r.seen = 0, 0
	}
	r.written, r.last = r.written+n, now
	if r.written < 2*r.seen {
		return false
	}
	r.seen = r.written
	return true
}
