package mirror

import (
	"slices"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

func entries(paths ...string) []Entry {
	var list []Entry
	for _, path := range paths {
		path, gone := strings.CutPrefix(path, "-")
		dir, slug, _ := strings.Cut(path, "/")
		e := Entry{Kind: document.Kind(dir), Slug: slug, Path: path, GitID: "1"}
		if gone {
			e.GitID = ""
		}
		list = append(list, e)
	}
	return list
}

func paths(list []Entry) string {
	var names []string
	for _, e := range list {
		names = append(names, e.Path)
	}
	return strings.Join(names, " ")
}

// TestAgenda: git's changes go by parts, what is named before what names it, deletions
// with all that may have been moved.
func TestAgenda(t *testing.T) {
	a := changedInGit("h1", entries("toolkits/t", "commands/c", "mcp-servers/s"))
	a.rows = []RowKey{{document.Skills, "1"}, {document.Skills, "2"}}
	first := a.portion(2)
	if got := paths(first.entries); got != "mcp-servers/s commands/c" || len(first.rows) != 0 || first.last {
		t.Fatalf("first: %s %v %v", got, first.rows, first.last)
	}
	// A push of ours writes one of those that wait: it is settled, and not looked at again.
	a.done(first)
	a.pushed("h2", entries("toolkits/t", "commands/c"))
	if a.head != "h2" || len(a.entries) != 0 || a.left() != 2 {
		t.Fatalf("%+v", a)
	}
	// Somebody pushes meanwhile.
	a.follow("h3", entries("commands/c"))
	if next := a.portion(2); paths(next.entries) != "commands/c" || len(next.rows) != 1 || next.last {
		t.Fatalf("next: %+v", next)
	}
	if all := a.portion(0); len(all.rows) != 2 || !all.last {
		t.Fatalf("all: %+v", all)
	}

	gone := changedInGit("h1", entries("toolkits/a", "toolkits/b", "-toolkits/c"))
	if p := gone.portion(1); len(p.entries) != 3 || !p.last {
		t.Errorf("a deletion without what may have been moved: %s", paths(p.entries))
	}
	// What is gone since, and what is there again.
	gone = changedInGit("h1", entries("toolkits/a", "toolkits/b"))
	gone.follow("h2", entries("-toolkits/b", "mcp-servers/s"))
	if got := paths(gone.entries); got != "mcp-servers/s toolkits/a toolkits/b" || gone.together != 3 {
		t.Errorf("%s, %d together", got, gone.together)
	}
	if i := slices.IndexFunc(gone.entries, func(e Entry) bool { return e.Path == "toolkits/b" }); gone.entries[i].GitID != "" {
		t.Error("the older state of toolkits/b counts")
	}
}
