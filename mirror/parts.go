package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror/document"
)

// parts pushes piece by piece what the remote found too large for one push: a proxy's limit,
// the host's limit of a pack, or that of a file. What is refused is halved until a single
// entity is, which is told of it and waits for its next edit; all else arrives.
//
// The small ones go first. So the few that are too large are found among themselves, and each
// is sent only a few times.
type parts struct {
	*apply
	pushed  []*export
	refusal error // the latest
}

// piece is what has to be pushed together.
type piece struct {
	decisions []*Decision
	size      int64  // of what is sent, about
	path      string // its largest file, and that one's size
	most      int64
}

// perChange is about what a change costs beside its content: trees, names, the commit's line.
const perChange = 200

// ordinary: when nothing of this size is taken, it is not the entity that is too large.
const ordinary = 4 << 10

// pushAll brings the exports to the branch: in one push, as far as the remote takes that.
func (a *apply) pushAll(ctx context.Context, decisions []*Decision) error {
	var err error
	if a.run.tooMuch == 0 {
		if err = a.push(ctx, decisions); !errors.Is(err, ErrTooLarge) {
			return err
		}
	}
	a.newExports(slices.DeleteFunc(decisions, func(d *Decision) bool { return !d.toFile }))
	p := &parts{apply: a, refusal: err}
	pieces := piecesOf(a.exports)
	if err == nil {
		err = p.try(ctx, pieces)
	} else {
		a.foundTooMuch(pieces)
		err = p.halve(ctx, pieces)
	}
	a.exports = p.pushed
	return err
}

// piecesOf splits exports into the smallest pieces, in the order of their sizes.
func piecesOf(exports []*export) []piece {
	var pieces []piece
	for _, group := range entangled(exports) {
		var p piece
		for _, e := range group {
			p.decisions = append(p.decisions, e.Decision)
			for _, c := range e.changes {
				p.size += perChange + int64(len(c.Content))
				if size := int64(len(c.Content)); size > p.most {
					p.path, p.most = c.Path, size
				}
			}
		}
		pieces = append(pieces, p)
	}
	slices.SortStableFunc(pieces, func(a, b piece) int { return cmp.Compare(a.size, b.size) })
	return pieces
}

func sizeOf(pieces []piece) (size int64) {
	for _, p := range pieces {
		size += p.size
	}
	return size
}

// try pushes pieces together, unless it is known that they are too large.
func (p *parts) try(ctx context.Context, pieces []piece) error {
	if p.knownTooMuch(pieces) {
		return p.halve(ctx, pieces)
	}
	var decisions []*Decision
	for _, piece := range pieces {
		decisions = append(decisions, piece.decisions...)
	}
	err := p.push(ctx, decisions)
	switch {
	case errors.Is(err, ErrTooLarge):
		p.foundTooMuch(pieces)
		p.refusal = err
		return p.halve(ctx, pieces)
	case err != nil:
		return err
	}
	if p.arrived == nil {
		p.apply.arrived = map[*Decision]bool{}
	}
	for _, e := range p.exports {
		p.arrived[e.Decision] = true
	}
	p.pushed = append(p.pushed, p.exports...)
	return nil
}

// halve pushes pieces that are too large together.
func (p *parts) halve(ctx context.Context, pieces []piece) error {
	if len(pieces) == 1 {
		return p.alone(pieces[0], p.refusal)
	}
	cut := middle(pieces)
	if err := p.try(ctx, pieces[:cut]); err != nil {
		return err
	}
	return p.try(ctx, pieces[cut:])
}

// alone tells an entity that the remote does not take it. Where it takes nothing at all, the
// mirror is told instead: that is the error.
func (a *apply) alone(one piece, refusal error) error {
	if one.size < ordinary && len(a.report.Commits) == 0 {
		return refusal
	}
	why := strings.TrimSuffix(AsFault(refusal).Message, ".")
	for _, d := range one.decisions {
		if d.Effect != Converge {
			a.leavePending(d)
			a.skip[d] = true
			continue
		}
		if d.toRow { // git's half is in the row; the rest waits for the next edit, too
			a.s.Consumed = append(a.s.Consumed, d.Changes...)
		}
		a.refuse(d, document.Invalid("cannot be pushed: %s has %s, in all %s are to be sent. %s. "+
			"Make it smaller, or have the limit raised and save it once more.",
			one.path, bytesText(one.most), bytesText(one.size), why))
	}
	return nil
}

// less proposes a part of what is too large together, and leaves the rest to the next round;
// what is too large alone is left out for good.
func (p *proposing) less(ctx context.Context, decisions []*Decision, pieces []piece, refusal error) error {
	if len(pieces) == 1 {
		if err := p.alone(pieces[0], refusal); err != nil {
			return err
		}
	} else {
		for _, piece := range pieces[middle(pieces):] {
			for _, d := range piece.decisions {
				p.leavePending(d)
				p.skip[d] = true
			}
		}
		p.deferred = true
	}
	p.exports = nil
	return p.propose(ctx, slices.DeleteFunc(decisions, func(d *Decision) bool { return !d.toFile || p.skip[d] }))
}

// middle is where pieces are cut in halves.
func middle(pieces []piece) int {
	half, cut := sizeOf(pieces)/2, 1
	for size := pieces[0].size; cut < len(pieces)-1 && size+pieces[cut].size <= half; cut++ {
		size += pieces[cut].size
	}
	return cut
}

// knownTooMuch reports whether a push like this was found too large already.
func (r *run) knownTooMuch(pieces []piece) bool {
	return len(pieces) > 1 && r.tooMuch > 0 && sizeOf(pieces) >= r.tooMuch
}

// foundTooMuch remembers that a push was too large.
func (r *run) foundTooMuch(pieces []piece) {
	if size := sizeOf(pieces); r.tooMuch == 0 || size < r.tooMuch {
		r.tooMuch = size
	}
}

// bytesText is a size as people read it.
func bytesText(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d bytes", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", n/1000)
	}
	return fmt.Sprintf("%d MB", n/1_000_000)
}
