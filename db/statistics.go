package db

import (
	"context"
	"strings"

	"github.com/confmirror/confmirror/mirror/document"
)

// bulk is how many entities written in one go leave PostgreSQL's planner with a picture
// of the tables that has nothing to do with them any more.
const bulk = 1000

// refreshStatistics tells the planner what the tables hold after n entities were
// written. Autovacuum would do so within minutes; until then a run with one change
// might read whole tables. It is no part of what was asked for: where it fails, as for a
// user who does not own the tables, nothing is lost but time.
func (d *DB) refreshStatistics(ctx context.Context, n int) {
	if !d.postgres || n < bulk {
		return
	}
	names := []string{"skill_files", "mirror_bases", "mirror_contents", "mirror_changes", "mirror_intents"}
	for _, k := range document.Kinds {
		names = append(names, tables[k].name)
	}
	if err := d.gorm.WithContext(ctx).Exec("ANALYZE (SKIP_LOCKED) " + strings.Join(names, ", ")).Error; err != nil {
		d.log.Debug("the planner's statistics were not refreshed", "error", err)
	}
}
