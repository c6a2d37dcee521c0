package db

import (
	"context"
	"encoding/json"
	"errors"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
)

var _ mirror.Store = (*DB)(nil)

// identityKey is an identity as the column identity holds it; "" for none.
func identityKey(i mirror.Identity) string {
	if i.IsZero() {
		return ""
	}
	return string(encode([]string{i.Repository, i.Branch, i.Prefix}))
}

// parseIdentity is the inverse.
func parseIdentity(key string) mirror.Identity {
	var parts [3]string
	if json.Unmarshal([]byte(key), &parts) != nil {
		return mirror.Identity{}
	}
	return mirror.Identity{Repository: parts[0], Branch: parts[1], Prefix: parts[2]}
}

// Mirror loads a mirror, its credentials opened.
func (d *DB) Mirror(ctx context.Context, organizationID string) (*mirror.Mirror, error) {
	var found struct {
		Connection   connectionRow `gorm:"embedded"`
		Organization string
	}
	err := d.gorm.WithContext(ctx).Table("bitbucket_connections AS c").
		Select("c.*, o.slug AS organization").
		Joins("JOIN organizations o ON o.id = c.organization_id").
		Where("c.organization_id = ? AND c.disconnected_at IS NULL", organizationID).
		Take(&found).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, mirror.ErrNoMirror
	}
	if err != nil {
		return nil, d.fault(err)
	}
	c := &found.Connection
	settings, err := d.settingsOf(c)
	if err != nil {
		return nil, err
	}
	return &mirror.Mirror{
		OrganizationID: c.OrganizationID,
		Organization:   found.Organization,
		Settings:       settings,
		Identity:       parseIdentity(c.Identity),
		Cursor:         mirror.Hash(c.CursorCommit),
		RemoteSeen:     mirror.Hash(c.RemoteSeen),
		ImportedFrom:   c.importedFrom(),
		PlannedBy:      c.PlannedBy,
		Epoch:          c.LeaseEpoch,
		Paused:         c.Paused,
		Copied:         c.Copied,
		Requested:      c.Requested,
		Covered:        c.Covered,
		State:          c.state(),
		Proposed:       c.proposed(),
	}, nil
}

// proposed is what waits on the proposal branch.
func (c *connectionRow) proposed() (p mirror.Proposed) {
	_ = json.Unmarshal([]byte(c.Proposed), &p)
	return p
}

// state is how the last run left the mirror.
func (c *connectionRow) state() mirror.State {
	state := mirror.State{Name: mirror.StateName(c.State)}
	_ = json.Unmarshal([]byte(c.Detail), &state.Detail)
	_ = json.Unmarshal([]byte(c.Conditions), &state.Conditions)
	return state
}

// Identify stores what a connection was resolved to.
func (d *DB) Identify(ctx context.Context, m *mirror.Mirror, identity mirror.Identity, repository mirror.Repository) error {
	key := identityKey(identity)
	return d.write(ctx, func(tx *gorm.DB) error {
		if err := d.lockConnections(tx); err != nil {
			return err
		}
		// A main branch, or a repository's new name, may turn out to be another mirror's.
		if err := d.notConnected(tx, m.OrganizationID, m.Settings, identity.Branch, repository.UUID); err != nil {
			return err
		}
		var c connectionRow
		if err := d.lock(tx, "NO KEY UPDATE").Where("organization_id = ?", m.OrganizationID).Take(&c).Error; err != nil {
			if errors.Is(err, gorm.ErrRecordNotFound) {
				return mirror.ErrNoMirror
			}
			return err
		}
		set := map[string]any{
			"identity":             key,
			"resolved_branch":      identity.Branch,
			"repository_uuid":      repository.UUID,
			"repository_full_name": repository.FullName,
			"repository_url":       repository.URL,
			"updated_at":           d.now(),
		}
		if c.Identity != key {
			set["cursor_commit"], set["remote_seen"], set["behind_since"], set["imported_from"], set["proposed"] = "", "", nil, noImports, nil
			// They were rejected in another place.
			if err := tx.Where("organization_id = ?", m.OrganizationID).Delete(&rejectedRow{}).Error; err != nil {
				return err
			}
		}
		return tx.Model(&connectionRow{}).Where("organization_id = ?", m.OrganizationID).Updates(set).Error
	})
}
