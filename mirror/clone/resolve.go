package clone

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	githash "github.com/go-git/go-git/v5/plumbing/hash"
)

// resolveFrame is an object whose deltas are being resolved.
type resolveFrame struct {
	data     []byte
	kind     plumbing.ObjectType
	byOffset []deltaOf[int64] // what is left of them
	byID     []deltaOf[plumbing.Hash]
}

// next takes the number of a delta; ok is false when there is none left.
func (f *resolveFrame) next() (i int32, ok bool) {
	switch {
	case len(f.byOffset) > 0:
		i, f.byOffset = f.byOffset[0].delta, f.byOffset[1:]
	case len(f.byID) > 0:
		i, f.byID = f.byID[0].delta, f.byID[1:]
	default:
		return 0, false
	}
	return i, true
}

func (f *resolveFrame) done() bool { return len(f.byOffset) == 0 && len(f.byID) == 0 }

// resolve names the deltas of a scanned pack. It walks from each base to what
// builds on it, so a base is inflated once and forgotten with its last child.
func (p *packReceiver) resolve(ctx context.Context) error {
	left := len(p.byOffset) + len(p.byID)
	if left == 0 {
		return nil
	}
	slices.SortFunc(p.byOffset, func(a, b deltaOf[int64]) int {
		return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(a.delta, b.delta))
	})
	slices.SortFunc(p.byID, func(a, b deltaOf[plumbing.Hash]) int {
		return cmp.Or(bytes.Compare(a.base[:], b.base[:]), cmp.Compare(a.delta, b.delta))
	})
	for i, kind := range p.kinds {
		if kind >= plumbing.OFSDeltaObject || left == 0 {
			continue
		}
		root := p.frame(int32(i))
		if !p.waits(&root) {
			continue
		}
		var err error
		if root.data, err = p.content(int32(i)); err != nil {
			return err
		}
		n, err := p.descend(ctx, root)
		if err != nil {
			return err
		}
		left -= n
	}
	if left > 0 {
		return fmt.Errorf("%w: %d deltas without a base", errPack, left)
	}
	return nil
}

// frame finds the deltas of a named object.
func (p *packReceiver) frame(i int32) resolveFrame {
	o := &p.entries[i]
	at := int64(o.offset)
	ofs := p.byOffset
	from, _ := slices.BinarySearchFunc(ofs, at, func(d deltaOf[int64], at int64) int { return cmp.Compare(d.base, at) })
	to := from
	for to < len(ofs) && ofs[to].base == at {
		to++
	}
	ids := p.byID
	first, _ := slices.BinarySearchFunc(ids, o.id, func(d deltaOf[plumbing.Hash], id plumbing.Hash) int { return bytes.Compare(d.base[:], id[:]) })
	last := first
	for last < len(ids) && ids[last].base == o.id {
		last++
	}
	return resolveFrame{kind: p.kinds[i], byOffset: ofs[from:to], byID: ids[first:last]}
}

// waits reports whether a delta of the object has no name yet.
func (p *packReceiver) waits(f *resolveFrame) bool {
	unnamed := func(i int32) bool { return p.kinds[i] >= plumbing.OFSDeltaObject }
	return slices.ContainsFunc(f.byOffset, func(d deltaOf[int64]) bool { return unnamed(d.delta) }) ||
		slices.ContainsFunc(f.byID, func(d deltaOf[plumbing.Hash]) bool { return unnamed(d.delta) })
}

// descend names what builds on root, and returns how many deltas that were. An object
// that stands in the pack twice has its deltas by id once.
func (p *packReceiver) descend(ctx context.Context, root resolveFrame) (named int, err error) {
	for stack := []resolveFrame{root}; len(stack) > 0; {
		if err := ctx.Err(); err != nil {
			return named, err
		}
		top := &stack[len(stack)-1]
		i, ok := top.next()
		if !ok {
			stack = stack[:len(stack)-1]
			continue
		}
		if p.kinds[i] < plumbing.OFSDeltaObject {
			continue
		}
		delta, err := p.content(i)
		if err != nil {
			return named, err
		}
		data, err := applyDelta(top.data, delta)
		if err != nil {
			return named, err
		}
		p.kinds[i], p.entries[i].id = top.kind, hashReceived(top.kind, data)
		named++
		next := p.frame(i)
		if !p.waits(&next) {
			continue
		}
		next.data = data
		if top.done() {
			top.data = nil
		}
		stack = append(stack, next)
	}
	return named, nil
}

// hashReceived names content that others made, with collision detection.
func hashReceived(kind plumbing.ObjectType, data []byte) plumbing.Hash {
	h := githash.New(crypto.SHA1)
	h.Write(objectHeader(kind, int64(len(data))))
	h.Write(data)
	var id plumbing.Hash
	h.Sum(id[:0])
	return id
}
