package document

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDifferingAndAt(t *testing.T) {
	const (
		command = `{"slug":"a","name":"A","prompt":"p","arguments":[{"name":"x","title":"X"},{"name":"a/b","required":true}],"x-n":{"k":[1]}}`
		kit     = `{"slug":"a","name":"A","integrations":{"gh":{"tools":["x"]}},"skills":["s"]}`
		skillA  = `{"slug":"a","files":[{"path":"SKILL.md","content":"one\ntwo\n"},{"path":"bin/x","content_base64":"AAE="},{"path":"run","content":"r","executable":true}]}`
	)
	for _, c := range []struct {
		name string
		kind Kind
		a, b string // "": none
		want []string
	}{
		{"equal", Commands, command, command, nil},
		{"a key", Commands, command, `{"slug":"a","name":"B","prompt":"p","arguments":[{"name":"x","title":"X"},{"name":"a/b","required":true}],"x-n":{"k":[1]}}`, []string{"/name"}},
		{"named elements", Commands, command, `{"slug":"a","name":"A","prompt":"p","arguments":[{"name":"x","title":"Y"},{"name":"new"}],"x-n":{"k":[2]}}`,
			[]string{"/arguments/x/title", "/arguments/a~1b", "/arguments/new", "/x-n/k"}},
		{"their order", Commands, command, `{"slug":"a","name":"A","prompt":"p","arguments":[{"name":"a/b","required":true},{"name":"x"}],"x-n":{"k":[1]}}`, []string{"/arguments"}},
		{"below keys", Toolkits, kit, `{"slug":"a","name":"A","integrations":{"gh":{"tools":"*"},"jira":{}},"description":"d"}`,
			[]string{"/description", "/integrations/gh/tools", "/integrations/jira", "/skills"}},
		{"against none", Toolkits, "", `{"slug":"a","name":"A"}`, []string{"/slug", "/name"}},
		{"files", Skills, skillA, `{"slug":"a","files":[{"path":"SKILL.md","content":"one\n2\n"},{"path":"new","content":""},{"path":"run","content":"r"}]}`,
			[]string{"SKILL.md", "bin/x", "new", "run"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := func(text string) *Document {
				if text == "" {
					return nil
				}
				d, problem := UnmarshalDocument(c.kind, []byte(text), Limits{})
				if problem != nil {
					t.Fatal(problem)
				}
				return d
			}
			a, b := read(c.a), read(c.b)
			if diff := cmp.Diff(c.want, Differing(a, b)); diff != "" {
				t.Error(diff)
			}
			for _, place := range c.want { // what differs is found at its place
				x, inA := a.At(place)
				y, inB := b.At(place)
				if !inA && !inB || inA && inB && cmp.Equal(x, y) {
					t.Errorf("%s: %v %v, %v %v", place, x, inA, y, inB)
				}
			}
		})
	}
}

func TestAtALine(t *testing.T) {
	d := &Document{Kind: Skills, Slug: "a", Files: []File{{Path: "SKILL.md", Content: []byte("x")}, {Path: "odd:7", Content: []byte("y")}}}
	for place, want := range map[string]string{"SKILL.md:12": "SKILL.md", "SKILL.md": "SKILL.md", "odd:7": "odd:7", "odd:7:1": "odd:7", "gone:1": "gone:1"} {
		if got := d.FilePath(place); got != want {
			t.Errorf("%s: %s, want %s", place, got, want)
		}
	}
	if f, ok := d.At("SKILL.md:12"); !ok || string(f.(File).Content) != "x" {
		t.Errorf("%v %v", f, ok)
	}
	if _, ok := d.At("gone"); ok {
		t.Error("found what is not there")
	}
}
