package mirror

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror/document"
)

// Review is what a merge into the mirrored branch would come to.
type Review struct {
	// Source is the commit that would be merged, Destination the branch's head.
	Source, Destination Hash
	// Contained: the branch has the source already.
	Contained bool
	// Conflicts are the paths that both sides changed in different ways: nobody can merge
	// before they are resolved. All else is told as if the source's version was taken.
	Conflicts []string
	// Entities counts those whose files the merge changes. TooMany: they are more than a
	// review looks at, and nothing else is known of them.
	Entities int
	TooMany  bool
	// Errors are what the merge would bring, or leave in files that it changes.
	Errors []FileError
	// Cleared are the paths of files and entities that would have no error any more.
	Cleared []string
	// Changes are what the next run would do beside what it does without the merge.
	Changes []Action
	// Held counts the changes that would wait for a person.
	Held int
	// Credentials are the files whose public fields show what looks like one.
	Credentials []Finding
}

// FileError is what is wrong with a file, or with what a toolkit names.
type FileError struct {
	Kind    document.Kind
	Slug    string
	Path    string // of the file itself, within a skill, too
	Problem *document.Problem
	// InDatabase: the file's row is what is wrong, so the file is not imported.
	InDatabase bool
}

// Finding is a field of a file, and the rule that it fits.
type Finding struct{ Path, Field, Rule string }

// mostReviewed bounds the entities of a review: their files and rows are in memory together,
// since deletions and renames must not be told apart.
const mostReviewed = 5000

// Review tells what a merge of source into head, the mirrored branch's commit, would come
// to; the clone has both. It writes nothing but the merge, into the clone's object store.
//
// The merge is planned as a run would plan it, and so is the head without it. What both
// plans say is no part of the merge: rows that wait for their export, files that wait for
// their import, errors that were there before.
func (r *Runner) Review(ctx context.Context, m *Mirror, c Clone, head, source Hash) (*Review, error) {
	v := &Review{Source: source, Destination: head}
	merged, err := v.merge(ctx, c, r.Committer)
	if err != nil || v.Contained {
		return v, err
	}
	after, err := c.Diff(ctx, head, merged)
	if err != nil {
		return nil, err
	}
	v.Entities = len(after)
	if v.TooMany = v.Entities > mostReviewed; v.TooMany || v.Entities == 0 {
		return v, nil
	}
	before, err := c.Diff(ctx, merged, head)
	if err != nil {
		return nil, err
	}
	w := &reviewing{Review: v, scanner: r.Scanner, touched: map[Key]bool{}}
	for _, e := range append(slices.Clip(after), before...) {
		w.touched[Key{e.Kind, e.Path}] = true
	}
	asked := map[string]bool{}
	// The one with the merge first: what is edited meanwhile is then taken for no part of it.
	if w.after, err = r.preview(ctx, m, c, merged, after, asked); err != nil {
		return nil, err
	}
	if w.before, err = r.preview(ctx, m, c, head, before, asked); err != nil {
		return nil, err
	}
	read := func(f *File) error { return f.read(ctx, c, r.Rules.Limits) }
	return v, w.compare(read)
}

// merge makes the commit that the merge would make.
func (v *Review) merge(ctx context.Context, c Clone, author Signature) (Hash, error) {
	if v.Destination == "" {
		return v.Source, nil
	}
	var err error
	if v.Contained, err = c.Contains(ctx, v.Destination, v.Source); err != nil || v.Contained {
		return v.Destination, err
	}
	if ahead, err := c.Contains(ctx, v.Source, v.Destination); err != nil || ahead {
		return v.Source, err
	}
	spec := CommitSpec{Message: "Review", Author: author, Merge: v.Source}
	built, err := c.Build(ctx, v.Destination, []CommitSpec{spec})
	var both *MergeError
	if errors.As(err, &both) {
		v.Conflicts, spec.Theirs = both.Paths, both.Paths
		built, err = c.Build(ctx, v.Destination, []CommitSpec{spec})
	}
	if err != nil {
		return "", err
	}
	return built.Head(), nil
}

// preview plans what git changed at a commit. asked are the servers whose toolkits are
// looked at as well; those that turn out to be concerned are added.
func (r *Runner) preview(ctx context.Context, m *Mirror, c Clone, at Hash, entries []Entry, asked map[string]bool) ([]*Decision, error) {
	run := &run{Runner: r, mirror: m, clone: c, req: Request{preview: true, limit: 1}, agenda: changedInGit(at, entries)}
	run.agenda.together = len(entries)
	v, err := run.join(ctx, &view{head: at, looked: true}, slices.Sorted(maps.Keys(asked)), nil)
	if err == nil {
		v, err = run.withDependents(ctx, v, asked)
	}
	if err == nil {
		err = v.load(ctx, m, r.Store)
	}
	if err != nil {
		return nil, err
	}
	return NewPlan(r.input(v, m)).Decisions, nil
}

