package db

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Status is how a mirror is, as people see it.
type Status struct {
	OrganizationID string
	Organization   string // slug
	// State's name is the first that applies of disconnected, paused, blocked, held,
	// error, syncing and ok. (A run that is just under way is known to its daemon only.)
	State          mirror.State
	Paused         bool
	DisconnectedAt *time.Time
	Identity       mirror.Identity
	Cursor         mirror.Hash // the last settled commit
	RemoteSeen     mirror.Hash // the branch's head when it was last looked at
	Pending        int         // entities with captured changes; maxPending stands for more
	PendingSince   *time.Time  // when the oldest of them was made
	BehindSince    *time.Time  // since when the branch has had what is not imported
	Errors         int         // entities and files with an error
	Conflicts      int         // open ones
	Held           int         // deletions that wait for a person
	Holder         string      // "" when no daemon has the mirror
	LastRun        *mirror.Report
	// Succeeded is when a run last ended well, or could first have begun: known to the daemon
	// that has the mirror only.
	Succeeded *time.Time
	Alarm     string // the code that people were last told; "": that all is well, or nothing
	// Requested counts the runs asked for; those up to Covered are answered.
	Requested, Covered int64
}

// maxPending bounds the counting of captured changes.
const maxPending = 10_000

// Status tells how an organization's mirror is. An organization that never had a
// connection is disconnected; ErrNotFound without the organization.
func (d *DB) Status(ctx context.Context, organizationID string) (*Status, error) {
	var s *Status
	err := d.snapshot(ctx, func(tx *gorm.DB) error {
		found, err := d.statuses(tx, []string{organizationID}, maxPending)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			var organization organizationRow
			if err := tx.Where("id = ?", organizationID).Take(&organization).Error; err != nil {
				return d.missing(err)
			}
			s = &Status{OrganizationID: organizationID, Organization: organization.Slug, State: disconnected()}
			return nil
		}
		s = found[0]
		var runs []*runRow
		if err := tx.Omit("actions").Where("organization_id = ?", organizationID).Order("started_at DESC, run_id DESC").Limit(1).Find(&runs).Error; err != nil {
			return err
		}
		if len(runs) > 0 {
			s.LastRun = runs[0].report()
		}
		return d.addWebhookCondition(tx, s)
	})
	return s, err
}

// Statuses tells of several mirrors at once what tells whether edits arrive: all of Status but
// the last run and what the webhook has to say. Of captured changes it counts mostPending.
func (d *DB) Statuses(ctx context.Context, organizationIDs []string) ([]*Status, error) {
	if len(organizationIDs) == 0 {
		return nil, nil
	}
	list, err := d.statuses(d.gorm.WithContext(ctx), organizationIDs, mostPending)
	return list, d.fault(err)
}

// RecordAlarm remembers what people were told of a mirror: a code, or "" that all is well.
func (d *DB) RecordAlarm(ctx context.Context, organizationID, code string) error {
	return d.found(d.gorm.WithContext(ctx).Model(&connectionRow{}).Where("organization_id = ?", organizationID).UpdateColumn("alarm", code))
}

// Unheld counts the connected mirrors that no daemon has.
func (d *DB) Unheld(ctx context.Context) (int, error) {
	var n int64
	err := d.gorm.WithContext(ctx).Model(&connectionRow{}).
		Where("disconnected_at IS NULL AND coalesce(lease_expires_at <= " + d.sqlNow() + ", true)").Count(&n).Error
	return int(n), d.fault(err)
}

// mostPending bounds the counting where many mirrors are asked for again and again.
const mostPending = 1000

// statusRow is a mirror with its counts.
type statusRow struct {
	Connection                                  connectionRow `gorm:"embedded"`
	Organization                                string
	Alive                                       bool
	Pending, Rejected, Failing, Conflicts, Held int
	PendingSince                                timestamp
}

// statuses reads mirrors in one statement.
func (d *DB) statuses(tx *gorm.DB, organizationIDs []string, most int) ([]*Status, error) {
	var failing []string
	for _, kind := range document.Kinds {
		failing = append(failing, "(SELECT count(*) FROM "+tables[kind].name+" WHERE organization_id = c.organization_id AND "+d.failing()+")")
	}
	var rows []*statusRow
	err := where(tx, d.inUUID("c.organization_id", organizationIDs)).
		Table("bitbucket_connections AS c").Joins("JOIN organizations AS o ON o.id = c.organization_id").
		Select(`c.*, o.slug AS organization, coalesce(c.lease_expires_at > `+d.sqlNow()+`, false) AS alive,
			(SELECT count(*) FROM (SELECT DISTINCT kind, row_id FROM mirror_changes WHERE organization_id = c.organization_id LIMIT ?) AS changed) AS pending,
			(SELECT captured_at FROM mirror_changes WHERE organization_id = c.organization_id AND id > 0 ORDER BY id LIMIT 1) AS pending_since,
			(SELECT count(*) FROM rejected_files WHERE organization_id = c.organization_id) AS rejected,
			(SELECT count(*) FROM conflicts WHERE organization_id = c.organization_id AND resolved_at IS NULL) AS conflicts,
			(SELECT count(*) FROM mirror_unsettled AS u WHERE u.organization_id = c.organization_id AND c.disconnected_at IS NULL
				AND u.identity = c.identity AND u.reason IN ? AND u.verdict = ?) AS held,
			`+strings.Join(failing, " + ")+` AS failing`, most, heldReasons, string(mirror.Undecided)).
		Order("o.slug").Scan(&rows).Error
	if err != nil {
		return nil, err
	}
	list := make([]*Status, 0, len(rows))
	for _, row := range rows {
		list = append(list, row.status())
	}
	return list, nil
}

