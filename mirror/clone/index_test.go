package clone

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"pgregory.net/rapid"
)

// However an index came to be, its file is that of its entries.
func TestPatchedIndexIsThatOfItsEntries(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x, model := &index{}, map[string]indexEntry{}
		path := rapid.StringMatching(`[a-c]{1,2}(/[a-c]{1,9})?`)
		for i := range rapid.IntRange(1, 12).Draw(rt, "patches") {
			changed := map[string]*indexEntry{}
			for range rapid.IntRange(1, 40>>min(i, 5)).Draw(rt, "changes") {
				p := path.Draw(rt, "path")
				if rapid.IntRange(0, 4).Draw(rt, "remove") == 0 {
					changed[p] = nil
					delete(model, p)
					continue
				}
				e := indexEntry{path: p, mode: modeFile, id: hashObject(plumbing.BlobObject, []byte{byte(i)}), stat: fileStat{size: rapid.Uint32().Draw(rt, "size")}}
				changed[p], model[p] = &e, e
			}
			x = x.patch(changed)
			fresh := &index{}
			for _, e := range model {
				fresh.entries = append(fresh.entries, e)
			}
			slices.SortFunc(fresh.entries, func(a, b indexEntry) int { return strings.Compare(a.path, b.path) })
			if !slices.Equal(x.entries, fresh.entries) {
				rt.Fatal("entries")
			}
			if !bytes.Equal(x.encode(), fresh.encode()) {
				rt.Fatal("the patched file is another one")
			}
		}
	})
}
