package clone_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/confmirror/confmirror/mirror"
)

// Whatever is changed in whatever order, the tree is the one git makes of the same files.
func TestBuildMakesGitsTrees(t *testing.T) {
	w := newWorld(t)
	paths := []string{
		"toolkits/a.json", "toolkits/b.json", "toolkits/con.json", "toolkits/A.json", "commands/x.json", "mcp-servers/m.json",
		"skills/s/SKILL.md", "skills/s/a", "skills/s/a/b", "skills/s/a/b/c", "skills/s/a.b", "skills/s/a-b", "skills/t/ü", "skills/t-x/f",
	}
	base := w.commit("main", files{"README.md": "r", "toolkits/README.md": "r", "z/y": "1", "skills/plain": "1"})
	w.pull(t)
	people := map[string]string{"README.md": "100644 r", "toolkits/README.md": "100644 r", "z/y": "100644 1", "skills/plain": "100644 1"}
	rapid.Check(t, func(rt *rapid.T) {
		want := maps.Clone(people)
		var specs []mirror.CommitSpec
		for i := range rapid.IntRange(1, 4).Draw(rt, "commits") {
			var spec mirror.CommitSpec
			spec.Message = fmt.Sprint(i)
			for range rapid.IntRange(1, 8).Draw(rt, "changes") {
				ch := mirror.FileChange{Path: rapid.SampledFrom(paths).Draw(rt, "path")}
				if strings.HasPrefix(ch.Path, "skills/") && rapid.IntRange(0, 9).Draw(rt, "whole") == 0 {
					ch.Path = strings.Join(strings.Split(ch.Path, "/")[:2], "/")
					ch.Delete = true
				} else {
					ch.Delete = rapid.Bool().Draw(rt, "delete")
				}
				if !ch.Delete {
					ch.Content = []byte(rapid.StringMatching(`[a-c]{0,2}`).Draw(rt, "content"))
					ch.Executable = rapid.Bool().Draw(rt, "executable")
				}
				model(want, ch)
				spec.Changes = append(spec.Changes, ch)
			}
			specs = append(specs, spec)
		}
		b, err := w.Build(ctx, base, specs)
		if err != nil {
			rt.Fatal(err)
		}
		got := git(t, w.dir, "rev-parse", string(b.Head())+"^{tree}")
		if tree := gitTree(t, w.dir, want); got != tree {
			rt.Fatalf("tree %s\n%s\nwant %s", got, git(t, w.dir, "ls-tree", "-r", got), git(t, w.dir, "ls-tree", "-r", tree))
		}
	})
	w.sound(t)
}

// Of each change it is known which commit holds it.
func TestWhichCommitHoldsAChange(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "", files{"toolkits/a.json": "1"})
	b := w.build(t, first, files{"toolkits/a.json": "1"}, files{"toolkits/a.json": "2"}, files{"toolkits/b.json": ""}, files{"toolkits/b.json": "1"})
	made := b.Commits()
	if len(made) != 2 {
		t.Fatalf("%d commits", len(made))
	}
	for i, want := range []mirror.Hash{first, made[0], made[0], made[1]} {
		if got := b.At(i); got != want {
			t.Errorf("change %d is in %s, want %s", i, got, want)
		}
	}
}

// model applies a change to a flat list of files.
func model(f map[string]string, ch mirror.FileChange) {
	for p := range f {
		if p == ch.Path || strings.HasPrefix(p, ch.Path+"/") || !ch.Delete && strings.HasPrefix(ch.Path, p+"/") {
			delete(f, p)
		}
	}
	if ch.Delete {
		return
	}
	mode := "100644 "
	if ch.Executable {
		mode = "100755 "
	}
	f[ch.Path] = mode + string(ch.Content)
}

