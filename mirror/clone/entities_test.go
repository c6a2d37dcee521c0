package clone_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
	"github.com/confmirror/confmirror/mirror/document"
)

const someCommit = "1234567890123456789012345678901234567890"

func (w *world) diff(t *testing.T, from, to mirror.Hash) []string {
	t.Helper()
	entries, err := w.Diff(ctx, from, to)
	if err != nil {
		t.Fatal(err)
	}
	out := list(entries)
	slices.Sort(out)
	return out
}

func TestWhatIsAnEntity(t *testing.T) {
	w := newWorld(t)
	head := w.commit("main", files{
		"toolkits/a.json": "1", "toolkits/Foo Bar.json": "1", "x:toolkits/exec.json": "1",
		"toolkits/README.md": "1", "toolkits/.gitkeep": "x", "toolkits/.hidden.json": "1", "toolkits/notes.txt": "1",
		"toolkits/nested/b.json": "1", "toolkits/dir.json/x": "1", "toolkits/A.JSON": "1",
		"l:toolkits/link.json": "a.json", "m:toolkits/sub.json": someCommit,
		"skills/s/SKILL.md": "1", "skills/UP/x": "1", "skills/README.md": "1", "skills/plain": "1", "skills/.github/x": "1",
		"l:skills/ln": "s", "m:skills/sm": someCommit,
		"commands/c.json": "1", "other/d.json": "1", "e.json": "1",
	})
	w.pull(t)
	want := []string{
		"commands/c.json=here", "skills/UP=here", "skills/ln=120000", "skills/s=here", "skills/sm=160000",
		"toolkits/Foo Bar.json=here", "toolkits/a.json=here", "toolkits/exec.json=here", "toolkits/link.json=120000", "toolkits/sub.json=160000",
	}
	if d := cmp.Diff(want, w.diff(t, "", head)); d != "" {
		t.Error(d)
	}
	w.clean(t)
}

func TestDiffRows(t *testing.T) {
	for _, tc := range []struct {
		name     string
		from, to files
		want     []string
	}{
		{"nothing", files{"toolkits/a.json": "1"}, files{"README.md": "x"}, nil},
		{"changed", files{"toolkits/a.json": "1", "toolkits/b.json": "1"}, files{"toolkits/a.json": "2"}, []string{"toolkits/a.json=here"}},
		{"gone", files{"toolkits/a.json": "1", "x": "1"}, files{"toolkits/a.json": ""}, []string{"toolkits/a.json=gone"}},
		{"mode only", files{"toolkits/a.json": "1"}, files{"x:toolkits/a.json": "1"}, nil},
		{"mode of a skill's file", files{"skills/s/a": "1"}, files{"x:skills/s/a": "1"}, []string{"skills/s=here"}},
		{"became a link", files{"toolkits/a.json": "1"}, files{"l:toolkits/a.json": "b"}, []string{"toolkits/a.json=120000"}},
		{"became a directory", files{"toolkits/a.json": "1"}, files{"toolkits/a.json": "", "toolkits/a.json/x": "1"}, []string{"toolkits/a.json=040000"}},
		{"people's directory", files{"toolkits/x": "1"}, files{"toolkits/a.json/x": "1"}, nil},
		{"directory became a file", files{"toolkits/a.json/x": "1"}, files{"toolkits/a.json/x": "", "toolkits/a.json": "1"}, []string{"toolkits/a.json=here"}},
		{"skill became a file", files{"skills/s/a": "1"}, files{"skills/s/a": "", "skills/s": "1"}, []string{"skills/s=100644"}},
		{"renamed", files{"toolkits/a.json": "1"}, files{"toolkits/a.json": "", "toolkits/b.json": "1"}, []string{"toolkits/a.json=gone", "toolkits/b.json=here"}},
		{
			"kind is a link", files{"toolkits/a.json": "1", "commands/b.json": "1"}, files{"toolkits/a.json": "", "l:toolkits": "commands"},
			[]string{"toolkits/a.json=120000"},
		},
		{"kind is a file", files{"skills/a/x": "1", "skills/b/x": "1"}, files{"skills/a/x": "", "skills/b/x": "", "skills": "1"}, []string{"skills/a=100644", "skills/b=100644"}},
		{"kind is a submodule", files{"toolkits/a.json": "1"}, files{"toolkits/a.json": "", "m:toolkits": someCommit}, []string{"toolkits/a.json=160000"}},
		{"kind is gone", files{"toolkits/a.json": "1", "x": "1"}, files{"toolkits/a.json": ""}, []string{"toolkits/a.json=gone"}},
		{"kind is back", files{"l:toolkits": "x"}, files{"toolkits": "", "toolkits/a.json": "1"}, []string{"toolkits/a.json=here"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			from := w.commit("main", tc.from)
			w.pull(t)
			for path := range tc.to { // what gives way goes first
				if tc.to[path] == "" {
					w.commit("main", files{path: ""})
					delete(tc.to, path)
				}
			}
			to := w.commit("main", tc.to)
			w.pull(t)
			w.clean(t)
			if d := cmp.Diff(tc.want, w.diff(t, from, to)); d != "" {
				t.Error(d)
			}
			w.checkout(t, from)
			w.clean(t)
		})
	}
}

