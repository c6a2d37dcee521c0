package db

import (
	"context"
	"encoding/json"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror"
)

// TriggerStart names the first run of a mirror that a daemon makes.
const TriggerStart = "start"

// report is the inverse of runRow.
func (r *runRow) report() *mirror.Report {
	report := &mirror.Report{
		RunID: r.RunID, Trigger: r.Trigger, State: mirror.StateName(r.State),
		Exported: r.Exported, Imported: r.Imported, Deleted: r.Deleted, Merged: r.Merged, Conflicts: r.Conflicts, Errors: r.Errors,
		Commits: []mirror.Hash{}, SyncedCommit: mirror.Hash(r.SyncedCommit), ActionsLeftOut: r.ActionsLeftOut, StartedAt: r.StartedAt.Time, DurationMS: r.DurationMS,
	}
	// We wrote these; one that cannot be read is left out.
	_ = json.Unmarshal([]byte(r.Commits), &report.Commits)
	_ = json.Unmarshal([]byte(r.Detail), &report.Detail)
	_ = json.Unmarshal([]byte(r.Actions), &report.Actions)
	return report
}

// Runs lists recorded runs, the newest first, without their actions.
func (d *DB) Runs(ctx context.Context, organizationID string, page Page) (runs []*mirror.Report, next string, err error) {
	before, err := parseCursor(page.Cursor, 1)
	if err != nil {
		return nil, "", err
	}
	query := d.gorm.WithContext(ctx).Omit("actions").Where("organization_id = ?", organizationID).
		Order("started_at DESC, run_id DESC").Limit(page.limit() + 1)
	if before != nil {
		query = query.Where("(started_at, run_id) < (SELECT r.started_at, r.run_id FROM sync_runs AS r WHERE r.run_id = ? AND r.organization_id = ?)",
			before[0], organizationID)
	}
	var rows []*runRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, "", d.fault(err)
	}
	rows, next = pageOf(rows, page.limit(), func(r *runRow) []string { return []string{r.RunID} })
	for _, row := range rows {
		runs = append(runs, row.report())
	}
	return runs, next, nil
}

// Run finds a recorded run, its actions included.
func (d *DB) Run(ctx context.Context, organizationID, runID string) (*mirror.Report, error) {
	if !storable(runID) {
		return nil, ErrNotFound
	}
	var row runRow
	err := d.gorm.WithContext(ctx).Where("organization_id = ? AND run_id = ?", organizationID, runID).Take(&row).Error
	if err != nil {
		return nil, d.missing(err)
	}
	return row.report(), nil
}

// RecordFault records a run that ended in a fault: the mirror's state, and the
// run itself. It answers the requests that the run knew of. mirror.ErrLeaseLost
// when another daemon has the mirror now; nothing is written then.
//
// A fault that goes on keeps the time it began; and a mirror that fails the same
// way at every poll does not fill the list of runs with it. The starts of daemons that met a
// blocked mirror are listed: how many they are tells one that is started over and over.
func (d *DB) RecordFault(ctx context.Context, m *mirror.Mirror, state mirror.State, report *mirror.Report) error {
	return d.write(ctx, func(tx *gorm.DB) error {
		row, err := connectionForUpdate(tx, m.OrganizationID)
		if err != nil {
			return err
		}
		if row.LeaseEpoch != m.Epoch || row.DisconnectedAt.Valid {
			return mirror.ErrLeaseLost
		}
		goesOn := false
		if state.Detail != nil {
			detail := *state.Detail
			var before *mirror.Detail
			_ = json.Unmarshal([]byte(row.Detail), &before)
			if goesOn = before != nil && before.Code == detail.Code && row.State == string(state.Name); goesOn {
				detail.Since = before.Since
			}
			state.Detail = &detail
		}
		set := map[string]any{"state": string(state.Name), "detail": nil, "conditions": nil}
		if state.Detail != nil {
			set["detail"] = encode(state.Detail)
		}
		if len(state.Conditions) > 0 {
			set["conditions"] = encode(state.Conditions)
		}
		asked := m.Requested > row.Covered
		if asked {
			set["covered"] = m.Requested
		}
		start := report != nil && report.Trigger == TriggerStart && state.Name == mirror.StateBlocked
		worth := report != nil && (asked || !goesOn || start || report.Trigger == "request" || len(report.Actions) > 0)
		if worth {
			set["last_run_id"] = report.RunID
			run, err := d.runRow(m, report)
			if err != nil {
				return err
			}
			if err := tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "run_id"}}, UpdateAll: true}).Create(run).Error; err != nil {
				return err
			}
		}
		return tx.Model(&connectionRow{}).Where("organization_id = ?", m.OrganizationID).Updates(set).Error
	})
}

// Request asks the mirror's holder for a run, and wakes it. A run that covers the
// returned number has seen every edit committed before the request.
func (d *DB) Request(ctx context.Context, organizationID string) (number int64, err error) {
	err = d.write(ctx, func(tx *gorm.DB) error {
		var numbers []int64
		err := tx.Raw(`UPDATE bitbucket_connections SET requested = requested + 1
			WHERE organization_id = ? AND disconnected_at IS NULL RETURNING requested`, organizationID).Scan(&numbers).Error
		if err != nil {
			return err
		}
		if len(numbers) == 0 {
			return mirror.ErrNoMirror
		}
		number = numbers[0]
		return d.wake(tx, organizationID)
	})
	return number, d.fault(err)
}

// Covered tells up to which number requests are answered, and by which run last.
func (d *DB) Covered(ctx context.Context, organizationID string) (covered int64, lastRunID string, err error) {
	row, err := d.connection(ctx, organizationID)
	if err != nil {
		return 0, "", err
	}
	if row.DisconnectedAt.Valid {
		return 0, "", mirror.ErrNoMirror
	}
	return row.Covered, row.LastRunID, nil
}
