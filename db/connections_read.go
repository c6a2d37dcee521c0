package db

import (
	"context"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// connection reads an organization's connection, a disconnected one too; mirror.ErrNoMirror without one.
func (d *DB) connection(ctx context.Context, organizationID string) (*connectionRow, error) {
	var rows []*connectionRow
	if err := d.gorm.WithContext(ctx).Where("organization_id = ?", organizationID).Limit(1).Find(&rows).Error; err != nil {
		return nil, d.fault(err)
	}
	if len(rows) == 0 {
		return nil, mirror.ErrNoMirror
	}
	return rows[0], nil
}

// Connection tells of an organization's connection; mirror.ErrNoMirror when it
// never had one.
func (d *DB) Connection(ctx context.Context, organizationID string) (*ConnectionInfo, error) {
	row, err := d.connection(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	return &ConnectionInfo{
		OrganizationID:     row.OrganizationID,
		Source:             row.Source,
		Settings:           row.publicSettings(),
		HasClientSecret:    row.ClientSecret != "",
		HasAccessToken:     row.AccessToken != "",
		HasWebhookSecret:   row.WebhookSecret != "",
		RepositoryUUID:     row.RepositoryUUID,
		RepositoryFullName: row.RepositoryFullName,
		RepositoryURL:      row.RepositoryURL,
		Branch:             row.ResolvedBranch,
		Paused:             row.Paused,
		DisconnectedAt:     row.DisconnectedAt.ptr(),
		CreatedAt:          row.CreatedAt.Time,
		UpdatedAt:          row.UpdatedAt.Time,
	}, nil
}

// ConnectionSettings are a connection's settings with its credentials, to test them.
func (d *DB) ConnectionSettings(ctx context.Context, organizationID string) (mirror.Settings, error) {
	row, err := d.connection(ctx, organizationID)
	if err != nil {
		return mirror.Settings{}, err
	}
	if row.DisconnectedAt.Valid {
		return mirror.Settings{}, mirror.ErrNoMirror
	}
	return d.settingsOf(row)
}

// MirrorRef names a connected organization.
type MirrorRef struct {
	OrganizationID string
	Organization   string // slug
	Source         string // of the connection
	Paused         bool
}

// Mirrors lists the connected organizations by slug.
func (d *DB) Mirrors(ctx context.Context) ([]MirrorRef, error) {
	var refs []MirrorRef
	err := d.gorm.WithContext(ctx).Table("bitbucket_connections AS c").
		Select("c.organization_id, o.slug AS organization, c.source, c.paused").
		Joins("JOIN organizations AS o ON o.id = c.organization_id").
		Where("c.disconnected_at IS NULL").Order("o.slug").Scan(&refs).Error
	return refs, d.fault(err)
}

// WebhookTarget is a mirror that a webhook delivery may concern.
type WebhookTarget struct {
	OrganizationID string
	Organization   string // slug
	// Signed: deliveries must be signed with one of Secrets. A secret that cannot be
	// opened leaves Secrets empty and Signed true: nothing verifies then.
	Signed  bool
	Secrets []mirror.Secret // the present one, then the previous one while it is accepted
}

// WebhookTargets finds the connected mirrors of a repository: by its uuid, and
// by its full name (workspace/slug, without case) where no uuid is known or
// matches. organization narrows to one slug; "" is any.
func (d *DB) WebhookTargets(ctx context.Context, repositoryUUID, fullName, organization string) ([]WebhookTarget, error) {
	var rows []*struct {
		Connection connectionRow `gorm:"embedded"`
		Slug       string
	}
	query := d.gorm.WithContext(ctx).Table("bitbucket_connections AS c").
		Select("c.*, o.slug AS slug").Joins("JOIN organizations AS o ON o.id = c.organization_id").
		Where("c.disconnected_at IS NULL").
		Where(`c.repository_uuid <> '' AND c.repository_uuid = ?
			OR lower(c.repository_full_name) <> '' AND lower(c.repository_full_name) = ?
			OR lower(c.repository_full_name) = '' AND lower(c.workspace || '/' || c.repository) = ?`, // not resolved yet
			repositoryUUID, strings.ToLower(fullName), strings.ToLower(fullName)).
		Order("o.slug")
	if organization != "" {
		query = query.Where("o.slug = ?", organization)
	}
	if err := query.Scan(&rows).Error; err != nil {
		return nil, d.fault(err)
	}
	byUUID := false
	for _, r := range rows {
		byUUID = byUUID || r.Connection.RepositoryUUID != "" && r.Connection.RepositoryUUID == repositoryUUID
	}
	var targets []WebhookTarget
	for _, r := range rows {
		if byUUID && r.Connection.RepositoryUUID != "" && r.Connection.RepositoryUUID != repositoryUUID {
			continue // another repository that once had the name
		}
		targets = append(targets, d.webhookTarget(&r.Connection, r.Slug))
	}
	return targets, nil
}

func (d *DB) webhookTarget(row *connectionRow, slug string) WebhookTarget {
	target := WebhookTarget{OrganizationID: row.OrganizationID, Organization: slug, Signed: row.WebhookSecret != ""}
	columns := []string{columnWebhookSecret}
	if row.PreviousWebhookSecretUntil.Valid && d.now().Before(row.PreviousWebhookSecretUntil.Time) {
		columns = append(columns, columnPreviousWebhookSecret)
	}
	for _, column := range columns {
		secret, err := d.openConnection(row, column)
		if err != nil {
			d.log.Error("a webhook secret cannot be opened", "organization", slug, "error", err)
			continue
		}
		if !secret.IsZero() {
			target.Secrets = append(target.Secrets, secret)
		}
	}
	return target
}