// A directory that is none must not look like one that is empty: that would be a
// deletion of everything in it.
func TestUnreadableKindIsNotAbsent_H10(t *testing.T) {
	for name, f := range map[string]files{
		"link":             {"l:conf": "elsewhere"},
		"submodule":        {"m:conf/ai": someCommit},
		"file":             {"conf/ai": "1"},
		"the kind, a link": {"l:conf/ai/toolkits": ".."},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *clone.Options) { o.Layout = document.Layout{Prefix: "conf/ai"} })
			from := w.commit("main", files{"conf/ai/toolkits/a.json": "1"})
			w.pull(t)
			w.commit("main", files{"conf": ""})
			to := w.commit("main", f)
			w.pull(t)
			entries, err := w.Lookup(ctx, to, append(place(document.Toolkits, "a"), place(document.Toolkits, "never")...))
			if err != nil {
				t.Fatal(err)
			}
			diff, err := w.Diff(ctx, from, to)
			if err != nil || len(diff) != 1 || diff[0] != entries[0] {
				t.Fatalf("Diff %v, Lookup %v, %v", diff, entries, err)
			}
			for _, e := range entries {
				if !strings.Contains(e.GitID, ":") {
					t.Errorf("%s has %q", e.Slug, e.GitID)
				}
				if _, problem, err := w.Read(ctx, e); err != nil || problem == nil || problem.Code != document.FetchFailed {
					t.Errorf("%v %v", problem, err)
				}
			}
			// And nothing is written there, for it is people's.
			if _, err := w.Build(ctx, to, []mirror.CommitSpec{{Changes: []mirror.FileChange{{Path: "conf/ai/toolkits/a.json"}}}}); err == nil {
				t.Error("a write replaced what is in the way")
			}
			b, err := w.Build(ctx, to, []mirror.CommitSpec{{Changes: []mirror.FileChange{{Path: "conf/ai/toolkits/a.json", Delete: true}}}})
			if err != nil || b.Head() != to {
				t.Error("a deletion below it did something:", err)
			}
		})
	}
}

func TestPrefix(t *testing.T) {
	w := newWorld(t, func(o *clone.Options) { o.Layout = document.Layout{Prefix: "src"} })
	head := w.commit("main", files{"src/toolkits/a.json": "1", "toolkits/b.json": "1"})
	w.pull(t)
	if d := cmp.Diff([]string{"src/toolkits/a.json=here"}, w.diff(t, "", head)); d != "" {
		t.Error(d)
	}
	w.push(t, head, files{"src/toolkits/a.json": "", "src/skills/s/SKILL.md": "x"})
	w.clean(t)
	if w.show("main", "toolkits/b.json") != "1" {
		t.Error("what is outside the prefix was touched")
	}
}

func (w *world) read(t *testing.T, at mirror.Hash, k document.Kind, slug string) (*mirror.Content, *document.Problem) {
	t.Helper()
	entries, err := w.Lookup(ctx, at, place(k, slug))
	if err != nil {
		t.Fatal(err)
	}
	content, problem, err := w.Read(ctx, entries[0])
	if err != nil {
		t.Fatal(err)
	}
	return content, problem
}

