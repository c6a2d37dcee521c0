package db

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
)

// Event is something that happened to a mirror as a whole: what a run found, or what
// somebody did to its settings.
type Event struct {
	Code    string // of mirror.Event, or one of those below
	Message string
	Who     string // whose doing it is; "" for what a run found
	RunID   string // "" for what somebody did
	At      time.Time
}

// EventMoved: another daemon has the mirror, or the same one after a restart.
const EventMoved = "LEASE_MOVED"

// Codes of what people do to a mirror.
const (
	EventConnected    = "CONNECTED"
	EventSettings     = "SETTINGS_CHANGED"
	EventDisconnected = "DISCONNECTED"
	EventPaused       = "PAUSED"
	EventResumed      = "RESUMED"
	EventApproved     = "HELD_APPROVED"
	EventDiscarded    = "HELD_DISCARDED"
	EventProposed     = "PROPOSED_AGAIN"
	EventResolved     = "CONFLICT_RESOLVED"
	EventConfirmed    = "COPY_CONFIRMED"
)

type actorKey struct{}

// As is a context in which what is changed is the doing of who: it is noted with the events.
func As(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, actorKey{}, who)
}

func actor(ctx context.Context) string {
	who, _ := ctx.Value(actorKey{}).(string)
	return who
}

// note records what somebody does, in the transaction that does it.
func (d *DB) note(tx *gorm.DB, organizationID, code, format string, args ...any) error {
	return tx.Create(&eventRow{
		OrganizationID: organizationID, Code: code, Message: textOf(fmt.Sprintf(format, args...)), Who: textOf(actor(tx.Statement.Context)), CreatedAt: at(d.now()),
	}).Error
}

// noteEvents records what a run found.
func (d *DB) noteEvents(tx *gorm.DB, m *mirror.Mirror, runID string, events []mirror.Event) error {
	for _, e := range events {
		row := eventRow{OrganizationID: m.OrganizationID, RunID: runID, Code: e.Code, Message: textOf(e.Message), CreatedAt: at(d.now())}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
	}
	return nil
}

// Events lists what happened to an organization's mirror, the latest first.
func (d *DB) Events(ctx context.Context, organizationID string, page Page) (events []Event, next string, err error) {
	before, err := parseCursor(page.Cursor, 1)
	if err != nil {
		return nil, "", err
	}
	query := d.gorm.WithContext(ctx).Where("organization_id = ?", organizationID).Order("id DESC").Limit(page.limit() + 1)
	if before != nil {
		id, err := strconv.ParseInt(before[0], 10, 64)
		if err != nil {
			return nil, "", ErrBadCursor
		}
		query = query.Where("id < ?", id)
	}
	var rows []*eventRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, "", d.fault(err)
	}
	rows, next = pageOf(rows, page.limit(), func(r *eventRow) []string { return []string{strconv.FormatInt(r.ID, 10)} })
	for _, r := range rows {
		events = append(events, Event{r.Code, r.Message, r.Who, r.RunID, r.CreatedAt.Time})
	}
	return events, next, nil
}

// changedSettings names the settings that differ. Their values may be secret.
func changedSettings(before, after mirror.Settings) string {
	var names []string
	for name, differs := range map[string]bool{
		"workspace": before.Workspace != after.Workspace, "repository": before.Repository != after.Repository,
		"branch": before.Branch != after.Branch, "path_prefix": before.PathPrefix != after.PathPrefix,
		"client_id": before.ClientID != after.ClientID, "client_secret": before.ClientSecret != after.ClientSecret,
		"access_token": before.AccessToken != after.AccessToken, "webhook_secret": before.WebhookSecret != after.WebhookSecret,
		"push": before.Push != after.Push, "conflict": before.Conflict != after.Conflict,
		"api_url": before.APIURL != after.APIURL, "oauth_url": before.OAuthURL != after.OAuthURL, "git_url": before.GitURL != after.GitURL,
	} {
		if differs {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
