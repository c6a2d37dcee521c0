package clone_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/confmirror/confmirror/mirror"
)

// merge builds a merge of theirs into ours, with changes on top.
func (w *world) merge(ours, theirs mirror.Hash, paths []string, f files) (mirror.Built, error) {
	spec := mirror.CommitSpec{Message: "Merge", Merge: theirs, Theirs: paths}
	for path, text := range f {
		spec.Changes = append(spec.Changes, mirror.FileChange{Path: path, Content: []byte(text)})
	}
	return w.Build(ctx, ours, []mirror.CommitSpec{spec})
}

func TestOtherBranchesInOneRequest(t *testing.T) {
	w := newWorld(t)
	want := w.commit("main", files{"a": "1"})
	side := w.commit("confmirror/sync", files{"a": "2"})
	before := w.requests.Load()
	h, err := w.Remote(ctx, "confmirror/sync", "another")
	if err != nil || !reflect.DeepEqual(h, mirror.Head{Hash: want, Main: "main", Others: map[string]mirror.Hash{"confmirror/sync": side}}) {
		t.Fatalf("%+v, %v", h, err)
	}
	if n := w.requests.Load() - before; n != 1 {
		t.Errorf("%d requests", n)
	}
}

// A proposal: a branch that starts at the mirrored one's head, grows, is merged with what
// came there meanwhile, and is deleted again.
func TestProposalBranch(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "", files{"toolkits/a.json": "1", "toolkits/b.json": "1"})
	tracking := func() string {
		out, _ := gitInput(t, w.dir, nil, "rev-parse", "-q", "--verify", "refs/remotes/origin/confmirror/sync")
		return out
	}

	b := w.build(t, first, files{"toolkits/a.json": "2"})
	if err := w.PushBranch(ctx, "confmirror/sync", "", b); err != nil {
		t.Fatal(err)
	}
	if w.head("confmirror/sync") != b.Head() || w.head("main") != first || tracking() != string(b.Head()) {
		t.Fatal("the branch was not made, or another one moved")
	}
	w.clean(t)

	// A reviewer's commit, and one on the mirrored branch.
	fixed := w.commit("confmirror/sync", files{"toolkits/a.json": "3"})
	head := w.commit("main", files{"toolkits/b.json": "2", "README.md": "r"})
	if err := w.PushBranch(ctx, "confmirror/sync", b.Head(), w.build(t, b.Head(), files{"toolkits/c.json": "1"})); !errors.Is(err, mirror.ErrStale) {
		t.Fatalf("a push over a reviewer's commit: %v", err)
	}
	w.pull(t)
	if err := w.FetchBranch(ctx, "confmirror/sync", fixed); err != nil {
		t.Fatal(err)
	}
	merged, err := w.merge(fixed, head, nil, files{"toolkits/c.json": "1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.PushBranch(ctx, "confmirror/sync", fixed, merged); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"toolkits/a.json": "3", "toolkits/b.json": "2", "toolkits/c.json": "1", "README.md": "r"} {
		if got := w.show("confmirror/sync", path); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
	if got := git(t, w.bare, "log", "-1", "--format=%P", "confmirror/sync"); got != string(fixed)+" "+string(head) {
		t.Errorf("parents %s", got)
	}
	fsck(t, w.bare)

	if err := w.DeleteBranch(ctx, "confmirror/sync", fixed); !errors.Is(err, mirror.ErrStale) {
		t.Errorf("a branch that moved was deleted: %v", err)
	}
	if err := w.DeleteBranch(ctx, "confmirror/sync", merged.Head()); err != nil {
		t.Fatal(err)
	}
	if _, err := gitInput(t, w.bare, nil, "rev-parse", "-q", "--verify", "refs/heads/confmirror/sync"); err == nil || tracking() != "" {
		t.Error("the branch is still there")
	}
	if err := w.DeleteBranch(ctx, "confmirror/sync", merged.Head()); !errors.Is(err, mirror.ErrStale) {
		t.Errorf("a branch that was gone: %v", err)
	}
	w.clean(t)
}

func TestDeletionWhoseAnswerWasLost(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "", files{"toolkits/a.json": "1"})
	b := w.build(t, first, files{"toolkits/a.json": "2"})
	if err := w.PushBranch(ctx, "confmirror/sync", "", b); err != nil {
		t.Fatal(err)
	}
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if isPush(r) {
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(rw, r)
	}
	if err := w.DeleteBranch(ctx, "confmirror/sync", b.Head()); err != nil {
		t.Fatal(err)
	}
}

