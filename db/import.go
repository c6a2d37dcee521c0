package db

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
	"github.com/confmirror/confmirror/mirror/parallel"
)

// lockTimeout is how long an import waits for a lock that it could not foresee (a
// slug that is being inserted by another transaction). It is shorter than
// PostgreSQL's deadlock_timeout: in a deadlock with a writer we are who gives in.
const lockTimeout = "500ms"

// Import writes rows and their bases in one transaction. What cannot be written
// now is left out and told in its outcome.
func (d *DB) Import(ctx context.Context, m *mirror.Mirror, head mirror.Hash, runID string, changes []*mirror.RowChange) ([]mirror.Outcome, error) {
	outcomes := make([]mirror.Outcome, len(changes))
	err := d.write(ctx, func(tx *gorm.DB) error {
		clear(outcomes)
		im := &importing{DB: d, tx: tx, mirror: m, runID: runID}
		for i, c := range changes {
			im.items = append(im.items, &item{change: c, table: tables[kindOf(c)], outcome: &outcomes[i]})
		}
		if err := im.run(); err != nil {
			return err
		}
		return d.noteImport(tx, m, head)
	})
	if err != nil {
		return nil, err
	}
	d.refreshStatistics(ctx, len(changes))
	return outcomes, nil
}

// importing is one Import at work.
type importing struct {
	*DB
	tx     *gorm.DB
	mirror *mirror.Mirror
	runID  string
	items  []*item
}

// item is one RowChange.
type item struct {
	change  *mirror.RowChange
	table   *table
	outcome *mirror.Outcome
	// record is the row, with the document written into it.
	record record
	// from is the slug that the row holds now; "" for a row that is not live.
	from string
	// vacates: another item takes the slug that this one gives up.
	vacates   bool
	dropFiles []string
	files     []skillFileRow
	// secrets is what the write does to the row's secret values, nil for nothing.
	secrets *secretMove
}

func kindOf(c *mirror.RowChange) document.Kind {
	switch {
	case c.Document != nil:
		return c.Document.Kind
	case c.Row != nil:
		return c.Row.Kind
	}
	return c.Key.Kind
}

func (i *item) id() string { return i.record.entity().ID }

// to is the slug that the row will hold; "" if none.
func (i *item) to() string {
	if i.change.Action == mirror.RowDelete {
		return ""
	}
	return i.change.Document.Slug
}

// stays: the row holds the slug already. It is locked, and no other live row of the
// organization's own has the same.
func (i *item) stays() bool { return i.from == i.to() && owner(i.record) == nil }

func (i *item) out() bool { return i.outcome.Raced || i.outcome.Problem != nil }

func (im *importing) run() error {
	if err := im.connected(im.tx, im.mirror.OrganizationID); err != nil {
		return err
	}
	if im.postgres {
		if err := im.tx.Exec("SET LOCAL lock_timeout = '" + lockTimeout + "'").Error; err != nil {
			return err
		}
	}
	for _, k := range document.Kinds {
		if err := im.take(k); err != nil {
			return err
		}
	}
	if err := im.returnKept(); err != nil {
		return err
	}
	units, err := im.units()
	if err != nil {
		return err
	}
	if err := im.attempt(units); err != nil {
		return err
	}
	if err := im.keepSecrets(im.tx, im.mirror.OrganizationID, im.moves()); err != nil {
		return err
	}
	if err := im.agree(); err != nil {
		return err
	}
	return im.consume()
}

// connected makes sure that the organization is connected, and keeps its agreed
// contents from being swept until the transaction ends. Renewing the lease does
// not wait for this lock.
func (d *DB) connected(tx *gorm.DB, organizationID string) error {
	var c connectionRow
	err := d.lock(tx, "KEY SHARE").Select("id").Where("organization_id = ? AND disconnected_at IS NULL", organizationID).Take(&c).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return mirror.ErrNoMirror
	}
	return err
}

