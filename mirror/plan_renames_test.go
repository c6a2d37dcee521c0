package mirror

import (
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

// appeared is a subject for a file that neither base nor row knows.
func appeared(t *testing.T, k document.Kind, text string) *Subject {
	return &Subject{Kind: k, File: fileAt(t, k, slugIn(text), text)}
}

// What git moved: agreed are entities that are the same in base and database, each
// with what stands at its path now; came are new files.
func TestRenamesInGit_I3(t *testing.T) {
	type entity struct{ base, git string }
	toolkit := func(slug, name, more string) string {
		return `{"slug":"` + slug + `","name":"` + name + `"` + more + `}`
	}
	server := func(slug, url, more string) string {
		return `{"slug":"` + slug + `","name":"S","type":"http","url":"` + url + `"` + more + `}`
	}
	const rich = `,"description":"long","status":"draft","skills":["s"],"commands":["c"]`
	for _, c := range []struct {
		name   string
		kind   document.Kind
		agreed []entity
		came   []string
		want   string
	}{
		{"equal but for the slug", document.Toolkits, []entity{{toolkit("a", "A", ""), ""}}, []string{toolkit("b", "A", "")}, "b: import"},
		{"equal but for slug and name", document.Toolkits, []entity{{toolkit("a", "A", rich), ""}}, []string{toolkit("b", "B", rich)}, "b: import long"},
		{"half of the values equal, and no other pair possible", document.Toolkits, []entity{{toolkit("a", "A", `,"description":"long","status":"draft"`), ""}},
			[]string{toolkit("b", "B", `,"description":"long","status":"draft","skills":["s"]`)}, "b: import long"},
		{"less than half equal", document.Toolkits, []entity{{toolkit("a", "A", rich), ""}}, []string{toolkit("b", "B", `,"description":"long"`)}, "a: delete row; b: import long"},
		{"two similar files came", document.Toolkits, []entity{{toolkit("a", "A", rich), ""}},
			[]string{toolkit("b", "A", rich+`,"x-a":1`), toolkit("c", "A", rich+`,"x-a":2`)}, "a: delete row; b: import long; c: import long"},
		{"two similar files went", document.Toolkits, []entity{{toolkit("a", "A", rich+`,"x-a":1`), ""}, {toolkit("b", "A", rich+`,"x-a":2`), ""}},
			[]string{toolkit("c", "A", rich)}, "a: delete row; b: delete row; c: import long"},
		{"two equal pairs, told apart by their names", document.Toolkits, []entity{{toolkit("a", "A", rich), ""}, {toolkit("b", "B", rich), ""}},
			[]string{toolkit("c", "B", rich), toolkit("d", "A", rich)}, "c: import long; d: import long"},
		{"a chain: what stands on both sides is an edit", document.Toolkits, []entity{{toolkit("a", "A", rich), ""}, {toolkit("b", "B", ""), toolkit("b", "A", rich)}},
			[]string{toolkit("c", "B", "")}, "a: delete row; b: import long; c: import"},
		{"a swap is two edits", document.Toolkits, []entity{{toolkit("a", "A", rich), toolkit("a", "B", "")}, {toolkit("b", "B", ""), toolkit("b", "A", rich)}},
			nil, "a: import; b: import long"},

		{"a server with its target", document.MCPServers, []entity{{server("a", "https://x", `,"description":"d"`), ""}}, []string{server("b", "https://x", `,"description":"e"`)}, "b: import e"},
		{"a server at another host is another server", document.MCPServers, []entity{{server("a", "https://x", rich), ""}}, []string{server("b", "https://y", rich)}, "a: delete row; b: import long"},
		{"a server of another type is another server", document.MCPServers, []entity{{server("a", "https://x", rich), ""}},
			[]string{`{"slug":"b","name":"S","type":"sse","url":"https://x"` + rich + `}`}, "a: delete row; b: import long"},
		{"a server of another command is another server", document.MCPServers, []entity{{`{"slug":"a","name":"S","type":"stdio","command":"c"` + rich + `}`, ""}},
			[]string{`{"slug":"b","name":"S","type":"stdio","command":"d"` + rich + `}`}, "a: delete row; b: import long"},
		{"equal servers are not told apart by chance: secrets do not travel", document.MCPServers, []entity{{server("a", "https://x", ""), ""}, {server("b", "https://x", ""), ""}},
			[]string{server("c", "https://x", ""), server("d", "https://x", "")}, "a: delete row; b: delete row; c: import; d: import"},

		{"a skill, equal but for its name", document.Skills, []entity{{skillJSON("a", "d", "x", "1"), ""}}, []string{skillJSON("b", "d", "x", "1")}, "b: import"},
		{"a skill with an edit", document.Skills, []entity{{skillJSON("a", "d", "x", "1", "y", "1"), ""}}, []string{skillJSON("b", "d", "x", "2", "y", "1")}, "b: import"},
		{"a skill with hardly anything the same", document.Skills, []entity{{skillJSON("a", "d", "x", "1", "y", "1"), ""}}, []string{skillJSON("b", "e", "x", "2", "y", "1")}, "a: delete row; b: import"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var subjects []*Subject
			for _, e := range c.agreed {
				s := state{c.kind, e.base, e.base, e.git}.subject(t)
				s.Row.ID, s.Base.RowID = s.Base.Slug, s.Base.Slug
				subjects = append(subjects, s)
			}
			for _, text := range c.came {
				subjects = append(subjects, appeared(t, c.kind, text))
			}
			if got := outcomes(planOf(document.PreferGit, subjects...)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Renamed on one side and something else on the other.
func TestRenamesAgainstChanges_I3(t *testing.T) {
	const (
		was   = `{"slug":"a","name":"A","description":"1"}`
		moved = `{"slug":"b","name":"A","description":"1"}`
		other = `{"slug":"c","name":"A","description":"1"}`
		edit  = `{"slug":"a","name":"A","description":"2"}`
	)
	for _, c := range []struct {
		name          string
		database, git string // git: the file that is there, at its own path
		want          string
		wantDatabase  string
	}{
		{"renamed, same", moved, was, "b: export 1", ""},
		{"renamed, changed", moved, edit, "b: merge 2", ""},
		{"renamed, deleted", moved, "", "b: export 1", ""},
		{"same, renamed", was, moved, "b: import 1", ""},
		{"changed, renamed", edit, moved, "b: merge 2", ""},
		{"deleted, renamed", "", moved, "b: import 1", ""},
		{"two different renames", moved, other, "c: import 1, conflict both_changed for git", "b: export 1, conflict both_changed for database"},
	} {
		for policy, want := range map[document.Policy]string{document.PreferGit: c.want, document.PreferDatabase: cmpOr(c.wantDatabase, c.want)} {
			git := c.git
			if slugIn(git) != "a" {
				git = ""
			}
			subjects := []*Subject{state{document.Toolkits, was, c.database, git}.subject(t)}
			if c.git != "" && git == "" {
				subjects = append(subjects, appeared(t, document.Toolkits, c.git))
			}
			p := planOf(policy, subjects...)
			if got := outcomes(p); got != want {
				t.Errorf("%s, policy %s: got %q, want %q", c.name, policy, got, want)
			}
			if d := p.Decisions[0]; c.database != "" && d.Row.ID != "row-1" {
				t.Errorf("%s: the row is not kept", c.name)
			}
		}
	}
}

// Both sides gave the same new name: the file that came stands where the row belongs,
// and is edited in place if it says something else.
func TestTheSameRenameOnBothSides_I3(t *testing.T) {
	const was, moved = `{"slug":"a","name":"A","description":"1"}`, `{"slug":"b","name":"A","description":"1"}`
	for _, c := range []struct{ name, came, want string }{
		{"alike", moved, "b: agree 1"},
		{"in another form", `{ "description": "1", "name":"A", "slug":"b" }`, "b: agree 1"},
		{"with an edit", `{"slug":"b","name":"A","description":"1","x-note":"git"}`, "b: import 1+git"},
	} {
		s := state{document.Toolkits, was, moved, ""}.subject(t)
		s.Target = fileAt(t, document.Toolkits, "b", c.came)
		if got := outcomes(planOf(document.PreferGit, s)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// A file that was moved without its slug inside is no deletion, for as long as it
// is there and bad.
func TestSlips(t *testing.T) {
	const was = `{"slug":"a","name":"A","description":"1","status":"draft","skills":["s"]}`
	for _, c := range []struct{ name, came, want string }{
		{"moved as it was", was, "a: file error; b: file error"},
		{"moved and edited", `{"slug":"a","name":"A","description":"2","status":"draft","skills":["s"]}`, "a: file error; b: file error"},
		{"mended", `{"slug":"b","name":"A","description":"1","status":"draft","skills":["s"]}`, "b: import 1"},
		{"gone", "", "a: delete row"},
		{"something else that is bad", `{"slug":"z","name":1}`, "a: delete row; b: file error"},
	} {
		subjects := []*Subject{state{document.Toolkits, was, was, ""}.subject(t)}
		if c.came != "" {
			subjects = append(subjects, &Subject{Kind: document.Toolkits, File: fileAt(t, document.Toolkits, "b", c.came)})
		}
		if got := outcomes(planOf(document.PreferGit, subjects...)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// Rows that swap or pass on their slugs are renames, each to its final path.
func TestChainsOfRowsAreRenames_I3(t *testing.T) {
	row := func(from, to, text string) *Subject {
		s := state{document.Toolkits, `{"slug":"` + from + `","name":"N","description":"` + text + `"}`, `{"slug":"` + to + `","name":"N","description":"` + text + `"}`,
			`{"slug":"` + from + `","name":"N","description":"` + text + `"}`}.subject(t)
		s.Row.ID, s.Base.RowID = text, text
		return s
	}
	for _, c := range []struct {
		name     string
		subjects []*Subject
		want     string
	}{
		{"a swap", []*Subject{row("a", "b", "first"), row("b", "a", "second")}, "a: export second; b: export first"},
		{"a chain", []*Subject{row("a", "b", "first"), row("b", "c", "second")}, "b: export first; c: export second"},
	} {
		p := planOf(document.PreferGit, c.subjects...)
		if got := outcomes(p); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		for _, d := range p.Decisions {
			if text := d.Document.Fields["description"]; d.Row.ID != text {
				t.Errorf("%s: %s went to row %s", c.name, text, d.Row.ID)
			}
		}
	}
}