// A branch that left the mirrored one long ago, with a history of its own.
func TestFetchOfABranchThatLeftLongAgo(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "0"})
	git(t, w.bare, "branch", "side", "main")
	for i := range 100 {
		w.commit("main", files{"toolkits/a.json": fmt.Sprint(i + 1)})
	}
	w.pull(t)
	w.commit("side", files{"toolkits/s.json": "1"})
	side := w.commit("side", files{"toolkits/s.json": "2"})
	if err := w.FetchBranch(ctx, "side", side); err != nil {
		t.Fatal(err)
	}
	fsck(t, w.dir)
	w.reopen(t)
	if !w.Has(ctx, side) {
		t.Error("it is gone")
	}
}

func TestMergeOfWhatBothChanged(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1", "toolkits/b.json": "1", "skills/s/SKILL.md": "1"})
	git(t, w.bare, "branch", "side", "main")
	head := w.commit("main", files{"toolkits/a.json": "2", "toolkits/b.json": "2", "skills/s/SKILL.md": "2"})
	side := w.commit("side", files{"toolkits/a.json": "3", "toolkits/b.json": "2", "skills/s/SKILL.md": "3"})
	w.pull(t)
	if err := w.FetchBranch(ctx, "side", side); err != nil {
		t.Fatal(err)
	}
	_, err := w.merge(side, head, nil, nil)
	conflict, ok := errors.AsType[*mirror.MergeError](err)
	if want := []string{"skills/s/SKILL.md", "toolkits/a.json"}; !ok || !slices.Equal(conflict.Paths, want) {
		t.Fatalf("%v", err)
	}
	b, err := w.merge(side, head, []string{"skills/s", "toolkits/a.json"}, files{"toolkits/a.json": "4"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.PushBranch(ctx, "side", side, b); err != nil {
		t.Fatal(err)
	}
	if a, s := w.show("side", "toolkits/a.json"), w.show("side", "skills/s/SKILL.md"); a != "4" || s != "2" {
		t.Errorf("a %q, s %q", a, s)
	}
}

// Merges are those of git, file by file ("read-tree -m --aggressive").
func TestMergeAsGitDoes(t *testing.T) {
	w := newWorld(t)
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		branch := func(name string) string { return fmt.Sprintf("%s-%d", name, n) }
		paths := []string{"toolkits/a.json", "toolkits/b.json", "skills/s/SKILL.md", "skills/s/deep/x", "skills/t/SKILL.md", "docs/d", "README.md"}
		change := func(what string, must bool) files {
			f := files{}
			for _, p := range paths {
				switch rapid.IntRange(0, 5).Draw(r, what+" "+p) {
				case 0:
					f[p] = ""
				case 1, 2:
					f[p] = rapid.SampledFrom([]string{"1", "2", "3"}).Draw(r, "text")
				}
			}
			if must {
				f["toolkits/base.json"] = "b"
			}
			return f
		}
		base := w.commit(branch("base"), change("base", true))
		git(t, w.bare, "branch", branch("ours"), string(base))
		git(t, w.bare, "branch", branch("theirs"), string(base))
		heads := map[string]mirror.Hash{}
		for _, name := range []string{"ours", "theirs"} {
			heads[name] = w.commit(branch(name), change(name, false))
			if err := w.FetchBranch(ctx, branch(name), heads[name]); err != nil {
				t.Fatal(err)
			}
		}
		want, conflicts := readTree(t, w.bare, base, heads["ours"], heads["theirs"])
		b, err := w.merge(heads["ours"], heads["theirs"], nil, nil)
		if e, ok := errors.AsType[*mirror.MergeError](err); ok {
			if !slices.Equal(e.Paths, conflicts) {
				r.Fatalf("conflicts %q, git has %q", e.Paths, conflicts)
			}
			return
		}
		if err != nil {
			r.Fatal(err)
		}
		if len(conflicts) > 0 {
			r.Fatalf("no conflict, git has %q", conflicts)
		}
		if got := git(t, w.dir, "rev-parse", string(b.Head())+"^{tree}"); got != want {
			r.Fatalf("tree %s, git has %s", got, want)
		}
	})
}

// readTree lets git merge three trees file by file.
func readTree(t *testing.T, repo string, base, ours, theirs mirror.Hash) (tree string, conflicts []string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(repo, "index")); err != nil {
		t.Fatal(err)
	}
	git(t, repo, "read-tree", "-i", "-m", "--aggressive", string(base), string(ours), string(theirs))
	for line := range strings.Lines(git(t, repo, "ls-files", "-u")) {
		if _, path, _ := strings.Cut(strings.TrimSpace(line), "\t"); !slices.Contains(conflicts, path) {
			conflicts = append(conflicts, path)
		}
	}
	if len(conflicts) > 0 {
		return "", conflicts
	}
	return git(t, repo, "write-tree"), nil
}
