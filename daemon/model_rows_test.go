package daemon_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What other programs do to rows. An operation that finds nothing to work on does nothing.

// done is what was edited, to ask later where it went.
type done struct {
	touched map[string]bool   // rows written since the last rest
	inRow   map[string]string // the last text that the database wrote, by row and key
	inFile  map[string]string // the last text that git wrote, by path and key
	secret  map[string]string // the last value of a secret, by row and name
}

func newDone() done {
	return done{map[string]bool{}, map[string]string{}, map[string]string{}, map[string]string{}}
}

// forget a row or a path: its edits were undone by their own side.
func (d *done) forget(from map[string]string, place string) {
	maps.DeleteFunc(from, func(key, _ string) bool { return strings.HasPrefix(key, place+" ") })
}

func (h *history) kind() *modelKind { return pick(h, "kind", h.kinds) }

// modelSlugs are few, so that edits meet.
var modelSlugs = []string{"a", "b", "c"}

func (h *history) slug() string { return pick(h, "slug", modelSlugs) }

// overwritten: what is left of git's edits in these texts of a row is the database's to undo.
func (d *done) overwritten(was, is doc) {
	maps.DeleteFunc(d.inFile, func(_, mark string) bool {
		for key, text := range was {
			if strings.Contains(text, mark) && !strings.Contains(is[key], mark) {
				return true
			}
		}
		return false
	})
}

// newRowID sorts anywhere among the others.
func (h *history) newRowID() string {
	h.serial++
	return fmt.Sprintf("%02x000000-%s-4%s-8%s-%012x", h.between("order of ids", 0, 255),
		h.org.Slug[1:5], h.org.Slug[5:8], h.org.Slug[8:11], h.serial)
}

// newDoc is a document that shares nothing with another one.
func (h *history) newDoc(k *modelKind, side, slug string) doc {
	d := doc{"slug": slug}
	for _, key := range k.texts {
		d[key] = h.mark(side)
	}
	maps.Copy(d, k.fixed)
	if k.skills() {
		d["body"] += "\n"
	}
	if k.unique != "" {
		d[k.unique] = "https://" + strings.TrimSuffix(h.mark(side), "-") + ".example.com/"
	}
	return d
}

// note remembers what an edit wrote: the newest mark of each place.
func (h *history) note(into map[string]string, at string, was, is doc) {
	for key := range was {
		if place := at + " " + key; !strings.Contains(is[key], into[place]) {
			delete(into, place)
		}
	}
	marks := regexp.MustCompile(`[a-z]+\d+-` + h.org.Slug)
	for key, text := range is {
		for _, mark := range marks.FindAllString(text, -1) {
			if !strings.Contains(was[key], mark) {
				into[at+" "+key] = mark
			}
		}
	}
}

// write brings a row's columns to another document.
func (h *history) write(k *modelKind, r *row, to doc, secrets map[string]string) {
	h.done.touched[r.id] = true
	h.note(h.done.inRow, r.id, r.doc, to)
	h.done.overwritten(r.doc, to)
	if k.skills() && !r.doc.equal(to) {
		h.say("db: skill %s: %v", r.id, to)
		h.atOnce(func() { h.writeSkill(k, r.id, r.doc, to) })
		return
	}
	var set []string
	for _, column := range k.columns() {
		if was, is := r.doc.column(column, r.secrets), to.column(column, secrets); was != is && !k.skills() {
			set = append(set, column+" = "+is)
		}
	}
	if len(set) == 0 {
		set = []string{"name = name"}
	}
	h.exec("UPDATE %s SET %s WHERE id = '%s'", k.table, strings.Join(set, ", "), r.id)
	for name, value := range secrets {
		if value != r.secrets[name] {
			h.done.secret[r.id+" "+name] = value
		}
	}
	h.say("db: %s %s: %s", k.table, r.id, strings.Join(set, ", "))
}

func (h *history) editRow() {
	k := h.kind()
	r := pick(h, "row", h.rowsThat(k, (*row).live))
	if r == nil {
		return
	}
	to, secrets := r.doc.under(r.slug), maps.Clone(r.secrets)
	for range h.between("places", 1, 2) {
		to = h.editPlace(k, to, secrets, "db")
	}
	h.write(k, r, to, secrets)
}

// editPlace changes one place of a document; secrets is nil for a file.
func (h *history) editPlace(k *modelKind, d doc, secrets map[string]string, side string) doc {
	if k.skills() {
		return h.editSkill(k, d, side)
	}
	places := slices.Concat(k.texts, []string{"x-note", "x-note"}, slices.Sorted(maps.Keys(k.choices)))
	if k.list != "" {
		places = append(places, "list", "list")
	}
	if k.env {
		places = append(places, "env.MODE", "env.ZONE")
		if secrets != nil || k.flips {
			places = append(places, "env.TOKEN", "env.KEY")
		}
	}
	place := pick(h, "place", places)
	removed := d[place] != "" && !slices.Contains(k.texts, place) && h.oneIn(4, "remove")
	switch {
	case place == "list":
		return h.toggle(k, d)
	case strings.HasPrefix(place, "env."):
		return h.editEntry(k, d, place, removed, secrets, side)
	case removed:
		return d.with(place, "")
	case k.choices[place] != nil:
		return d.with(place, pick(h, place, k.choices[place]))
	default:
		return d.with(place, h.mark(side))
	}
}

