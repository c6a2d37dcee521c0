package mirror

import (
	"slices"

	"github.com/confmirror/confmirror/mirror/document"
)

// join matches bases, rows and files into subjects, one for each entity.
type join struct {
	*view
	layout   document.Layout
	files    map[Key]Entry
	rows     map[RowKey]*Row
	bases    map[Key]*Base
	subjects []*Subject
	byPath   map[Key]*Subject
	byRow    map[RowKey]*Subject
}

func newJoin(l document.Layout, v *view, files map[Key]Entry) *join {
	j := &join{
		view: v, layout: l, files: files,
		rows: map[RowKey]*Row{}, bases: map[Key]*Base{},
		byPath: map[Key]*Subject{}, byRow: map[RowKey]*Subject{},
	}
	for _, row := range v.obs.Rows {
		j.rows[RowKey{row.Kind, row.ID}] = row
	}
	for _, b := range v.obs.Bases {
		j.bases[b.Key] = b
	}
	v.left = make(map[Key]*Unsettled, len(v.obs.Unsettled))
	for _, u := range v.obs.Unsettled {
		v.left[u.Key] = u
	}
	return j
}

// applyIntents: where the branch contains the commit of a push of ours, or git shows
// what a push of ours meant to make agreed, that is agreed, however the push's answer
// was lost and whoever pushed since.
func (j *join) applyIntents() {
	shown := j.shownIntents()
	if len(shown) == 0 {
		return
	}
	of := map[RowKey]Key{} // where each row is agreed on: at one place at most
	for key, b := range j.bases {
		if b.RowID != "" {
			of[RowKey{b.Kind, b.RowID}] = key
		}
	}
	moved := map[RowKey]bool{} // or still there
	for _, i := range j.obs.Intents {
		if !i.Deleted {
			moved[RowKey{i.Kind, i.RowID}] = true
		}
	}
	found := map[Key]*Base{} // nil for none
	j.foundAt = map[Key][]int64{}
	for _, i := range j.obs.Intents {
		if !shown[i] && !j.landed[i.Commit] {
			continue
		}
		j.foundIntents = append(j.foundIntents, i.ID)
		j.foundAt[i.Key] = append(j.foundAt[i.Key], i.ID)
		if i.Deleted {
			// Not the old place of a renamed row, nor the file of one that became private.
			if row := j.rows[RowKey{i.Kind, i.RowID}]; j.bases[i.Key] != nil && !moved[RowKey{i.Kind, i.RowID}] && (row == nil || !row.Private) {
				j.foundDeletions++
			}
			found[i.Key] = nil
			continue
		}
		base := i.Base
		if i.RowID != "" {
			row := RowKey{i.Kind, i.RowID}
			if was, known := of[row]; known && was != i.Key && (found[was] == nil || found[was].RowID == i.RowID) {
				found[was] = nil
			}
			of[row] = i.Key
		}
		found[i.Key] = &base
	}
	for key, base := range found {
		if base == nil {
			delete(j.bases, key)
			j.foundDrops = append(j.foundDrops, key)
			continue
		}
		j.bases[key] = base
		j.foundBases = append(j.foundBases, base)
	}
}

// addProposals hands what is proposed to its subjects: the latest word on each.
func (j *join) addProposals() {
	for _, i := range j.obs.Intents {
		if !j.open[i.ID] {
			continue
		}
		s := j.byPath[i.Key]
		if i.RowID != "" {
			s = j.byRow[RowKey{i.Kind, i.RowID}]
		}
		if s != nil {
			s.Proposed = i
		}
	}
}

// shownIntents are those that git shows. Those of one push that move a row, or that
// touch one path, belong together: one of them alone may look like it by chance, and
// would tear a row from its file. That a file is gone shows nothing: somebody may have
// moved it, and then it is still the base's.
func (j *join) shownIntents() map[*Intent]bool {
	type link struct {
		commit Hash
		row    RowKey
		path   Key
	}
	links := func(i *Intent) []link {
		l := []link{{commit: i.Commit, path: i.Key}}
		if i.RowID != "" {
			l = append(l, link{commit: i.Commit, row: RowKey{i.Kind, i.RowID}})
		}
		if was := j.bases[i.Key]; was != nil && was.RowID != "" && was.RowID != i.RowID {
			l = append(l, link{commit: i.Commit, row: RowKey{i.Kind, was.RowID}}) // it takes that row's place
		}
		return l
	}
	shown := make(map[*Intent]bool, len(j.obs.Intents))
	for _, i := range j.obs.Intents {
		shown[i] = !i.Deleted && j.files[i.Key].GitID == i.GitID
	}
	torn := map[link]bool{}
	for again := true; again; {
		again = false
		for _, i := range j.obs.Intents {
			if shown[i] && slices.ContainsFunc(links(i), func(l link) bool { return torn[l] }) {
				shown[i] = false
			}
			if shown[i] {
				continue
			}
			for _, l := range links(i) {
				if !torn[l] {
					torn[l], again = true, true
				}
			}
		}
	}
	return shown
}

func (j *join) file(k document.Kind, slug, path string) *File {
	if f := j.view.files[Key{k, path}]; f != nil {
		read := *f
		return &read
	}
	if e, ok := j.files[Key{k, path}]; ok {
		return &File{Entry: e}
	}
	return &File{Entry: Entry{Kind: k, Slug: slug, Path: path}}
}

