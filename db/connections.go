package db

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror"
)

// Where a connection's settings come from.
const (
	SourceConfig = "config"
	SourceAPI    = "api"
)

// webhookGrace is how long the previous webhook secret is accepted after a rotation.
const webhookGrace = 24 * time.Hour

// ConnectionWrite is a connection as it is to be.
type ConnectionWrite struct {
	mirror.Settings
	Source string // SourceConfig or SourceAPI
	// Keep the stored credential where Settings has none.
	KeepClientSecret, KeepAccessToken, KeepWebhookSecret bool
	// Paused: a connection that was not there before begins paused.
	Paused bool
}

// ConnectionInfo tells of a connection all but its secrets.
type ConnectionInfo struct {
	OrganizationID string
	Source         string
	// Settings without secrets; Has... tell which there are.
	Settings                                          mirror.Settings
	HasClientSecret, HasAccessToken, HasWebhookSecret bool
	// What the settings were resolved to; "" while nothing was contacted.
	RepositoryUUID, RepositoryFullName, RepositoryURL string
	Branch                                            string
	Paused                                            bool
	DisconnectedAt                                    *time.Time
	CreatedAt, UpdatedAt                              time.Time
}

// SaveConnection connects an organization, or changes its connection. It reports
// whether anything changed. Errors: ErrNotFound (organization), *mirror.SettingsError,
// ErrSecretsNeeded, *mirror.Fault ALREADY_CONNECTED, *KeyMismatchError.
//
// A changed connection forgets what blocked it, and asks for a run.
func (d *DB) SaveConnection(ctx context.Context, organizationID string, w ConnectionWrite) (changed bool, err error) {
	err = d.write(ctx, func(tx *gorm.DB) error {
		changed = false
		if err := d.lockConnections(tx); err != nil {
			return err
		}
		if err := d.ownKey(tx); err != nil {
			return err
		}
		var organizations int64
		if err := tx.Model(&organizationRow{}).Where("id = ?", organizationID).Count(&organizations).Error; err != nil {
			return err
		}
		if organizations == 0 {
			return ErrNotFound
		}
		row, err := connectionForUpdate(tx, organizationID)
		if errors.Is(err, mirror.ErrNoMirror) {
			row = &connectionRow{ID: uuid.NewString(), OrganizationID: organizationID, CreatedAt: at(d.now()), Paused: w.Paused}
		} else if err != nil {
			return err
		}
		before, err := d.settingsOf(row)
		if err != nil && (w.KeepClientSecret && row.ClientSecret != "" || w.KeepAccessToken && row.AccessToken != "" || w.KeepWebhookSecret && row.WebhookSecret != "") {
			return err
		}
		settings, err := w.settings(before)
		if err != nil {
			return err
		}
		if settings == before && w.Source == row.Source && !row.DisconnectedAt.Valid {
			return nil
		}
		if err := d.notConnected(tx, organizationID, settings, "", ""); err != nil {
			return err
		}
		if err := d.setSettings(row, settings, before); err != nil {
			return err
		}
		changed = true
		code, did := EventConnected, "Connected to "+settings.CloneURL()+"."
		if row.Source != "" && !row.DisconnectedAt.Valid {
			code, did = EventSettings, "The connection was changed: "+cmp.Or(changedSettings(before, settings), "where it is managed")+"."
		}
		if err := d.note(tx, organizationID, code, "%s", did); err != nil {
			return err
		}
		row.Paused = row.Paused || w.Paused && row.DisconnectedAt.Valid
		row.Copied = row.Copied && !row.DisconnectedAt.Valid
		row.Source, row.DisconnectedAt, row.UpdatedAt = w.Source, timestamp{}, at(d.now())
		if name := mirror.StateName(row.State); name == mirror.StateBlocked || name == mirror.StateError {
			row.State, row.Detail = "", ""
		}
		another := settings.Location("").Repository != before.Location("").Repository || settings.APIURL != before.APIURL
		if another {
			row.RepositoryUUID, row.RepositoryFullName, row.RepositoryURL, row.Copied = "", "", "", false
		}
		// Whether it is the same place under another name is to be found out, and so is the main
		// branch: the resolved one is the one that was named.
		if another || settings.Branch == "" && before.Branch != "" {
			row.Identity, row.CursorCommit, row.RemoteSeen = "", "", ""
		}
		row.Requested++
		if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(row).Error; err != nil {
			return err
		}
		return d.wake(tx, organizationID)
	})
	return changed, d.fault(err)
}

// settings are what the write makes of the stored ones.
func (w ConnectionWrite) settings(before mirror.Settings) (mirror.Settings, error) {
	s := w.Settings
	// One kind of credential replaces the other: only its own kind is kept.
	keepClient := w.KeepClientSecret && s.ClientSecret.IsZero() && s.AccessToken.IsZero() && s.ClientID != ""
	keepToken := w.KeepAccessToken && s.AccessToken.IsZero() && s.ClientSecret.IsZero() && s.ClientID == ""
	if keepClient {
		s.ClientSecret = before.ClientSecret
	}
	if keepToken {
		s.AccessToken = before.AccessToken
	}
	if w.KeepWebhookSecret && s.WebhookSecret.IsZero() {
		s.WebhookSecret = before.WebhookSecret
	}
	if err := prepare(&s); err != nil {
		return s, err
	}
	// Stored credentials must not be sent to a place that whoever sent this request chose.
	moved := s.Workspace != before.Workspace || s.GitURL != before.GitURL || s.APIURL != before.APIURL || s.OAuthURL != before.OAuthURL
	if moved && (keepClient && !s.ClientSecret.IsZero() || keepToken && !s.AccessToken.IsZero()) {
		return s, ErrSecretsNeeded
	}
	return s, nil
}

