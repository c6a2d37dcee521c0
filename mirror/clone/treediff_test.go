package clone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"pgregory.net/rapid"
)

// Changes come in the order of the index, whatever was a file and is a directory now, and
// a walk can be ended anywhere and begun again.
func TestChangesComeInTheOrderOfTheIndex(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &store{trees: newTreeCache()}
		c := &Clone{store: s, log: slog.New(slog.DiscardHandler)}
		from, before := drawTree(rt, s, "", 0)
		to, after := drawTree(rt, s, "", 0)
		var want []string
		for path := range before {
			if after[path] != before[path] {
				want = append(want, path)
			}
		}
		for path := range after {
			if _, ok := before[path]; !ok {
				want = append(want, path)
			}
		}
		slices.Sort(want)
		cs := c.diffTrees(from, to)
		for stop := range len(want) + 1 {
			var got []string
			err := cs(context.Background(), func(ch *change) error {
				if got = append(got, ch.path); len(got) == stop {
					return errEnough
				}
				if ch.old.id != before[ch.path] || ch.new.id != after[ch.path] {
					rt.Fatalf("%s from %s to %s", ch.path, ch.old.id, ch.new.id)
				}
				return nil
			})
			if ended := stop > 0; errors.Is(err, errEnough) != ended {
				rt.Fatal(err)
			} else if ended && !slices.Equal(got, want[:stop]) || !ended && !slices.Equal(got, want) {
				rt.Fatalf("%q instead of %q, ended after %d", got, want, stop)
			}
		}
	})
}

// drawTree makes a tree of files and directories whose names sort differently as either,
// and lists its files.
func drawTree(rt *rapid.T, s *store, dir string, depth int) (*tree, map[string]plumbing.Hash) {
	paths := map[string]plumbing.Hash{}
	var entries []treeEntry
	for _, name := range []string{"a", "a-", "a.b", "a0", "b"} {
		path := joinPath(dir, name)
		switch rapid.SampledFrom([]string{"none", "file", "directory"}).Draw(rt, path) {
		case "file":
			id := hashObject(plumbing.BlobObject, fmt.Append(nil, rapid.IntRange(0, 1).Draw(rt, "content")))
			entries = append(entries, treeEntry{mode: modeFile, name: name, id: id})
			paths[path] = id
		case "directory":
			if depth == 2 {
				continue
			}
			below, files := drawTree(rt, s, path, depth+1)
			entries = append(entries, treeEntry{mode: modeDir, name: name, id: below.id})
			maps.Copy(paths, files)
		}
	}
	slices.SortFunc(entries, compareEntries)
	data := encodeTree(entries)
	t, err := parseTree(hashObject(plumbing.TreeObject, data), data)
	if err != nil {
		rt.Fatal(err)
	}
	s.trees.put(t)
	return t, paths
}
