package db

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// # Kept secrets
//
// A secret's value stands in its row and nowhere else: no file has it, no commit
// and no conflict. So an import, a decision or an API's request that takes the
// entry away keeps what the entry held, sealed, with the row's id. When the entry
// returns without a value, to the same row, it gets that back.
//
// It returns only for the target that it was kept under (see document.Target): who
// may write to the branch may remove an entry, point the server at a host of their
// own and write the entry anew, in as many pushes as they like, and gets nothing.
// For the same reason a soft-deleted row that comes back for another target comes
// back without its values, which are kept under the old one.
//
// A request that names a value, or clears it, has the last word: what was kept for
// that entry is forgotten. Otherwise it stays for keepHistory.
//
// Whoever writes here has the entity's row locked. Only UseKey has not: it keeps
// those who seal away by the lock on the key's setting.

// keptRow is what an entry held that left its row.
type keptRow struct {
	OrganizationID string
	Kind           string
	RowID          string `gorm:"primaryKey"`
	Key            string `gorm:"primaryKey"` // env | headers
	Name           string `gorm:"primaryKey"`
	Value          string // sealed
	Target         string
	KeptAt         timestamp
}

func (keptRow) TableName() string { return "kept_secrets" }

// maxKeptName is the longest name of an entry that is kept as it is: no index takes a
// name of any length, so a longer one is kept by its digest.
const maxKeptName = 256

// keptAs is the name that something is kept under.
func keptAs(name string) string {
	if len(name) <= maxKeptName {
		return name
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name)))
}

func keptPlace(place string) string {
	key, name, _ := strings.Cut(place, "/")
	return key + "/" + keptAs(name)
}

// secretMove is what one write of a row does to its secret values. A place is an
// entry, as "env/NAME".
type secretMove struct {
	record record
	next   *document.Document // in stored form, as it is to be written
	from   string             // the target until now
	// lost is what entries held that next does not hold any more, by place.
	lost map[string]map[string]any
	// blank are the places of next that may get something back.
	blank []string
	// forgotten are places for which nothing is to be kept any longer: they got it
	// back, or the write says itself what they hold.
	forgotten []string
}

// moveSecrets compares a row's document with the one that is about to replace it,
// both in stored form. said are the places whose value the write names or clears.
// nil when nothing moves, as for all kinds but MCP servers.
func moveSecrets(r record, old, next *document.Document, said []string) *secretMove {
	if next.Kind != document.MCPServers {
		return nil
	}
	m := &secretMove{record: r, next: next, from: document.Target(old), lost: map[string]map[string]any{}, forgotten: said}
	for place, held := range heldSecrets(old) {
		if m.from != "" && !carries(entryAt(next, place), held) && !slices.Contains(said, place) {
			m.lost[place] = held
		}
	}
	for _, key := range entryKeys {
		entries, _ := next.Fields[key].(map[string]any)
		for name := range entries {
			place := key + "/" + name
			if entry := entryAt(next, place); entry["secret"] == true && entry["value"] == nil && !slices.Contains(said, place) {
				m.blank = append(m.blank, place)
			}
		}
	}
	if len(m.lost)+len(m.blank)+len(m.forgotten) == 0 {
		return nil
	}
	return m
}

func (m *secretMove) rowID() string { return m.record.entity().ID }

// heldSecrets is what the secret entries of a document in stored form hold and a
// file cannot carry, by place.
func heldSecrets(stored *document.Document) map[string]map[string]any {
	entries := &document.Document{Kind: stored.Kind, Slug: stored.Slug, Fields: map[string]any{}}
	for _, key := range entryKeys {
		entries.Fields[key] = stored.Fields[key]
	}
	shown := document.Redact(entries)
	full := document.Absorb(shown, entries)
	held := map[string]map[string]any{}
	for _, key := range entryKeys {
		names, _ := full.Fields[key].(map[string]any)
		for name := range names {
			place := key + "/" + name
			entry, told := entryAt(full, place), entryAt(shown, place)
			for key, value := range entry {
				if _, leaves := told[key]; leaves || entry["secret"] != true {
					continue
				}
				if held[place] == nil {
					held[place] = map[string]any{}
				}
				held[place][key] = value
			}
		}
	}
	return held
}

// entryAt is the entry at a place; nil if there is none, or it is no object.
func entryAt(d *document.Document, place string) map[string]any {
	key, name, _ := strings.Cut(place, "/")
	entries, _ := d.Fields[key].(map[string]any)
	entry, _ := entries[name].(map[string]any)
	return entry
}

// carries reports whether an entry has all of that, be it secret or not.
func carries(entry, held map[string]any) bool {
	for key, value := range held {
		if !reflect.DeepEqual(entry[key], value) {
			return false
		}
	}
	return true
}

