package clone

import (
	"path"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// merge is the tree that two commits make together; theirs counts at the paths.
func (b *builder) merge(base, ours, theirs plumbing.Hash, paths []string) (*tree, error) {
	var roots [3]*tree
	for i, commit := range [3]plumbing.Hash{base, ours, theirs} {
		var err error
		if roots[i], err = b.c.store.rootOf(commit); err != nil {
			return nil, err
		}
	}
	return newTreeMerge(b, paths).roots(roots[0], roots[1], roots[2])
}

// treeMerge joins two trees that come from a third, file by file. Directories that only
// one of them changed are taken as they are, unread.
type treeMerge struct {
	b *builder
	// reset are paths at which theirs counts, whatever ours has; resetBelow are the
	// directories above them.
	reset, resetBelow map[string]bool
	conflicts         []string
}

// newTreeMerge prepares a merge that takes theirs at the paths.
func newTreeMerge(b *builder, reset []string) *treeMerge {
	m := &treeMerge{b: b, reset: map[string]bool{}, resetBelow: map[string]bool{}}
	for _, p := range reset {
		m.reset[p] = true
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			m.resetBelow[dir] = true
		}
		m.resetBelow[""] = true
	}
	return m
}

// roots merges root trees. What both sides changed in different ways is a
// *mirror.MergeError that names all of it.
func (m *treeMerge) roots(base, ours, theirs *tree) (*tree, error) {
	root := func(t *tree) treeEntry { return treeEntry{mode: modeDir, id: t.id} }
	e, err := m.entry("", root(base), root(ours), root(theirs))
	switch {
	case err != nil:
		return nil, err
	case len(m.conflicts) > 0:
		return nil, &mirror.MergeError{Paths: m.conflicts}
	case e.mode == 0:
		return m.b.newTree(nil, ours.id), nil
	}
	return m.b.tree(e.id)
}

// entry merges what stands at one path; mode 0 is nothing.
func (m *treeMerge) entry(at string, base, ours, theirs treeEntry) (treeEntry, error) {
	switch {
	case m.reset[at] || ours.same(base) || ours.same(theirs):
		return theirs, nil
	case base.same(theirs) && !m.resetBelow[at]:
		return ours, nil
	case !directory(ours) || !directory(theirs):
		if base.same(theirs) { // what is to be taken from there cannot be
			return ours, nil
		}
		m.conflicts = append(m.conflicts, at)
		return ours, nil
	}
	if !base.isDir() {
		base = treeEntry{}
	}
	return m.directory(at, base, ours, theirs)
}

// directory reports whether e is one, or nothing.
func directory(e treeEntry) bool { return e.mode == 0 || e.isDir() }

func (m *treeMerge) directory(at string, base, ours, theirs treeEntry) (treeEntry, error) {
	var trees [3]*tree
	var names []string
	for i, e := range [3]treeEntry{base, ours, theirs} {
		trees[i] = &tree{id: emptyTree}
		if e.mode != 0 {
			var err error
			if trees[i], err = m.b.tree(e.id); err != nil {
				return ours, err
			}
		}
		for _, e := range trees[i].entries {
			names = append(names, e.name)
		}
	}
	slices.Sort(names)
	var entries []treeEntry
	for _, name := range slices.Compact(names) {
		var has [3]treeEntry
		for i, t := range trees {
			has[i], _ = t.find(name)
		}
		e, err := m.entry(joinPath(at, name), has[0], has[1], has[2])
		if err != nil {
			return ours, err
		}
		if e.mode != 0 {
			e.name, e.twice = name, false
			entries = append(entries, e)
		}
	}
	if len(entries) == 0 {
		return treeEntry{}, nil
	}
	slices.SortFunc(entries, compareEntries)
	t := m.b.newTree(entries, ours.id)
	return treeEntry{mode: modeDir, id: t.id}, nil
}
