package db

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// keySetting holds the fingerprint of the encryption key that this database's
// credentials are sealed with. All daemons of a database share the key.
const keySetting = "encryption_key"

// KeyMismatchError says that the configured encryption key is not the one that
// this database's credentials are sealed with.
type KeyMismatchError struct {
	KeyID string // the configured key's
}

func (e *KeyMismatchError) Error() string {
	return fmt.Sprintf("the encryption key %s fits nothing that is sealed in this database: restore the key that was used before (encryption.key, or the file %s in data_dir), or name it in encryption.previous_keys", e.KeyID, EncryptionKeyFile)
}

// sealedValue is one place where something sealed is kept.
type sealedValue struct {
	table, column string
	row           map[string]any // the columns that find its row
	aad, sealed   string
}

// UseKey makes sure that the configured key is the database's, and seals anew
// what previous keys sealed. Call it after Migrate, before anything else. It
// returns how many values were sealed anew; *KeyMismatchError when the key is another.
func (d *DB) UseKey(ctx context.Context) (resealed int, err error) {
	err = d.write(ctx, func(tx *gorm.DB) error {
		resealed = 0
		if err := d.lockConnections(tx); err != nil {
			return err
		}
		// In this order, which is that of an import that keeps a secret.
		values, err := d.sealedConnections(tx)
		if err != nil {
			return err
		}
		fingerprint, err := d.databaseKey(tx, clause.LockingStrengthUpdate)
		if err != nil {
			return err
		}
		kept, err := d.sealedKept(tx)
		if err != nil {
			return err
		}
		values = append(values, kept...)
		var opened, unopened int
		for _, v := range values {
			if !d.sealer.NeedsReseal(v.sealed) {
				opened++ // by its key's id; whether it is damaged shows when it is used
				continue
			}
			secret, err := d.sealer.Open(v.sealed, v.aad)
			if err != nil {
				d.log.Error("a sealed value cannot be opened", "table", v.table, "column", v.column, "row", v.row, "error", err)
				unopened++
				continue
			}
			sealed, err := d.sealer.Seal(secret, v.aad)
			if err != nil {
				return err
			}
			update := tx.Table(v.table).Where(v.row).UpdateColumn(v.column, sealed)
			if update.Error != nil {
				return update.Error
			}
			opened++
			resealed++
		}
		// With nothing sealed any key will do: the one before protects nothing.
		if unopened > 0 && opened == 0 {
			return &KeyMismatchError{KeyID: d.sealer.KeyID()}
		}
		if fingerprint == d.sealer.Fingerprint() {
			return nil
		}
		return putSetting(tx, keySetting, d.sealer.Fingerprint())
	})
	return resealed, d.fault(err)
}

// ownKey refuses to seal anything while the database belongs to another key: a
// daemon that was left running with an old key would seal what others cannot open.
func (d *DB) ownKey(tx *gorm.DB) error {
	if d.sealer == nil {
		return errors.New("db: opened without a sealer")
	}
	fingerprint, err := d.databaseKey(tx, clause.LockingStrengthShare)
	if err != nil {
		return err
	}
	if fingerprint != d.sealer.Fingerprint() {
		return &KeyMismatchError{KeyID: d.sealer.KeyID()}
	}
	return nil
}

// databaseKey reads the fingerprint of the key that the database belongs to, and
// locks it: while it changes nobody seals, and while somebody seals it stays. A
// database that belongs to no key yet belongs to ours from now on.
func (d *DB) databaseKey(tx *gorm.DB, strength string) (string, error) {
	if _, err := keepSetting(tx, keySetting, d.sealer.Fingerprint()); err != nil {
		return "", err
	}
	var row settingRow
	err := d.lock(tx, strength).Where("key = ?", keySetting).Take(&row).Error
	return row.Value, err
}

// sealedConnections lists the sealed credentials of connections, and locks these.
func (d *DB) sealedConnections(tx *gorm.DB) ([]sealedValue, error) {
	var rows []*connectionRow
	err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).
		Select("organization_id", columnClientSecret, columnAccessToken, columnWebhookSecret, columnPreviousWebhookSecret).Find(&rows).Error
	var values []sealedValue
	for _, row := range rows {
		for column, sealed := range row.sealed() {
			if *sealed != "" {
				values = append(values, sealedValue{
					table: row.TableName(), column: column, row: map[string]any{"organization_id": row.OrganizationID},
					aad: connectionAAD(row.OrganizationID, column), sealed: *sealed,
				})
			}
		}
	}
	return values, err
}

// Setting reads a value that all daemons of the database share; ErrNotFound without one.
func (d *DB) Setting(ctx context.Context, key string) (string, error) {
	var row settingRow
	err := d.gorm.WithContext(ctx).Where("key = ?", key).Take(&row).Error
	return row.Value, d.missing(err)
}

// KeepSetting stores a value unless there is one already, and returns the one that is kept.
func (d *DB) KeepSetting(ctx context.Context, key, value string) (string, error) {
	kept, err := keepSetting(d.gorm.WithContext(ctx), key, value)
	return kept, d.fault(err)
}

// PutSetting stores a value.
func (d *DB) PutSetting(ctx context.Context, key, value string) error {
	return d.fault(putSetting(d.gorm.WithContext(ctx), key, value))
}

func keepSetting(tx *gorm.DB, key, value string) (string, error) {
	if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&settingRow{Key: key, Value: value}).Error; err != nil {
		return "", err
	}
	var row settingRow
	err := tx.Where("key = ?", key).Take(&row).Error
	return row.Value, err
}

func putSetting(tx *gorm.DB, key, value string) error {
	return tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&settingRow{Key: key, Value: value}).Error
}
