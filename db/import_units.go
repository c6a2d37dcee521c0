package db

import (
	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// unit is what has to be written together: one item, or those that take each
// other's slugs.
type unit []*item

// units groups the items. An item whose slug is held by a row that does not give
// it up in this import is raced, and so is whoever counted on that item.
func (im *importing) units() ([]unit, error) {
	holders := map[mirror.Place]string{}
	for _, k := range document.Kinds {
		t := tables[k]
		slugs := set{}
		for _, i := range im.items {
			if i.table == t && !i.out() && i.to() != "" && !i.stays() {
				slugs[i.to()] = true
			}
		}
		if len(slugs) == 0 {
			continue
		}
		var rows []struct{ ID, Slug string }
		err := where(im.tx.Table(t.name), t.holding(im.DB, slugs.list())).
			Where("organization_id = ?", im.mirror.OrganizationID).Select("id", "slug").Scan(&rows).Error
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			holders[mirror.Place{Kind: k, Slug: row.Slug}] = row.ID
		}
	}
	holder := im.vacated(holders)
	group := map[*item]*item{} // union-find
	var find func(i *item) *item
	find = func(i *item) *item {
		if group[i] == nil || group[i] == i {
			return i
		}
		group[i] = find(group[i])
		return group[i]
	}
	for i, other := range holder {
		other.vacates = true
		group[find(i)] = find(other)
	}
	members := map[*item]unit{}
	var order []*item
	for _, i := range im.items {
		if i.out() {
			continue
		}
		root := find(i)
		if members[root] == nil {
			order = append(order, root)
		}
		members[root] = append(members[root], i)
	}
	units := make([]unit, len(order))
	for n, root := range order {
		units[n] = members[root]
	}
	return units, nil
}

// vacated finds the items that give up a slug which another one takes, by the
// latter. holders are the rows that hold the slugs now.
func (im *importing) vacated(holders map[mirror.Place]string) map[*item]*item {
	for {
		byRow := map[string]*item{}
		for _, i := range im.items {
			if !i.out() {
				byRow[i.id()] = i
			}
		}
		found := map[*item]*item{}
		again := false
		for _, i := range im.items {
			if i.out() || i.to() == "" {
				continue
			}
			id := holders[mirror.Place{Kind: i.table.kind, Slug: i.to()}]
			if id == "" || id == i.id() {
				continue
			}
			other := byRow[id]
			if other == nil || other.to() == i.to() {
				i.outcome.Raced, again = true, true
				continue
			}
			found[i] = other
		}
		if !again {
			return found
		}
	}
}

// attempt writes units under a savepoint. If the database refuses, it tries the
// halves: one bad row among thousands costs a few more statements, and nothing else.
func (im *importing) attempt(units []unit) error {
	if len(units) == 0 {
		return nil
	}
	err := im.tx.Transaction(func(tx *gorm.DB) error {
		for _, k := range document.Kinds {
			if err := im.writeKind(tx, tables[k], units); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return nil
	}
	raced, problem := refusal(err)
	if !raced && problem == nil {
		return err
	}
	if len(units) == 1 {
		for _, i := range units[0] {
			i.outcome.Raced, i.outcome.Problem = raced, problem
		}
		return nil
	}
	half := len(units) / 2
	if err := im.attempt(units[:half]); err != nil {
		return err
	}
	return im.attempt(units[half:])
}

// writeKind writes a kind's rows: slugs are given up before they are taken.
func (im *importing) writeKind(tx *gorm.DB, t *table, units []unit) error {
	var deleted, vacated, unsigned []string
	var updated, created []record
	var skills []*skillRow
	var files []skillFileRow
	drop := map[string][]string{}
	for _, u := range units {
		for _, i := range u {
			if i.table != t {
				continue
			}
			switch i.change.Action {
			case mirror.RowDelete:
				deleted = append(deleted, i.id())
				continue
			case mirror.RowCreate:
				created = append(created, i.record)
			default:
				if i.vacates {
					vacated = append(vacated, i.id())
					i.record.entity().change("slug")
				}
				if !i.change.KeepChanges && i.record.entity().UpdatedBy != nil {
					unsigned = append(unsigned, i.id())
				}
				updated = append(updated, i.record)
			}
			if skill, ok := i.record.(*skillRow); ok {
				skills = append(skills, skill)
				drop[i.id()] = i.dropFiles
				files = append(files, i.files...)
			}
		}
	}
	if err := im.deleteRows(tx, t, deleted); err != nil {
		return err
	}
	if err := im.vacate(tx, t, vacated); err != nil {
		return err
	}
	if err := im.updateRows(tx, t, updated); err != nil {
		return err
	}
	if err := im.unsign(tx, t, unsigned); err != nil {
		return err
	}
	if len(created) > 0 {
		if err := t.create(tx, created); err != nil {
			return err
		}
	}
	return im.writeFiles(tx, skills, drop, files)
}
