package clone

import (
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// edit is what happens to one name of a tree: a file written, everything
// deleted, or changes below it; deleted comes before what is written after it.
type edit struct {
	deleted  bool
	file     *mirror.FileChange
	children map[string]*edit
	// parent: something was written below, so a file in its place is gone, even
	// if what was written is deleted again.
	parent bool
	// guarded: a directory that leads to the mirrored paths; what stands in its
	// place and is none belongs to people and is not replaced.
	guarded bool
	// own is set at an entity's place.
	own ownership
}

// ownership says what kind of entity has a place. A directory where a JSON file
// belongs, and a plain file where a skill belongs, are people's.
type ownership int

const (
	ownNothing ownership = iota
	ownFile
	ownDirectory
)

// protects reports whether what stands at e must stay.
func (e *edit) protects(old treeEntry) bool {
	return e.own == ownFile && old.isDir() || e.own == ownDirectory && old.isRegular()
}

// put adds one change; the last on a path wins.
func (e *edit) put(path string, ch *mirror.FileChange, scope int, own ownership) {
	parts := strings.Split(path, "/")
	at := e
	at.guarded = true
	for i, part := range parts {
		if at.file != nil { // written before
			if ch.Delete {
				return // there is nothing below a file
			}
			at.file, at.deleted = nil, true
		}
		at.parent = at.parent || !ch.Delete
		next := at.children[part]
		if next == nil {
			next = &edit{}
			if at.children == nil {
				at.children = make(map[string]*edit)
			}
			at.children[part] = next
		}
		at = next
		at.guarded = at.guarded || i < scope
		if i == scope {
			at.own = own
		}
	}
	at.children, at.file = nil, nil
	if ch.Delete {
		at.deleted = true
		return
	}
	at.file = ch
}

// checkPath lets only paths of entities through, and returns how many leading
// components lead to the kind's directory.
func (c *Clone) checkPath(path string, del bool) (scope int, own ownership, err error) {
	if !safePath(path) || len(path) > 4096 {
		return 0, 0, pathError(path, "not clean and relative")
	}
	for _, k := range document.Kinds {
		dir := c.o.Layout.Dir(k)
		rest, ok := strings.CutPrefix(path, dir+"/")
		if !ok {
			continue
		}
		first, below, nested := strings.Cut(rest, "/")
		switch {
		case k != document.Skills && (nested || !strings.HasSuffix(first, ".json") || strings.HasPrefix(first, ".")):
			return 0, 0, pathError(path, "not an entity's file")
		case k == document.Skills && (strings.HasPrefix(first, ".") || !del && below == ""):
			return 0, 0, pathError(path, "not below a skill's directory")
		}
		own = ownFile
		if k == document.Skills {
			own = ownDirectory
		}
		return strings.Count(dir, "/") + 1, own, nil
	}
	return 0, 0, pathError(path, "not in a mirrored directory")
}

// edit applies e to the entry old (mode 0: nothing there) and returns the new
// entry (mode 0: gone).
func (b *builder) edit(old treeEntry, e *edit) (treeEntry, error) {
	was := old
	if e.protects(old) {
		if e.writes() {
			return was, pathError(e.anyPath(), describe(old.mode)+" of the repository's people stands there")
		}
		return was, nil
	}
	if e.deleted || e.parent && !e.guarded && !old.isDir() {
		old = treeEntry{name: old.name}
	}
	if e.file != nil {
		blob := newObject(plumbing.BlobObject, e.file.Content)
		mode := uint32(modeFile)
		if e.file.Executable {
			mode = modeExecutable
		}
		if e.file.KeepMode && was.isRegular() {
			mode = was.mode
		}
		if was.id != blob.id {
			b.add(blob, plumbing.ZeroHash)
		}
		return treeEntry{mode: mode, id: blob.id}, nil
	}
	if len(e.children) == 0 {
		return old, nil
	}
	base := &tree{id: emptyTree}
	if old.isDir() && old.mode != 0 {
		var err error
		if base, err = b.tree(old.id); err != nil {
			return old, err
		}
	} else if old.mode != 0 && !e.writes() {
		return old, nil // a deletion below something that is no directory
	} else if old.mode != 0 && e.guarded {
		return old, pathError(e.anyPath(), describe(old.mode)+" of the repository's people stands in the way")
	}
	return b.editTree(old, base, was, e)
}

func (b *builder) editTree(old treeEntry, base *tree, was treeEntry, e *edit) (treeEntry, error) {
	changed := make(map[string]treeEntry, len(e.children))
	dirty := false
	for name, child := range e.children {
		before, _ := base.find(name)
		after, err := b.edit(before, child)
		if err != nil {
			return old, err
		}
		after.name = name
		if before.mode == after.mode && before.id == after.id && !before.twice {
			continue
		}
		if before.mode == 0 && after.mode == 0 {
			continue
		}
		changed[name] = after
		dirty = true
	}
	if !dirty {
		if old.mode == 0 || !old.isDir() {
			return treeEntry{}, nil // nothing was written: no empty directory appears
		}
		return old, nil
	}
	entries := patchEntries(base.entries, changed)
	if len(entries) == 0 {
		return treeEntry{}, nil
	}
	from := base.id
	if from == emptyTree && was.isDir() {
		from = was.id
	}
	t := b.newTree(entries, from)
	return treeEntry{mode: modeDir, id: t.id}, nil
}

// patchEntries replaces, adds and removes entries, keeping git's order.
func patchEntries(base []treeEntry, changed map[string]treeEntry) []treeEntry {
	added := make([]treeEntry, 0, len(changed))
	for _, e := range changed {
		if e.mode != 0 {
			added = append(added, e)
		}
	}
	slices.SortFunc(added, compareEntries)
	out := make([]treeEntry, 0, len(base)+len(added))
	for _, e := range base {
		if _, ok := changed[e.name]; ok {
			continue
		}
		for len(added) > 0 && compareEntries(added[0], e) < 0 {
			out = append(out, added[0])
			added = added[1:]
		}
		e.twice = false
		out = append(out, e)
	}
	return append(out, added...)
}

// writes reports whether anything is written at or below e.
func (e *edit) writes() bool {
	if e.file != nil {
		return true
	}
	for _, c := range e.children {
		if c.writes() {
			return true
		}
	}
	return false
}

// anyPath is one of the paths written below e.
func (e *edit) anyPath() string {
	if e.file != nil {
		return e.file.Path
	}
	for _, c := range e.children {
		if p := c.anyPath(); p != "" {
			return p
		}
	}
	return ""
}
