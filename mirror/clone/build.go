package clone

import (
	"context"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// looseBelow: builds with fewer objects are stored loose, others as one pack,
// which is then what a push sends.
const looseBelow = 32

// built is a chain of commits in the store.
type built struct {
	parent, head plumbing.Hash
	commits      []plumbing.Hash
	at           []plumbing.Hash // the head after each spec
	objects      []builtObject
	pack         plumbing.Hash // zero when the objects are loose
}

// builtObject is one object that the remote may not have.
type builtObject struct {
	kind plumbing.ObjectType
	id   plumbing.Hash
	data []byte // nil when it is in the pack
	// base is the tree that this one replaces; the remote has it or gets it in the same push.
	base plumbing.Hash
	// begin and size are of its entry in the pack; whole: it is no delta.
	begin, size int64
	whole       bool
}

func (b *built) Parent() mirror.Hash { return fromID(b.parent) }
func (b *built) Head() mirror.Hash   { return fromID(b.head) }

func (b *built) Commits() []mirror.Hash {
	out := make([]mirror.Hash, len(b.commits))
	for i, id := range b.commits {
		out[i] = fromID(id)
	}
	return out
}

func (b *built) At(i int) mirror.Hash { return fromID(b.at[i]) }

// Build makes commits on top of parent. Only the directories that change are
// encoded anew.
func (c *Clone) Build(ctx context.Context, parent mirror.Hash, commits []mirror.CommitSpec) (mirror.Built, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	if err := c.initialize(ctx); err != nil {
		return nil, err
	}
	id, err := c.commitID(parent)
	if err != nil {
		return nil, err
	}
	root, err := c.store.rootOf(id)
	if err != nil {
		return nil, err
	}
	b := &builder{c: c, fresh: make(map[plumbing.Hash]*tree), seen: make(map[plumbing.Hash]bool)}
	out := &built{parent: id, head: id}
	committer := c.o.Committer
	committer.When = c.o.Now()
	for _, spec := range commits {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		parents, merged := []plumbing.Hash{out.head}, root
		if spec.Merge != "" {
			theirs, err := c.commitID(spec.Merge)
			if err != nil {
				return nil, err
			}
			base, err := c.mergeBase(ctx, out.head, theirs)
			if err != nil {
				return nil, err
			}
			if merged, err = b.merge(base, out.head, theirs, spec.Theirs); err != nil {
				return nil, err
			}
			if base != theirs { // or there is nothing of theirs to come
				parents = append(parents, theirs)
			}
		}
		next, err := b.apply(merged, spec.Changes)
		if err != nil {
			return nil, err
		}
		if next.id != root.id || len(parents) > 1 {
			cm := newObject(plumbing.CommitObject, encodeCommit(next.id, parents, spec.Author, committer, spec.Message))
			b.add(cm, plumbing.ZeroHash)
			out.head, root = cm.id, next
			out.commits = append(out.commits, cm.id)
		}
		out.at = append(out.at, out.head)
	}
	out.objects = b.objects
	if err := c.storeBuilt(ctx, out, b.fresh); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, cloneFault("The clone cannot be written.", err)
	}
	for _, t := range b.fresh {
		c.store.trees.put(t)
	}
	return out, nil
}

// storeBuilt writes the objects, commits last.
func (c *Clone) storeBuilt(ctx context.Context, b *built, fresh map[plumbing.Hash]*tree) error {
	if len(b.objects) < looseBelow {
		for _, o := range b.objects {
			if err := c.store.writeLoose(object{kind: o.kind, id: o.id, data: o.data}); err != nil {
				return err
			}
		}
		return nil
	}
	depth := make(map[plumbing.Hash]int) // of trees in their chain of deltas
	pack, entries, err := c.store.writePack(ctx, len(b.objects), func(i int) (packItem, error) {
		o := &b.objects[i]
		item := packItem{object: object{kind: o.kind, id: o.id, data: o.data}}
		if base := fresh[o.base]; base != nil && depth[o.base] < maxChain { // it stands in this pack, too
			if item.delta = treeDelta(base, fresh[o.id]); item.delta != nil {
				item.base = o.base
				depth[o.id] = depth[o.base] + 1
			}
		}
		o.whole = item.delta == nil
		return item, nil
	})
	if err != nil {
		return err
	}
	b.pack = pack
	for i := range b.objects {
		o := &b.objects[i]
		o.data = nil // the caller may keep b for long
		o.begin, o.size = int64(entries[i].offset), entries[i].size
	}
	return nil
}

// builder collects the objects of one Build.
type builder struct {
	c       *Clone
	fresh   map[plumbing.Hash]*tree // trees made here, not stored yet
	seen    map[plumbing.Hash]bool
	objects []builtObject
}

// add notes an object for the push. One that an earlier, refused build left in
// the store is sent again: the remote does not have it.
func (b *builder) add(o object, base plumbing.Hash) {
	if !b.seen[o.id] {
		b.seen[o.id] = true
		b.objects = append(b.objects, builtObject{kind: o.kind, id: o.id, data: o.data, base: base})
	}
}

func (b *builder) tree(id plumbing.Hash) (*tree, error) {
	if t, ok := b.fresh[id]; ok {
		return t, nil
	}
	return b.c.store.tree(id)
}

// apply makes the root tree of one commit.
func (b *builder) apply(root *tree, changes []mirror.FileChange) (*tree, error) {
	top := &edit{}
	for i := range changes {
		scope, own, err := b.c.checkPath(changes[i].Path, changes[i].Delete)
		if err != nil {
			return nil, err
		}
		top.put(changes[i].Path, &changes[i], scope, own)
	}
	e, err := b.edit(treeEntry{mode: modeDir, id: root.id}, top)
	if err != nil {
		return nil, err
	}
	if e.mode == 0 {
		return b.newTree(nil, root.id), nil
	}
	return b.tree(e.id)
}

func (b *builder) newTree(entries []treeEntry, base plumbing.Hash) *tree {
	data := encodeTree(entries)
	o := newObject(plumbing.TreeObject, data)
	if t, ok := b.fresh[o.id]; ok {
		return t
	}
	t := &tree{id: o.id, entries: entries, size: len(data)}
	b.fresh[o.id] = t
	if base == emptyTree {
		base = plumbing.ZeroHash
	}
	b.add(o, base)
	return t
}

// pathError refuses a path that must not be written.
func pathError(path, why string) error { return &mirror.PathError{Path: path, Why: why} }
