package web

import (
	"strconv"

	"github.com/confmirror/confmirror/db"
)

// Bounds of a page.
const (
	defaultPage = 100
	maxPage     = 1000
)

// page reads limit and cursor.
func (c *call) page() (db.Page, error) {
	values := c.URL.Query()
	page := db.Page{Cursor: values.Get("cursor")}
	if text := values.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxPage {
			return page, badRequest("limit: expected a number from 1 to %d.", maxPage)
		}
		page.Limit = limit
	}
	return page, nil
}

// flag reads a query's yes or no; left out is no.
func (c *call) flag(name string) (bool, error) {
	values := c.URL.Query()
	if !values.Has(name) {
		return false, nil
	}
	switch values.Get(name) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, badRequest("%s: expected true or false.", name)
}
