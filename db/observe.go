package db

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Observe reads the database's side of a run in one snapshot. The number of
// queries does not depend on the number of rows.
func (d *DB) Observe(ctx context.Context, m *mirror.Mirror, q mirror.Query) (*mirror.Observation, error) {
	var o *mirror.Observation
	err := d.snapshot(ctx, func(tx *gorm.DB) error {
		s := &observing{DB: d, tx: tx, mirror: m, identity: identityKey(m.Identity), limits: *d.limits.Load()}
		var err error
		o, err = s.observe(q)
		return err
	})
	return o, err
}

// observing is one Observe at work.
type observing struct {
	*DB
	tx       *gorm.DB
	mirror   *mirror.Mirror
	identity string
	limits   document.Limits

	changes []changeRow
	wanted  wanted
	rows    map[mirror.RowKey]*storedRow
	bases   map[mirror.Key]*baseRow
	byRow   map[mirror.RowKey]*baseRow
	left    map[mirror.Key]*unsettledRow
	// Skills by their intents, those of the mirrored branch and those of the proposal's.
	pushed   map[string]*baseRow
	proposed map[string][]*baseRow
	// anyIntents and anyLeft: there is something to read in these tables.
	anyIntents, anyLeft bool
}

// wanted names what is to be loaded, by kind.
type wanted struct{ ids, slugs, paths map[document.Kind]set }

type set map[string]bool

func (s set) list() []string {
	list := make([]string, 0, len(s))
	for v := range s {
		list = append(list, v)
	}
	slices.Sort(list)
	return list
}

func newWanted() wanted {
	w := wanted{map[document.Kind]set{}, map[document.Kind]set{}, map[document.Kind]set{}}
	for _, k := range document.Kinds {
		w.ids[k], w.slugs[k], w.paths[k] = set{}, set{}, set{}
	}
	return w
}

// want adds what one change, entry, intent or unsettled entity names; "" names nothing.
func (s *observing) want(k document.Kind, id, slug, path string) {
	if !k.Valid() {
		return
	}
	if id != "" {
		s.wanted.ids[k][id] = true
	}
	if path != "" {
		s.wanted.paths[k][path] = true
	}
	if slug == "" {
		return
	}
	s.wanted.slugs[k][slug] = true
	if document.ValidSlug(k, slug) {
		s.wanted.paths[k][s.mirror.Settings.Layout().Path(k, slug)] = true
	}
}

func (s *observing) observe(q mirror.Query) (*mirror.Observation, error) {
	s.wanted = newWanted()
	s.rows, s.bases, s.byRow = map[mirror.RowKey]*storedRow{}, map[mirror.Key]*baseRow{}, map[mirror.RowKey]*baseRow{}
	s.left = map[mirror.Key]*unsettledRow{}
	o := &mirror.Observation{}
	if err := s.counts(o, q); err != nil {
		return nil, err
	}
	partial, err := s.pick(q)
	if err != nil {
		return nil, err
	}
	if err := s.intents(o, q); err != nil {
		return nil, err
	}
	if err := s.some(q, o.Intents); err != nil {
		return nil, err
	}
	if partial {
		if err := s.complete(); err != nil {
			return nil, err
		}
		if o.Waiting, err = s.waiting(q); err != nil {
			return nil, err
		}
	}
	for _, c := range s.changes {
		o.Changes = append(o.Changes, mirror.Change{
			ID: c.ID, Kind: document.Kind(c.Kind), RowID: c.RowID,
			SlugBefore: c.SlugBefore, SlugAfter: c.SlugAfter, Named: c.Named, Take: document.Policy(c.Take),
		})
	}
	if err := s.fill(o); err != nil || len(q.Entries) == 0 {
		return o, err
	}
	return o, s.keepStored(o.Rows) // to be imported into, most likely
}

// intents reads what pushes meant to make agreed. What is proposed may be much, and wait
// for long.
func (s *observing) intents(o *mirror.Observation, q mirror.Query) error {
	s.pushed, s.proposed = map[string]*baseRow{}, map[string][]*baseRow{}
	if !s.anyIntents {
		return nil
	}
	query := s.tx.Where("organization_id = ? AND identity = ?", s.mirror.OrganizationID, s.identity)
	if !q.Proposals {
		query = query.Where("ref = ?", directRef(s.mirror.Identity))
	}
	var intents []intentRow
	err := query.Order("id").Find(&intents).Error
	for _, i := range intents {
		if i.Kind == string(document.Skills) && !i.Deleted {
			if i.Ref == directRef(s.mirror.Identity) {
				s.pushed[i.RowID] = i.agreed()
			} else {
				s.proposed[i.RowID] = append(s.proposed[i.RowID], i.agreed())
			}
		}
		o.Intents = append(o.Intents, &mirror.Intent{
			ID: i.ID, Ref: i.Ref, Commit: mirror.Hash(i.CommitHash), Deleted: i.Deleted,
			Base: mirror.Base{
				Key: mirror.Key{Kind: document.Kind(i.Kind), Path: i.Path}, RowID: i.RowID, Slug: i.Slug,
				GitID: i.GitID, Digest: document.Digest(i.Digest), UnknownKeys: i.UnknownKeys.list(),
			},
		})
	}
	return err
}

