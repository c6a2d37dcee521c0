package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// standstill is how long a transaction of ours may stand still between two statements.
// A machine that freezes or is cut off in the middle of one would keep its locks for
// hours otherwise: on the mirror that another daemon is to take over, and on rows that
// other programs write. (Not a parameter of the connection: poolers refuse those.)
const standstill = "20s"

// write runs f in one transaction. On PostgreSQL it is READ COMMITTED: what a
// lock waited for is seen. On SQLite it holds the write lock from its start.
func (d *DB) write(ctx context.Context, f func(tx *gorm.DB) error) error {
	return d.ended(ctx, d.gorm.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if d.postgres {
			if err := tx.Exec("SET LOCAL idle_in_transaction_session_timeout = '" + standstill + "'").Error; err != nil {
				return err
			}
		}
		return f(tx)
	}))
}

// snapshot runs f in a transaction that only reads, and sees one state of the database.
func (d *DB) snapshot(ctx context.Context, f func(tx *gorm.DB) error) error {
	options := &sql.TxOptions{ReadOnly: true}
	if d.postgres {
		options.Isolation = sql.LevelRepeatableRead
	}
	return d.ended(ctx, d.gorm.WithContext(ctx).Transaction(f, options))
}

// ended is a transaction's error. A cancelled context is what it is, whatever the
// driver says of the statement that it interrupted.
func (d *DB) ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return d.fault(err)
}

// lock makes a query lock what it reads; SQLite's transaction has its lock already.
func (d *DB) lock(tx *gorm.DB, strength string) *gorm.DB {
	if !d.postgres {
		return tx
	}
	return tx.Clauses(clause.Locking{Strength: strength})
}

// lockFree locks rows and leaves out those that somebody else has locked.
func (d *DB) lockFree(tx *gorm.DB) *gorm.DB {
	if !d.postgres {
		return tx
	}
	locking := clause.Locking{Strength: clause.LockingStrengthUpdate, Options: clause.LockingOptionsSkipLocked}
	return tx.Clauses(locking).Session(&gorm.Session{}) // for more than one query
}

// upsert writes these columns where a row with the key is there already.
func upsert(key []string, columns ...string) clause.OnConflict {
	conflict := clause.OnConflict{DoUpdates: clause.AssignmentColumns(columns)}
	for _, name := range key {
		conflict.Columns = append(conflict.Columns, clause.Column{Name: name})
	}
	return conflict
}
