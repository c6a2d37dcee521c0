package clone_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// The whole way once: first push to an empty repository, an edit over there,
// fetch, diff, read, and an answer.
func TestWholeWay(t *testing.T) {
	w := newWorld(t)
	head, err := w.Remote(ctx)
	if err != nil || !reflect.DeepEqual(head, mirror.Head{Empty: true}) {
		t.Fatalf("Remote of an empty repository: %+v, %v", head, err)
	}
	first := w.push(t, "", files{"toolkits/a.json": "{}\n", "skills/s/SKILL.md": "---\n", "x:skills/s/bin/run": "#!/bin/sh\n"})
	w.clean(t)
	if w.head("main") != first || w.show("main", "toolkits/a.json") != "{}" {
		t.Fatal("the push did not arrive")
	}
	w.commit("main", files{"toolkits/a.json": "{\"x\": 1}\n", "commands/b.json": "{}", "README.md": "hello\n"})
	second := w.pull(t)
	w.clean(t)
	entries, err := w.Diff(ctx, first, second)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"commands/b.json=here", "toolkits/a.json=here"}, list(entries)); d != "" {
		t.Error(d)
	}
	got, problem, err := w.Read(ctx, entries[1])
	if err != nil || problem != nil || string(got.Bytes) != "{\"x\": 1}\n" {
		t.Errorf("Read: %v %v %v", got, problem, err)
	}
	entries, err = w.Lookup(ctx, second, []mirror.Place{{Kind: document.Skills, Slug: "s"}, {Kind: document.Toolkits, Slug: "none"}})
	if err != nil {
		t.Fatal(err)
	}
	got, problem, err = w.Read(ctx, entries[0])
	if err != nil || problem != nil {
		t.Fatal(problem, err)
	}
	want := []document.File{{Path: "SKILL.md", Content: []byte("---\n")}, {Path: "bin/run", Executable: true, Content: []byte("#!/bin/sh\n")}}
	if d := cmp.Diff(want, got.Files); d != "" {
		t.Error(d)
	}
	w.push(t, second, files{"toolkits/a.json": ""}, files{"toolkits/c.json": "{}"})
	w.clean(t)
	fsck(t, w.bare)
	if got := w.file(t, "README.md"); got != "hello\n" {
		t.Errorf("README.md is %q", got)
	}
}
