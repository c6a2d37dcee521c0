package clone

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"pgregory.net/rapid"
)

func FuzzReport(f *testing.F) {
	f.Add([]byte("002e\x02Permission denied to update branch main.\n0048\x01000eunpack ok\n0031ng refs/heads/main pre-receive hook declined\n00000000"))
	f.Add([]byte("0033\x01000eunpack ok\n001cok refs/heads/feature-x\n00000000"))
	f.Add([]byte("000eunpack ok\n001cok refs/heads/feature-x\n0000"))
	f.Add([]byte("0009\x03no\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rep, err := readReport(bytes.NewReader(b))
		if err == nil && rep.verdict("refs/heads/x") == nil && !bytes.Contains(b, []byte("ok refs/heads/x")) {
			t.Fatal("success out of nothing")
		}
	})
}

func TestReportOfTheProtocolsExamples_F5(t *testing.T) {
	rep, err := readReport(strings.NewReader("002e\x02Permission denied to update branch main.\n" +
		"0048\x01000eunpack ok\n0031ng refs/heads/main pre-receive hook declined\n0000" + "0000"))
	if err != nil || rep.refs["refs/heads/main"] != "pre-receive hook declined" || !strings.HasPrefix(rep.text, "Permission denied") {
		t.Errorf("%+v, %v", rep, err)
	}
	rep, err = readReport(strings.NewReader("0033\x01000eunpack ok\n001cok refs/heads/feature-x\n0000" + "002b\x02\nCreate pull request for feature-x:\n\n" + "0000"))
	if err != nil || rep.verdict("refs/heads/feature-x") != nil {
		t.Errorf("%+v, %v", rep, err)
	}
	if rep.verdict("refs/heads/main") == nil {
		t.Error("a branch that is not named counts as pushed")
	}
}

func FuzzPktLine(f *testing.F) {
	f.Add([]byte("0006a\n0000"))
	f.Add([]byte("fff0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &pktReader{r: bytes.NewReader(b)}
		for {
			if _, _, err := p.next(); err != nil {
				break
			}
		}
		io.Copy(io.Discard, &sideband{pkts: &pktReader{r: bytes.NewReader(b)}})
		packBehindHeader(bytes.NewReader(b), true)
		packBehindHeader(bytes.NewReader(b), false)
	})
}

func FuzzTree(f *testing.F) {
	id := strings.Repeat("x", 20)
	f.Add([]byte("100644 a\x00" + id + "40000 a\x00" + id))
	f.Add([]byte("100644 b\x00" + id + "100644 a\x00" + id + "100644 b\x00" + id))
	f.Add([]byte("100644 b/\x00" + id + "40000 b\x00" + id + "40000 b/\x00" + id + "100644 b/x\x00" + id))
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, err := parseTree(plumbing.ZeroHash, b)
		if err != nil {
			return
		}
		for i, e := range tr.entries {
			if i > 0 && compareEntries(tr.entries[i-1], e) >= 0 {
				t.Fatalf("not in order: %q %q", tr.entries[i-1].name, e.name)
			}
			if got, ok := tr.find(e.name); !ok || got.name != e.name {
				t.Fatalf("%q is not found", e.name)
			}
		}
		again, err := parseTree(plumbing.ZeroHash, encodeTree(tr.entries))
		if err != nil || len(again.entries) != len(tr.entries) {
			t.Fatal("does not come back", err)
		}
		if len(tr.entries) > 0 && !tr.shuffled && tr.size == encodedSize(tr.entries) && !bytes.Equal(encodeTree(tr.entries), b) {
			t.Fatal("an ordinary tree changes its bytes")
		}
		parseCommit(b)
	})
}

func FuzzIndex(f *testing.F) {
	x := indexOf(indexEntry{path: "a", mode: modeFile}, indexEntry{path: "b/c", mode: modeSymlink, stat: fileStat{size: 3}})
	f.Add(indexBytes(x))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := decodeIndex(bytes.Clone(b))
		if err != nil {
			return
		}
		file := indexBytes(x)
		again, err := decodeIndex(bytes.Clone(file))
		if err != nil || !bytes.Equal(indexBytes(again), file) {
			t.Fatal("does not come back", err)
		}
	})
}

func FuzzPack(f *testing.F) {
	var buf bytes.Buffer
	objects := []object{newObject(plumbing.BlobObject, []byte("hello")), newObject(plumbing.TreeObject, nil)}
	if _, _, err := writePackTo(context.Background(), &buf, len(objects), func(i int) (packItem, error) { return packItem{object: objects[i]}, nil }); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		var sink bytes.Buffer
		p := &packReceiver{}
		if p.scan(context.Background(), bytes.NewReader(b), &sink) != nil {
			return
		}
		p.at = bytes.NewReader(sink.Bytes())
		p.resolve(context.Background())
	})
}

