package clone

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// What we write is held against what git makes of the same: one process for each input.

// bareRepository is an empty one, for programs of git that want to be in one.
func bareRepository(t testing.TB) (dir string, run func(input []byte, args ...string) []byte) {
	t.Helper()
	dir = t.TempDir()
	run = func(input []byte, args ...string) []byte {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(input)
		cmd.Env = []string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "HOME=/nonexistent", "PATH=" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return bytes.TrimSpace(out)
	}
	run(nil, "init", "-q", "--bare")
	return dir, run
}

// A pack of ours, deltas included, is one that the strictest git takes; its name and its
// index are those that git gives it.
func FuzzPackWriter(f *testing.F) {
	f.Add([]byte("one\ntwo\nthree\n\nfive"), byte(2))
	f.Add(bytes.Repeat([]byte("a line of text that repeats itself\n"), 300), byte(40))
	f.Add([]byte{}, byte(0))
	f.Fuzz(func(t *testing.T, data []byte, every byte) {
		dir, git := bareRepository(t)
		var items []packItem
		seen := map[plumbing.Hash]bool{}
		add := func(item packItem) {
			if !seen[item.id] {
				seen[item.id] = true
				items = append(items, item)
			}
		}
		last := &tree{id: emptyTree}
		parent := plumbing.ZeroHash
		for i, text := range bytes.SplitN(data, []byte("\n"), 200) {
			blob := newObject(plumbing.BlobObject, text)
			add(packItem{object: blob})
			name := fmt.Sprintf("file-%d", i%(int(every)+1))
			entries := patchEntries(last.entries, map[string]treeEntry{name: {mode: modeFile, name: name, id: blob.id}})
			o := newObject(plumbing.TreeObject, encodeTree(entries))
			next := &tree{id: o.id, entries: entries, size: len(o.data)}
			if !seen[o.id] {
				item := packItem{object: o}
				if seen[last.id] {
					if item.delta = treeDelta(last, next); item.delta != nil {
						item.base = last.id
					}
				}
				add(item)
			}
			commit := newObject(plumbing.CommitObject, encodeCommit(o.id, []plumbing.Hash{parent}, mirror.Signature{Name: string(text)}, mirror.Signature{Email: name}, string(text)))
			add(packItem{object: commit})
			last, parent = next, commit.id
		}
		var pack bytes.Buffer
		id, entries, err := writePackTo(context.Background(), &pack, len(items), func(i int) (packItem, error) { return items[i], nil })
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, "x.pack")
		if err := os.WriteFile(name, pack.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := git(nil, "index-pack", "--strict", "--index-version=2", "-o", "x.idx", name); string(got) != id.String() {
			t.Errorf("git calls the pack %s, not %s", got, id)
		}
		idx, err := os.ReadFile(filepath.Join(dir, "x.idx"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(idx, encodePackIndex(entries, id)) {
			t.Error("git has another index of it")
		}
	})
}

// A tree of ours, made in two steps, is the one that git makes of the same entries.
func FuzzTreeWriter(f *testing.F) {
	f.Add([]byte("a\x00b\x00a.b\x00a-b\x00a0"), uint64(0b1011001))
	f.Add([]byte("skill\x00skill.json\x00skill-x\x00skill\x00\xff\x00 "), uint64(0xf0f0))
	f.Fuzz(func(t *testing.T, names []byte, modes uint64) {
		_, git := bareRepository(t)
		parts := [2]map[string]treeEntry{{}, {}}
		all := map[string]treeEntry{}
		for i, b := range bytes.SplitN(names, []byte{0}, 60) {
			name := string(b)
			if !safeName(name) || bytes.ContainsAny(b, "\n\t\"") {
				continue
			}
			e := treeEntry{name: name, id: hashObject(plumbing.BlobObject, b), mode: []uint32{modeFile, modeDir, modeExecutable, modeSymlink}[modes>>(i%32*2)&3]}
			parts[i%2][name], all[name] = e, e
			if i%2 == 0 {
				delete(parts[1], name)
			}
		}
		var list bytes.Buffer
		for _, e := range all {
			kind := "blob"
			if e.isDir() {
				kind = "tree"
			}
			fmt.Fprintf(&list, "%06o %s %s\t%s\x00", e.mode, kind, e.id, e.name)
		}
		entries := patchEntries(patchEntries(nil, parts[0]), parts[1])
		if got, want := hashObject(plumbing.TreeObject, encodeTree(entries)), git(list.Bytes(), "mktree", "-z", "--missing"); got.String() != string(want) {
			t.Errorf("tree %s, git makes %s of\n%q", got, want, list.Bytes())
		}
	})
}
