package db

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// A mirror is run by the daemon that holds its lease: holder, epoch and end are
// columns of its connection.
//
//	free ---------- Claim: holder, epoch+1, ends in ttl ---------> held
//	held ---------- Renew by its holder: ends in ttl ------------> held
//	held ---------- Release, Disconnect, or it ends -------------> free
//
// The database's clock decides, and nothing else: a daemon whose machine slept or
// whose clock is wrong finds in Renew's answer what it still holds. Each change
// of hands raises the epoch, and a settle under an older one is refused, so a
// holder that has not noticed yet can do no harm.
//
// Daemons that call Renew are known to each other (mirror_daemons), and none takes
// more than its share of the mirrors: mirrors divided by daemons, rounded up. A
// daemon that is new finds nothing free at first; the others give up what exceeds
// their share in their next Renew. One that died is forgotten when its leases end.

// Lease is the right to run a mirror.
type Lease struct {
	OrganizationID string
	Epoch          int64 `gorm:"column:lease_epoch"`
}

// Claim takes up to limit free mirrors, within the holder's share.
func (d *DB) Claim(ctx context.Context, holder string, ttl time.Duration, limit int) ([]Lease, error) {
	share, held, err := d.share(d.gorm.WithContext(ctx), holder)
	if err != nil {
		return nil, d.fault(err)
	}
	if limit = min(limit, share-held); limit <= 0 {
		return nil, nil
	}
	return d.claim(ctx, holder, ttl, limit, "")
}

// ClaimOne takes the lease of one mirror, whatever the share; ok is false when
// somebody else holds it. The holder's own lease is renewed.
func (d *DB) ClaimOne(ctx context.Context, organizationID, holder string, ttl time.Duration) (lease Lease, ok bool, err error) {
	leases, err := d.claim(ctx, holder, ttl, 1, organizationID)
	if err == nil && len(leases) == 0 {
		leases, err = d.renew(d.gorm.WithContext(ctx), holder, ttl, organizationID)
	}
	if err != nil || len(leases) == 0 {
		return Lease{}, false, d.fault(err)
	}
	return leases[0], true, nil
}

// claim takes free mirrors; organizationID "" is any. Of several that claim at
// once each skips what another is just taking. All daemons give leases for equally
// long: one that ends much later is from before the database's clock was set back.
func (d *DB) claim(ctx context.Context, holder string, ttl time.Duration, limit int, organizationID string) ([]Lease, error) {
	skip, materialized := "", ""
	if d.postgres {
		// Materialized: a planner that runs the subquery again would claim more than the limit.
		skip, materialized = "FOR UPDATE SKIP LOCKED", "MATERIALIZED"
	}
	only, values := "", []any{}
	if organizationID != "" {
		only, values = "AND organization_id = ?", append(values, organizationID)
	}
	values = append(values, limit, holder)
	var leases []Lease
	err := d.gorm.WithContext(ctx).Raw(`
		WITH free AS `+materialized+` (
			SELECT organization_id FROM bitbucket_connections
			WHERE disconnected_at IS NULL AND (lease_expires_at IS NULL OR lease_expires_at <= `+d.sqlNow()+`
				OR lease_expires_at > `+d.sqlIn(2*ttl)+`) `+only+`
			ORDER BY lease_expires_at LIMIT ? `+skip+`)
		UPDATE bitbucket_connections SET holder = ?, lease_epoch = lease_epoch + 1, lease_expires_at = `+d.sqlIn(ttl)+`
		WHERE organization_id IN (SELECT organization_id FROM free)
		RETURNING organization_id, lease_epoch`, values...).Scan(&leases).Error
	if err == nil {
		err = d.noteMoved(ctx, holder, leases)
	}
	return leases, d.fault(err)
}

