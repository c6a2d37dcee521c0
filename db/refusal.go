package db

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/ncruces/go-sqlite3"

	"github.com/confmirror/confmirror/mirror/document"
)

// refusal says what a failed write means for the row: raced (somebody holds a
// lock, or has taken the slug), or a problem of the row's content. Neither: the
// error is not the row's.
func refusal(err error) (raced bool, problem *document.Problem) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch {
		case pg.Code == "55P03", pg.Code == "40001", pg.Code == "40P01": // lock_timeout, serialization, deadlock
			return true, nil
		case pg.Code == "23505" && ourIndex(pg.ConstraintName):
			return true, nil
		case pg.Code[:2] == "23", pg.Code[:2] == "22", pg.Code[:2] == "54", pg.Code == "P0001": // constraint, data, limit, raised
			return false, refused(pg.ConstraintName)
		}
		return false, nil
	}
	var code sqlite3.ExtendedErrorCode
	if errors.As(err, &code) {
		switch code {
		case sqlite3.CONSTRAINT_UNIQUE, sqlite3.CONSTRAINT_PRIMARYKEY:
			return true, nil
		}
	}
	var primary sqlite3.ErrorCode
	if errors.As(err, &primary) {
		switch primary {
		case sqlite3.CONSTRAINT, sqlite3.TOOBIG, sqlite3.MISMATCH:
			return false, refused("")
		}
	}
	return false, nil
}

func ourIndex(constraint string) bool {
	for _, t := range tables {
		if constraint == t.name+"_live_slug" {
			return true
		}
	}
	return false
}

// refused names the constraint, which is an administrator's word, and nothing of the content.
func refused(constraint string) *document.Problem {
	if constraint == "" {
		return document.Invalid("the database refuses the content: it breaks a rule that the table has been given")
	}
	return document.Invalid("the database refuses the content: it breaks the rule %q of the table", constraint)
}
