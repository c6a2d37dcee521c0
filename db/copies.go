package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
)

// A database that is copied, for a test system or from a backup, has the original's
// connections and credentials. Both would push to one branch, each what the other has not.
// So a database remembers where it is, and one that finds itself elsewhere mirrors nothing
// until a person says that it may. PostgreSQL's place is the cluster and the database in it
// (https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CONTROLDATA);
// SQLite's is the file's path. A cluster that is copied as a whole, disk and all, is not told
// from the original.

// Copied is what keeps a mirror of a copied database from running.
func Copied(organization string) *mirror.Fault {
	return &mirror.Fault{
		Code: mirror.CodeDatabaseCopied, Class: mirror.Permanent,
		Message: "This database was copied, moved or restored from a backup: it is not where it was. Nothing is mirrored until a person says that this is the one to go on with.",
		Remedy:  fmt.Sprintf("Make sure that no daemon works on the original any more, then confirm it in the panel or by: confmirror resume --confirm-copy --organization %s. In a copy for trials, disconnect the organization instead.", organization),
	}
}

// Recognize finds out whether the database is where it was. If not, its mirrors are copies
// from now on. The first time it only remembers.
func (d *DB) Recognize(ctx context.Context) error {
	place, err := d.whereabouts(ctx)
	if err != nil {
		return d.fault(err)
	}
	if known, err := known(d.gorm.WithContext(ctx)); err != nil || known == place {
		return d.fault(err)
	}
	return d.write(ctx, func(tx *gorm.DB) error {
		if err := d.lockConnections(tx); err != nil {
			return err
		}
		was, err := known(tx)
		if err != nil || was == place {
			return err // another daemon was faster
		}
		if err := tx.Exec("DELETE FROM mirror_whereabouts").Error; err != nil {
			return err
		}
		if err := tx.Exec("INSERT INTO mirror_whereabouts (place) VALUES (?)", place).Error; err != nil || was == "" {
			return err
		}
		return d.markCopied(tx)
	})
}

func known(tx *gorm.DB) (place string, err error) {
	err = tx.Raw("SELECT place FROM mirror_whereabouts LIMIT 1").Scan(&place).Error
	return place, err
}

// whereabouts is where the database is.
func (d *DB) whereabouts(ctx context.Context) (place string, err error) {
	if !d.postgres {
		return d.file, nil
	}
	const database = "(SELECT oid FROM pg_database WHERE datname = current_database())"
	query := d.gorm.WithContext(ctx)
	err = query.Raw("SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || " + database).Scan(&place).Error
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42501" { // not everybody may ask, here
		err = query.Raw("SELECT '/' || " + database).Scan(&place).Error
	}
	return place, err
}

func (d *DB) markCopied(tx *gorm.DB) error {
	var rows []*struct{ OrganizationID, Slug string }
	err := tx.Raw(`UPDATE bitbucket_connections SET copied = TRUE WHERE disconnected_at IS NULL
		RETURNING organization_id, (SELECT slug FROM organizations WHERE id = organization_id) AS slug`).Scan(&rows).Error
	if err != nil {
		return err
	}
	for _, row := range rows {
		fault := Copied(row.Slug)
		if err := d.note(tx, row.OrganizationID, fault.Code, "%s", fault.Message); err != nil {
			return err
		}
	}
	return nil
}

// ConfirmCopy is a person's word that a mirror of a copied database may go on here. It
// forgets what blocked it, and asks for a run. Errors: mirror.ErrNoMirror.
func (d *DB) ConfirmCopy(ctx context.Context, organizationID string) error {
	return d.write(ctx, func(tx *gorm.DB) error {
		row, err := connectionForUpdate(tx, organizationID)
		if err != nil {
			return err
		}
		if row.DisconnectedAt.Valid {
			return mirror.ErrNoMirror
		}
		if !row.Copied {
			return nil
		}
		if err := d.note(tx, organizationID, EventConfirmed, "This database is the one to go on with."); err != nil {
			return err
		}
		err = tx.Model(row).Updates(map[string]any{"copied": false, "state": "", "detail": nil, "requested": gorm.Expr("requested + 1"), "updated_at": d.now()}).Error
		if err != nil {
			return err
		}
		return d.wake(tx, organizationID)
	})
}
