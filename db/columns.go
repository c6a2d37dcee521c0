package db

import (
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// The column types below take whatever another program left in a SQLite column,
// whose declared type binds nobody: a bad value is that row's problem, and never
// fails the query that reads it together with a thousand good ones.

// jsonColumn is a JSON column as text; "" is NULL.
type jsonColumn string

func (j *jsonColumn) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*j = ""
	case string:
		*j = jsonColumn(v)
	case []byte:
		*j = jsonColumn(v)
	default:
		*j = jsonColumn(fmt.Sprint(v))
	}
	return nil
}

func (j jsonColumn) Value() (driver.Value, error) {
	if j == "" {
		return nil, nil
	}
	return string(j), nil
}

// flag is a nullable boolean. Other holds what was found instead of one.
type flag struct {
	Bool, Valid bool
	Other       string
}

func (f *flag) Scan(v any) error {
	*f = flag{Valid: true}
	switch v := v.(type) {
	case nil:
		f.Valid = false
	case bool:
		f.Bool = v
	case []byte:
		f.text(string(v))
	case string:
		f.text(v)
	default:
		f.text(fmt.Sprint(v))
	}
	return nil
}

func (f *flag) text(s string) {
	switch s {
	case "true", "1":
		f.Bool = true
	case "false", "0":
	default:
		f.Other = "not a boolean"
	}
}

func (f flag) Value() (driver.Value, error) {
	if !f.Valid {
		return nil, nil
	}
	return f.Bool, nil
}

// timestamp is a nullable time. Something that is no time counts as the zero
// time, not as NULL: a row with any deleted_at is deleted.
type timestamp struct {
	time.Time
	Valid bool
}

func at(t time.Time) timestamp { return timestamp{t.UTC(), true} }

// ptr is nil for NULL.
func (t timestamp) ptr() *time.Time {
	if !t.Valid {
		return nil
	}
	return &t.Time
}

func (t *timestamp) Scan(v any) error {
	*t = timestamp{Valid: true}
	switch v := v.(type) {
	case nil:
		t.Valid = false
	case time.Time:
		t.Time = v.UTC()
	case []byte:
		t.Time, _ = sqlite3.TimeFormatAuto.Decode(string(v))
	default:
		t.Time, _ = sqlite3.TimeFormatAuto.Decode(v)
	}
	if year := t.Year(); year < 0 || year > 9999 { // a number that is no date: JSON has no form for it
		t.Time = time.Time{}
	}
	return nil
}

func (t timestamp) Value() (driver.Value, error) {
	if !t.Valid {
		return nil, nil
	}
	return t.UTC(), nil
}
