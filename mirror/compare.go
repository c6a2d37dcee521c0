package mirror

import (
	"cmp"
	"context"
	"slices"

	"github.com/confmirror/confmirror/mirror/document"
	"github.com/confmirror/confmirror/mirror/parallel"
)

// A complete comparison (a first connection, an audit, new rules) finds what is not at
// rest, and leaves it to rounds like any others. It holds places and digests of all
// entities, and contents of a few at a time.

// comparePage is how many rows' contents a comparison holds at once.
const comparePage = 500

// agenda is what rounds of a run have to look at beside the captured changes.
type agenda struct {
	// head is the commit that git's changes are listed up to.
	head Hash
	// rows differ in the database only.
	rows []RowKey
	// entries differ in git, or on both sides; those of a kind come after what they name.
	entries []Entry
	// together counts the first entries, which must not be told apart: deletions, which
	// the brake counts together and renames are made of.
	together int
	// complete: all three sides were compared, so whatever else an earlier run left open
	// is looked at as well.
	complete bool
	// unmissed: whoever misses a server that is new on one side is on the agenda.
	unmissed bool
}

// portion is the part of an agenda that a round takes, the first of each.
type portion struct {
	rows    []RowKey
	entries []Entry
	// last: nothing of the agenda is left after it.
	last bool
}

// portion is the part for a round of about limit entities; 0 is all at once. What git
// changed counts one and a half times: it is in memory as a file and as a row.
func (a *agenda) portion(limit int) portion {
	rows, entries := len(a.rows), len(a.entries)
	if limit > 0 {
		entries = min(entries, max((2*limit+2)/3, a.together))
		rows = min(rows, max(limit-entries*3/2, 0))
	}
	return portion{a.rows[:rows], a.entries[:entries], rows == len(a.rows) && entries == len(a.entries)}
}

// done strikes out what was settled.
func (a *agenda) done(p portion) {
	a.rows, a.entries = a.rows[len(p.rows):], a.entries[len(p.entries):]
	a.together = max(a.together-len(p.entries), 0)
}

// pushed takes over what a push of ours wrote, which is settled.
func (a *agenda) pushed(head Hash, written []Entry) {
	a.head = head
	ours := map[Key]bool{}
	for _, e := range written {
		ours[Key{e.Kind, e.Path}] = true
	}
	var kept []Entry
	together := 0
	for i, e := range a.entries {
		if ours[Key{e.Kind, e.Path}] {
			continue
		}
		if kept = append(kept, e); i < a.together {
			together++
		}
	}
	a.entries, a.together = kept, together
}

// left counts what is still to be looked at.
func (a *agenda) left() int { return len(a.rows) + len(a.entries) }

// changedInGit makes an agenda of what git changed.
func changedInGit(head Hash, entries []Entry) *agenda {
	a := &agenda{head: head, entries: entries}
	if slices.ContainsFunc(entries, func(e Entry) bool { return e.GitID == "" }) {
		a.together = len(entries)
	}
	a.sort()
	return a
}

// follow adds what git changed since the agenda was made.
func (a *agenda) follow(head Hash, entries []Entry) {
	a.unmissed = false
	newer := map[Key]bool{}
	for _, e := range entries {
		newer[Key{e.Kind, e.Path}] = true
	}
	older := slices.DeleteFunc(slices.Clone(a.entries), func(e Entry) bool { return newer[Key{e.Kind, e.Path}] })
	next := changedInGit(head, append(older, entries...))
	if a.together > 0 {
		next.together = len(next.entries)
	}
	a.head, a.entries, a.together = head, next.entries, next.together
}

func (a *agenda) sort() {
	slices.SortStableFunc(a.entries, func(x, y Entry) int { return cmp.Compare(x.Kind.Order(), y.Kind.Order()) })
}

// comparing is one complete comparison at work.
type comparing struct {
	*agenda
	store    Store
	mirror   *Mirror
	clone    Clone
	layout   document.Layout
	files    map[Key]Entry // of the head, those that are left to answer for
	vanished bool          // something is gone on one side
}

// compare finds what is not at rest.
func compare(ctx context.Context, m *Mirror, s Store, c Clone, head Hash) (*agenda, error) {
	listed := []Entry(nil)
	if head != "" {
		var err error
		if listed, err = c.Diff(ctx, "", head); err != nil {
			return nil, err
		}
	}
	w := &comparing{agenda: &agenda{head: head, complete: true, unmissed: true}, store: s, mirror: m, clone: c, layout: m.Settings.Layout(), files: make(map[Key]Entry, len(listed))}
	for _, e := range listed {
		w.files[Key{e.Kind, e.Path}] = e
	}
	for _, k := range document.Kinds {
		if err := w.kind(ctx, k); err != nil {
			return nil, err
		}
	}
	for _, e := range listed {
		if key := (Key{e.Kind, e.Path}); w.files[key].GitID != "" {
			w.entries = append(w.entries, e)
		}
	}
	if w.sort(); w.vanished {
		w.together = len(w.entries)
	}
	return w.agenda, nil
}

