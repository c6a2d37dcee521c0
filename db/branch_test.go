package db

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// branch is a clone and its remote in memory: what a run needs of git, so that its
// statements can be counted.
type branch struct {
	mirror.Clone                                   // what is said of other branches; nothing here asks
	commits      map[mirror.Hash]map[string]string // files by path
	parent       map[mirror.Hash]mirror.Hash
	head         mirror.Hash
}

func newBranch() *branch {
	return &branch{commits: map[mirror.Hash]map[string]string{}, parent: map[mirror.Hash]mirror.Hash{}}
}

func hashOf(parts ...string) mirror.Hash {
	sum := sha1.Sum([]byte(strings.Join(parts, "\x00")))
	return mirror.Hash(hex.EncodeToString(sum[:]))
}

// commit makes a commit on parent; a nil text deletes, which comes first.
func (b *branch) commit(parent mirror.Hash, changes map[string]*string) mirror.Hash {
	files := maps.Clone(b.commits[parent])
	if files == nil {
		files = map[string]string{}
	}
	for path, text := range changes {
		if text == nil {
			maps.DeleteFunc(files, func(p, _ string) bool { return p == path || strings.HasPrefix(p, path+"/") })
		}
	}
	for path, text := range changes {
		if text != nil {
			files[path] = *text
		}
	}
	hash := hashOf(string(parent), fmt.Sprint(len(b.commits)))
	b.commits[hash], b.parent[hash] = files, parent
	return hash
}

// push is somebody else's push of files.
func (b *branch) push(files map[string]string) {
	changes := map[string]*string{}
	for path, text := range files {
		changes[path] = &text
	}
	b.head = b.commit(b.head, changes)
}

// entries are the entities of a commit, by path.
func (b *branch) entries(commit mirror.Hash) map[string]mirror.Entry {
	found := map[string]mirror.Entry{}
	files := b.commits[commit]
	for _, path := range slices.Sorted(maps.Keys(files)) {
		parts := strings.Split(path, "/")
		e := mirror.Entry{Kind: document.Kind(parts[0]), Slug: strings.TrimSuffix(parts[1], ".json"), Path: path}
		if e.Kind == document.Skills {
			e.Slug, e.Path = parts[1], parts[0]+"/"+parts[1]
		}
		e.GitID = string(hashOf(found[e.Path].GitID, path, files[path]))
		found[e.Path] = e
	}
	return found
}

func (b *branch) Remote(context.Context, ...string) (mirror.Head, error) {
	return mirror.Head{Hash: b.head, Empty: b.head == "", Main: "main"}, nil
}
func (b *branch) Fetch(context.Context, mirror.Hash) error         { return nil }
func (b *branch) Has(_ context.Context, h mirror.Hash) bool        { return b.commits[h] != nil }
func (b *branch) Checkout(context.Context, mirror.Hash) error      { return nil }
func (b *branch) Restore(context.Context) ([]string, error)        { return nil, nil }
func (b *branch) Rebuild(context.Context) error                    { return nil }
func (b *branch) Close() error                                     { return nil }
func (b *branch) Push(_ context.Context, built mirror.Built) error { b.head = built.Head(); return nil }

func (b *branch) Contains(_ context.Context, commit, ancestor mirror.Hash) (bool, error) {
	for ; commit != ""; commit = b.parent[commit] {
		if commit == ancestor {
			return true, nil
		}
	}
	return false, nil
}

func (b *branch) Diff(_ context.Context, from, to mirror.Hash) ([]mirror.Entry, error) {
	was, is := b.entries(from), b.entries(to)
	var changed []mirror.Entry
	for path, e := range is {
		if was[path].GitID != e.GitID {
			changed = append(changed, e)
		}
	}
	for path, e := range was {
		if is[path].GitID == "" {
			e.GitID = ""
			changed = append(changed, e)
		}
	}
	return changed, nil
}

func (b *branch) Lookup(_ context.Context, at mirror.Hash, places []mirror.Place) ([]mirror.Entry, error) {
	there := b.entries(at)
	entries := make([]mirror.Entry, len(places))
	for i, p := range places {
		path := document.Layout{}.Path(p.Kind, p.Slug)
		entries[i] = mirror.Entry{Kind: p.Kind, Slug: p.Slug, Path: path, GitID: there[path].GitID}
	}
	return entries, nil
}

func (b *branch) Read(_ context.Context, e mirror.Entry) (*mirror.Content, *document.Problem, error) {
	files := b.commits[b.head]
	if e.Kind != document.Skills {
		return &mirror.Content{Bytes: []byte(files[e.Path])}, nil, nil
	}
	content := &mirror.Content{}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if name, ok := strings.CutPrefix(path, e.Path+"/"); ok {
			content.Files = append(content.Files, document.File{Path: name, Content: []byte(files[path])})
		}
	}
	return content, nil, nil
}

// chain is what Build made.
type chain struct {
	parent mirror.Hash
	made   []mirror.Hash
}

func (c *chain) Parent() mirror.Hash     { return c.parent }
func (c *chain) Commits() []mirror.Hash  { return c.made }
func (c *chain) Head() mirror.Hash       { return c.made[len(c.made)-1] }
func (c *chain) At(spec int) mirror.Hash { return c.made[spec] }

func (b *branch) Build(_ context.Context, parent mirror.Hash, commits []mirror.CommitSpec) (mirror.Built, error) {
	c := &chain{parent: parent}
	for _, spec := range commits {
		changes := map[string]*string{}
		for _, change := range spec.Changes {
			text := string(change.Content)
			changes[change.Path] = &text
			if change.Delete {
				changes[change.Path] = nil
			}
		}
		parent = b.commit(parent, changes)
		c.made = append(c.made, parent)
	}
	return c, nil
}
