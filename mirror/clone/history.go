package clone

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// Contains reports whether ancestor is in the history of commit.
func (c *Clone) Contains(ctx context.Context, commit, ancestor mirror.Hash) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return false, err
	}
	at, ok := toID(commit)
	if !ok || !c.hasCommit(commit) {
		return false, fmt.Errorf("%w: %q", mirror.ErrNoCommit, commit)
	}
	find, ok := toID(ancestor)
	if !ok || !c.hasCommit(ancestor) {
		return false, fmt.Errorf("%w: %q", mirror.ErrNoCommit, ancestor)
	}
	return c.contains(ctx, at, find)
}

// contains walks the history breadth first: what is looked for is usually near.
func (c *Clone) contains(ctx context.Context, at, find plumbing.Hash) (bool, error) {
	seen := map[plumbing.Hash]bool{at: true}
	for queue := []plumbing.Hash{at}; len(queue) > 0; queue = queue[1:] {
		if queue[0] == find {
			return true, nil
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		cm, err := c.store.commit(queue[0])
		if err != nil {
			return false, err
		}
		for _, p := range cm.parents {
			if !seen[p] {
				seen[p] = true
				queue = append(queue, p)
			}
		}
	}
	return false, nil
}

// checkClosure makes sure that a fetched commit is all there: its history down
// to what we had, and its tree as far as it differs from ours. What is missing
// although the remote was told of no commit of ours is missing over there.
func (c *Clone) checkClosure(ctx context.Context, branch string, want plumbing.Hash, told bool) error {
	base := plumbing.ZeroHash
	if at, ok := c.readRef(c.trackingRef()); ok {
		base = at
	}
	if base == want {
		return nil
	}
	var err error
	if branch == c.o.Branch {
		err = c.checkHistory(ctx, want, base)
	} else { // which has left the mirrored one anywhere; what is before that was checked with it
		base, err = c.mergeBase(ctx, want, base)
	}
	if err != nil {
		return err
	}
	from, err := c.store.rootOf(base)
	if err != nil {
		from = &tree{id: emptyTree}
	}
	to, err := c.store.rootOf(want)
	if err != nil {
		return err
	}
	err = c.diffTrees(from, to)(ctx, func(ch *change) error {
		e := ch.new
		if e.mode == 0 || e.isSubmodule() || c.store.has(e.id) {
			return nil
		}
		if told {
			return &missingError{e.id, errors.New("was not sent: the remote took us to have it")}
		}
		c.log.Warn("the repository lacks an object", "path", ch.path, "object", e.id)
		c.reported[e.id] = c.generation - 1
		return nil
	})
	if errors.Is(err, errTooManyPaths) {
		return cloneFault("The branch has more files than can be checked out.", err)
	}
	return err
}

// checkHistory makes sure that all commits between want and base are there.
func (c *Clone) checkHistory(ctx context.Context, want, base plumbing.Hash) error {
	return c.walkHistory(ctx, want, base, func(plumbing.Hash, *commit) error { return nil })
}

// walkHistory visits a commit and its ancestors, but for base and what is only behind it.
func (c *Clone) walkHistory(ctx context.Context, want, base plumbing.Hash, visit func(plumbing.Hash, *commit) error) error {
	seen := map[plumbing.Hash]bool{want: true, base: true}
	for queue := []plumbing.Hash{want}; len(queue) > 0; queue = queue[1:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		cm, err := c.store.commit(queue[0])
		if err != nil {
			return err
		}
		if err := visit(queue[0], cm); err != nil {
			return err
		}
		for _, p := range cm.parents {
			if !seen[p] {
				seen[p] = true
				queue = append(queue, p)
			}
		}
	}
	return nil
}
