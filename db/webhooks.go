package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror"
)

// Webhook is what is known of a mirror's webhook: what was asked of the repository's host,
// and what came of it. Zero times are "never".
type Webhook struct {
	OrganizationID string
	WebhookTry
	TriedAt time.Time
	WebhookDeliveries
	// Unheard counts the pushes in a row of which no delivery told; UnheardSince is when
	// the first of them was found.
	Unheard      int
	UnheardSince time.Time
}

// WebhookTry is an attempt to have the webhook made.
type WebhookTry struct {
	// Repository is the one of the mirror's identity; URL is where the webhook delivers to.
	Repository, URL string
	// Tried is the digest of all that the attempt went by; "" asks for another one.
	Tried string
	// Given is the digest of repository, URL and secret as the host was given them; "" while it was not.
	Given string
	// Problem is why there is no webhook of ours; nil if there is.
	Problem *mirror.Detail
}

// WebhookDeliveries are the last ones that came.
type WebhookDeliveries struct {
	DeliveredAt    time.Time // accepted
	DeliveredEvent string
	PushedAt       time.Time // accepted, and told of a push
	PullRequestAt  time.Time // accepted, and told of a pull request
	RefusedAt      time.Time
	RefusedEvent   string
	RefusedWhy     Refusal
}

// Refusal is why a delivery was refused.
type Refusal string

// The reasons.
const (
	RefusedUnsigned  Refusal = "unsigned"  // though there is a secret
	RefusedSignature Refusal = "signature" // made with another secret
)

// SilentAfter is how many pushes in a row of which no delivery told make a webhook silent.
const SilentAfter = 2

// Silent reports whether the webhook says nothing of pushes.
func (w Webhook) Silent() bool { return w.Unheard >= SilentAfter }

// Condition is what a mirror with this webhook says beside its state; nil for nothing.
func (w Webhook) Condition() *mirror.Detail {
	if !w.Silent() {
		return nil
	}
	return &mirror.Detail{
		Code:    mirror.CodeWebhookSilent,
		Message: fmt.Sprintf("The webhook is silent: %d pushes in a row were found by looking at the branch, and no delivery told of them.", w.Unheard),
		Remedy:  "Look at the webhook's requests in the repository's settings; `confmirror check` tells whether it is there, and whether this daemon can be reached. Until then polling (sync.poll) does the work.",
		Since:   w.UnheardSince,
	}
}

type webhookRow struct {
	OrganizationID string `gorm:"primaryKey"`
	Repository     string
	URL            string `gorm:"column:url"`
	Tried          string
	TriedAt        timestamp
	Given          string
	Problem        jsonColumn
	DeliveredAt    timestamp
	DeliveredEvent string
	PushedAt       timestamp
	PullRequestAt  timestamp
	RefusedAt      timestamp
	RefusedEvent   string
	RefusedWhy     string
	Unheard        int
	UnheardSince   timestamp
}

func (webhookRow) TableName() string { return "mirror_webhooks" }

func (r *webhookRow) webhook() Webhook {
	w := Webhook{
		OrganizationID: r.OrganizationID, TriedAt: r.TriedAt.Time, Unheard: r.Unheard, UnheardSince: r.UnheardSince.Time,
		WebhookTry: WebhookTry{Repository: r.Repository, URL: r.URL, Tried: r.Tried, Given: r.Given},
		WebhookDeliveries: WebhookDeliveries{
			DeliveredAt: r.DeliveredAt.Time, DeliveredEvent: r.DeliveredEvent, PushedAt: r.PushedAt.Time, PullRequestAt: r.PullRequestAt.Time,
			RefusedAt: r.RefusedAt.Time, RefusedEvent: r.RefusedEvent, RefusedWhy: Refusal(r.RefusedWhy),
		},
	}
	_ = json.Unmarshal([]byte(r.Problem), &w.Problem)
	return w
}

// Webhook tells what is known of a mirror's webhook; the zero value while nothing is.
func (d *DB) Webhook(ctx context.Context, organizationID string) (Webhook, error) {
	known, err := d.Webhooks(ctx, []string{organizationID})
	return known[organizationID], err
}

// Webhooks are those of several mirrors, by organization.
func (d *DB) Webhooks(ctx context.Context, organizationIDs []string) (map[string]Webhook, error) {
	var rows []*webhookRow
	err := where(d.gorm.WithContext(ctx), d.inUUID("organization_id", organizationIDs)).Find(&rows).Error
	known := make(map[string]Webhook, len(rows))
	for _, r := range rows {
		known[r.OrganizationID] = r.webhook()
	}
	return known, d.fault(err)
}

// addWebhookCondition adds what a mirror's webhook has to say to its state.
func (d *DB) addWebhookCondition(tx *gorm.DB, s *Status) error {
	if s.State.Name == mirror.StateDisconnected {
		return nil
	}
	var rows []*webhookRow
	if err := tx.Where("organization_id = ?", s.OrganizationID).Limit(1).Find(&rows).Error; err != nil || len(rows) == 0 {
		return err
	}
	if silent := rows[0].webhook().Condition(); silent != nil {
		s.State.Conditions = append(s.State.Conditions, *silent)
	}
	return nil
}

// deliveriesAtOnce bounds the rows of one statement.
const deliveriesAtOnce = 500

