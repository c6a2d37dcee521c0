package clone

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
)

// The pieces that work on a whole directory or a whole repository: what they cost
// grows with its size, whatever changes.

var partSizes = []int{1_000, 10_000, 50_000}

func benchTree(n int) *tree {
	entries := make([]treeEntry, n)
	for i := range entries {
		entries[i] = treeEntry{mode: modeFile, name: fmt.Sprintf("toolkit-%06d.json", i), id: hashObject(plumbing.BlobObject, fmt.Append(nil, i))}
	}
	data := encodeTree(entries)
	t, err := parseTree(hashObject(plumbing.TreeObject, data), data)
	if err != nil {
		panic(err)
	}
	return t
}

func BenchmarkTree(b *testing.B) {
	for _, n := range partSizes {
		base := benchTree(n)
		data := encodeTree(base.entries)
		name := base.entries[n/3].name
		changed := map[string]treeEntry{name: {mode: modeFile, name: name, id: base.id}}
		next := patchEntries(base.entries, changed)
		nextTree := &tree{id: base.id, entries: next, size: len(data)}
		size := fmt.Sprintf("/n=%d", n)
		b.Run("parse"+size, func(b *testing.B) {
			for b.Loop() {
				if _, err := parseTree(base.id, data); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("patch"+size, func(b *testing.B) {
			for b.Loop() {
				patchEntries(base.entries, changed)
			}
		})
		b.Run("encode"+size, func(b *testing.B) {
			for b.Loop() {
				encodeTree(next)
			}
		})
		b.Run("hash"+size, func(b *testing.B) {
			for b.Loop() {
				hashObject(plumbing.TreeObject, data)
			}
		})
		b.Run("delta"+size, func(b *testing.B) {
			for b.Loop() {
				if treeDelta(base, nextTree) == nil {
					b.Fatal("no delta")
				}
			}
		})
		b.Run("merge"+size, func(b *testing.B) {
			other := &tree{entries: next}
			for b.Loop() {
				mergeTrees(base, other, func(_, _ *treeEntry) {})
			}
		})
		b.Run("deflate"+size, func(b *testing.B) {
			var buf bytes.Buffer
			for b.Loop() {
				buf.Reset()
				deflate(&buf, levelFor(plumbing.TreeObject), data)
			}
		})
	}
}

func benchIndex(n int) *index {
	x := &index{}
	for i := range n {
		x.add(fmt.Sprintf("toolkits/toolkit-%06d.json", i), modeFile, plumbing.ZeroHash).setStat(fileStat{size: 1500})
	}
	return x
}

func BenchmarkIndex(b *testing.B) {
	for _, n := range partSizes {
		x := benchIndex(n)
		data := indexBytes(x)
		size := fmt.Sprintf("/n=%d", n)
		b.Run("decode"+size, func(b *testing.B) {
			for b.Loop() {
				if _, err := decodeIndex(data); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("change"+size, func(b *testing.B) {
			for b.Loop() {
				var p indexPatch
				p.written.add(fmt.Sprintf("toolkits/toolkit-%06d.json", n/3), modeFile, plumbing.ZeroHash)
				x = x.patch(&p)
				x.encode()
			}
		})
	}
}

func benchBlobs(n int) []object {
	out := make([]object, n)
	for i := range out {
		var text bytes.Buffer
		for k := range 24 {
			fmt.Fprintf(&text, "  \"key%d\": \"%x lorem ipsum dolor sit amet %d\",\n", k, (i+1)*(k+7)*2654435761, i*k)
		}
		out[i] = newObject(plumbing.BlobObject, text.Bytes())
	}
	return out
}

func BenchmarkPack(b *testing.B) {
	objects := benchBlobs(10_000)
	next := func(i int) (packItem, error) { return packItem{object: objects[i]}, nil }
	var pack bytes.Buffer
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			pack.Reset()
			if _, _, err := writePackTo(context.Background(), &pack, len(objects), next); err != nil {
				b.Fatal(err)
			}
		}
	})
	if pack.Len() == 0 {
		writePackTo(context.Background(), &pack, len(objects), next)
	}
	b.Run("receive", func(b *testing.B) {
		for b.Loop() {
			p := &packReceiver{at: bytes.NewReader(pack.Bytes())}
			if err := p.scan(context.Background(), bytes.NewReader(pack.Bytes()), &bytes.Buffer{}); err != nil {
				b.Fatal(err)
			}
			if err := p.resolve(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
