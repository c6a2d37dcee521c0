package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// build makes the commits: first one that brings the branch's news, then the exports'.
func (p *proposing) build(ctx context.Context) (Built, error) {
	parent := p.on
	if parent == "" || p.anew {
		parent = p.view.head
	}
	p.planned.exports, p.planned.reset = len(p.exports), len(p.reset)
	for {
		specs := p.commits()
		if first, ok := p.first(); ok {
			for _, e := range p.exports {
				e.spec++
			}
			specs = slices.Insert(specs, 0, first)
		}
		built, err := p.clone.Build(ctx, parent, specs)
		conflict, unmerged := errors.AsType[*MergeError](err)
		occupied, _ := errors.AsType[*PathError](err)
		switch {
		case unmerged && !p.conflicting:
			again, err := p.settles(ctx, conflict)
			if err != nil {
				return nil, err
			}
			if !again {
				p.leaveMerge(conflict)
			}
		case occupied != nil && p.refuseExport(occupied):
		default:
			return built, err
		}
	}
}

// leaveMerge leaves the merge to people: what they changed on both branches is theirs to
// decide. What was only to be written because of the merge is not.
func (p *proposing) leaveMerge(conflict *MergeError) {
	p.log.Warn("the branch cannot be merged into the proposal: people changed the same files on both", "branch", p.view.proposal.branch, "paths", conflict.Paths)
	p.conflicting = true
	p.exports, p.reset = p.exports[:p.planned.exports], p.reset[:p.planned.reset]
	p.s.Proposed.Unmerged = listed(conflict.Paths)
}

// listed are a few of many paths.
func listed(paths []string) string {
	const most = 3
	text := strings.Join(paths[:min(len(paths), most)], ", ")
	if n := len(paths) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// first is the commit that comes before the exports', if there has to be one.
func (p *proposing) first() (CommitSpec, bool) {
	author := p.Committer
	author.When = p.Now()
	switch {
	case p.on == "" || p.anew || p.conflicting || !p.merge && len(p.reset) == 0:
		return CommitSpec{}, false
	case p.merge:
		return CommitSpec{Message: fmt.Sprintf("Merge branch '%s' into %s\n\nConfmirror-Run: %s\n", p.mirror.Branch(), p.view.proposal.branch, p.req.RunID),
			Author: author, Merge: p.view.head, Theirs: slices.Concat(p.reset, p.theirs)}, true
	}
	return CommitSpec{Message: fmt.Sprintf("Take back %d proposals\n\nConfmirror-Run: %s\n", len(p.reset), p.req.RunID),
		Author: author, Merge: p.view.head, Theirs: p.reset}, true
}

// settles decides the conflicts of a merge that are ours: what is written anew, and what
// cannot be proposed as things are, while nobody else had a hand in it. It reports whether
// the merge is worth another try.
func (p *proposing) settles(ctx context.Context, conflict *MergeError) (again bool, err error) {
	unsaid := p.unsay(func(d *Decision) bool {
		return slices.ContainsFunc(conflict.Paths, func(path string) bool { return within(path, d.Path(p.layout)) || within(path, d.file().Path) })
	})
	if err := p.exportAll(ctx, unsaid); err != nil {
		return false, err
	}
	for _, path := range conflict.Paths {
		for _, e := range p.exports {
			for _, own := range []string{e.path, e.from} {
				if own != "" && within(path, own) && !slices.Contains(p.theirs, own) {
					p.theirs, again = append(p.theirs, own), true
					e.writeWhole()
				}
			}
		}
	}
	if again {
		return true, nil
	}
	for _, i := range p.obs.Intents {
		if p.open[i.ID] && !slices.Contains(p.reset, i.Path) && slices.ContainsFunc(conflict.Paths, func(path string) bool { return within(path, i.Path) }) {
			ours, err := p.untouched(ctx, i)
			if err != nil {
				return false, err
			}
			for _, i := range ours {
				p.reset, again = append(p.reset, i.Path), true
			}
		}
	}
	return again, nil
}

// untouched is what was proposed of an intent's row together, if it stands on the
// proposal branch as it was put there.
func (p *proposing) untouched(ctx context.Context, one *Intent) ([]*Intent, error) {
	latest := map[Key]*Intent{}
	for _, i := range p.obs.Intents {
		if p.open[i.ID] {
			latest[i.Key] = i
		}
	}
	var ours []*Intent
	for _, i := range latest {
		if i.Key == one.Key || i.RowID != "" && i.Kind == one.Kind && i.RowID == one.RowID {
			ours = append(ours, i)
		}
	}
	places := make([]Place, len(ours))
	for n, i := range ours {
		places[n] = Place{i.Kind, i.Slug}
	}
	entries, err := p.clone.Lookup(ctx, p.on, places)
	if err != nil {
		return nil, err
	}
	for n, i := range ours {
		if is := entries[n].GitID; i.Deleted && is != "" || !i.Deleted && is != i.GitID {
			return nil, nil
		}
	}
	return ours, nil
}

// within reports whether path is own, or lies in it.
func within(path, own string) bool {
	return path == own || len(path) > len(own) && path[:len(own)+1] == own+"/"
}
