package db

import (
	"database/sql/driver"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"
)

// A list of any length is one parameter, so that a query has one text and one
// plan whatever it asks for, and no limit on parameters is met.

// inText is "column is one of values", for a text column. The column is ours, never input.
// What is no text (git allows any bytes in a name) is in no column, and nothing to fail for.
func (d *DB) inText(column string, values []string) clause.Expression {
	if slices.ContainsFunc(values, isNoText) {
		values = slices.DeleteFunc(slices.Clone(values), isNoText)
	}
	return d.in(column, "text", values)
}

// inUUID is the same for a column of type uuid (text in SQLite). What is no uuid
// is no row's id, and nothing to fail for.
func (d *DB) inUUID(column string, values []string) clause.Expression {
	if d.postgres {
		values = slices.DeleteFunc(slices.Clone(values), func(id string) bool { return len(id) != 36 || uuid.Validate(id) != nil })
	}
	return d.in(column, "uuid", values)
}

// in compares with one value where there is one: that is in the index's favour even for
// a planner without statistics, which thinks a list too dear to look up.
func (d *DB) in(column, kind string, values []string) clause.Expression {
	switch {
	case len(values) == 1 && d.postgres:
		return clause.Expr{SQL: column + " = CAST(? AS " + kind + ")", Vars: []any{values[0]}}
	case len(values) == 1:
		return clause.Expr{SQL: column + " = ?", Vars: []any{values[0]}}
	case d.postgres:
		return clause.Expr{SQL: column + " = ANY(CAST(? AS " + kind + "[]))", Vars: []any{textArray(values)}}
	}
	return clause.Expr{SQL: column + " IN (SELECT value FROM json_each(?))", Vars: []any{jsonList(values)}}
}

// inIDs is "column is one of ids", for a number: a join with the list, which takes the
// same time whatever PostgreSQL's planner thinks of the table.
func (d *DB) inIDs(column string, ids []int64) clause.Expression {
	list, _ := json.Marshal(ids)
	if d.postgres {
		return clause.Expr{
			SQL:  column + " IN (SELECT unnest(CAST(? AS bigint[])))",
			Vars: []any{"{" + strings.Trim(string(list), "[]") + "}"},
		}
	}
	return clause.Expr{SQL: column + " IN (SELECT value FROM json_each(?))", Vars: []any{string(list)}}
}

// textArray is a list as PostgreSQL's array literal.
type textArray []string

func (a textArray) Value() (driver.Value, error) {
	var b strings.Builder
	size := 2
	for _, v := range a {
		size += len(v) + 3
	}
	b.Grow(size)
	b.WriteByte('{')
	for i, v := range a {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.WriteString(inArray.Replace(v))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String(), nil
}

var inArray = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// jsonList is a list as SQLite's json_each reads it.
type jsonList []string

func (l jsonList) Value() (driver.Value, error) {
	data, err := json.Marshal([]string(l))
	return string(data), err
}

func isNoText(s string) bool { return !storable(s) }

// noText begins a name that is no text, quoted. No path and no slug of ours begins so.
const noText = "\ufffd\""

// textOf is a file's path or slug for a text column; nameOf is the inverse.
func textOf(name string) string {
	if isNoText(name) {
		return "\ufffd" + strconv.QuoteToASCII(name)
	}
	return name
}

func nameOf(text string) string {
	if quoted, ok := strings.CutPrefix(text, "\ufffd"); ok && strings.HasPrefix(text, noText) {
		if name, err := strconv.Unquote(quoted); err == nil {
			return name
		}
	}
	return text
}

func textsOf(names []string) []string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = textOf(name)
	}
	return texts
}