// Apart makes sure that no other organization mirrors the files that settings name; see
// notConnected. organizationID may be nobody's yet.
func (d *DB) Apart(ctx context.Context, organizationID string, s mirror.Settings, branch, repositoryUUID string) error {
	if organizationID == "" {
		organizationID = uuid.Nil.String()
	}
	return d.fault(d.notConnected(d.gorm.WithContext(ctx), organizationID, s, branch, repositoryUUID))
}

// notConnected makes sure that no other organization mirrors the same files.
// branch and repositoryUUID are what the settings were resolved to, "" while they are not.
func (d *DB) notConnected(tx *gorm.DB, organizationID string, s mirror.Settings, branch, repositoryUUID string) error {
	var others []*connectionRow
	err := tx.Where("organization_id <> ? AND disconnected_at IS NULL", organizationID).
		Where("lower(workspace) = lower(?) AND lower(repository) = lower(?) OR repository_uuid <> '' AND repository_uuid = ?",
			s.Workspace, s.Repository, repositoryUUID).Find(&others).Error
	if err != nil {
		return err
	}
	wanted := s.Location(branch)
	for _, other := range others {
		taken := other.publicSettings().Location(other.ResolvedBranch)
		if repositoryUUID != "" && other.RepositoryUUID == repositoryUUID {
			taken.Repository = wanted.Repository // under another name
		}
		if !wanted.Overlaps(taken) {
			continue
		}
		return &mirror.Fault{
			Code:    mirror.CodeAlreadyConnected,
			Message: "Another organization mirrors this repository, branch and directory already.",
			Remedy:  "Choose another branch or a path_prefix beside the other one's, or disconnect the other organization first.",
			Class:   mirror.Permanent,
		}
	}
	return nil
}

// ReleaseConnections has connections that come from a configuration file be managed by API
// and panel, but for those of the organizations to keep.
func (d *DB) ReleaseConnections(ctx context.Context, keep func(organization string) bool) error {
	return d.fault(d.write(ctx, func(tx *gorm.DB) error {
		var configured []struct{ OrganizationID, Slug string }
		err := tx.Model(&connectionRow{}).Joins("JOIN organizations o ON o.id = organization_id").
			Where("source = ?", SourceConfig).Select("organization_id", "o.slug").Order("o.slug").Find(&configured).Error
		if err != nil {
			return err
		}
		for _, c := range configured {
			if keep(c.Slug) {
				continue
			}
			if err := tx.Model(&connectionRow{}).Where("organization_id = ?", c.OrganizationID).Updates(map[string]any{"source": SourceAPI, "updated_at": d.now()}).Error; err != nil {
				return err
			}
			if err := d.note(tx, c.OrganizationID, EventSettings, "%s", "The connection is not in the configuration file any more, and is managed here now."); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Disconnect ends an organization's mirror. Bases stay, so that connecting the
// same place again goes on where it ended; credentials do not.
func (d *DB) Disconnect(ctx context.Context, organizationID string) error {
	return d.fault(d.write(ctx, func(tx *gorm.DB) error {
		update := tx.Model(&connectionRow{}).
			Where("organization_id = ? AND disconnected_at IS NULL", organizationID).
			Updates(map[string]any{
				"disconnected_at": d.now(), "updated_at": d.now(), "paused": false,
				columnClientSecret: "", columnAccessToken: "", columnWebhookSecret: "",
				columnPreviousWebhookSecret: "", "previous_webhook_secret_until": nil,
				"state": "", "detail": nil,
				// A run that is under way must not settle any more.
				"holder": "", "lease_expires_at": nil, "lease_epoch": gorm.Expr("lease_epoch + 1"),
			})
		if update.Error == nil && update.RowsAffected == 0 {
			return mirror.ErrNoMirror
		}
		if update.Error != nil {
			return update.Error
		}
		return d.note(tx, organizationID, EventDisconnected, "Disconnected; the repository and the database stay as they are.")
	}))
}

// SetPaused stops an organization's runs, or lets them go on.
func (d *DB) SetPaused(ctx context.Context, organizationID string, paused bool) error {
	return d.write(ctx, func(tx *gorm.DB) error {
		row, err := connectionForUpdate(tx, organizationID)
		if err != nil {
			return err
		}
		if row.DisconnectedAt.Valid {
			return mirror.ErrNoMirror
		}
		if row.Paused != paused {
			code, did := EventResumed, "The mirror goes on."
			if paused {
				code, did = EventPaused, "The mirror was paused."
			}
			if err := d.note(tx, organizationID, code, "%s", did); err != nil {
				return err
			}
		}
		if err := tx.Model(row).Updates(map[string]any{"paused": paused, "updated_at": d.now()}).Error; err != nil {
			return err
		}
		return d.wake(tx, organizationID)
	})
}

// wake tells the listeners to look at a mirror once the transaction commits.
// SQLite's watchers see the change itself.
func (d *DB) wake(tx *gorm.DB, organizationID string) error {
	if !d.postgres {
		return nil
	}
	return tx.Exec("SELECT pg_notify('confmirror', ?)", organizationID).Error
}

// lockConnections lets one transaction at a time decide whether a place is free.
// SQLite's writing transactions are serial anyway.
func (d *DB) lockConnections(tx *gorm.DB) error {
	if !d.postgres {
		return nil
	}
	return tx.Exec("SELECT pg_advisory_xact_lock(hashtextextended('confmirror connections', 0))").Error
}

// connectionForUpdate reads an organization's connection, and keeps settles and
// others that change it out. Imports go on.
func connectionForUpdate(tx *gorm.DB, organizationID string) (*connectionRow, error) {
	row := &connectionRow{}
	err := tx.Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("organization_id = ?", organizationID).Take(row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, mirror.ErrNoMirror
	}
	return row, err
}
