package db

import (
	"context"
	"encoding/json"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
	"github.com/confmirror/confmirror/mirror/parallel"
)

// Settle ends a run in one transaction. It begins with a compare-and-swap on the
// mirror's row, whose lock it keeps: two settles of a mirror are serial, and one
// of a holder that has lost the lease writes nothing.
func (d *DB) Settle(ctx context.Context, m *mirror.Mirror, s *mirror.Settlement) error {
	err := d.write(ctx, func(tx *gorm.DB) error {
		if err := d.settleMirror(tx, m, s); err != nil {
			return err
		}
		withdrawn, err := d.withdrawnSkills(tx, m, s.DropIntents)
		if err != nil {
			return err
		}
		locked, err := d.followSkills(tx, m, slices.Concat(s.Bases, s.Offered), withdrawn, s.Consumed)
		if err != nil {
			return err
		}
		if err := d.putBases(tx, m, s.Bases, s.DropBases, locked); err != nil {
			return err
		}
		if err := d.deleteChanges(tx, m.OrganizationID, s.Consumed, locked); err != nil {
			return err
		}
		if err := requeue(tx, m, s.Requeued); err != nil {
			return err
		}
		if err := d.dropIntents(tx, m, s.DropIntents, locked); err != nil {
			return err
		}
		if err := d.settleOpen(tx, m, s); err != nil {
			return err
		}
		if err := d.settleRejected(tx, m, s); err != nil {
			return err
		}
		if err := d.settleStatuses(tx, m, s.Statuses); err != nil {
			return err
		}
		return d.settleHistory(tx, m, s)
	})
	if err == nil {
		d.refreshStatistics(ctx, len(s.Bases))
	}
	return err
}

func (d *DB) settleMirror(tx *gorm.DB, m *mirror.Mirror, s *mirror.Settlement) error {
	set := map[string]any{
		"cursor_commit": string(s.Cursor),
		"remote_seen":   string(s.RemoteSeen),
		"behind_since":  nil,
		"imported_from": importsFrom(s.ImportedFrom),
		"planned_by":    s.PlannedBy,
		"state":         string(s.State.Name),
		"detail":        nil,
		"conditions":    nil,
		"proposed":      nil,
		"covered":       clause.Expr{SQL: "CASE WHEN covered < ? THEN ? ELSE covered END", Vars: []any{s.Covered, s.Covered}},
	}
	if s.RemoteSeen != s.Cursor {
		set["behind_since"] = clause.Expr{SQL: "coalesce(behind_since, " + d.sqlNow() + ")"}
	}
	if s.State.Detail != nil {
		set["detail"] = encode(s.State.Detail)
	}
	if len(s.State.Conditions) > 0 {
		set["conditions"] = encode(s.State.Conditions)
	}
	if s.Proposed != (mirror.Proposed{}) {
		set["proposed"] = encode(s.Proposed)
	}
	if s.Run != nil {
		set["last_run_id"] = s.Run.RunID
	}
	update := tx.Model(&connectionRow{}).
		Where("organization_id = ? AND lease_epoch = ? AND identity = ? AND disconnected_at IS NULL", m.OrganizationID, m.Epoch, identityKey(m.Identity)).
		Updates(set)
	if update.Error == nil && update.RowsAffected == 0 {
		return mirror.ErrLeaseLost
	}
	return update.Error
}

func requeue(tx *gorm.DB, m *mirror.Mirror, changes []mirror.Change) error {
	rows := make([]changeRow, len(changes))
	for i, c := range changes {
		rows[i] = changeRow{OrganizationID: m.OrganizationID, Kind: string(c.Kind), RowID: c.RowID, SlugBefore: c.SlugBefore, SlugAfter: c.SlugAfter}
	}
	if len(rows) == 0 {
		return nil
	}
	return tx.CreateInBatches(rows, engineBatch).Error
}

func (d *DB) dropIntents(tx *gorm.DB, m *mirror.Mirror, ids []int64, locked []string) error {
	if len(ids) == 0 {
		return nil
	}
	query := where(tx, d.inIDs("id", ids)).Where("organization_id = ?", m.OrganizationID)
	if len(locked) > 0 {
		query = query.Not(clause.And(clause.Eq{Column: "kind", Value: document.Skills}, d.inText("row_id", locked)))
	}
	return query.Delete(&intentRow{}).Error
}