func gitTree(t *testing.T, repo string, f map[string]string) string {
	t.Helper()
	index := filepath.Join(t.TempDir(), "index")
	var info strings.Builder
	ids := map[string]string{}
	for path, v := range f {
		mode, text, _ := strings.Cut(v, " ")
		id, ok := ids[text]
		if !ok {
			id, _ = gitInput(t, repo, []byte(text), "hash-object", "-w", "--stdin")
			ids[text] = id
		}
		fmt.Fprintf(&info, "%s %s\t%s\x00", mode, id, path)
	}
	run := func(args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env, cmd.Stdin = repo, append(gitEnv, "GIT_INDEX_FILE="+index), strings.NewReader(info.String())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("update-index", "-z", "--index-info")
	return run("write-tree")
}

func TestBuildRefusesPaths_C4(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{
		"", "/", "toolkits", "toolkits/", "toolkits/a", "toolkits/a.txt", "toolkits/.a.json", "toolkits/d/a.json", "README.md", "x/toolkits/a.json",
		"toolkits/../a.json", "../toolkits/a.json", "/toolkits/a.json", "toolkits//a.json", "./toolkits/a.json", "toolkits/a.json/",
		"skills/s", "skills/.s/x", "skills/s/../x", "skills/s/.git/config", "skills/s/.GIT/x", "skills/s/git~1", "skills/s/a\x00b", "skills//x", "skills/s/",
		"skills/s/.git\u200c/x", ".git/config", ".github/workflows/x.json", "skills/s/" + strings.Repeat("x", 300),
	} {
		b, err := w.Build(ctx, "", []mirror.CommitSpec{{Changes: []mirror.FileChange{{Path: path, Content: []byte("x")}}}})
		if err == nil {
			t.Errorf("%q was written: %v", path, b.Head())
		}
	}
}

func TestBuildLeavesPeoplesFilesAlone_D6(t *testing.T) {
	w := newWorld(t)
	head := w.commit("main", files{"toolkits/a.json/own": "1", "skills/plain": "1", "skills/s/x": "1"})
	w.pull(t)
	for _, ch := range []mirror.FileChange{{Path: "toolkits/a.json"}, {Path: "skills/plain/SKILL.md"}} {
		if _, err := w.Build(ctx, head, []mirror.CommitSpec{{Changes: []mirror.FileChange{ch}}}); err == nil {
			t.Errorf("%s replaced what is people's", ch.Path)
		}
	}
	for _, path := range []string{"toolkits/a.json", "skills/plain"} {
		b, err := w.Build(ctx, head, []mirror.CommitSpec{{Changes: []mirror.FileChange{{Path: path, Delete: true}}}})
		if err != nil || b.Head() != head {
			t.Errorf("%s was deleted: %v", path, err)
		}
	}
	// A link in an entity's own place is the entity's, and is replaced.
	head = w.commit("main", files{"l:toolkits/l.json": "x", "l:skills/l": "s"})
	w.pull(t)
	w.push(t, head, files{"toolkits/l.json": "1", "skills/l/SKILL.md": "1"})
	w.clean(t)
	if w.file(t, "skills/s/x") != "1" {
		t.Error("written through a link")
	}
}

func TestBuildKeepsModes(t *testing.T) {
	w := newWorld(t)
	head := w.commit("main", files{"x:toolkits/a.json": "1", "x:toolkits/b.json": "1", "l:toolkits/c.json": "1"})
	w.pull(t)
	b, err := w.Build(ctx, head, []mirror.CommitSpec{{Message: "m", Changes: []mirror.FileChange{
		{Path: "toolkits/a.json", Content: []byte("2"), KeepMode: true},
		{Path: "toolkits/b.json", Content: []byte("2")},
		{Path: "toolkits/c.json", Content: []byte("2"), KeepMode: true},
		{Path: "toolkits/d.json", Content: []byte("2"), KeepMode: true, Executable: true},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	got := git(t, w.dir, "ls-tree", "--format=%(objectmode) %(path)", "-r", string(b.Head()))
	if want := "100755 toolkits/a.json\n100644 toolkits/b.json\n100644 toolkits/c.json\n100755 toolkits/d.json"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCommitsPassFsckWhateverTheySay(t *testing.T) {
	w := newWorld(t)
	w.o.Committer = mirror.Signature{}
	w.reopen(t)
	zone := time.FixedZone("odd", 5*3600+45*60)
	var specs []mirror.CommitSpec
	for i, s := range []struct {
		author  mirror.Signature
		message string
	}{
		{mirror.Signature{}, ""},
		{mirror.Signature{Name: "Eve <eve@x>\nparent 0", Email: "a>b\nc <d"}, "line\r\nother\rthird\n\n\n"},
		{mirror.Signature{Name: "\x00\x01\x7f", Email: " \t"}, "nul \x00 inside \xff\xfe"},
		{mirror.Signature{Name: "...", Email: "x@y"}, "   \n"},
		{mirror.Signature{Name: "Zoë Ünicode", Email: "zoë@exämple.com", When: time.Unix(1e9, 0).In(zone)}, "ümlaut"},
		{mirror.Signature{Name: "Old", Email: "o@x", When: time.Unix(-5, 0)}, "before the epoch"},
		{mirror.Signature{Name: "Far", Email: "f@x", When: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, "far"},
		{mirror.Signature{Name: strings.Repeat("n", 5000), Email: "<<<>>>"}, strings.Repeat("m\n", 3000)},
	} {
		specs = append(specs, mirror.CommitSpec{Message: s.message, Author: s.author,
			Changes: []mirror.FileChange{{Path: "toolkits/a.json", Content: []byte(fmt.Sprint(i))}}})
	}
	b, err := w.Build(ctx, "", specs)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Commits()) != len(specs) {
		t.Errorf("%d commits", len(b.Commits()))
	}
	if err := w.Push(ctx, b); err != nil {
		t.Fatal(err)
	}
	w.checkout(t, b.Head())
	w.clean(t)
	fsck(t, w.bare)
	if got := git(t, w.bare, "log", "--format=%an|%ae|%ad|%s", "--date=iso", "-1", string(b.Commits()[4])); got != "Zoë Ünicode|zoë@exämple.com|2001-09-09 07:31:40 +0545|ümlaut" {
		t.Error(got)
	}
	if got := git(t, w.bare, "log", "--format=%an|%ae", "-1", string(b.Commits()[0])); got != "confmirror|confmirror@localhost" {
		t.Error(got)
	}
}

func TestNamesOfEveryKind_H9_I5(t *testing.T) {
	w := newWorld(t)
	f := files{}
	for _, n := range []string{"con", "aux", "nul", "prn", "com1", "conin$", "lpt9"} {
		f["toolkits/"+n+".json"] = n
		f["skills/"+n+"/"+n] = n
	}
	f["toolkits/Case.json"], f["toolkits/case.json"] = "1", "2"
	f["skills/s/e\u0301"], f["skills/s/\u00e9"] = "1", "2"
	head := w.push(t, "", f)
	w.clean(t)
	fsck(t, w.bare)
	w.reopen(t)
	w.commit("main", files{"toolkits/aux.json": "2", "toolkits/con.json": ""})
	w.pull(t)
	w.clean(t)
	if w.file(t, "toolkits/aux.json") != "2" || w.file(t, "toolkits/Case.json") != "1" {
		t.Error("content")
	}
	_ = head
}

func TestRefusedBuildIsSentWholeLater(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "", files{"toolkits/a.json": "1"})
	w.hook("exit 1\n")
	b := w.build(t, first, files{"toolkits/a.json": "2", "skills/s/SKILL.md": "x"})
	if err := w.Push(ctx, b); err == nil {
		t.Fatal("pushed")
	}
	os.Remove(filepath.Join(w.bare, "hooks", "pre-receive"))
	w.push(t, first, files{"toolkits/a.json": "2", "skills/s/SKILL.md": "x", "toolkits/b.json": "1"})
	fsck(t, w.bare)
	w.clean(t)
}

func TestTenThousandFiles_P2_P3(t *testing.T) {
	w := newWorld(t)
	f := files{}
	for i := range 10_000 {
		f[fmt.Sprintf("toolkits/t%05d.json", i)] = fmt.Sprintf(`{"slug": "t%05d"}`, i)
	}
	start := time.Now()
	head := w.push(t, "", f)
	w.push(t, head, files{"toolkits/t00500.json": "x"})
	if d := time.Since(start); d > 60*time.Second { // about 2 s on an idle machine
		t.Errorf("took %s", d)
	}
	w.clean(t)
	if n := packs(t, w.dir); n != 1 {
		t.Errorf("%d packs", n)
	}
}
