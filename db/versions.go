package db

import (
	"strings"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// An import locks the rows that it writes and compares them with what was planned on. In
// PostgreSQL a row's xmin tells whether it is the version that was read then: mostly it is,
// and nothing has to be read and parsed once more. A skill is more than its row.

// heldRow is mirror.Row.Stored.
type heldRow struct {
	*storedRow
	version string
}

// versioned is what is asked of a row.
type versioned struct{ Kind, ID, Version string }

// keepStored keeps what was read of rows, with its version.
func (s *observing) keepStored(rows []*mirror.Row) error {
	if !s.postgres {
		return nil
	}
	var selects []string
	var vars []any
	for _, k := range document.Kinds {
		var ids []string
		for key, r := range s.rows {
			if key.Kind == k && k != document.Skills && r.problem == nil {
				ids = append(ids, key.ID)
			}
		}
		if len(ids) > 0 {
			selects = append(selects, "SELECT CAST(? AS text) AS kind, id, CAST(xmin AS text) AS version FROM "+tables[k].name+" WHERE id = ANY(CAST(? AS uuid[]))")
			vars = append(vars, string(k), textArray(ids))
		}
	}
	if len(selects) == 0 {
		return nil
	}
	var found []versioned
	if err := s.tx.Raw(strings.Join(selects, " UNION ALL "), vars...).Scan(&found).Error; err != nil {
		return err
	}
	versions := make(map[mirror.RowKey]string, len(found))
	for _, v := range found {
		versions[mirror.RowKey{Kind: document.Kind(v.Kind), ID: v.ID}] = v.Version
	}
	for _, r := range rows {
		key := mirror.RowKey{Kind: r.Kind, ID: r.ID}
		if version := versions[key]; version != "" {
			r.Stored = &heldRow{s.rows[key], version}
		}
	}
	return nil
}

// untouched locks the kind's rows that are as they were when they were read.
func (im *importing) untouched(k document.Kind) (map[string]*storedRow, error) {
	rows := map[string]*storedRow{}
	held := map[string]*heldRow{}
	for _, i := range im.items {
		if i.table == tables[k] && i.change.Row != nil {
			if h, ok := i.change.Row.Stored.(*heldRow); ok {
				held[i.change.Row.ID] = h
			}
		}
	}
	if len(held) == 0 {
		return rows, nil
	}
	ids := set{}
	for id := range held {
		ids[id] = true
	}
	var found []versioned
	err := where(im.lockFree(im.tx).Table(tables[k].name), im.inUUID("id", ids.list()), im.besides(im.mirror.OrganizationID)).
		Order("id").Select("id, CAST(xmin AS text) AS version").Scan(&found).Error
	for _, v := range found {
		if h := held[v.ID]; h.version == v.Version {
			again := *h.storedRow
			again.record = tables[k].copy(h.record)
			rows[v.ID] = &again
		}
	}
	return rows, err
}
