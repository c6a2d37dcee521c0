package mirror

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/confmirror/confmirror/mirror/document"
)

// export is one decision's change of the branch.
type export struct {
	*Decision
	verb    Verb
	from    string // path before a rename, "" otherwise
	path    string
	changes []FileChange
	content *Content // what stands at path afterwards
	base    *Base    // agreed once pushed; nil for a deletion
	spec    int      // which of the push's commits it is part of
	// mixed: beside the row's, the file holds what somebody changed on the proposal branch.
	mixed bool
}

func (a *apply) newExport(d *Decision) *export {
	e := &export{Decision: d, verb: d.verb(a.layout, ToGit), path: d.Path(a.layout)}
	f := d.file()
	if d.Effect == RemoveFile {
		e.changes = []FileChange{{Path: f.Path, Delete: true}}
		return e
	}
	if f.Exists() && f.Path != e.path {
		e.from = f.Path
		e.changes = append(e.changes, FileChange{Path: f.Path, Delete: true})
	}
	if t := d.Target; d.Kind != document.Skills && t != nil && t.Exists() && t.Path == e.path {
		f = t // somebody's layout, which stands there already
	}
	e.write(f, d.Document)
	return e
}

// write makes the document stand at the export's path, where f is or comes from.
func (e *export) write(f *File, doc *document.Document) {
	if e.Kind == document.Skills {
		e.skillChanges(f, doc)
	} else {
		e.fileChange(f, doc)
	}
}

// fileChange edits the JSON file that is there, or writes a new one.
func (e *export) fileChange(f *File, doc *document.Document) {
	var text []byte
	if f.Exists() && f.Problem == nil && f.Content != nil {
		text = document.Edit(f.Content.Bytes, doc)
	} else {
		text = document.Encode(doc)
	}
	e.content = &Content{Bytes: text}
	e.changes = append(e.changes, FileChange{Path: e.path, Content: text, KeepMode: true})
}

// skillChanges writes the files of a skill that differ. Where the skill is new to a
// directory it takes all of it: what may stand there was decided on, as the file at the
// row's new place or as that of an entity which gives way, and is no part of the skill.
func (e *export) skillChanges(f *File, doc *document.Document) {
	e.content = &Content{Files: doc.Files}
	if f.Path != e.path || !f.Exists() || f.Problem != nil || f.Content == nil {
		e.writeWhole()
		return
	}
	old := map[string]document.File{}
	for _, file := range f.Content.Files {
		old[file.Path] = file
	}
	for _, file := range doc.Files {
		was, there := old[file.Path]
		delete(old, file.Path)
		if there && was.Executable == file.Executable && bytes.Equal(was.Content, file.Content) {
			continue
		}
		e.changes = append(e.changes, FileChange{Path: e.path + "/" + file.Path, Content: file.Content, Executable: file.Executable})
	}
	for path := range old {
		e.changes = append(e.changes, FileChange{Path: e.path + "/" + path, Delete: true})
	}
}

// writeWhole makes a skill's changes independent of what stands in its directory.
func (e *export) writeWhole() {
	if e.Kind != document.Skills || e.Effect == RemoveFile {
		return
	}
	e.changes = slices.DeleteFunc(e.changes, func(c FileChange) bool { return within(c.Path, e.path) })
	e.changes = append(e.changes, FileChange{Path: e.path, Delete: true})
	for _, file := range e.content.Files {
		e.changes = append(e.changes, FileChange{Path: e.path + "/" + file.Path, Content: file.Content, Executable: file.Executable})
	}
}

// intents finds what the built commits make agreed, each with the commit that holds it:
// somebody may set the branch back to one in the middle of the push.
func (a *apply) intents(ctx context.Context, branch string, built Built) ([]*Intent, error) {
	places := make([]Place, len(a.exports))
	for i, e := range a.exports {
		places[i] = Place{e.Kind, e.Slug()}
	}
	entries, err := a.clone.Lookup(ctx, built.Head(), places)
	if err != nil {
		return nil, err
	}
	ref := refOf(branch)
	var intents []*Intent
	gone := func(e *export, path, slug string) {
		intents = append(intents, &Intent{Ref: ref, Commit: built.At(e.spec), Deleted: true,
			Base: Base{Key: Key{e.Kind, path}, RowID: rowID(e.Decision), Slug: slug}})
	}
	for i, e := range a.exports {
		if e.Effect == RemoveFile {
			gone(e, e.path, e.file().Slug) // which is the file's own, where it was moved
			continue
		}
		if entries[i].GitID == "" {
			return nil, fmt.Errorf("%s is not in the commit that writes it", e.path)
		}
		if e.from != "" && !a.writtenAgain(e.from) {
			gone(e, e.from, e.file().Slug)
		}
		e.base = newBase(e.Decision, e.path, entries[i].GitID, e.Document, e.content)
		if e.mixed { // with this git id the file is not what the row says
			e.base.GitID, e.base.Content = "row:"+string(e.base.Digest), e.rowContent()
		}
		intents = append(intents, &Intent{Ref: ref, Commit: built.At(e.spec), Base: *e.base})
	}
	return intents, nil
}

// rowContent is what the file would be if it said what the row says, and no more.
func (e *export) rowContent() *Content {
	if e.Kind == document.Skills {
		return &Content{Files: e.Document.Files}
	}
	return &Content{Bytes: document.Encode(e.Document)}
}

// writtenAgain reports whether another export of this run writes path.
func (a *apply) writtenAgain(path string) bool {
	for _, e := range a.exports {
		if e.Effect == Converge && e.path == path {
			return true
		}
	}
	return false
}
