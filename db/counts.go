package db

import (
	"context"
	"database/sql"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
)

// counts reads, in one statement, what is remembered of the mirror as a whole: how much
// there is of what, and of what there is nothing to read at all. It counts few rows,
// and never the bases.
func (s *observing) counts(o *mirror.Observation, q mirror.Query) error {
	const ours = "WHERE organization_id = @organization AND identity = @identity"
	var counts []struct {
		What, Direction string
		Count           int64
	}
	err := s.tx.Raw(`SELECT 'requested' AS what, '' AS direction, requested AS count FROM bitbucket_connections
			WHERE organization_id = @organization AND disconnected_at IS NULL
		UNION ALL SELECT 'bases', '', count(*) FROM (SELECT 1 FROM mirror_bases `+ours+` LIMIT 1) AS b
		UNION ALL SELECT 'intents', '', count(*) FROM (SELECT 1 FROM mirror_intents `+ours+` LIMIT 1) AS i
		UNION ALL SELECT 'left', '', count(*) FROM (SELECT 1 FROM mirror_unsettled `+ours+` LIMIT 1) AS u
		UNION ALL SELECT reason, direction, count(*) FROM mirror_unsettled `+ours+` AND reason IN (@held, @rebind, @declined) AND verdict = '' GROUP BY reason, direction
		UNION ALL SELECT 'deleted', direction, CAST(sum(deleted) AS bigint) FROM mirror_deletions `+ours+` AND settled_at > `+s.sqlIn(-brakeWindow)+` GROUP BY direction
		UNION ALL SELECT 'largest', '', coalesce(max(mirrored), 0) FROM mirror_deletions `+ours+` AND settled_at > `+s.sqlIn(-brakeWindow),
		sql.Named("organization", s.mirror.OrganizationID), sql.Named("identity", s.identity),
		sql.Named("held", string(mirror.ReasonHeld)), sql.Named("rebind", string(mirror.ReasonRebind)), sql.Named("declined", string(mirror.ReasonDeclined))).Scan(&counts).Error
	if err != nil {
		return err
	}
	connected := false
	o.Deleted, o.Held = map[mirror.Direction]int{}, map[mirror.Direction]int{}
	for _, c := range counts {
		n := int(c.Count)
		switch c.What {
		case "requested":
			connected, o.Requested = true, c.Count
		case "bases":
			o.CountMirrored(n)
		case "largest":
			o.LargestMirrored = max(o.LargestMirrored, n)
		case "intents":
			s.anyIntents = n > 0
		case "left":
			s.anyLeft = n > 0
		case "deleted":
			o.Deleted[mirror.Direction(c.Direction)] = n
		case string(mirror.ReasonHeld):
			o.Held[mirror.Direction(c.Direction)] = n
		case string(mirror.ReasonRebind):
			o.HeldRebinds += n
		case string(mirror.ReasonDeclined):
			o.Declined += n
		}
	}
	if !connected && !q.Preview {
		return mirror.ErrNoMirror
	}
	return nil
}

// Mirrored counts a mirror's bases.
func (d *DB) Mirrored(ctx context.Context, m *mirror.Mirror) (int, error) {
	n, err := countBases(d.gorm.WithContext(ctx), m)
	return n, d.fault(err)
}

func countBases(tx *gorm.DB, m *mirror.Mirror) (int, error) {
	var bases int64
	err := tx.Model(&baseRow{}).Where("organization_id = ? AND identity = ?", m.OrganizationID, identityKey(m.Identity)).Count(&bases).Error
	return int(bases), err
}