// settleOpen writes what the run leaves open, after what is open no longer.
func (d *DB) settleOpen(tx *gorm.DB, m *mirror.Mirror, s *mirror.Settlement) error {
	identity := identityKey(m.Identity)
	for k, paths := range byKind(s.Settled) {
		err := where(tx, d.inText("path", paths)).
			Where("organization_id = ? AND identity = ? AND kind = ?", m.OrganizationID, identity, k).Delete(&unsettledRow{}).Error
		if err != nil {
			return err
		}
	}
	latest := map[mirror.Key]int{}
	var rows []unsettledRow
	for _, u := range s.Unsettled {
		row := unsettledRow{
			OrganizationID: m.OrganizationID, Identity: identity, Kind: string(u.Kind), Path: textOf(u.Path),
			RowID: u.RowID, Slug: textOf(u.Slug), Reason: string(u.Reason), WaitsFor: jsonStrings(u.WaitsFor), Due: u.Due,
			Digest: string(u.Digest), GitID: u.GitID, Direction: string(u.Direction), Verdict: string(u.Verdict), CreatedAt: at(d.now()),
		}
		if i, twice := latest[u.Key]; twice {
			rows[i] = row
			continue
		}
		latest[u.Key] = len(rows)
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil
	}
	conflict := upsert([]string{"organization_id", "identity", "kind", "path"},
		"row_id", "slug", "reason", "waits_for", "digest", "git_id", "direction")
	// A person may have decided on a held item while the run held it once more.
	const decided = "mirror_unsettled.reason IN ('held', 'rebind', 'declined') AND mirror_unsettled.verdict <> '' AND excluded.reason = mirror_unsettled.reason" +
		" AND excluded.verdict = '' AND mirror_unsettled.direction = excluded.direction AND mirror_unsettled.git_id = excluded.git_id"
	for _, column := range []string{"verdict", "due"} {
		conflict.DoUpdates = append(conflict.DoUpdates, clause.Assignment{
			Column: clause.Column{Name: column},
			Value:  clause.Expr{SQL: "CASE WHEN " + decided + " THEN mirror_unsettled." + column + " ELSE excluded." + column + " END"},
		})
	}
	return tx.Clauses(conflict).CreateInBatches(rows, engineBatch).Error
}

func (d *DB) settleRejected(tx *gorm.DB, m *mirror.Mirror, s *mirror.Settlement) error {
	for k, paths := range byKind(s.Accepted) {
		err := where(tx, d.inText("path", paths)).Where("organization_id = ? AND kind = ?", m.OrganizationID, k).Delete(&rejectedRow{}).Error
		if err != nil {
			return err
		}
	}
	latest := map[mirror.Key]int{}
	var rows []rejectedRow
	for _, r := range s.Rejected {
		row := rejectedRow{
			OrganizationID: m.OrganizationID, Kind: string(r.Kind), Path: textOf(r.Path), Slug: textOf(r.Slug), GitID: r.GitID,
			Error: encode(r.Error), CreatedAt: at(d.now()), UpdatedAt: at(d.now()),
		}
		if i, twice := latest[r.Key]; twice {
			rows[i] = row
			continue
		}
		latest[r.Key] = len(rows)
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil
	}
	// What was told before keeps its date.
	message := func(table string) string {
		if d.postgres {
			return table + ".error ->> 'message'"
		}
		return "json_extract(" + table + ".error, '$.message')"
	}
	told := "rejected_files.git_id = excluded.git_id AND " + message("rejected_files") + " = " + message("excluded")
	conflict := upsert([]string{"organization_id", "kind", "path"}, "slug", "git_id")
	for _, column := range []string{"error", "updated_at"} {
		conflict.DoUpdates = append(conflict.DoUpdates, clause.Assignment{
			Column: clause.Column{Name: column},
			Value:  clause.Expr{SQL: "CASE WHEN " + told + " THEN rejected_files." + column + " ELSE excluded." + column + " END"},
		})
	}
	return tx.Clauses(conflict).CreateInBatches(rows, engineBatch).Error
}