// take locks a kind's rows in the order of their ids, compares each with what was
// planned on, and prepares what to write.
func (im *importing) take(k document.Kind) error {
	rows, err := im.untouched(k)
	if err != nil {
		return err
	}
	var ids []string
	for _, i := range im.items {
		if i.table == tables[k] && i.change.Row != nil && rows[i.change.Row.ID] == nil {
			ids = append(ids, i.change.Row.ID)
		}
	}
	if len(ids) > 0 {
		locked, err := im.loadIDs(im.lockFree(im.tx), im.mirror.OrganizationID, tables[k], ids)
		if err != nil {
			return err
		}
		for _, r := range locked {
			rows[r.record.entity().ID] = r
		}
	}
	var items []*item
	for _, i := range im.items {
		if i.table == tables[k] {
			items = append(items, i)
		}
	}
	now := at(im.now())
	return parallel.Each(len(items), func(n int) error {
		i := items[n]
		if i.change.Action == mirror.RowCreate {
			i.create(im.mirror.OrganizationID, now)
			return nil
		}
		r := rows[i.change.Row.ID]
		if r == nil || r.guard != i.change.Row.Guard {
			i.outcome.Raced = true
			return nil
		}
		i.record = r.record
		if e := r.record.entity(); !e.DeletedAt.Valid {
			i.from = e.Slug
		}
		i.update(r, now)
		return nil
	})
}

func (i *item) create(organizationID string, now timestamp) {
	i.record = i.table.blank()
	e := i.record.entity()
	e.ID, e.OrganizationID, e.CreatedAt, e.UpdatedAt = uuid.NewString(), organizationID, now, now
	e.GitIntegration = encode(i.change.Integration)
	i.sign(e)
	put(i.record, document.Absorb(i.change.Document, nil), nil)
	if skill, ok := i.record.(*skillRow); ok {
		i.files = skill.Files
	}
}

func (i *item) update(r *storedRow, now timestamp) {
	e := i.record.entity()
	e.UpdatedAt = now
	if i.change.Action == mirror.RowDelete {
		e.DeletedAt, e.GitIntegration = now, ""
		return
	}
	e.DeletedAt, e.GitIntegration = timestamp{}, encode(i.change.Integration)
	i.sign(e)
	held := r.document
	if i.from == "" {
		e.change("deleted_at")
	}
	if i.from == "" && document.Target(held) != document.Target(i.change.Document) {
		held = nil // it comes back for somebody else, who gets none of its values
	}
	stored := document.Absorb(i.change.Document, held)
	i.secrets = moveSecrets(r.record, r.document, stored, nil)
	if skill, ok := i.record.(*skillRow); ok {
		i.dropFiles, i.files = putFiles(skill, stored)
		return
	}
	put(i.record, stored, r.document)
}

// sign names the author of the change, if it has one.
func (i *item) sign(e *entityColumns) {
	if i.change.Author != "" {
		e.UpdatedBy = &i.change.Author
		e.change("updated_by")
	}
}

// moves are what the writes that stand do to secret values.
func (im *importing) moves() []*secretMove {
	var moves []*secretMove
	for _, i := range im.items {
		if i.secrets != nil && !i.out() {
			moves = append(moves, i.secrets)
		}
	}
	return moves
}

// returnKept gives entries that return what was kept for them.
func (im *importing) returnKept() error {
	changed, err := im.returnSecrets(im.tx, im.mirror.OrganizationID, im.moves())
	for _, m := range changed {
		put(m.record, m.next, nil)
	}
	return err
}

