package mirror

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror/document"
)

// LocalAuthor is who edits rows by editing files in the clone's working tree.
const LocalAuthor = "local"

// editStill is how long a file in the working tree must not have changed before it counts as
// edited: editors and copies write in several steps.
const editStill = 2 * time.Second

// blockedEdits is how often the end of somebody's merge or rebase is looked for.
const blockedEdits = 30 * time.Second

// takeEdits brings what somebody edited in the working tree into the database. The three-way
// merge goes by the commit that the edit was made on; from then on it is an edit of the
// database as any other, which the rounds that follow export. What cannot be imported stays
// where it is.
//
// The edits become a commit that nobody ever sees: planning it is planning an import.
func (r *run) takeEdits(ctx context.Context) error {
	if r.mirror.Cursor == "" {
		return nil
	}
	edits, err := r.clone.Edits(ctx, editStill)
	if err != nil {
		return err
	}
	if edits.Later {
		r.report.EditsAgain = editStill
	}
	if edits.Blocked != "" {
		r.log.Warn("edits in the working tree wait until somebody's git is done", "with", edits.Blocked)
		r.report.EditsAgain = blockedEdits
	}
	if len(edits.Changes) == 0 {
		return nil
	}
	built, err := r.buildEdits(ctx, edits)
	if err != nil || len(edits.Changes) == 0 {
		return err
	}
	entries, err := r.clone.Diff(ctx, edits.From, built.Head())
	if err != nil {
		return err
	}
	l := localEdits{run: r, from: edits.From, head: built.Head(), agreed: map[*Subject]*Base{}, imported: map[string]bool{}, again: map[string]bool{}}
	if err := l.take(ctx, entries); err != nil {
		return err
	}
	var told []FileChange
	for _, ch := range edits.Changes {
		if !l.again[l.entityOf(entries, ch.Path)] {
			told = append(told, ch)
		}
	}
	if len(told) < len(edits.Changes) {
		r.report.EditsAgain = editStill
	}
	return r.clone.Taken(ctx, told, func(path string) bool { return l.imported[l.entityOf(entries, path)] })
}

// buildEdits makes the commit. What cannot stand on the branch is left out of the edits.
func (r *run) buildEdits(ctx context.Context, edits *Edits) (Built, error) {
	for {
		built, err := r.clone.Build(ctx, edits.From, []CommitSpec{{Message: "Edited in the working tree", Author: r.Committer, Changes: edits.Changes}})
		var at *PathError
		if !errors.As(err, &at) {
			return built, err
		}
		bad := slices.IndexFunc(edits.Changes, func(ch FileChange) bool { return ch.Path == at.Path })
		if bad < 0 {
			return nil, err
		}
		r.notTaken(at.Path, at.Why)
		if err := r.clone.Taken(ctx, edits.Changes[bad:bad+1], func(string) bool { return false }); err != nil {
			return nil, err
		}
		edits.Changes = slices.Delete(slices.Clone(edits.Changes), bad, bad+1)
	}
}

// notTaken says of an edit that it stays where it is.
func (r *run) notTaken(path, why string) {
	r.log.Warn("an edit in the working tree is not taken: it stays in the file", "path", path, "why", why)
}

// localEdits is one takeEdits at work.
type localEdits struct {
	*run
	from, head Hash
	agreed     map[*Subject]*Base // what was agreed on, where the edit was made on something else
	imported   map[string]bool    // entities that are in the database, by path
	again      map[string]bool    // entities whose row somebody has just edited, too
}

// entityOf is the path of the entity that a file belongs to; "" for none.
func (l *localEdits) entityOf(entries []Entry, path string) string {
	for _, e := range entries {
		if path == e.Path || e.Kind == document.Skills && strings.HasPrefix(path, e.Path+"/") {
			return e.Path
		}
	}
	return ""
}