// settleStatuses writes git_integration, which is not captured. A row that
// somebody has locked is not waited for: it is due in the next run, which finds
// that its status is not what it should be.
func (d *DB) settleStatuses(tx *gorm.DB, m *mirror.Mirror, statuses []mirror.RowStatus) error {
	for _, k := range document.Kinds {
		t := tables[k]
		latest := map[string]mirror.RowStatus{}
		ids := set{}
		for _, status := range statuses {
			if status.Kind == k && status.RowID != "" {
				latest[status.RowID] = status
				ids[status.RowID] = true
			}
		}
		if len(ids) == 0 {
			continue
		}
		var free []string
		err := where(d.lockFree(tx).Table(t.name), d.inUUID("id", ids.list()), d.besides(m.OrganizationID)).Order("id").Pluck("id", &free).Error
		if err != nil {
			return err
		}
		var values []map[string]any
		for _, id := range free {
			row := map[string]any{"id": id}
			if integration := latest[id].Integration; integration != (mirror.GitIntegration{}) {
				row["value"] = integration
			}
			values = append(values, row)
			delete(ids, id)
		}
		statement := "UPDATE " + t.name + " AS t SET git_integration = v.value -> '$.value' FROM json_each(?) AS v WHERE t.id = v.value ->> '$.id'"
		if d.postgres {
			statement = "UPDATE " + t.name + " AS t SET git_integration = v.value" +
				" FROM jsonb_to_recordset(CAST(? AS jsonb)) AS v (id uuid, value jsonb) WHERE t.id = v.id"
		}
		batches := slices.Collect(slices.Chunk(values, updateBatchRows))
		err = parallel.Ahead(len(batches), func(i int) jsonColumn { return encode(batches[i]) }, func(batch jsonColumn) error {
			return tx.Exec(statement, batch).Error
		})
		if err != nil {
			return err
		}
		if err := d.revisit(tx, m, k, ids.list(), latest); err != nil {
			return err
		}
	}
	return nil
}

// revisit makes rows due whose status could not be written.
func (d *DB) revisit(tx *gorm.DB, m *mirror.Mirror, k document.Kind, ids []string, statuses map[string]mirror.RowStatus) error {
	var rows []unsettledRow
	for _, id := range ids {
		if path := statuses[id].Integration.Path; path != "" {
			rows = append(rows, unsettledRow{
				OrganizationID: m.OrganizationID, Identity: identityKey(m.Identity), Kind: string(k), Path: path,
				RowID: id, Reason: string(mirror.ReasonRaced), Due: true, CreatedAt: at(d.now()),
			})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error
}

// settleHistory writes the run, its events, and the deletions that the brake counts.
func (d *DB) settleHistory(tx *gorm.DB, m *mirror.Mirror, s *mirror.Settlement) error {
	runID := ""
	if s.Run != nil {
		runID = s.Run.RunID
	}
	if err := d.noteDeletions(tx, m, mirror.ToGit, s.Deleted); err != nil {
		return err
	}
	if err := d.noteEvents(tx, m, runID, s.Events); err != nil {
		return err
	}
	if s.Run == nil {
		return nil
	}
	row, err := d.runRow(m, s.Run)
	if err != nil {
		return err
	}
	return tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "run_id"}}, UpdateAll: true}).Create(row).Error
}

// runRow is a run as it is recorded. A run of several rounds settles each, and
// its row grows.
func (d *DB) runRow(m *mirror.Mirror, r *mirror.Report) (*runRow, error) {
	row := &runRow{
		RunID: r.RunID, OrganizationID: m.OrganizationID, Trigger: r.Trigger, State: string(r.State),
		Exported: r.Exported, Imported: r.Imported, Deleted: r.Deleted, Merged: r.Merged, Conflicts: r.Conflicts, Errors: r.Errors,
		SyncedCommit: string(r.SyncedCommit), ActionsLeftOut: r.ActionsLeftOut, DurationMS: r.DurationMS, StartedAt: at(r.StartedAt), EndedAt: at(d.now()),
	}
	for _, column := range []struct {
		to    *jsonColumn
		value any
		empty bool
	}{
		{&row.Commits, r.Commits, len(r.Commits) == 0},
		{&row.Actions, r.Actions, len(r.Actions) == 0},
		{&row.Detail, r.Detail, r.Detail == nil},
	} {
		if column.empty {
			continue
		}
		data, err := json.Marshal(column.value)
		if err != nil {
			return nil, err
		}
		*column.to = jsonColumn(data)
	}
	return row, nil
}
