package clone

import (
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// place is where a kind's directory is in one commit.
type place struct {
	tree *tree
	// odd stands for a directory that is none (a symlink, a file, a submodule):
	// what is below it cannot be read, which is not the same as gone.
	odd string
}

// placeOf finds a kind's directory below a root tree. A kind without directory
// has the empty tree.
func (c *Clone) placeOf(root *tree, k document.Kind) (place, error) {
	t := root
	for part := range strings.SplitSeq(c.o.Layout.Dir(k), "/") {
		e, ok := t.find(part)
		switch {
		case !ok:
			return place{tree: &tree{id: emptyTree}}, nil
		case !e.isDir() || e.twice:
			return place{odd: oddID(e)}, nil
		}
		var err error
		if t, err = c.store.tree(e.id); err != nil {
			return place{}, err
		}
	}
	return place{tree: t}, nil
}

// twiceMark is the mode's place in the id of a name that stands twice in its directory.
const twiceMark = "twice"

func oddID(e treeEntry) string {
	if e.twice {
		return twiceMark + ":" + e.id.String()
	}
	return fmt.Sprintf("%06o:%s", e.mode, e.id)
}

// claim says what a tree entry in a kind's directory is to the mirror.
type claim int

const (
	foreign  claim = iota // people's own
	occupied              // people's own, but in an entity's place
	entity
)

// classify judges an entry directly in a kind's directory. The slug it gives may
// be no valid slug: that is for the entity's own report.
func classify(k document.Kind, e treeEntry) (slug string, what claim) {
	if strings.HasPrefix(e.name, ".") || e.name == "README.md" {
		return "", foreign
	}
	slug = e.name
	if k != document.Skills {
		var ok bool
		if slug, ok = strings.CutSuffix(e.name, ".json"); !ok {
			return "", foreign
		}
	}
	if e.isDir() == (k == document.Skills) || !e.isDir() && !e.isRegular() {
		return slug, entity
	}
	return slug, occupied
}

// gitID identifies an entry's content for the interface.
func gitID(k document.Kind, e treeEntry) string {
	proper := e.isRegular()
	if k == document.Skills {
		proper = e.isDir()
	}
	if proper && !e.twice {
		return e.id.String()
	}
	return oddID(e)
}

func (c *Clone) entryOf(k document.Kind, slug, gitID string) mirror.Entry {
	// Not Layout.Path: a hostile name must not be cleaned into another path.
	dir, name := c.o.Layout.Dir(k), fileName(k, slug)
	all := dir + "/" + name + gitID // one string that three share: there may be very many entries
	path := all[:len(dir)+1+len(name)]
	return mirror.Entry{Kind: k, Slug: path[len(dir)+1:][:len(slug)], Path: path, GitID: all[len(path):]}
}

// hidden is an entity below what stands in place of its kind's directory.
func (c *Clone) hidden(k document.Kind, slug string, p place) mirror.Entry {
	e := c.entryOf(k, slug, p.odd)
	e.Hidden = true
	return e
}

// fileName is an entity's name in its kind's directory.
func fileName(k document.Kind, slug string) string {
	if k == document.Skills {
		return slug
	}
	return slug + ".json"
}

// commitID checks that a commit of the interface is in the clone; "" gives the zero id.
func (c *Clone) commitID(h mirror.Hash) (plumbing.Hash, error) {
	if h == "" {
		return plumbing.ZeroHash, nil
	}
	id, ok := toID(h)
	if !ok || !c.store.has(id) {
		return id, fmt.Errorf("%w: %s", mirror.ErrNoCommit, h)
	}
	return id, nil
}
