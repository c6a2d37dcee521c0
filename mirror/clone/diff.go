package clone

import (
	"context"
	"slices"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Diff lists the entities whose content differs between two commits. It reads
// the trees of the five directories only, and none of those that are equal.
func (c *Clone) Diff(ctx context.Context, from, to mirror.Hash) ([]mirror.Entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	a, err := c.rootAt(from)
	if err != nil {
		return nil, err
	}
	b, err := c.rootAt(to)
	if err != nil {
		return nil, err
	}
	var out []mirror.Entry
	if a.id == b.id {
		return nil, nil
	}
	for _, k := range document.Kinds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		pa, err := c.placeOf(a, k)
		if err != nil {
			return nil, err
		}
		pb, err := c.placeOf(b, k)
		if err != nil {
			return nil, err
		}
		out = c.diffKind(out, k, pa, pb)
	}
	return out, nil
}

// rootAt is the root tree of a commit of the interface.
func (c *Clone) rootAt(h mirror.Hash) (*tree, error) {
	id, err := c.commitID(h)
	if err != nil {
		return nil, err
	}
	return c.store.rootOf(id)
}

func (c *Clone) diffKind(out []mirror.Entry, k document.Kind, from, to place) []mirror.Entry {
	old := &tree{id: emptyTree}
	if from.tree != nil {
		old = from.tree
	}
	if len(old.entries) == 0 && to.tree != nil {
		out = slices.Grow(out, len(to.tree.entries))
	}
	if to.tree == nil { // unreadable: every entity we knew of is, none is gone
		for _, e := range old.entries {
			if slug, what := classify(k, e); what == entity {
				out = append(out, c.hidden(k, slug, to))
			}
		}
		return out
	}
	mergeTrees(old, to.tree, func(a, b *treeEntry) {
		if a != nil && b != nil && a.same(*b) {
			return
		}
		var was, is claim
		var slug, before, after string
		if a != nil {
			// What leaves an entity's place frees it, though it was never the entity.
			if slug, was = classify(k, *a); was == entity || was == occupied && b == nil {
				before = gitID(k, *a)
			}
		}
		if b != nil {
			if slug, is = classify(k, *b); is == entity || is == occupied && was == entity {
				after = gitID(k, *b)
			}
		}
		if before != after {
			out = append(out, c.entryOf(k, slug, after))
		}
	})
	return out
}

// mergeTrees walks two trees by name, and calls f with what each has, nil for
// nothing. A name that is a file in one and a directory in the other is one call.
func mergeTrees(a, b *tree, f func(a, b *treeEntry)) {
	seen := make(map[string]bool) // names already paired across file and directory
	zipTrees(a, b, func(x, y *treeEntry) error {
		switch {
		case y == nil:
			mergeOne(x, b, seen, f)
		case x == nil:
			mergeOther(a, y, seen, f)
		default:
			f(x, y)
		}
		return nil
	})
}

// zipTrees walks two trees in git's order until f fails, and calls it with what differs.
// What one has as a file and the other as a directory are two calls.
func zipTrees(a, b *tree, f func(a, b *treeEntry) error) error {
	if a.id == b.id {
		return nil
	}
	for i, j := 0, 0; i < len(a.entries) || j < len(b.entries); {
		n := 0
		switch {
		case j == len(b.entries):
			n = -1
		case i == len(a.entries):
			n = 1
		default:
			n = compareEntries(a.entries[i], b.entries[j])
		}
		var x, y *treeEntry
		if n <= 0 {
			x = &a.entries[i]
			i++
		}
		if n >= 0 {
			y = &b.entries[j]
			j++
		}
		if n == 0 && x.same(*y) {
			continue
		}
		if err := f(x, y); err != nil {
			return err
		}
	}
	return nil
}

// mergeOne handles an entry that only the first tree has under its kind of name.
func mergeOne(x *treeEntry, b *tree, seen map[string]bool, f func(a, b *treeEntry)) {
	if seen[x.name] {
		return
	}
	if y, ok := b.find(x.name); ok {
		seen[x.name] = true
		f(x, &y)
		return
	}
	f(x, nil)
}

func mergeOther(a *tree, y *treeEntry, seen map[string]bool, f func(a, b *treeEntry)) {
	if seen[y.name] {
		return
	}
	if x, ok := a.find(y.name); ok {
		seen[y.name] = true
		f(&x, y)
		return
	}
	f(nil, y)
}

// Lookup finds entities in a commit.
func (c *Clone) Lookup(ctx context.Context, at mirror.Hash, places []mirror.Place) ([]mirror.Entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lookup(ctx, at, places)
}

func (c *Clone) lookup(ctx context.Context, at mirror.Hash, places []mirror.Place) ([]mirror.Entry, error) {
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	root, err := c.rootAt(at)
	if err != nil {
		return nil, err
	}
	dirs := make(map[document.Kind]place)
	out := make([]mirror.Entry, 0, len(places))
	for _, p := range places {
		d, ok := dirs[p.Kind]
		if !ok {
			if d, err = c.placeOf(root, p.Kind); err != nil {
				return nil, err
			}
			dirs[p.Kind] = d
		}
		if d.tree == nil {
			out = append(out, c.hidden(p.Kind, p.Slug, d))
			continue
		}
		id := ""
		if e, ok := d.tree.find(fileName(p.Kind, p.Slug)); ok {
			if _, what := classify(p.Kind, e); what != foreign {
				id = gitID(p.Kind, e)
			}
		}
		out = append(out, c.entryOf(p.Kind, p.Slug, id))
	}
	return out, nil
}