// kind compares one kind.
func (w *comparing) kind(ctx context.Context, k document.Kind) error {
	pairs, err := w.store.Pairs(ctx, w.mirror, k)
	if err != nil {
		return err
	}
	if err := w.findMissing(ctx, pairs); err != nil {
		return err
	}
	var calm []Pair // as far as can be told without the row's content
	for _, p := range pairs {
		switch {
		case p.Base == nil:
			w.rowAlone(p.Row)
		case w.calm(p):
			calm = append(calm, p)
		default:
			w.differs(p)
		}
	}
	for page := range slices.Chunk(calm, comparePage) {
		if err := w.contents(ctx, k, page); err != nil {
			return err
		}
	}
	return nil
}

// findMissing looks up what the head's listing does not name where something was agreed:
// it is gone, or hidden by what stands in place of its directory.
func (w *comparing) findMissing(ctx context.Context, pairs []Pair) error {
	var places []Place
	for _, p := range pairs {
		if b := p.Base; b != nil && w.files[b.Key].GitID == "" {
			places = append(places, Place{b.Kind, b.Slug})
		}
	}
	if len(places) == 0 {
		return nil
	}
	found, err := w.clone.Lookup(ctx, w.head, places)
	for _, e := range found {
		w.files[Key{e.Kind, e.Path}] = e
	}
	return err
}

// rowAlone takes a row that nothing was agreed on. One with a file comes with the file.
func (w *comparing) rowAlone(row *Row) {
	if document.ValidSlug(row.Kind, row.Slug) && w.files[Key{row.Kind, w.layout.Path(row.Kind, row.Slug)}].GitID != "" {
		return
	}
	w.rows = append(w.rows, RowKey{row.Kind, row.ID})
}

// calm reports whether a pair may be at rest.
func (w *comparing) calm(p Pair) bool {
	return p.Row != nil && p.Row.Slug == p.Base.Slug && !p.Base.Parted && p.Base.Digest.Current() &&
		w.files[p.Base.Key].GitID == p.Base.GitID
}

// differs leaves a pair to a round.
func (w *comparing) differs(p Pair) {
	file := w.files[p.Base.Key]
	if p.Row == nil || p.Row.Slug != p.Base.Slug || file.GitID == "" {
		w.vanished = true
	}
	if file.GitID == "" || file.Hidden { // the head does not list it
		w.entries = append(w.entries, file)
	}
}

// contents compares the contents of rows that may be at rest.
func (w *comparing) contents(ctx context.Context, k document.Kind, pairs []Pair) error {
	ids := make([]string, len(pairs))
	for i, p := range pairs {
		ids[i] = p.Row.ID
	}
	rows, err := w.store.Rows(ctx, w.mirror, k, ids)
	if err != nil {
		return err
	}
	servers, err := w.servers(ctx, rows)
	if err != nil {
		return err
	}
	atRest := make([]bool, len(pairs))
	err = parallel.Each(len(pairs), func(i int) error {
		p := pairs[i]
		p.Row = rows[p.Row.ID]
		atRest[i] = p.Row != nil && p.atRest(w.files[p.Base.Key], servers)
		return nil
	})
	for i, p := range pairs {
		if atRest[i] {
			delete(w.files, p.Base.Key)
		} else {
			w.differs(p)
		}
	}
	return err
}

// servers are those that toolkits among the rows name.
func (w *comparing) servers(ctx context.Context, rows map[string]*Row) (map[string]document.Server, error) {
	named := map[string]bool{}
	for _, r := range rows {
		if r.Kind == document.Toolkits && r.Document != nil {
			for _, slug := range r.Document.Integrations() {
				named[slug] = true
			}
		}
	}
	return serversNamed(ctx, w.store, w.mirror, named)
}

// atRest reports whether a plan would have nothing to do or to say about the pair.
func (p Pair) atRest(file Entry, servers map[string]document.Server) bool {
	s := &Subject{Kind: p.Base.Kind, Base: p.Base, Row: p.Row, File: &File{Entry: file}}
	s.prepare()
	if !s.live() || s.Row.Problem != nil || s.databaseChange() != same || s.gitChange() != same {
		return false
	}
	said := s.Row.Integration
	return said.Path == file.Path && said.GitID == file.GitID && said.Error == nil && said.Pending == "" &&
		(s.Kind != document.Toolkits || document.CheckReferences(s.visible, servers) == nil)
}