func TestReadProblems(t *testing.T) {
	lfs := "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
	many := files{}
	for i := range 6 {
		many[fmt.Sprintf("skills/many/%d", i)] = "x"
	}
	for _, tc := range []struct {
		name string
		f    files
		kind document.Kind
		slug string
		code document.Code
		says string
	}{
		{"too large", files{"toolkits/a.json": strings.Repeat("x", 101)}, document.Toolkits, "a", document.FetchFailed, "101 bytes, the limit is 100"},
		{"lfs", files{"toolkits/a.json": lfs}, document.Toolkits, "a", document.FetchFailed, "LFS"},
		{"link", files{"l:toolkits/a.json": "x"}, document.Toolkits, "a", document.FetchFailed, "symbolic link"},
		{"submodule", files{"m:toolkits/a.json": someCommit}, document.Toolkits, "a", document.FetchFailed, "submodule"},
		{"directory", files{"toolkits/a.json/x": "1"}, document.Toolkits, "a", document.FetchFailed, "directory"},
		{"skill is a file", files{"skills/a": "1"}, document.Skills, "a", document.FetchFailed, "a file"},
		{"nested link", files{"skills/a/SKILL.md": "1", "l:skills/a/d/e": "x"}, document.Skills, "a", document.FetchFailed, `"d/e": it is a symbolic link`},
		{"nested submodule", files{"m:skills/a/lib": someCommit}, document.Skills, "a", document.FetchFailed, `"lib": it is a submodule`},
		{"nested lfs", files{"skills/a/big": lfs}, document.Skills, "a", document.FetchFailed, `"big": it is a Git LFS`},
		{"nested too large", files{"skills/a/big": strings.Repeat("x", 101)}, document.Skills, "a", document.FetchFailed, `"big"`},
		{"too many files", many, document.Skills, "many", document.ValidationFailed, "more than 5 files"},
		{"too much", files{"skills/a/1": strings.Repeat("1", 90), "skills/a/2": strings.Repeat("2", 90), "skills/a/3": strings.Repeat("3", 90)}, document.Skills, "a", document.FetchFailed, "250"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, func(o *clone.Options) {
				o.Limits = document.Limits{MaxFileSize: 100, MaxSkillFiles: 5, MaxSkillSize: 250}
			})
			head := w.commit("main", tc.f)
			w.pull(t)
			content, problem := w.read(t, head, tc.kind, tc.slug)
			if problem == nil || content != nil || problem.Code != tc.code || !strings.Contains(problem.Message, tc.says) {
				t.Errorf("got %v, %v; want %s saying %q", content, problem, tc.code, tc.says)
			}
			w.clean(t)
		})
	}
}

func TestReadSkillNames_I7_C4(t *testing.T) {
	w := newWorld(t)
	names := []string{"SKILL.md", "a b/ü ß.txt", "日本/x", "con.json", "aux", "NUL.txt", ".hidden", "dir/.gitkeep", "back\\slash", "q\"uote", "Case", "case", "trailing.", "a:b"}
	f := files{}
	for _, n := range names {
		f["skills/s/"+n] = n
	}
	head := w.commit("main", f)
	w.pull(t)
	w.clean(t)
	content, problem := w.read(t, head, document.Skills, "s")
	if problem != nil {
		t.Fatal(problem)
	}
	slices.Sort(names)
	var got []string
	for _, f := range content.Files {
		got = append(got, f.Path)
		if string(f.Content) != f.Path {
			t.Errorf("%s holds %q", f.Path, f.Content)
		}
	}
	if d := cmp.Diff(names, got); d != "" {
		t.Error(d)
	}
	// And the same way out.
	w.commit("main", files{"skills": "", "x": "1"})
	empty := w.pull(t)
	w.push(t, empty, f)
	w.clean(t)
	fsck(t, w.bare)
}

// hostile writes a tree of raw entries to the server, and a commit of it.
func (w *world) hostile(t *testing.T, wrap []string, entries ...string) mirror.Hash {
	t.Helper()
	var raw []byte
	for _, e := range entries {
		mode, rest, _ := strings.Cut(e, " ")
		name, id, _ := strings.Cut(rest, "\t")
		b, err := hex.DecodeString(id)
		if err != nil {
			t.Fatal(err)
		}
		raw = append(append(append(raw, mode+" "+name...), 0), b...)
	}
	for {
		id, err := gitInput(t, w.bare, raw, "hash-object", "-t", "tree", "-w", "--stdin", "--literally")
		if err != nil {
			t.Fatal(id)
		}
		if len(wrap) == 0 {
			c := git(t, w.bare, "commit-tree", id, "-m", "hostile")
			git(t, w.bare, "update-ref", "refs/heads/main", c)
			return mirror.Hash(c)
		}
		b, _ := hex.DecodeString(id)
		raw = append(append([]byte("40000 "+wrap[len(wrap)-1]), 0), b...)
		wrap = wrap[:len(wrap)-1]
	}
}

func TestHostileNamesStayInside_H9_C4(t *testing.T) {
	names := []string{"..", ".", ".git", ".GIT", ".Git ", "git~1", ".git.", "a/../../x", "..\\x", ".g\u200cit", ".git:stream"}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			blob, _ := gitInput(t, w.bare, []byte("evil\n"), "hash-object", "-w", "--stdin")
			sub, _ := gitInput(t, w.bare, []byte("100644 blob "+blob+"\tconfig\n"), "mktree")
			sorted := func(e ...string) []string {
				slices.SortFunc(e, func(a, b string) int {
					_, a, _ = strings.Cut(a, " ")
					_, b, _ = strings.Cut(b, " ")
					return strings.Compare(a, b)
				})
				return e
			}
			for _, evil := range []string{"100644 " + name + "\t" + blob, "40000 " + name + "\t" + sub, "120000 " + name + "\t" + blob} {
				head := w.hostile(t, nil, sorted(evil, "100644 ok\t"+blob)...)
				w.pull(t)
				if w.file(t, "ok") != "evil\n" {
					t.Error("the good file is missing")
				}
				if _, err := w.Diff(ctx, "", head); err != nil {
					t.Error(err)
				}
				head = w.hostile(t, []string{"skills", "s"}, sorted(evil, "100644 SKILL.md\t"+blob)...)
				w.pull(t)
				if _, problem := w.read(t, head, document.Skills, "s"); problem == nil || problem.Code != document.FetchFailed {
					t.Errorf("skill with it: %v", problem)
				}
				if w.file(t, "skills/s/SKILL.md") != "evil\n" {
					t.Error("the good file of the skill is missing")
				}
				if !strings.Contains(w.file(t, ".git/config"), "confmirror") {
					t.Fatal(".git/config was overwritten")
				}
			}
			for path := range w.kept(t) {
				t.Errorf("kept %s", path)
			}
		})
	}
}

