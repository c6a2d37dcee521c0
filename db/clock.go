package db

import (
	"strconv"
	"time"
)

// Leases, and whatever else several machines compare, go by the database's
// clock. In SQLite a time is text; all texts that these two make have the same
// form, so they compare as times do.

// sqlNow is the database's time.
func (d *DB) sqlNow() string { return d.sqlIn(0) }

// sqlIn is the database's time in a while (or ago). It is no input of anybody:
// a duration is a number.
func (d *DB) sqlIn(duration time.Duration) string {
	seconds := strconv.FormatFloat(duration.Seconds(), 'f', 3, 64)
	if d.postgres {
		return "(clock_timestamp() + make_interval(secs => " + seconds + "))"
	}
	if duration >= 0 {
		seconds = "+" + seconds
	}
	return "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '" + seconds + " seconds')"
}