func (l *localEdits) take(ctx context.Context, entries []Entry) error {
	v, err := l.preview(ctx, l.head, entries)
	if err != nil {
		return err
	}
	edited := map[Key]Entry{}
	for _, e := range entries {
		edited[Key{e.Kind, e.Path}] = e
	}
	for _, s := range v.subjects {
		if e, ok := edited[Key{s.Kind, s.File.Path}]; ok {
			if err := l.rebase(ctx, s, e); err != nil {
				return err
			}
		}
	}
	if err := v.load(ctx, l.mirror, l.Store); err != nil {
		return err
	}
	var changes []*RowChange
	var decisions []*Decision
	var conflicts []*Conflict // of edits that lost all
	for _, d := range NewPlan(l.input(v, l.mirror)).Decisions {
		if _, ok := edited[Key{d.Kind, d.File.Path}]; !ok {
			continue
		}
		switch {
		case d.Effect == Converge && d.toRow && d.rebound == nil:
			changes, decisions = append(changes, l.change(d)), append(decisions, d)
		case d.Effect == Converge && !d.toRow, d.Effect == Nothing:
			l.imported[d.File.Path] = true // as it is already
			conflicts = append(conflicts, d.Conflicts...)
		default:
			l.refuse(d, d.Problem)
		}
	}
	if len(conflicts) > 0 {
		if err := l.Store.Intend(ctx, l.mirror, l.req.RunID, nil, conflicts); err != nil {
			return err
		}
		l.report.Conflicts += len(conflicts)
	}
	if len(changes) == 0 {
		return nil
	}
	outcomes, err := l.Store.Import(ctx, l.mirror, l.mirror.Cursor, l.req.RunID, changes)
	if err != nil {
		return err
	}
	for i, d := range decisions {
		switch o := outcomes[i]; {
		case o.Raced:
			l.again[d.File.Path] = true
		case o.Problem != nil:
			l.refuse(d, o.Problem)
		default:
			l.imported[d.File.Path] = true
			l.report.Conflicts += len(d.Conflicts)
			l.log.Info("an edit in the working tree was taken into the database", "kind", d.Kind, "slug", d.Slug(), "path", d.File.Path)
		}
	}
	return nil
}

// preview reads what the edits and the database have to say.
func (l *localEdits) preview(ctx context.Context, at Hash, entries []Entry) (*view, error) {
	run := &run{Runner: l.Runner, mirror: l.mirror, clone: l.clone, req: Request{preview: true, limit: 1}, agenda: changedInGit(at, entries)}
	run.agenda.together = len(entries)
	v, err := run.join(ctx, &view{head: at, looked: true}, nil, nil)
	if err != nil {
		return nil, err
	}
	return run.withDependents(ctx, v, map[string]bool{})
}

// rebase has a subject stand on what the edit was made on, which may be older than what is
// agreed by now.
func (l *localEdits) rebase(ctx context.Context, s *Subject, e Entry) error {
	was, err := l.clone.Lookup(ctx, l.from, []Place{{e.Kind, e.Slug}})
	if err != nil {
		return err
	}
	l.agreed[s] = s.Base
	if s.Base != nil && s.Base.GitID == was[0].GitID {
		return nil
	}
	if s.Base != nil && s.live() && s.digest == s.Base.Digest {
		// The row is as the branch by now: it speaks for git, and the edit for the database.
		s.Prefer = document.PreferDatabase
		if l.mirror.Settings.Conflict == document.PreferDatabase {
			s.Prefer = document.PreferGit
		}
	}
	f := &File{Entry: was[0]}
	if err := f.read(ctx, l.clone, noLimits); err != nil {
		return err
	}
	if f.Document == nil {
		if s.Base != nil && f.Exists() {
			return nil // a bad file: what was agreed before it counts
		}
		s.Base = nil
	} else {
		base := &Base{Key: Key{e.Kind, e.Path}, Slug: f.Document.Slug, GitID: f.GitID, Digest: f.Document.Digest(), UnknownKeys: f.Document.UnknownKeys(), Content: f.Content}
		if s.Row != nil {
			base.RowID = s.Row.ID
		}
		s.Base = base
	}
	s.agreed, s.visible = nil, nil
	return nil
}

// change writes the row and leaves what is agreed as it is, so that the row is exported.
func (l *localEdits) change(d *Decision) *RowChange {
	base := l.agreed[d.Subject]
	c := &RowChange{
		Action: RowUpdate, Row: d.Row, Document: d.stored(d.Document), Author: LocalAuthor,
		Key: Key{d.Kind, d.File.Path}, Base: base, KeepChanges: true, Conflicts: d.Conflicts,
	}
	if base != nil {
		c.Key = base.Key
	}
	if d.Row == nil {
		c.Action = RowCreate
	} else {
		c.Integration = d.Row.Integration
	}
	return c
}

// refuse leaves an edit where it is.
func (l *localEdits) refuse(d *Decision, problem *document.Problem) {
	why := "such a change is made in the database or on the branch"
	if problem != nil {
		why = problem.Message
	}
	l.notTaken(d.File.Path, why)
}
