package db

import (
	"testing"

	"gorm.io/gorm"
)

// A daemon that stands still inside a transaction must not keep its locks for ever.
func TestWritesMayNotStandStill(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		if !d.postgres {
			return // its lock goes with the process
		}
		var inside, outside string
		err := d.write(t.Context(), func(tx *gorm.DB) error {
			return tx.Raw("SHOW idle_in_transaction_session_timeout").Scan(&inside).Error
		})
		if err == nil {
			err = d.gorm.Raw("SHOW idle_in_transaction_session_timeout").Scan(&outside).Error
		}
		if err != nil || inside != standstill || outside == standstill {
			t.Errorf("%q inside, %q outside, %v", inside, outside, err)
		}
	})
}