func (r *statusRow) status() *Status {
	c := &r.Connection
	s := &Status{
		OrganizationID: c.OrganizationID, Organization: r.Organization, Paused: c.Paused, DisconnectedAt: c.DisconnectedAt.ptr(),
		Identity: parseIdentity(c.Identity), Cursor: mirror.Hash(c.CursorCommit), RemoteSeen: mirror.Hash(c.RemoteSeen),
		Pending: r.Pending, PendingSince: r.PendingSince.ptr(), BehindSince: c.BehindSince.ptr(),
		Errors: r.Failing + r.Rejected, Conflicts: r.Conflicts, Held: r.Held, Alarm: c.Alarm, Requested: c.Requested, Covered: c.Covered,
	}
	if r.Alive {
		s.Holder = c.Holder
	}
	s.State = c.stateShown(s)
	return s
}

func disconnected() mirror.State {
	return mirror.State{Name: mirror.StateDisconnected, Conditions: []mirror.Detail{}}
}

// stateShown is the state that people see.
func (r *connectionRow) stateShown(s *Status) mirror.State {
	state := mirror.State{Conditions: []mirror.Detail{}}
	_ = json.Unmarshal([]byte(r.Conditions), &state.Conditions)
	last := mirror.StateName(r.State)
	switch {
	case r.DisconnectedAt.Valid:
		return disconnected()
	case r.Paused:
		state.Name = mirror.StatePaused
	case last == mirror.StateBlocked, last == mirror.StateHeld, last == mirror.StateError:
		state.Name = last
		_ = json.Unmarshal([]byte(r.Detail), &state.Detail)
	case last == "", s.Pending > 0, s.Requested > s.Covered:
		state.Name = mirror.StateSyncing
	default:
		state.Name = mirror.StateOK
		_ = json.Unmarshal([]byte(r.Detail), &state.Detail)
	}
	return state
}

// failing is the condition of live rows with an error, word for word that of the partial index.
func (d *DB) failing() string {
	condition := "CASE WHEN json_valid(git_integration) THEN json_extract(git_integration, '$.error') END IS NOT NULL"
	if d.postgres {
		condition = "git_integration -> 'error' IS NOT NULL"
	}
	return "deleted_at IS NULL AND " + condition
}

// Failure is an entity, or a file without an entity, that has an error.
type Failure struct {
	Kind     document.Kind
	Slug     string
	Path     string
	OwnerID  *string
	Rejected bool // a file without an entity
	Error    mirror.EntityError
}

// Errors lists what has an error, by kind and slug: at most limit (0 is the usual page).
func (d *DB) Errors(ctx context.Context, organizationID string, limit int) ([]Failure, error) {
	limit = Page{Limit: limit}.limit()
	var failures []Failure
	err := d.snapshot(ctx, func(tx *gorm.DB) error {
		failures = nil
		var rejected []*rejectedRow
		if err := tx.Where("organization_id = ?", organizationID).Order("kind, path").Limit(limit).Find(&rejected).Error; err != nil {
			return err
		}
		for _, row := range rejected {
			f := Failure{Kind: document.Kind(row.Kind), Slug: row.Slug, Path: row.Path, Rejected: true}
			_ = json.Unmarshal([]byte(row.Error), &f.Error)
			failures = append(failures, f)
		}
		for _, kind := range document.Kinds {
			table := tables[kind]
			columns := []string{"slug", "git_integration"}
			if table.hasOwners() {
				columns = append(columns, "owner_id")
			}
			var rows []struct {
				Slug           string
				OwnerID        *string
				GitIntegration jsonColumn
			}
			if err := tx.Table(table.name).Select(columns).Where("organization_id = ? AND "+d.failing(), organizationID).Order("slug").Limit(limit).Scan(&rows).Error; err != nil {
				return err
			}
			for _, row := range rows {
				var integration mirror.GitIntegration
				if json.Unmarshal([]byte(row.GitIntegration), &integration) != nil || integration.Error == nil {
					continue
				}
				failures = append(failures, Failure{Kind: kind, Slug: row.Slug, Path: integration.Path, OwnerID: row.OwnerID, Error: *integration.Error})
			}
		}
		return nil
	})
	slices.SortStableFunc(failures, func(a, b Failure) int {
		if n := a.Kind.Order() - b.Kind.Order(); n != 0 {
			return n
		}
		return strings.Compare(a.Slug, b.Slug)
	})
	return failures[:min(limit, len(failures))], err
}
