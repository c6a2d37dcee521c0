package clone

import (
	"context"
	"crypto"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	githash "github.com/go-git/go-git/v5/plumbing/hash"
)

// resolve names the deltas of a scanned pack. It walks from each base to what
// builds on it, so a base is inflated once and forgotten with its last child.
func (p *packReceiver) resolve(ctx context.Context) error {
	byOffset := make(map[int64][]int32) // base's offset -> deltas
	byID := make(map[plumbing.Hash][]int32)
	left := 0
	for i := range p.objects {
		switch o := &p.objects[i]; o.kind {
		case plumbing.OFSDeltaObject:
			byOffset[o.baseOffset] = append(byOffset[o.baseOffset], int32(i))
			left++
		case plumbing.REFDeltaObject:
			byID[o.baseID] = append(byID[o.baseID], int32(i))
			left++
		}
	}
	if left == 0 {
		return nil
	}
	type frame struct {
		data     []byte
		kind     plumbing.ObjectType
		children []int32
	}
	childrenOf := func(offset int64, id plumbing.Hash) []int32 {
		c := byOffset[offset]
		delete(byOffset, offset)
		if more, ok := byID[id]; ok {
			c = append(c, more...)
			delete(byID, id)
		}
		return c
	}
	descend := func(root frame) error {
		stack := []frame{root}
		for len(stack) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			top := &stack[len(stack)-1]
			if len(top.children) == 0 {
				stack = stack[:len(stack)-1]
				continue
			}
			o := &p.objects[top.children[0]]
			top.children = top.children[1:]
			delta, err := p.content(o)
			if err != nil {
				return err
			}
			data, err := applyDelta(top.data, delta)
			if err != nil {
				return err
			}
			o.kind, o.id = top.kind, hashReceived(top.kind, data)
			left--
			if next := childrenOf(o.offset, o.id); len(next) > 0 {
				kind := top.kind
				if len(top.children) == 0 {
					top.data = nil
				}
				stack = append(stack, frame{data, kind, next})
			}
		}
		return nil
	}
	for i := range p.objects {
		o := &p.objects[i]
		if o.kind >= plumbing.OFSDeltaObject {
			continue
		}
		children := childrenOf(o.offset, o.id)
		if len(children) == 0 {
			continue
		}
		data, err := p.content(o)
		if err != nil {
			return err
		}
		if err := descend(frame{data, o.kind, children}); err != nil {
			return err
		}
	}
	for p.outside != nil && len(byID) > 0 && left > 0 { // a thin pack's bases stand in the store
		before := left
		for id := range byID {
			kind, data, err := p.outside(id)
			if err != nil {
				continue
			}
			if err := descend(frame{data, kind, childrenOf(-1, id)}); err != nil {
				return err
			}
		}
		if left == before {
			break
		}
	}
	if left > 0 {
		return fmt.Errorf("%w: %d deltas without a base", errPack, left)
	}
	return nil
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
