package clone_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
	"github.com/confmirror/confmirror/mirror/document"
)

// tangle fills the server's branch with a history of merges, in which a few paths change,
// vanish and come back.
func (s *server) tangle(r *rand.Rand, commits int, paths []string) {
	s.t.Helper()
	var in strings.Builder
	for i := 1; i <= commits; i++ {
		branch := "refs/heads/main"
		fmt.Fprintf(&in, "commit %s\nmark :%d\nauthor Ann <ann@example.com> %d +0200\ncommitter Bot <bot@example.com> %d +0000\ndata <<E\nNo. %d\n\nmore\nE\n\n", branch, i, 1700000000-i, 1700000000+i, i)
		if i > 1 {
			first := i - 1
			if i < commits { // the last one has all of it behind it, or nearly
				first = i - 1 - r.IntN(min(4, i-1))
			}
			fmt.Fprintf(&in, "from :%d\n", first)
			if other := i - 1 - r.IntN(min(5, i-1)); r.IntN(3) == 0 && other != first {
				fmt.Fprintf(&in, "merge :%d\n", other)
			}
		}
		for range r.IntN(3) {
			path := paths[r.IntN(len(paths))]
			if r.IntN(5) == 0 {
				fmt.Fprintf(&in, "D %s\n", path)
			} else {
				fmt.Fprintf(&in, "M 100644 inline %s\ndata <<E\n%d\nE\n\n", path, r.IntN(3))
			}
		}
	}
	if out, err := gitInput(s.t, s.bare, []byte(in.String()), "fast-import", "--quiet", "--force"); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
}

func TestLookTellsTheHistoryAsGitDoes(t *testing.T) {
	paths := []string{"commands/a.json", "commands/b.json", "skills/s/SKILL.md", "skills/s/x/y", "readme", "toolkits/t.json/odd"}
	places := map[mirror.Place]string{
		{Kind: document.Commands, Slug: "a"}: "commands/a.json", {Kind: document.Skills, Slug: "s"}: "skills/s",
		{Kind: document.Toolkits, Slug: "t"}: "toolkits/t.json", {Kind: document.Toolkits, Slug: "none"}: "toolkits/none.json",
	}
	logged := 0
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t)
		w.tangle(r, 60, paths)
		head := w.pull(t)
		for place, path := range places {
			sight, err := w.Look(ctx, place, 1000)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range sight.Commits {
				got = append(got, string(c.Hash))
			}
			want := strings.Fields(git(t, w.bare, "log", "--format=%H", "main", "--", path))
			if d := cmp.Diff(want, append([]string{}, got...)); d != "" || sight.Older || sight.Head != head {
				t.Errorf("seed %d, %s, older %t, head %s (-git +ours):\n%s", seed, path, sight.Older, sight.Head, d)
			}
			logged += len(got)
		}
	}
	if logged < 100 {
		t.Errorf("only %d commits to tell of", logged)
	}
}

func TestLook(t *testing.T) {
	w := newWorld(t, func(o *clone.Options) { o.Layout = document.Layout{Prefix: "conf/ai"} })
	at := mirror.Place{Kind: document.Commands, Slug: "a"}
	sight, err := w.Look(ctx, at, 10)
	if err != nil || sight.Head != "" {
		t.Fatalf("of a branch that is not known yet: %+v, %v", sight, err)
	}
	w.commit("main", files{"conf/ai/commands/a.json": "1", "commands/a.json": "outside"})
	w.commit("main", files{"conf/ai/commands/b.json": "1"})
	w.commit("main", files{"conf/ai/commands/a.json": "2"})
	w.pull(t)
	sight, err = w.Look(ctx, at, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(sight.Commits) != 2 || sight.Older || string(sight.Content.Bytes) != "2" || sight.Entry.Path != "conf/ai/commands/a.json" {
		t.Errorf("%+v", sight)
	}
	if c := sight.Commits[0]; c.Subject != "by hand" || c.Author.Name != "Ann" || c.Author.Email != "ann@example.com" || c.Author.When.Unix() != 1700000000 {
		t.Errorf("%+v", c)
	}
	if sight, err = w.Look(ctx, at, 1); err != nil || len(sight.Commits) != 1 || !sight.Older {
		t.Errorf("at most one: %+v, %v", sight, err)
	}
	w.commit("main", files{"conf/ai/commands/a.json": "", "l:conf/ai/commands/b.json": "a.json"})
	w.pull(t)
	if sight, err = w.Look(ctx, at, 10); err != nil || sight.Content != nil || len(sight.Commits) != 3 {
		t.Errorf("of a deleted one: %+v, %v", sight, err)
	}
	at.Slug = "b"
	if sight, err = w.Look(ctx, at, 10); err != nil || sight.Content != nil || sight.Problem == nil {
		t.Errorf("of a symbolic link: %+v, %v", sight, err)
	}
	at.Slug = "../../x\x00/y"
	if sight, err = w.Look(ctx, at, 10); err != nil || sight.Content != nil || len(sight.Commits) != 0 {
		t.Errorf("of a name that none can have: %+v, %v", sight, err)
	}
}

// Who looks does not wait for a request that is under way.
func TestLookDoesNotWait(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"commands/a.json": "1"})
	w.pull(t)
	var err error
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		_, err = w.Look(ctx, mirror.Place{Kind: document.Commands, Slug: "a"}, 1)
		next.ServeHTTP(rw, r)
	}
	w.commit("main", files{"commands/a.json": "2"})
	w.pull(t)
	if !errors.Is(err, clone.ErrBusy) {
		t.Errorf("got %v", err)
	}
}
