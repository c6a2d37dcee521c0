package db

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// Page bounds a list. The zero Page is the first one, of the usual size.
type Page struct {
	Limit  int
	Cursor string // what the page before gave as next; "" for the first
}

const (
	defaultPage = 100
	maxPage     = 1000
)

func (p Page) limit() int {
	if p.Limit <= 0 {
		return defaultPage
	}
	return min(p.Limit, maxPage)
}

// pageCursor remembers the last item of a page by the columns that the list is
// ordered by. It is opaque to clients, and bound as a value, never as SQL.
func pageCursor(columns ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(columns, "\x00")))
}

// parseCursor is the inverse for a list ordered by n columns; nil for "".
func parseCursor(cursor string, n int) ([]string, error) {
	if cursor == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || !utf8.Valid(raw) {
		return nil, ErrBadCursor
	}
	columns := strings.Split(string(raw), "\x00")
	if len(columns) != n {
		return nil, ErrBadCursor
	}
	return columns, nil
}

// pageOf cuts a result that was read with one item more than the limit, and
// makes the next page's cursor if there is one.
func pageOf[T any](items []T, limit int, columns func(T) []string) ([]T, string) {
	if len(items) <= limit {
		return items, ""
	}
	items = items[:limit]
	return items, pageCursor(columns(items[limit-1])...)
}
