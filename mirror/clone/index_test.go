package clone

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"pgregory.net/rapid"
)

type indexEntry struct {
	path string
	mode uint32
	id   plumbing.Hash
	stat fileStat
}

// indexOf makes an index of entries that are sorted.
func indexOf(entries ...indexEntry) *index {
	x := &index{}
	for _, e := range entries {
		x.add(e.path, e.mode, e.id).setStat(e.stat)
	}
	return x
}

func sortedEntries(model map[string]indexEntry) (out []indexEntry) {
	for _, path := range slices.Sorted(maps.Keys(model)) {
		out = append(out, model[path])
	}
	return out
}

func indexBytes(x *index) []byte { return bytes.Join(x.encode(), nil) }

// However an index came to be, its file is that of its entries. Long paths make blocks
// of few entries.
func TestPatchedIndexIsThatOfItsEntries(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x, model := &index{}, map[string]indexEntry{}
		path := rapid.StringMatching(`[a-c]{1,2}(/[a-c]{1,9})?`)
		if rapid.Bool().Draw(rt, "long") {
			path = rapid.Map(rapid.IntRange(0, 99), func(i int) string { return fmt.Sprintf("%02d%0*d", i, 3000+40*i, 0) })
		}
		for i := range rapid.IntRange(1, 12).Draw(rt, "patches") {
			written, gone := map[string]indexEntry{}, map[string]bool{}
			for range rapid.IntRange(1, 60>>min(i, 5)).Draw(rt, "changes") {
				p := path.Draw(rt, "path")
				if rapid.IntRange(0, 4).Draw(rt, "remove") == 0 {
					delete(written, p)
					delete(model, p)
					gone[p] = true
					continue
				}
				e := indexEntry{path: p, mode: modeFile, id: hashObject(plumbing.BlobObject, []byte{byte(i)}), stat: fileStat{size: rapid.Uint32().Draw(rt, "size")}}
				written[p], model[p] = e, e
				delete(gone, p)
			}
			x = x.patch(&indexPatch{written: *indexOf(sortedEntries(written)...), gone: slices.Sorted(maps.Keys(gone))})
			file := indexBytes(indexOf(sortedEntries(model)...))
			if !bytes.Equal(indexBytes(x), file) {
				rt.Fatal("the patched file is another one")
			}
			for p, e := range model {
				if f, ok := x.find(p); !ok || f.id() != e.id || f.mode() != e.mode || f.size() != e.stat.size {
					rt.Fatalf("%.40q: %v %v", p, f, ok)
				}
			}
			if rapid.Bool().Draw(rt, "reread") {
				var err error
				if x, err = decodeIndex(bytes.Clone(file)); err != nil || !bytes.Equal(indexBytes(x), file) {
					rt.Fatal("read again, it is another one", err)
				}
			}
		}
	})
}
