package mirror

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror/document"
)

// pushedChain is a push of commits with one change each.
type pushedChain struct {
	Built
	commits []Hash
}

func (p pushedChain) Head() Hash    { return p.commits[len(p.commits)-1] }
func (p pushedChain) At(i int) Hash { return p.commits[i] }

// branchOf is a clone of a branch with these commits, oldest first, and these files.
type branchOf struct {
	Clone
	commits []Hash
	files   map[string]*File // by slug
}

func (b branchOf) Contains(_ context.Context, commit, ancestor Hash) (bool, error) {
	if !slices.Contains(b.commits, ancestor) {
		return false, ErrNoCommit
	}
	return slices.Index(b.commits, commit) >= slices.Index(b.commits, ancestor), nil
}

func (b branchOf) Lookup(_ context.Context, _ Hash, places []Place) ([]Entry, error) {
	entries := make([]Entry, len(places))
	for i, p := range places {
		entries[i] = b.files[p.Slug].Entry
	}
	return entries, nil
}

// Three edits went out as a commit each, and nobody heard of it. Then somebody set the
// branch back into the middle of them and went on there: what the branch has of the push
// is agreed, and the rest goes out again.
func TestPushThatWasSetBackIntoItsMiddle_E6(t *testing.T) {
	for left, want := range []string{
		"t1: export; t2: export; t3: export",
		"t1: import; t2: export; t3: export",
		"t1: import; t2: import; t3: export",
		"t1: import; t2: import; t3: import",
	} {
		t.Run(fmt.Sprint(left, " of 3 commits are left"), func(t *testing.T) {
			pushed := []Hash{"first", "second", "third"}
			all := branchOf{files: map[string]*File{}}
			now := branchOf{commits: slices.Concat([]Hash{"agreed"}, pushed[:left], []Hash{"head"}), files: map[string]*File{}}
			a := &apply{run: &run{Runner: &Runner{Rules: DefaultRules, Now: time.Now}, mirror: &Mirror{}, clone: all}}
			v := &view{head: "head", obs: &Observation{}}
			for i := range pushed {
				slug := fmt.Sprint("t", i+1)
				text := func(name string) string { return `{"slug":"` + slug + `","name":"` + name + `"}` }
				s := state{document.Toolkits, text("agreed"), text("edited"), text("agreed")}.subject(t)
				s.Row.ID, s.Base.RowID = slug, slug
				a.exports = append(a.exports, &export{Decision: (&Decision{Subject: s}).converge(s.Row.Document), path: s.File.Path})
				v.obs.Rows, v.obs.Bases = append(v.obs.Rows, s.Row), append(v.obs.Bases, s.Base)
				all.files[slug], now.files[slug] = fileAt(t, s.Kind, slug, text("edited")), s.File
				if i < left {
					now.files[slug] = fileAt(t, s.Kind, slug, text("on top"))
				}
			}
			a.commits()
			var err error
			if v.obs.Intents, err = a.intents(t.Context(), "main", pushedChain{commits: pushed}); err != nil {
				t.Fatal(err)
			}
			if err := v.collect(t.Context(), &Mirror{}, now); err != nil {
				t.Fatal(err)
			}
			for _, s := range v.subjects {
				s.File = now.files[s.File.Slug]
			}
			if got := outcomes(planOf(document.PreferGit, v.subjects...)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