// directRef is the ref of the branch itself; intents for another one are proposals.
func directRef(identity mirror.Identity) string { return "refs/heads/" + identity.Branch }

// agreed is what an intent makes of a row.
func (i *intentRow) agreed() *baseRow {
	return &baseRow{Kind: i.Kind, RowID: i.RowID, Slug: i.Slug, ContentID: i.ContentID}
}

// list reads a JSON array of strings.
func (j jsonColumn) list() []string {
	var list []string
	_ = json.Unmarshal([]byte(j), &list)
	return list
}

// fill writes what was loaded into the observation, in an order that does not
// depend on chance.
func (s *observing) fill(o *mirror.Observation) error {
	rows := s.relevant()
	// A skill that was pushed and not settled yet is agreed by its intent.
	for row, b := range s.byRow {
		if row.Kind == document.Skills {
			s.pushed[row.ID] = b
		}
	}
	skills := s.proposed
	for id, b := range s.pushed {
		skills[id] = append(skills[id], b)
	}
	edited, err := s.derive(s.tx, s.mirror.OrganizationID, rows, skills, describedRows(s.changes))
	if err != nil {
		return err
	}
	for _, b := range s.bases {
		o.Bases = append(o.Bases, b.base())
	}
	for _, u := range s.left {
		o.Unsettled = append(o.Unsettled, u.unsettled())
	}
	byKey := func(a, b mirror.Key) int {
		if a.Kind != b.Kind {
			return a.Kind.Order() - b.Kind.Order()
		}
		return strings.Compare(a.Path, b.Path)
	}
	slices.SortFunc(o.Bases, func(a, b *mirror.Base) int { return byKey(a.Key, b.Key) })
	slices.SortFunc(o.Unsettled, func(a, b *mirror.Unsettled) int { return byKey(a.Key, b.Key) })
	for _, r := range rows {
		doc := r.document
		if other := edited[r.record.entity().ID]; other != nil && r.kind == document.Skills {
			doc = other
		}
		o.Rows = append(o.Rows, r.row(doc, s.limits))
	}
	return nil
}

// relevant are the rows without the soft-deleted ones that nothing refers to and
// that a later one of the same slug outdoes; sorted, the latest deleted last.
func (s *observing) relevant() []*storedRow {
	latest := map[mirror.Place]*storedRow{}
	for _, r := range s.rows {
		e := r.record.entity()
		place := mirror.Place{Kind: r.kind, Slug: e.Slug}
		if other := latest[place]; e.DeletedAt.Valid && owner(r.record) == nil && (other == nil || byDeletion(other, r) < 0) {
			latest[place] = r
		}
	}
	var rows []*storedRow
	for key, r := range s.rows {
		e := r.record.entity()
		if !e.DeletedAt.Valid || s.byRow[key] != nil || latest[mirror.Place{Kind: r.kind, Slug: e.Slug}] == r {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, byDeletion)
	return rows
}

func byDeletion(a, b *storedRow) int {
	x, y := a.record.entity(), b.record.entity()
	if x.DeletedAt.Valid != y.DeletedAt.Valid {
		if y.DeletedAt.Valid {
			return -1
		}
		return 1
	}
	if c := x.DeletedAt.Compare(y.DeletedAt.Time); c != 0 {
		return c
	}
	return strings.Compare(x.ID, y.ID)
}

func (b *baseRow) key() mirror.Key {
	return mirror.Key{Kind: document.Kind(b.Kind), Path: b.Path}
}

func (b *baseRow) base() *mirror.Base {
	return &mirror.Base{
		Key: b.key(), RowID: b.RowID, Slug: b.Slug, GitID: b.GitID, Digest: document.Digest(b.Digest),
		UnknownKeys: b.UnknownKeys.list(), Parted: b.Parted,
	}
}

func (u *unsettledRow) unsettled() *mirror.Unsettled {
	return &mirror.Unsettled{
		Key:   mirror.Key{Kind: document.Kind(u.Kind), Path: u.Path},
		RowID: u.RowID, Slug: u.Slug, Reason: mirror.Reason(u.Reason), WaitsFor: u.WaitsFor.list(), Due: u.Due,
		Digest: document.Digest(u.Digest), GitID: u.GitID,
		Direction: mirror.Direction(u.Direction), Verdict: mirror.Verdict(u.Verdict),
	}
}