func (j *join) add(s *Subject, key Key) {
	s.Left = j.left[key]
	if s.Left != nil && s.Left.Reason == ReasonDeclined && s.Left.Verdict == Discarded {
		s.Taken = document.PreferGit
	}
	j.subjects = append(j.subjects, s)
	j.byPath[key] = s
	if s.Row != nil {
		j.byRow[RowKey{s.Kind, s.Row.ID}] = s
	}
	if s.Base != nil && s.Base.RowID != "" {
		j.byRow[RowKey{s.Kind, s.Base.RowID}] = s
	}
}

func (j *join) addBases() {
	for key, b := range j.bases {
		s := &Subject{Kind: b.Kind, Base: b, Row: j.rows[RowKey{b.Kind, b.RowID}], File: j.file(b.Kind, b.Slug, b.Path)}
		if s.live() && s.Row.Slug != b.Slug && document.ValidSlug(b.Kind, s.Row.Slug) {
			to := j.layout.Path(b.Kind, s.Row.Slug)
			if _, agreed := j.bases[Key{b.Kind, to}]; !agreed {
				// What stands there already is part of this row's decision.
				s.Target, s.TargetLeft = j.file(b.Kind, s.Row.Slug, to), j.left[Key{b.Kind, to}]
				j.byPath[Key{b.Kind, to}] = s
			}
		}
		j.add(s, key)
	}
}

// addRows adds the rows that no base knows. Live rows come first: a soft-deleted one
// counts only where no live one has its slug.
func (j *join) addRows() {
	for _, row := range j.obs.Rows {
		if j.byRow[RowKey{row.Kind, row.ID}] == nil && !row.Private && !row.Deleted {
			j.addRow(row)
		}
	}
	for _, row := range slices.Backward(j.obs.Rows) { // the latest deleted is the last
		if j.byRow[RowKey{row.Kind, row.ID}] != nil || row.Private || !row.Deleted {
			continue
		}
		path := j.layout.Path(row.Kind, row.Slug)
		key := Key{row.Kind, path}
		if f := j.file(row.Kind, row.Slug, path); f.Exists() && j.byPath[key] == nil {
			j.add(&Subject{Kind: row.Kind, Row: row, File: f}, key)
		}
	}
}

func (j *join) addRow(row *Row) {
	if !document.ValidSlug(row.Kind, row.Slug) {
		// Its path must not even be formed; the row's problem says why.
		j.add(&Subject{Kind: row.Kind, Row: row, File: &File{Entry: Entry{Kind: row.Kind, Slug: row.Slug}}}, Key{row.Kind, "\x00" + row.ID})
		return
	}
	path := j.layout.Path(row.Kind, row.Slug)
	key := Key{row.Kind, path}
	owner := j.byPath[key]
	switch {
	case owner == nil:
		j.add(&Subject{Kind: row.Kind, Row: row, File: j.file(row.Kind, row.Slug, path)}, key)
	case owner.Row == nil || owner.Row.Deleted || owner.Row.Private:
		owner.Row, owner.Replaced = row, true
		j.byRow[RowKey{row.Kind, row.ID}] = owner
	default:
		// The file's own row moves away in this run and takes the file with it.
		absent := &File{Entry: Entry{Kind: row.Kind, Slug: row.Slug, Path: path}}
		s := &Subject{Kind: row.Kind, Row: row, File: absent}
		j.subjects = append(j.subjects, s)
		j.byRow[RowKey{row.Kind, row.ID}] = s
	}
}

// addFiles adds the files that neither a base nor a row knows, and those that an
// earlier run left open.
func (j *join) addFiles(entries []Entry) {
	for _, e := range entries {
		key := Key{e.Kind, e.Path}
		if e.GitID != "" && j.byPath[key] == nil {
			j.add(&Subject{Kind: e.Kind, File: j.file(e.Kind, e.Slug, e.Path)}, key)
		}
	}
	for _, u := range j.obs.Unsettled {
		if f := j.file(u.Kind, u.Slug, u.Path); f.Exists() && j.byPath[u.Key] == nil {
			j.add(&Subject{Kind: u.Kind, File: f}, u.Key)
		}
	}
	for _, i := range j.obs.Intents { // the row of what was to take its place may have gone, and a deletion may be undone
		known := j.open[i.ID] || len(j.foundAt[i.Key]) > 0
		if f := j.file(i.Kind, i.Slug, i.Path); known && f.Exists() && j.byPath[i.Key] == nil {
			j.add(&Subject{Kind: i.Kind, File: f}, i.Key)
		}
	}
}

// addChanges hands the captured changes to their subjects; what concerns nothing
// mirrored (a private row, one that came and went) is idle.
func (j *join) addChanges() {
	for _, c := range j.obs.Changes {
		s := j.byRow[RowKey{c.Kind, c.RowID}]
		if c.RowID == "" || s == nil {
			j.idle = append(j.idle, c.ID)
			continue
		}
		s.Changes = append(s.Changes, c.ID)
		s.Edited = true
		s.Named = s.Named || c.Named
		if c.Take != "" {
			s.Taken = c.Take
		}
	}
}