// returnSecrets gives entries back what was kept for them, and reports which moves
// have another next for it. It comes before the rows are written.
func (d *DB) returnSecrets(tx *gorm.DB, organizationID string, moves []*secretMove) (changed []*secretMove, err error) {
	blank := map[string]*secretMove{}
	var ids []string
	for _, m := range moves {
		if len(m.blank) > 0 {
			blank[m.rowID()] = m
			ids = append(ids, m.rowID())
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []*keptRow
	err = where(tx, d.inUUID("row_id", ids)).Where("organization_id = ?", organizationID).Order("row_id").Find(&rows).Error
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		m := blank[r.RowID]
		i := slices.IndexFunc(m.blank, func(place string) bool { return keptPlace(place) == r.place() })
		if i < 0 || r.Target != document.Target(m.next) {
			continue
		}
		place := m.blank[i]
		held, err := d.openKept(r)
		if err != nil {
			d.log.Error("a kept secret cannot be opened", "organization_id", organizationID, "row", r.RowID, "entry", place, "error", err)
			continue
		}
		entry := entryAt(m.next, place)
		for key, value := range held {
			if _, has := entry[key]; !has {
				entry[key] = value
			}
		}
		m.forgotten = append(m.forgotten, place)
		if len(changed) == 0 || changed[len(changed)-1] != m {
			changed = append(changed, m)
		}
	}
	return changed, nil
}

// keepSecrets keeps what the rows lost, and forgets what they got back. It comes
// after the rows were written, in the same transaction.
func (d *DB) keepSecrets(tx *gorm.DB, organizationID string, moves []*secretMove) error {
	var ids, forgotten []string
	var rows []*keptRow
	for _, m := range moves {
		for _, place := range m.forgotten {
			ids, forgotten = append(ids, m.rowID()), append(forgotten, m.rowID()+"/"+keptPlace(place))
		}
		for place, held := range m.lost {
			key, name, _ := strings.Cut(place, "/")
			rows = append(rows, &keptRow{
				OrganizationID: organizationID, Kind: string(document.MCPServers), RowID: m.rowID(), Key: key, Name: keptAs(name),
				Value: string(encode(held)), Target: m.from, KeptAt: at(d.now()),
			})
		}
	}
	if len(rows) > 0 {
		if err := d.ownKey(tx); err != nil {
			return err
		}
	}
	for _, r := range rows {
		var err error
		if r.Value, err = d.sealer.Seal(mirror.NewSecret(r.Value), r.aad()); err != nil {
			return err
		}
	}
	if len(forgotten) > 0 {
		err := where(tx, d.inUUID("row_id", ids), d.inText("CAST(row_id AS text) || '/' || key || '/' || name", forgotten)).Delete(&keptRow{}).Error
		if err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, func(a, b *keptRow) int {
		return cmp.Or(cmp.Compare(a.RowID, b.RowID), cmp.Compare(a.place(), b.place()))
	})
	return tx.Clauses(upsert([]string{"row_id", "key", "name"}, "organization_id", "kind", "value", "target", "kept_at")).
		CreateInBatches(rows, engineBatch).Error
}

func (r *keptRow) place() string { return r.Key + "/" + r.Name }

// aad names what a kept value belongs to: it opens for no other entry, and for no
// other target.
func (r *keptRow) aad() string {
	return fmt.Sprintf("kept_secrets/%s/%s/%s/%q/%q", r.OrganizationID, r.RowID, r.Key, r.Name, r.Target)
}

func (d *DB) openKept(r *keptRow) (map[string]any, error) {
	if d.sealer == nil {
		return nil, errors.New("db: opened without a sealer")
	}
	secret, err := d.sealer.Open(r.Value, r.aad())
	if err != nil {
		return nil, err
	}
	value, problem := document.ParseValue([]byte(secret.Reveal()), document.Limits{})
	held, ok := value.(map[string]any)
	if problem != nil || !ok {
		return nil, ErrSealBroken
	}
	return held, nil
}

// sealedKept lists what is kept, and locks it.
func (d *DB) sealedKept(tx *gorm.DB) ([]sealedValue, error) {
	var rows []*keptRow
	err := d.lock(tx, clause.LockingStrengthUpdate).Order("row_id, key, name").Find(&rows).Error
	values := make([]sealedValue, len(rows))
	for i, r := range rows {
		values[i] = sealedValue{
			table: r.TableName(), column: "value", sealed: r.Value, aad: r.aad(),
			row: map[string]any{"row_id": r.RowID, "key": r.Key, "name": r.Name},
		}
	}
	return values, err
}

// dropKept drops kept secrets that are too old, whose row is gone, or whose
// organization has disconnected its mirror since: it keeps no credentials either.
func (d *DB) dropKept(tx *gorm.DB) error {
	return tx.Exec("DELETE FROM kept_secrets WHERE kept_at < " + d.sqlIn(-keepHistory) +
		" OR NOT EXISTS (SELECT 1 FROM mcp_servers AS s WHERE s.id = kept_secrets.row_id)" +
		" OR EXISTS (SELECT 1 FROM bitbucket_connections AS c WHERE c.organization_id = kept_secrets.organization_id AND c.disconnected_at >= kept_secrets.kept_at)").Error
}