// Whatever stands in a pack and in its index, reading it ends, without more than an error.
func FuzzPackRead(f *testing.F) {
	var buf bytes.Buffer
	blob := newObject(plumbing.BlobObject, []byte("hello"))
	id, entries, err := writePackTo(context.Background(), &buf, 1, func(int) (packItem, error) { return packItem{object: blob}, nil })
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encodePackIndex(entries, id), buf.Bytes())
	f.Fuzz(func(t *testing.T, idx, pack []byte) {
		if len(idx) > sha1.Size { // or nothing gets past it
			sum := sha1.Sum(idx[:len(idx)-sha1.Size])
			idx = append(idx[:len(idx)-sha1.Size:len(idx)-sha1.Size], sum[:]...)
		}
		x, err := parsePackIndex(idx)
		if err != nil {
			return
		}
		dir, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		if err := dir.WriteFile("pack", pack, 0o600); err != nil {
			t.Fatal(err)
		}
		s := &packSet{packs: []*packReader{{packIndex: x, file: &lazyFile{pool: &openPacks, dir: dir, name: "pack"}, size: int64(len(pack))}}}
		defer s.close()
		for _, e := range x.entries()[:min(x.count, 16)] {
			s.read(e.id)
			s.objectSize(e.id)
			if r, err := s.stream(e.id); err == nil {
				io.Copy(io.Discard, r)
				r.Close()
			}
		}
	})
}

// A pack with deltas by offset and by id, of a chain, comes out as the objects that went in.
func TestReceiveResolvesDeltas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(rt, "trees")
		var trees []*tree
		var objects []object
		var entries []treeEntry
		for i := range n {
			for range 8 {
				name := rapid.StringMatching(`[a-z]{1,3}`).Draw(rt, "name")
				changed := map[string]treeEntry{name: {mode: modeFile, name: name, id: hashObject(plumbing.BlobObject, []byte{byte(i)})}}
				if rapid.IntRange(0, 3).Draw(rt, "drop") == 0 {
					changed[name] = treeEntry{name: name}
				}
				entries = patchEntries(entries, changed)
			}
			o := newObject(plumbing.TreeObject, encodeTree(entries))
			tr, err := parseTree(o.id, o.data)
			if err != nil {
				rt.Fatal(err)
			}
			trees, objects = append(trees, tr), append(objects, o)
		}
		var buf bytes.Buffer
		p, _ := newPackWriter(&buf, n)
		order := rapid.Permutation(indices(n)).Draw(rt, "order")
		deltas := 0
		for _, i := range order {
			var entry bytes.Buffer
			var base plumbing.Hash
			var delta []byte
			if i > 0 && trees[i-1].id != trees[i].id {
				if delta = treeDelta(trees[i-1], trees[i]); delta != nil {
					base = trees[i-1].id
					deltas++
				}
			}
			encodePackEntry(&entry, objects[i], base, delta)
			p.add(objects[i].id, entry.Bytes())
		}
		p.finish()
		var sink bytes.Buffer
		r := &packReceiver{}
		if err := r.scan(context.Background(), &buf, &sink); err != nil {
			rt.Fatal(err)
		}
		r.at = bytes.NewReader(sink.Bytes())
		if err := r.resolve(context.Background()); err != nil {
			if duplicates(objects) && errors.Is(err, errPack) {
				return // two equal trees as deltas of each other
			}
			rt.Fatal(err)
		}
		for k, i := range order {
			if r.entries[k].id != objects[i].id || r.kinds[k] != plumbing.TreeObject {
				rt.Fatalf("object %d came out as %s", i, r.entries[k].id)
			}
		}
	})
}

func duplicates(objects []object) bool {
	seen := map[plumbing.Hash]bool{}
	for _, o := range objects {
		if seen[o.id] {
			return true
		}
		seen[o.id] = true
	}
	return false
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestOffsetsRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.Uint64Range(1, 1<<40).Draw(rt, "n")
		got, err := readOffset(bytes.NewReader(appendOffset(nil, n)))
		if err != nil || uint64(got) != n {
			rt.Fatalf("%d became %d, %v", n, got, err)
		}
	})
}

func TestSafeName(t *testing.T) {
	for _, name := range []string{"", ".", "..", ".git", ".GiT", "git~1", "GIT~1", ".git ", ".git...", ".git::$INDEX_ALLOCATION", "a/b", "a\x00b", `..\x`, `x\.git`, ".g\u200dit", "\ufeff.git"} {
		if safeName(name) {
			t.Errorf("%q is taken for safe", name)
		}
	}
	for _, name := range []string{"a", ".gitignore", ".gitattributes", ".github", "git", "con.json", "NUL", "a:b", "a b", "...", "x..", `a\b`, "ü", "\xff", "git~2", ".gitx"} {
		if !safeName(name) {
			t.Errorf("%q is refused", name)
		}
	}
}