// reviewing compares the plan with the merge to the one without it.
type reviewing struct {
	*Review
	scanner       Scanner
	touched       map[Key]bool // the places that the merge changes
	after, before []*Decision
}

func (w *reviewing) compare(read func(*File) error) error {
	without := make(map[any]*Decision, len(w.before))
	for _, d := range w.before {
		without[d.entity()] = d
	}
	with := make(map[any]*Decision, len(w.after))
	for _, d := range w.after {
		was := without[d.entity()]
		with[d.entity()] = d
		if !w.concerns(d, was) || d.slip != nil && d.Effect == Refuse { // the file that slipped tells it itself
			continue
		}
		if d.Problem != nil && !(d.RowProblem && was != nil && was.RowProblem) && !(was != nil && was.saysSame(d)) {
			w.Errors = append(w.Errors, d.fileError())
		}
		if !d.comesToSame(was) && d.Effect != Refuse {
			w.Changes = append(w.Changes, d.actions...)
			if d.Effect == Hold {
				w.Held++
			}
		}
		if err := w.scan(d, was, read); err != nil {
			return err
		}
	}
	for _, d := range w.before {
		if is := with[d.entity()]; d.Problem != nil && !d.RowProblem && w.concerns(d, is) && (is == nil || is.Problem == nil) {
			w.Cleared = append(w.Cleared, d.bad().Path)
		}
	}
	return nil
}

// entity names what a decision is about, the same in both plans.
func (d *Decision) entity() any {
	switch {
	case d.Base != nil:
		return d.Base.Key
	case d.Row != nil:
		return RowKey{d.Kind, d.Row.ID}
	}
	return Key{d.Kind, d.File.Path}
}

// concerns reports whether a decision differs by the merge from the other plan's (nil: it
// has none). What the merge does not touch follows it where both plans saw the same, or
// where all was at rest; anything else was edited meanwhile.
func (w *reviewing) concerns(d, other *Decision) bool {
	files := append(d.unreached(), d.File)
	return slices.ContainsFunc(files, func(f *File) bool { return w.touched[Key{d.Kind, f.Path}] }) ||
		d.Base != nil && w.touched[d.Base.Key] || d.databaseChange() == same && d.gitChange() == same ||
		other != nil && d.File.GitID == other.File.GitID && d.digest == other.digest && d.databaseChange() == other.databaseChange()
}

// comesToSame reports whether the decision changes nothing that another one (nil: none)
// does not change in the same way.
func (d *Decision) comesToSame(o *Decision) bool {
	switch {
	case o == nil:
		return len(d.actions) == 0
	case d.Effect != o.Effect || d.toRow != o.toRow || d.toFile != o.toFile || len(d.Conflicts) != len(o.Conflicts):
		return false
	}
	return d.Document == nil || o.Document == nil || d.digestOf(d.Document) == o.digestOf(o.Document)
}

// saysSame reports whether two decisions have the same to say against the same file.
func (d *Decision) saysSame(o *Decision) bool {
	return d.Problem != nil && d.Problem.Code == o.Problem.Code && d.Problem.Message == o.Problem.Message && d.bad().GitID == o.bad().GitID
}

func (d *Decision) fileError() FileError {
	e := FileError{Kind: d.Kind, Slug: d.Slug(), Path: d.bad().Path, Problem: d.Problem, InDatabase: d.RowProblem}
	if d.Kind == document.Skills && d.Problem.File != "" {
		e.Path += "/" + d.Problem.File
	}
	return e
}

// scan looks for credentials in what the merge brings.
func (w *reviewing) scan(d, was *Decision, read func(*File) error) error {
	f := d.file()
	if w.scanner == nil || f.Document == nil || !w.touched[Key{d.Kind, f.Path}] {
		return nil
	}
	field, rule := findCredential(w.scanner, f.Document, nil)
	if rule == "" {
		return nil
	}
	if was != nil { // perhaps the branch has it already
		old := was.file()
		if err := read(old); err != nil {
			return err
		}
		if field, rule = findCredential(w.scanner, f.Document, old.Document); rule == "" {
			return nil
		}
	}
	w.Credentials = append(w.Credentials, Finding{f.Path, field, rule})
	return nil
}

// Position is where in the file the problem is, as "path:line:column", as far as is known.
func (e FileError) Position() string {
	var at strings.Builder
	at.WriteString(e.Path)
	for _, n := range []int{e.Problem.Line, e.Problem.Column} {
		if n > 0 {
			fmt.Fprintf(&at, ":%d", n)
		}
	}
	return at.String()
}