// editEntry changes an entry of env. A secret's value is written by the database only.
func (h *history) editEntry(k *modelKind, d doc, place string, removed bool, secrets map[string]string, side string) doc {
	name := strings.TrimPrefix(place, "env.")
	secret := name == "TOKEN" || name == "KEY"
	if k.flips && h.oneIn(5, "flip") {
		secret = !secret
	}
	switch {
	case removed:
		delete(secrets, name)
		return d.with(place, "")
	case !secret:
		delete(secrets, name)
		return d.with(place, "="+h.mark(side))
	case secrets != nil:
		secrets[name] = h.mark("secret-value")
	}
	return d.with(place, "secret")
}

// toggle adds an element to the set, or takes one out.
func (h *history) toggle(k *modelKind, d doc) doc {
	element := pick(h, "element", k.elements)
	elements := d.list(k.list)
	if i := slices.Index(elements, element); i >= 0 {
		elements = slices.Delete(elements, i, i+1)
	} else {
		elements = append(elements, element)
	}
	return d.with(k.list, listText(elements))
}

// touchRow saves a row as it is.
func (h *history) touchRow() {
	k := h.kind()
	if r := pick(h, "row", h.rowsThat(k, (*row).live)); r != nil {
		h.write(k, r, r.doc, r.secrets)
	}
}

func (h *history) insertRow() {
	if k, slug := h.kind(), h.slug(); h.liveAt(k, slug) == nil {
		h.insertAt(k, slug)
	}
}

func (h *history) insertAt(k *modelKind, slug string) {
	id, d, secrets := h.newRowID(), h.newDoc(k, "db", slug), map[string]string{}
	if h.oneIn(2, "more") {
		d = h.editPlace(k, d, secrets, "db")
	}
	h.say("db: insert %s %s %v", k.table, id, d)
	h.atOnce(func() {
		columns, values := []string{"id", "organization_id"}, []string{quote(id), quote(h.org.ID)}
		for _, column := range k.columns() {
			columns, values = append(columns, column), append(values, d.column(column, secrets))
		}
		h.exec("INSERT INTO %s (%s) VALUES (%s)", k.table, strings.Join(columns, ", "), strings.Join(values, ", "))
		if k.skills() {
			h.writeSkill(k, id, doc{}, d)
		}
	})
	h.done.touched[id] = true
	h.note(h.done.inRow, id, nil, d)
	for name, value := range secrets {
		h.done.secret[id+" "+name] = value
	}
}

// liveAt is the organization-level row with a slug.
func (h *history) liveAt(k *modelKind, slug string) *row {
	return first(h.rowsThat(k, func(r *row) bool { return r.live() && r.slug == slug }))
}

func first[T any](list []T) (one T) {
	if len(list) > 0 {
		one = list[0]
	}
	return one
}

func (h *history) deleteRow() {
	k := h.kind()
	r, hard := pick(h, "row", h.rowsThat(k, (*row).live)), h.oneIn(2, "for good")
	if r == nil {
		return
	}
	if hard {
		h.exec("DELETE FROM %s WHERE id = '%s'", k.table, r.id)
	} else {
		h.exec("UPDATE %s SET deleted_at = '%s' WHERE id = '%s'", k.table, time.Now().UTC().Format(time.RFC3339Nano), r.id)
	}
	h.done.touched[r.id] = true
	h.done.forget(h.done.inRow, r.id)
	h.done.overwritten(r.doc, nil)
	h.say("db: delete %s %s (%s), for good: %v", k.table, r.id, r.slug, hard)
}

func (h *history) restoreRow() {
	k := h.kind()
	r := pick(h, "row", h.rowsThat(k, func(r *row) bool { return r.deleted && !r.private }))
	if r == nil || h.liveAt(k, r.slug) != nil {
		return
	}
	h.set(k, r, "deleted_at = NULL")
}

func (h *history) set(k *modelKind, r *row, assignment string) {
	h.exec("UPDATE %s SET %s WHERE id = '%s'", k.table, assignment, r.id)
	h.done.touched[r.id] = true
	h.say("db: %s %s (%s): %s", k.table, r.id, r.slug, assignment)
}

func (h *history) makePrivate() {
	k := h.kind()
	r := pick(h, "row", h.rowsThat(k, (*row).live))
	if r == nil || len(h.rowsThat(k, func(o *row) bool { return o.private && o.slug == r.slug })) > 0 {
		return
	}
	h.set(k, r, "owner_id = "+quote(h.org.ID))
}

func (h *history) makePublic() {
	k := h.kind()
	r := pick(h, "row", h.rowsThat(k, func(r *row) bool { return r.private && !r.deleted }))
	if r == nil || h.liveAt(k, r.slug) != nil {
		return
	}
	h.set(k, r, "owner_id = NULL")
}

func (h *history) renameRow() {
	k, to := h.kind(), h.slug()
	r := pick(h, "row", h.rowsThat(k, (*row).live))
	if r == nil || h.liveAt(k, to) != nil {
		return
	}
	h.set(k, r, "slug = "+quote(to))
}

// swapRows gives two rows each other's slug.
func (h *history) swapRows() {
	k := h.kind()
	live := h.rowsThat(k, (*row).live)
	if len(live) < 2 {
		return
	}
	a := pick(h, "row", live)
	b := pick(h, "other", slices.DeleteFunc(live, func(r *row) bool { return r.id == a.id }))
	h.atOnce(func() {
		h.set(k, a, "slug = 'between'")
		h.set(k, b, "slug = "+quote(a.slug))
		h.set(k, a, "slug = "+quote(b.slug))
	})
}

// atOnce makes one transaction of what is done to rows.
func (h *history) atOnce(do func()) {
	if h.tx != nil {
		do()
		return
	}
	var err error
	h.tx, err = h.sql.Begin()
	h.must(err)
	defer func() { // a history may end anywhere
		_ = h.tx.Rollback()
		h.tx = nil
	}()
	do()
	h.must(h.tx.Commit())
}
