package web

import (
	"encoding/json"

	"github.com/confmirror/confmirror/mirror/document"
)

// pageBytes is where a page of documents ends early: a thousand of them may be more than a
// daemon, or who asked, has memory for.
const pageBytes = 8 << 20

// batch is the page of a list of documents as it grows: some are read at a time, until there
// are as many as were asked for, or they are large.
type batch struct {
	limit, step int
	items       []json.RawMessage
	bytes       int
}

// Documents that are read at a time: one of a JSON kind is a file, a skill may be hundreds.
const (
	filesRead  = 100
	skillsRead = 10
)

// newBatch is one of at most limit documents of a kind, "" for any; 0 is the usual number.
func newBatch(limit int, kind document.Kind) *batch {
	b := &batch{limit: limit, step: filesRead, items: []json.RawMessage{}}
	if limit == 0 {
		b.limit = defaultPage
	}
	if kind == document.Skills || kind == "" {
		b.step = skillsRead
	}
	return b
}

// wanted is how many to read next.
func (b *batch) wanted() int { return min(b.step, b.limit-len(b.items)) }

// full reports whether the page ends here.
func (b *batch) full() bool { return len(b.items) >= b.limit || b.bytes >= pageBytes }

// add takes an item up, as what it is in JSON.
func (b *batch) add(item any) error {
	text, err := encode(item)
	b.items = append(b.items, text)
	b.bytes += len(text)
	return err
}
