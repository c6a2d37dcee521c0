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
		var organization organizationRow
		if err := tx.Where("id = ?", organizationID).Take(&organization).Error; err != nil {
			return d.missing(err)
		}
		s = &Status{OrganizationID: organizationID, Organization: organization.Slug}
		s.State = mirror.State{Name: mirror.StateDisconnected, Conditions: []mirror.Detail{}}
		var rows []*struct {
			Connection connectionRow `gorm:"embedded"`
			Alive      bool
		}
		err := tx.Table("bitbucket_connections").Select("*, coalesce(lease_expires_at > "+d.sqlNow()+", false) AS alive").
			Where("organization_id = ?", organizationID).Scan(&rows).Error
		if err != nil || len(rows) == 0 {
			return err
		}
		row := &rows[0].Connection
		s.Paused, s.DisconnectedAt = row.Paused, row.DisconnectedAt.ptr()
		s.Identity, s.Cursor, s.RemoteSeen = parseIdentity(row.Identity), mirror.Hash(row.CursorCommit), mirror.Hash(row.RemoteSeen)
		s.BehindSince = row.BehindSince.ptr()
		s.Requested, s.Covered = row.Requested, row.Covered
		if rows[0].Alive {
			s.Holder = row.Holder
		}
		if err := d.count(tx, s); err != nil {
			return err
		}
		s.State = row.stateShown(s)
		return d.addWebhookCondition(tx, s)
	})
	return s, err
}

// count fills in the numbers and the last run.
func (d *DB) count(tx *gorm.DB, s *Status) error {
	id := s.OrganizationID
	var counts struct {
		Pending, Rejected, Conflicts, Held int
		PendingSince                       timestamp
	}
	err := tx.Raw(`SELECT
		(SELECT count(*) FROM (SELECT DISTINCT kind, row_id FROM mirror_changes WHERE organization_id = ? LIMIT ?) AS changed) AS pending,
		(SELECT captured_at FROM mirror_changes WHERE organization_id = ? AND id > 0 ORDER BY id LIMIT 1) AS pending_since,
		(SELECT count(*) FROM rejected_files WHERE organization_id = ?) AS rejected,
		(SELECT count(*) FROM conflicts WHERE organization_id = ? AND resolved_at IS NULL) AS conflicts`,
		id, maxPending, id, id, id).Scan(&counts).Error
	if err != nil {
		return err
	}
	s.Pending, s.Errors, s.Conflicts = counts.Pending, counts.Rejected, counts.Conflicts
	s.PendingSince = counts.PendingSince.ptr()
	for _, kind := range document.Kinds {
		var n int64
		if err := tx.Table(tables[kind].name).Scopes(d.failing(id)).Count(&n).Error; err != nil {
			return err
		}
		s.Errors += int(n)
	}
	var n int64
	if err := tx.Model(&unsettledRow{}).Scopes(held(id)).Count(&n).Error; err != nil {
		return err
	}
	s.Held = int(n)
	var runs []*runRow
	err = tx.Omit("actions").Where("organization_id = ?", id).Order("started_at DESC, run_id DESC").Limit(1).Find(&runs).Error
	if err == nil && len(runs) > 0 {
		s.LastRun = runs[0].report()
	}
	return err
}

// stateShown is the state that people see.
func (r *connectionRow) stateShown(s *Status) mirror.State {
	state := mirror.State{Conditions: []mirror.Detail{}}
	_ = json.Unmarshal([]byte(r.Conditions), &state.Conditions)
	last := mirror.StateName(r.State)
	switch {
	case r.DisconnectedAt.Valid:
		return mirror.State{Name: mirror.StateDisconnected, Conditions: []mirror.Detail{}}
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

// failing limits a query on an entity's table to live rows with an error. The
// condition is word for word that of the partial index.
func (d *DB) failing(organizationID string) func(*gorm.DB) *gorm.DB {
	condition := "CASE WHEN json_valid(git_integration) THEN json_extract(git_integration, '$.error') END IS NOT NULL"
	if d.postgres {
		condition = "git_integration -> 'error' IS NOT NULL"
	}
	return func(tx *gorm.DB) *gorm.DB {
		return tx.Where("organization_id = ? AND deleted_at IS NULL AND "+condition, organizationID)
	}
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
			if err := tx.Table(table.name).Select(columns).Scopes(d.failing(organizationID)).Order("slug").Limit(limit).Scan(&rows).Error; err != nil {
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
