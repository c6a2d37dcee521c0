package db

import (
	"encoding/json"
	"errors"
	"slices"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
)

// noImports is the column imported_from when every import is settled.
const noImports = "[]"

// importsFrom is the inverse of importedFrom.
func importsFrom(heads []mirror.Hash) string {
	if len(heads) == 0 {
		return noImports
	}
	return string(encode(heads))
}

// importedFrom lists the commits of imports that are not settled.
func (r *connectionRow) importedFrom() []mirror.Hash {
	var heads []mirror.Hash
	_ = json.Unmarshal([]byte(r.ImportedFrom), &heads)
	return heads
}

// noteImport remembers, in the import's own transaction, the commit that it was made
// from: until the run is settled the agreed bases are ahead of the cursor. ErrLeaseLost
// undoes the import: the mirror's next holder may have looked at both sides already.
func (d *DB) noteImport(tx *gorm.DB, m *mirror.Mirror, head mirror.Hash) error {
	c, err := d.leased(tx, "NO KEY UPDATE", m)
	if err != nil {
		return err
	}
	heads := c.importedFrom()
	if slices.Contains(heads, head) {
		return nil
	}
	return tx.Model(&connectionRow{}).Where("organization_id = ?", m.OrganizationID).
		Update("imported_from", importsFrom(append(heads, head))).Error
}

// leased makes sure that the mirror is held under the run's epoch, and keeps it so until
// the transaction ends: what a holder writes outside a settle is there before the next
// one reads anything.
func (d *DB) leased(tx *gorm.DB, strength string, m *mirror.Mirror) (*connectionRow, error) {
	var c connectionRow
	err := d.lock(tx, strength).Select("imported_from", "lease_epoch").
		Where("organization_id = ? AND disconnected_at IS NULL", m.OrganizationID).Take(&c).Error
	switch {
	case errors.Is(err, gorm.ErrRecordNotFound):
		return nil, mirror.ErrNoMirror
	case err == nil && c.LeaseEpoch != m.Epoch:
		return nil, mirror.ErrLeaseLost
	}
	return &c, err
}