// noteMoved records who has mirrors now that somebody else had before. It is for people to
// read, and so no part of the claim: a daemon that dies in between has had them all the same.
func (d *DB) noteMoved(ctx context.Context, holder string, leases []Lease) error {
	var moved []*eventRow
	for _, lease := range leases {
		if lease.Epoch > 1 {
			message := fmt.Sprintf("The daemon %s runs the mirror now.", holder)
			moved = append(moved, &eventRow{OrganizationID: lease.OrganizationID, Code: EventMoved, Message: textOf(message), CreatedAt: at(d.now())})
		}
	}
	if len(moved) == 0 {
		return nil
	}
	return d.gorm.WithContext(ctx).CreateInBatches(moved, engineBatch).Error
}

// Renew prolongs all that the holder holds, and says what that is. It also makes
// the holder known to the other daemons, and gives up what exceeds its share.
func (d *DB) Renew(ctx context.Context, holder string, ttl time.Duration) ([]Lease, error) {
	tx := d.gorm.WithContext(ctx)
	err := tx.Exec(`INSERT INTO mirror_daemons (holder, expires_at) VALUES (?, `+d.sqlIn(ttl)+`)
		ON CONFLICT (holder) DO UPDATE SET expires_at = excluded.expires_at`, holder).Error
	if err != nil {
		return nil, d.fault(err)
	}
	leases, err := d.renew(tx, holder, ttl, "")
	if err != nil || len(leases) < 2 {
		return leases, d.fault(err)
	}
	share, _, err := d.share(tx, holder)
	if err != nil {
		return nil, d.fault(err)
	}
	if len(leases) > share {
		for _, lease := range leases[share:] {
			if err := d.Release(ctx, holder, lease.OrganizationID); err != nil {
				return nil, err
			}
		}
		leases = leases[:share]
	}
	return leases, nil
}

// renew prolongs leases that are still the holder's. One that has ended but that
// nobody took is prolonged, too: its epoch proves that nobody ran the mirror meanwhile.
func (d *DB) renew(tx *gorm.DB, holder string, ttl time.Duration, organizationID string) ([]Lease, error) {
	only, values := "", []any{holder}
	if organizationID != "" {
		only, values = "AND organization_id = ?", append(values, organizationID)
	}
	var leases []Lease
	err := tx.Raw(`UPDATE bitbucket_connections SET lease_expires_at = `+d.sqlIn(ttl)+`
		WHERE holder = ? AND disconnected_at IS NULL `+only+`
		RETURNING organization_id, lease_epoch`, values...).Scan(&leases).Error
	return leases, err
}

// Release gives one mirror back. A lease that is not the holder's stays.
func (d *DB) Release(ctx context.Context, holder, organizationID string) error {
	return d.fault(d.gorm.WithContext(ctx).Exec(`UPDATE bitbucket_connections SET holder = '', lease_expires_at = NULL
		WHERE holder = ? AND organization_id = ?`, holder, organizationID).Error)
}

// ReleaseAll gives all back, and takes the holder off the list of daemons.
func (d *DB) ReleaseAll(ctx context.Context, holder string) error {
	return d.write(ctx, func(tx *gorm.DB) error {
		if err := tx.Exec("DELETE FROM mirror_daemons WHERE holder = ? OR expires_at <= "+d.sqlNow(), holder).Error; err != nil {
			return err
		}
		return tx.Exec("UPDATE bitbucket_connections SET holder = '', lease_expires_at = NULL WHERE holder = ?", holder).Error
	})
}

// share tells how many mirrors the holder may have, and how many it has.
func (d *DB) share(tx *gorm.DB, holder string) (share, held int, err error) {
	var count struct{ Mirrors, Held, Others int }
	err = tx.Raw(`SELECT count(*) AS mirrors, count(CASE WHEN holder = ? THEN 1 END) AS held,
			(SELECT count(*) FROM mirror_daemons WHERE holder <> ? AND expires_at > `+d.sqlNow()+`) AS others
		FROM bitbucket_connections WHERE disconnected_at IS NULL`, holder, holder).Scan(&count).Error
	daemons := count.Others + 1
	return (count.Mirrors + daemons - 1) / daemons, count.Held, err
}