// agree writes the bases of what was written, keeps what it replaced, and notes what
// people or the brake must know even if the run ends here.
func (im *importing) agree() error {
	var bases []*mirror.Base
	var drop []mirror.Key
	var conflicts []*mirror.Conflict
	var events []mirror.Event
	var answered []int64
	deleted := 0
	for _, i := range im.items {
		if i.out() {
			continue
		}
		c := i.change
		i.outcome.RowID = i.id()
		if c.Base != nil {
			c.Base.RowID = i.id()
			bases = append(bases, c.Base)
		} else {
			drop = append(drop, c.Key)
		}
		if c.Vacated != "" {
			drop = append(drop, mirror.Key{Kind: i.table.kind, Path: c.Vacated})
		}
		conflicts = append(conflicts, c.Conflicts...)
		answered = append(answered, c.Answered...)
		if c.Event != nil {
			events = append(events, *c.Event)
		}
		if c.Action == mirror.RowDelete {
			deleted++
		}
	}
	if err := im.putBases(im.tx, im.mirror, bases, drop, nil); err != nil {
		return err
	}
	if err := im.putConflicts(im.tx, im.mirror, im.runID, conflicts); err != nil {
		return err
	}
	if err := im.dropIntents(im.tx, im.mirror, answered, nil); err != nil {
		return err
	}
	if err := im.noteDeletions(im.tx, im.mirror, mirror.ToDatabase, deleted); err != nil {
		return err
	}
	return im.noteEvents(im.tx, im.mirror, im.runID, events)
}

// consume deletes the changes that the import answers, its own among them.
func (im *importing) consume() error {
	items := map[mirror.RowKey]*item{}
	for _, i := range im.items {
		if !i.out() {
			items[mirror.RowKey{Kind: i.table.kind, ID: i.id()}] = i
		}
	}
	if err := im.hideTemporary(items); err != nil {
		return err
	}
	own, err := im.own(items)
	if err != nil {
		return err
	}
	var consumed []int64
	for key, i := range items {
		if i.change.KeepChanges {
			i.outcome.Own = own[key]
			continue
		}
		consumed = append(append(consumed, own[key]...), i.change.Consume...)
	}
	return im.deleteChanges(im.tx, im.mirror.OrganizationID, consumed, nil)
}

// own are the captured changes of the rows that the import wrote, and that say what it
// wrote. A locked row does, unless another program's trigger had a hand in it; a skill's
// files may be another transaction's, and are read again.
func (im *importing) own(items map[mirror.RowKey]*item) (map[mirror.RowKey][]int64, error) {
	foreign, err := im.foreignTriggers(im.tx)
	if err != nil {
		return nil, err
	}
	written := map[document.Kind][]*item{}
	for key, i := range items {
		written[key.Kind] = append(written[key.Kind], i)
	}
	own := map[mirror.RowKey][]int64{}
	var locked []mirror.RowKey
	for k, items := range written {
		if k != document.Skills && !foreign {
			for _, i := range items {
				locked = append(locked, mirror.RowKey{Kind: k, ID: i.id()})
			}
			continue
		}
		rows := make([]*storedRow, len(items))
		for n, i := range items {
			rows[n] = readRow(k, i.record)
		}
		of, err := im.ownChanges(im.tx, im.mirror.OrganizationID, tables[k], rows)
		if err != nil {
			return nil, err
		}
		for id, changes := range of {
			own[mirror.RowKey{Kind: k, ID: id}] = changes
		}
	}
	changes, err := im.changesOf(im.tx, im.mirror.OrganizationID, locked)
	for _, c := range changes {
		if c.Take != "" {
			continue // a person decided, which is contained in no row
		}
		key := mirror.RowKey{Kind: document.Kind(c.Kind), ID: c.RowID}
		own[key] = append(own[key], c.ID)
	}
	return own, err
}

// hideTemporary rewrites what was captured of temporary slugs as if the rows had
// gone to their new slugs at once.
func (im *importing) hideTemporary(items map[mirror.RowKey]*item) error {
	for key, i := range items {
		if !i.vacates || i.change.Action == mirror.RowDelete {
			continue
		}
		of := im.tx.Where("organization_id = ? AND kind = ? AND row_id = ?", im.mirror.OrganizationID, key.Kind, key.ID).Session(&gorm.Session{})
		if err := of.Where("slug_after = ?", "!"+key.ID).Delete(&changeRow{}).Error; err != nil {
			return err
		}
		if err := of.Model(&changeRow{}).Where("slug_before = ?", "!"+key.ID).Update("slug_before", i.from).Error; err != nil {
			return err
		}
	}
	return nil
}
