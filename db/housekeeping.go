package db

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror/document"
)

// What is remembered, and how long.
const (
	keepChanges = time.Hour // of organizations without a connection
	keepHistory = 90 * 24 * time.Hour
	keepRuns    = 1000 // of each mirror
	// sweepAtOnce bounds the organizations whose contents are swept in one go.
	sweepAtOnce = 1000
)

// Housekeep removes what is of no use any more. Any daemon may do it at any time,
// several at once too.
func (d *DB) Housekeep(ctx context.Context) error {
	if err := d.dropUnheard(ctx); err != nil {
		return d.fault(err)
	}
	if err := d.dropHistory(ctx); err != nil {
		return d.fault(err)
	}
	if err := d.dropStrangers(ctx); err != nil {
		return d.fault(err)
	}
	return d.fault(d.sweepContents(ctx))
}

// dropUnheard drops captured changes that no mirror will ask for. A mirror that is
// connected again later has missed them: without its cursor its next run compares
// everything.
func (d *DB) dropUnheard(ctx context.Context) error {
	const unheard = "organization_id NOT IN (SELECT c.organization_id FROM bitbucket_connections AS c WHERE c.disconnected_at IS NULL)"
	return d.write(ctx, func(tx *gorm.DB) error {
		old := "captured_at < " + d.sqlIn(-keepChanges) + " AND " + unheard
		if err := tx.Exec("UPDATE bitbucket_connections SET cursor_commit = '' WHERE disconnected_at IS NOT NULL AND cursor_commit <> '' " +
			"AND organization_id IN (SELECT organization_id FROM mirror_changes WHERE " + old + ")").Error; err != nil {
			return err
		}
		return tx.Exec("DELETE FROM mirror_changes WHERE " + old).Error
	})
}

// dropHistory drops what is too old to interest anybody. A mirror's newest run stays.
func (d *DB) dropHistory(ctx context.Context) error {
	old := d.sqlIn(-keepHistory)
	tx := d.gorm.WithContext(ctx)
	for _, statement := range []string{
		"DELETE FROM sync_runs WHERE run_id IN (SELECT run_id FROM (SELECT run_id, started_at, " +
			"row_number() OVER (PARTITION BY organization_id ORDER BY started_at DESC, run_id DESC) AS place FROM sync_runs) AS runs " +
			fmt.Sprintf("WHERE place > %d OR place > 1 AND started_at < %s)", keepRuns, old),
		"DELETE FROM conflicts WHERE resolved_at < " + old,
		"DELETE FROM mirror_events WHERE created_at < " + old,
		"DELETE FROM mirror_deletions WHERE settled_at < " + d.sqlIn(-24*time.Hour), // the brake asks for an hour
		"DELETE FROM panel_sessions WHERE expires_at < " + d.sqlNow(),
		"DELETE FROM mirror_daemons WHERE expires_at < " + d.sqlIn(-time.Hour),
	} {
		if err := tx.Exec(statement).Error; err != nil {
			return err
		}
	}
	return d.dropKept(tx)
}

// dropStrangers drops what belongs to organizations that are gone. These tables
// have no foreign keys, so that deleting an organization is quick and never fails.
func (d *DB) dropStrangers(ctx context.Context) error {
	tx := d.gorm.WithContext(ctx)
	for _, table := range []string{
		"rejected_files", "conflicts", "sync_runs", "mirror_bases", "mirror_contents", "mirror_intents",
		"mirror_unsettled", "mirror_events", "mirror_deletions", "mirror_webhooks", "mirror_review_rounds", "mirror_reviews", "kept_secrets",
	} {
		err := tx.Exec("DELETE FROM " + table + " WHERE organization_id NOT IN (SELECT o.id FROM organizations AS o)").Error
		if err != nil {
			return err
		}
	}
	return nil
}

// sweepContents drops agreed contents that no base and no intent refers to any more.
func (d *DB) sweepContents(ctx context.Context) error {
	var ids []string
	err := d.gorm.WithContext(ctx).Model(&connectionRow{}).Order("random()").Limit(sweepAtOnce).Pluck("organization_id", &ids).Error
	for i := 0; err == nil && i < len(ids); i++ {
		var candidates []string
		if candidates, err = unreferenced(d.gorm.WithContext(ctx), ids[i]); err == nil && len(candidates) > 0 {
			err = d.sweepOrganization(ctx, ids[i])
		}
	}
	return err
}

// unreferenced are the contents that no base and no intent names itself. (A
// skill's files are named by its list.)
func unreferenced(tx *gorm.DB, organizationID string) (ids []string, err error) {
	err = tx.Raw(`SELECT c.id FROM mirror_contents AS c WHERE c.organization_id = ?
		AND NOT EXISTS (SELECT 1 FROM mirror_bases AS b WHERE b.organization_id = c.organization_id AND b.content_id = c.id)
		AND NOT EXISTS (SELECT 1 FROM mirror_intents AS i WHERE i.organization_id = c.organization_id AND i.content_id = c.id)`,
		organizationID).Scan(&ids).Error
	return ids, err
}

func (d *DB) sweepOrganization(ctx context.Context, organizationID string) error {
	return d.write(ctx, func(tx *gorm.DB) error {
		// Whoever stores contents has looked which are there already, and holds this
		// row until what refers to them is stored, too.
		if err := d.lock(tx, "UPDATE").Where("organization_id = ?", organizationID).Find(&connectionRow{}).Error; err != nil {
			return err
		}
		candidates, err := unreferenced(tx, organizationID)
		if err != nil || len(candidates) == 0 {
			return err
		}
		var lists []string
		err = tx.Raw(`SELECT content_id FROM mirror_bases WHERE organization_id = ? AND kind = ? AND content_id <> ''
			UNION SELECT content_id FROM mirror_intents WHERE organization_id = ? AND kind = ? AND content_id <> ''`,
			organizationID, string(document.Skills), organizationID, string(document.Skills)).Scan(&lists).Error
		if err != nil {
			return err
		}
		wanted := set{}
		for _, id := range lists {
			wanted[id] = true
		}
		contents, err := d.readContents(tx, organizationID, wanted)
		if err != nil {
			return err
		}
		named := set{}
		for id, data := range contents {
			var list skillList
			if err := json.Unmarshal(data, &list); err != nil {
				return fmt.Errorf("the list of a skill's files (%s): %w", id, err)
			}
			for _, f := range list {
				named[f.Content] = true
			}
		}
		orphans := set{}
		for _, id := range candidates {
			if !named[id] {
				orphans[id] = true
			}
		}
		if len(orphans) == 0 {
			return nil
		}
		return where(tx, d.inText("id", orphans.list())).Where("organization_id = ?", organizationID).Delete(&contentRow{}).Error
	})
}
