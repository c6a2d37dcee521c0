package clone

import (
	"context"

	"github.com/go-git/go-git/v5/plumbing"
)

// maxChain bounds how many deltas stand between an old tree and a whole one.
const maxChain = 40

// treeStep is a tree that housekeeping stores as a delta of base; zero: whole.
type treeStep struct{ id, base plumbing.Hash }

// treeChain orders the loose trees of the commits that lead to head, newest first:
// each but the first becomes a delta of the one that replaced it. Whole, each change
// of a file among 50,000 would keep 450 kB for ever. Where something cannot be read the
// chain ends; what is damaged is not for housekeeping to find.
func (s *store) treeChain(ctx context.Context, head plumbing.Hash, loose map[plumbing.Hash]bool) []treeStep {
	p := &chainPlan{s: s, loose: loose, depth: make(map[plumbing.Hash]int)}
	for at := head; loose[at] && ctx.Err() == nil; {
		cm, err := s.commit(at)
		if err != nil || len(cm.parents) == 0 {
			break
		}
		at = cm.parents[0]
		before, err1 := s.rootOf(at)
		after, err2 := s.tree(cm.tree)
		if err1 != nil || err2 != nil || p.pair(before, after, 0) != nil {
			break
		}
	}
	return p.steps
}

type chainPlan struct {
	s     *store
	loose map[plumbing.Hash]bool
	depth map[plumbing.Hash]int // of the trees that stand in steps
	steps []treeStep
}

// pair notes a tree and the one it replaced. A tree that came back stays where it was
// noted first, so no chain bites its tail.
func (p *chainPlan) pair(before, after *tree, nesting int) (err error) {
	if before.id == after.id || nesting > maxDepth {
		return nil
	}
	p.note(after.id, plumbing.ZeroHash)
	p.note(before.id, after.id)
	mergeTrees(before, after, func(a, b *treeEntry) {
		if err != nil || a == nil || b == nil || !a.isDir() || !b.isDir() {
			return
		}
		var x, y *tree
		if x, err = p.s.tree(a.id); err != nil {
			return
		}
		if y, err = p.s.tree(b.id); err == nil {
			err = p.pair(x, y, nesting+1)
		}
	})
	return err
}

func (p *chainPlan) note(id, base plumbing.Hash) {
	if _, ok := p.depth[id]; ok || !p.loose[id] {
		return
	}
	depth, ok := p.depth[base]
	if depth++; !ok || depth > maxChain {
		base, depth = plumbing.ZeroHash, 0
	}
	p.depth[id] = depth
	p.steps = append(p.steps, treeStep{id, base})
}
