package document

import "sync"

// workspace is the memory that a parser works in, and that the next one can use again.
type workspace struct {
	nodes   room[node]
	items   room[item]
	open    []item // items of the containers that are being read, the innermost's last
	scratch []byte // of a string with escapes
}

var parsers = sync.Pool{New: func() any { return new(parser) }}

// borrowParser is a parser whose nodes are gone when it is given back: what is made of
// them stays, no node may.
func borrowParser() *parser { return parsers.Get().(*parser) }

// giveBack leaves the workspace empty, without a hold on anything that was read.
func (p *parser) giveBack() {
	w := p.workspace
	w.nodes.reset()
	w.items.reset()
	clear(w.open[:cap(w.open)])
	if w.open = w.open[:0]; cap(w.open) > mostRoom {
		w.open = nil
	}
	if cap(w.scratch) > mostScratch {
		w.scratch = nil
	}
	*p = parser{workspace: w}
	parsers.Put(p)
}

// Most that is kept for the next parser: values of each type, and bytes.
const (
	mostRoom    = 256
	mostScratch = 64 << 10
)

// room is for many values that are made one after another.
type room[T any] struct {
	all, free []T
}

// take is room for n values, which are zero.
func (r *room[T]) take(n int) []T {
	if n > len(r.free) {
		r.all = make([]T, max(n, 8, min(2*len(r.all), mostRoom)))
		r.free = r.all
	}
	taken := r.free[:n:n]
	r.free = r.free[n:]
	return taken
}

func (r *room[T]) reset() {
	if len(r.all) > mostRoom {
		r.all = nil
	}
	clear(r.all)
	r.free = r.all
}

// node is a new node at the parser's position.
func (p *parser) node() *node {
	n := &p.nodes.take(1)[0]
	n.start = p.pos
	return n
}

// close takes the items of a container that was read, in a slice of their number.
func (p *parser) close(outer int) []item {
	items := p.items.take(len(p.open) - outer)
	copy(items, p.open[outer:])
	p.open = p.open[:outer]
	return items
}
