package db

import (
	"encoding/json"
	"slices"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
)

// noImports is the column imported_from when every import is settled.
const noImports = "[]"

// importedFrom lists the commits of imports that are not settled.
func (r *connectionRow) importedFrom() []mirror.Hash {
	var heads []mirror.Hash
	_ = json.Unmarshal([]byte(r.ImportedFrom), &heads)
	return heads
}

// noteImport remembers, in the import's own transaction, the commit that it was made
// from: until the run is settled the agreed bases are ahead of the cursor.
func (d *DB) noteImport(tx *gorm.DB, organizationID string, head mirror.Hash) error {
	var c connectionRow
	if err := d.lock(tx, "NO KEY UPDATE").Select("imported_from").Where("organization_id = ?", organizationID).Take(&c).Error; err != nil {
		return err
	}
	heads := c.importedFrom()
	if slices.Contains(heads, head) {
		return nil
	}
	return tx.Model(&connectionRow{}).Where("organization_id = ?", organizationID).
		Update("imported_from", string(encode(append(heads, head)))).Error
}
