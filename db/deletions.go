package db

import (
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror"
)

// brakeWindow is how long a settled deletion counts for the brake.
const brakeWindow = time.Hour

// noteDeletions remembers deletions for the brake, in the transaction that makes or
// settles them, once their bases are gone. They are dated by the database's clock: the
// brakes of other daemons count them, too.
func (d *DB) noteDeletions(tx *gorm.DB, m *mirror.Mirror, direction mirror.Direction, n int) error {
	if n == 0 {
		return nil
	}
	bases, err := countBases(tx, m)
	if err != nil {
		return err
	}
	return tx.Model(&deletionRow{}).Create(map[string]any{
		"organization_id": m.OrganizationID, "identity": identityKey(m.Identity), "direction": string(direction),
		"deleted": n, "mirrored": bases + n, "settled_at": clause.Expr{SQL: d.sqlNow()},
	}).Error
}