// RecordDeliveries remembers deliveries by organization; what is zero of them stays as it
// was. One that tells of a push ends a silence.
func (d *DB) RecordDeliveries(ctx context.Context, came map[string]WebhookDeliveries) error {
	var accepted, pushed, pulled, refused []*webhookRow
	for id, w := range came {
		row := &webhookRow{
			OrganizationID: id, DeliveredAt: orNull(w.DeliveredAt), DeliveredEvent: w.DeliveredEvent, PushedAt: orNull(w.PushedAt), PullRequestAt: orNull(w.PullRequestAt),
			RefusedAt: orNull(w.RefusedAt), RefusedEvent: w.RefusedEvent, RefusedWhy: string(w.RefusedWhy),
		}
		if row.PushedAt.Valid {
			pushed = append(pushed, row)
		}
		if row.PullRequestAt.Valid {
			pulled = append(pulled, row)
		}
		if row.DeliveredAt.Valid {
			accepted = append(accepted, row)
		}
		if row.RefusedAt.Valid {
			refused = append(refused, row)
		}
	}
	return d.write(ctx, func(tx *gorm.DB) error {
		for _, part := range []struct {
			rows    []*webhookRow
			columns []string
		}{
			{accepted, []string{"delivered_at", "delivered_event"}},
			{pushed, []string{"pushed_at", "unheard", "unheard_since"}},
			{pulled, []string{"pull_request_at"}},
			{refused, []string{"refused_at", "refused_event", "refused_why"}},
		} {
			if len(part.rows) == 0 {
				continue
			}
			err := tx.Clauses(upsert([]string{"organization_id"}, part.columns...)).CreateInBatches(part.rows, deliveriesAtOnce).Error
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// orNull is a time that may be none.
func orNull(t time.Time) timestamp {
	if t.IsZero() {
		return timestamp{}
	}
	return at(t)
}

// RecordWebhook remembers an attempt to have the webhook made. What was heard from another
// repository, or at another address, says nothing of this one.
func (d *DB) RecordWebhook(ctx context.Context, organizationID string, t WebhookTry) error {
	row := &webhookRow{
		OrganizationID: organizationID, Repository: t.Repository, URL: t.URL, Tried: t.Tried, TriedAt: at(d.now()), Given: t.Given,
	}
	if t.Problem != nil {
		row.Problem = encode(t.Problem)
	}
	return d.write(ctx, func(tx *gorm.DB) error {
		conflict := upsert([]string{"organization_id"}, "repository", "url", "tried", "tried_at", "given", "problem")
		const elsewhere = "mirror_webhooks.repository <> excluded.repository OR mirror_webhooks.url <> excluded.url"
		for _, column := range []string{"pushed_at", "pull_request_at", "unheard", "unheard_since"} {
			conflict.DoUpdates = append(conflict.DoUpdates, clause.Assignment{
				Column: clause.Column{Name: column},
				Value:  clause.Expr{SQL: "CASE WHEN " + elsewhere + " THEN excluded." + column + " ELSE mirror_webhooks." + column + " END"},
			})
		}
		return tx.Clauses(conflict).Create(row).Error
	})
}

// RecordUnheard remembers how many pushes in a row no delivery told of, unless one has come
// meanwhile; 0 ends the count.
func (d *DB) RecordUnheard(ctx context.Context, organizationID string, unheard int, first time.Time) error {
	query := d.gorm.WithContext(ctx).Model(&webhookRow{}).Where("organization_id = ?", organizationID)
	if unheard > 0 {
		query = query.Where("pushed_at IS NULL OR pushed_at < ?", at(first))
	}
	return d.fault(query.Updates(map[string]any{"unheard": unheard, "unheard_since": orNull(first)}).Error)
}

// RenewWebhook asks for another attempt to have the webhook made, as if the host had never
// been given one.
func (d *DB) RenewWebhook(ctx context.Context, organizationID string) error {
	update := d.gorm.WithContext(ctx).Model(&webhookRow{}).Where("organization_id = ?", organizationID).
		Updates(map[string]any{"tried": "", "given": ""})
	return d.fault(update.Error)
}

// WebhookShare says how a mirror gets the webhook of its repository, which may have several
// mirrors: a webhook has one secret.
type WebhookShare string

// The shares.
const (
	// WebhookKept: this mirror looks after the webhook at the common address.
	WebhookKept WebhookShare = "kept"
	// WebhookShared: another mirror does, and its secret is this one's, too.
	WebhookShared WebhookShare = "shared"
	// WebhookOwn: another mirror does, with another secret; this one has a webhook at an address of its own.
	WebhookOwn WebhookShare = "own"
)

// WebhookShare tells it. Of the mirrors of a repository that have a secret the one that was
// connected first looks after the common webhook, so that no two change it in turns.
func (d *DB) WebhookShare(ctx context.Context, m *mirror.Mirror) (WebhookShare, error) {
	var first []*connectionRow
	err := d.gorm.WithContext(ctx).Where("disconnected_at IS NULL AND webhook_secret <> ''").
		Where("repository_uuid <> '' AND repository_uuid = ? OR lower(workspace) = lower(?) AND lower(repository) = lower(?)",
			m.Identity.Repository, m.Settings.Workspace, m.Settings.Repository).
		Order("created_at, organization_id").Limit(1).Find(&first).Error
	switch {
	case err != nil:
		return "", d.fault(err)
	case len(first) == 0 || first[0].OrganizationID == m.OrganizationID:
		return WebhookKept, nil
	}
	secret, err := d.openConnection(first[0], columnWebhookSecret)
	if err == nil && secret == m.Settings.WebhookSecret {
		return WebhookShared, nil
	}
	return WebhookOwn, nil
}

// Digest names a value without telling it: whoever has no encryption key cannot even try
// what it is the digest of. Equal parts have equal digests, for the same purpose.
func (d *DB) Digest(purpose string, parts ...string) (string, error) {
	if d.sealer == nil {
		return "", errors.New("db: opened without a sealer")
	}
	return d.sealer.digest(purpose, parts...), nil
}