func TestHostileTrees_C4(t *testing.T) {
	w := newWorld(t)
	blob, _ := gitInput(t, w.bare, []byte("1"), "hash-object", "-w", "--stdin")
	other, _ := gitInput(t, w.bare, []byte("2"), "hash-object", "-w", "--stdin")
	sub, _ := gitInput(t, w.bare, []byte("100644 blob "+blob+"\tx\n"), "mktree")
	head := w.hostile(t, []string{"toolkits"}, "100644 a.json\t"+blob, "100644 a.json\t"+other, "100644 b.json\t"+blob)
	w.pull(t)
	if d := cmp.Diff([]string{"toolkits/a.json=twice", "toolkits/b.json=here"}, w.diff(t, "", head)); d != "" {
		t.Error(d)
	}
	if _, problem := w.read(t, head, document.Toolkits, "a"); problem == nil {
		t.Error("a name that stands twice was read")
	}
	b := w.build(t, head, files{"toolkits/a.json": "3"})
	if d := cmp.Diff([]string{"toolkits/a.json=here"}, w.diff(t, head, b.Head())); d != "" {
		t.Error(d)
	}
	// Not sorted; and a file beside a directory of its name.
	head = w.hostile(t, []string{"toolkits"}, "100644 z.json\t"+blob, "100644 a.json\t"+blob)
	w.pull(t)
	if d := cmp.Diff([]string{"toolkits/a.json=here", "toolkits/z.json=here"}, w.diff(t, "", head)); d != "" {
		t.Error(d)
	}
	w.push(t, head, files{"toolkits/z.json": "4"})
	unchanged := func() {
		t.Helper()
		if out := git(t, w.dir, "status", "--porcelain"); out != "" { // git fsck dislikes the history
			t.Error(out)
		}
	}
	unchanged()
	w.hostile(t, nil, "100644 a\t"+blob, "100644 a.b\t"+blob, "40000 a\t"+sub)
	w.pull(t)
	w.hostile(t, nil, "100644 a.b\t"+blob)
	w.pull(t)
	unchanged()
}

func TestTreeBomb_P3(t *testing.T) {
	w := newWorld(t)
	blob, _ := gitInput(t, w.bare, []byte("1"), "hash-object", "-w", "--stdin")
	level := "100644 blob " + blob + "\tf\n"
	id := ""
	for range 12 {
		id, _ = gitInput(t, w.bare, []byte(level), "mktree")
		level = ""
		for _, name := range strings.Split("abcdefghij", "") {
			level += "040000 tree " + id + "\t" + name + "\n"
		}
	}
	head := w.hostile(t, []string{"skills"}, "40000 bomb\t"+id)
	c := git(t, w.bare, "rev-parse", "main")
	if mirror.Hash(c) != head {
		t.Fatal(c)
	}
	err := w.Fetch(ctx, head)
	if err == nil {
		t.Fatal("a trillion files were accepted")
	}
	fault(t, err, mirror.CodeCloneFailed, mirror.Transient)
}

func TestCommitsNotInTheClone(t *testing.T) {
	w := newWorld(t)
	head := w.commit("main", files{"a": "1"})
	if w.Has(ctx, head) || w.Has(ctx, "") || w.Has(ctx, "zz") {
		t.Error("Has")
	}
	if _, err := w.Diff(ctx, "", head); !errors.Is(err, mirror.ErrNoCommit) {
		t.Error(err)
	}
	if _, err := w.Lookup(ctx, head, nil); !errors.Is(err, mirror.ErrNoCommit) {
		t.Error(err)
	}
	if _, err := w.Build(ctx, head, nil); !errors.Is(err, mirror.ErrNoCommit) {
		t.Error(err)
	}
	if err := w.Checkout(ctx, head); !errors.Is(err, mirror.ErrNoCommit) {
		t.Error(err)
	}
	if e, err := w.Lookup(ctx, "", place(document.Skills, "x")); err != nil || e[0].GitID != "" {
		t.Error(e, err)
	}
}
