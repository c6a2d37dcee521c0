package mirror

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

// The fixtures write a state of one toolkit as a word:
//
//	-      not there (a row: soft-deleted; with nothing agreed: never there)
//	a, b   a document with that description
//	a+x    the same with a key "x-note"
//	!      invalid
//	p:a    a private row
//
// and what is expected as "row -> file" with the same words.

const testSlug = "t"

func doc(word string) *document.Document {
	word = strings.TrimPrefix(word, "p:")
	description, note, _ := strings.Cut(word, "+")
	d := &document.Document{Kind: document.Toolkits, Slug: testSlug, Fields: map[string]any{"slug": testSlug, "name": "T"}}
	if description != "" {
		d.Fields["description"] = description
	}
	if note != "" {
		d.Fields["x-note"] = note
	}
	return d.Normalize()
}

func gitID(word string) string {
	if word == "-" {
		return ""
	}
	return "blob-" + word
}

func fileOf(word, slug string) *File {
	f := &File{Entry: Entry{Kind: document.Toolkits, Slug: slug, Path: "toolkits/" + slug + ".json", GitID: gitID(word)}}
	switch word {
	case "-":
	case "!":
		f.Content = &Content{Bytes: []byte("{")}
		f.Problem = document.Invalid("bad")
	default:
		f.Document = doc(word).Renamed(slug)
		f.Content = &Content{Bytes: document.Encode(f.Document)}
	}
	return f
}

func rowOf(word string) *Row {
	r := &Row{Kind: document.Toolkits, ID: "row-1", Slug: testSlug}
	switch {
	case word == "-":
		r.Deleted, r.Document = true, doc("gone")
	case word == "!":
		r.Problem = document.Invalid("bad row")
	default:
		r.Private = strings.HasPrefix(word, "p:")
		r.Document = doc(word)
	}
	return r
}

func baseOf(word string) *Base {
	if word == "-" {
		return nil
	}
	d := doc(word)
	return &Base{
		Key: Key{document.Toolkits, "toolkits/t.json"}, RowID: "row-1", Slug: testSlug, GitID: gitID(word),
		Digest: d.Digest(), UnknownKeys: d.UnknownKeys(), Content: &Content{Bytes: document.Encode(d)},
	}
}

// subjectOf builds a subject from base, database and git. "." for the database is
// no row at all.
func subjectOf(base, database, git string) *Subject {
	s := &Subject{Kind: document.Toolkits, Base: baseOf(base), File: fileOf(git, testSlug)}
	if database != "." {
		s.Row = rowOf(database)
	}
	return s
}

func planOf(policy document.Policy, subjects ...*Subject) *Plan {
	return NewPlan(Input{Subjects: subjects, Policy: policy, Rules: DefaultRules, Mirrored: 100})
}

// outcome writes a decision as the table does.
func outcome(d *Decision) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch d.Effect {
	case Nothing:
		add("nothing")
	case Converge:
		text, _ := d.Document.Fields["description"].(string)
		if note, ok := d.Document.Fields["x-note"].(string); ok {
			text += "+" + note
		}
		switch {
		case d.toRow && d.toFile:
			add("merge %s", text)
		case d.toRow:
			add("import %s", text)
		case d.toFile:
			add("export %s", text)
		default:
			add("agree %s", text)
		}
	case RemoveFile:
		add("delete file")
	case RemoveRow:
		add("delete row")
	case Forget:
		add("forget")
	case Part:
		add("part")
	case Hold:
		add("hold %s", d.Direction)
	case Refuse:
		if d.RowProblem {
			add("row error")
		} else {
			add("file error")
		}
	}
	for _, c := range d.Conflicts {
		add("conflict %s for %s", c.Reason, c.Decided)
	}
	return strings.Join(parts, ", ")
}

func TestDecisionTable(t *testing.T) {
	for _, c := range []struct {
		name                string
		base, database, git string
		want                string // both policies
		wantDatabase        string // where the policy "database" differs
	}{
		{"same, same", "a", "a", "a", "nothing", ""},
		{"same, changed", "a", "a", "b", "import b", ""},
		{"same, changed, invalid", "a", "a", "!", "file error", ""},
		{"changed, same", "a", "b", "a", "export b", ""},
		{"changed, same content", "a", "b", "b", "agree b", ""},
		{"changed, changed elsewhere", "a", "b", "a+1", "merge b+1", ""},
		{"changed, changed at the same place", "a", "b", "c", "import c, conflict both_changed for git", "export b, conflict both_changed for database"},
		{"changed, changed at one same place", "a", "b", "c+1", "import c+1, conflict both_changed for git", "merge b+1, conflict both_changed for database"},
		{"changed, changed, invalid", "a", "b", "!", "file error", ""},
		{"deleted, same", "a", "-", "a", "delete file", ""},
		{"gone for good, same", "a", ".", "a", "delete file", ""},
		{"same, deleted", "a", "a", "-", "delete row", ""},
		{"deleted, changed", "a", "-", "b", "import b", ""},
		{"gone for good, changed", "a", ".", "b", "import b", ""},
		{"deleted, changed, invalid", "a", "-", "!", "file error", ""},
		{"changed, deleted", "a", "b", "-", "export b", ""},
		{"deleted, deleted", "a", "-", "-", "forget", ""},
		{"became private, same", "a", "p:a", "a", "delete file", ""},
		{"became private and edited, same", "a", "p:b", "a", "delete file", ""},
		{"became private, changed", "a", "p:a", "b", "delete file, conflict became_private for database", ""},
		{"became private, deleted", "a", "p:a", "-", "forget", ""},
		{"became private, invalid", "a", "p:a", "!", "delete file", ""},
		{"no base, row only", "-", "a", "-", "export a", ""},
		{"no base, file only", "-", ".", "a", "import a", ""},
		{"no base, file of a deleted row", "-", "-", "a", "import a", ""},
		{"no base, equal", "-", "a", "a", "agree a", ""},
		{"no base, keys on one side", "-", "a", "a+1", "import a+1", ""},
		{"no base, different", "-", "a", "b", "import b, conflict both_changed for git", "export a, conflict both_changed for database"},
		{"no base, row, invalid file", "-", "a", "!", "file error", ""},
		{"no base, invalid file only", "-", ".", "!", "file error", ""},
		{"invalid row, same", "a", "!", "a", "row error", ""},
		{"invalid row, deleted", "a", "!", "-", "row error", ""},
		{"invalid row, nothing agreed", "-", "!", "-", "row error", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for policy, want := range map[document.Policy]string{document.PreferGit: c.want, document.PreferDatabase: cmpOr(c.wantDatabase, c.want)} {
				got := outcome(planOf(policy, subjectOf(c.base, c.database, c.git)).Decisions[0])
				if got != want {
					t.Errorf("policy %s: got %q, want %q", policy, got, want)
				}
			}
		})
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func TestFormOnlyChangeMovesNothing(t *testing.T) {
	s := subjectOf("a", "a", "a")
	s.File.GitID = "blob-a-reformatted"
	d := planOf(document.PreferGit, s).Decisions[0]
	if d.Effect != Nothing {
		t.Fatalf("a reformatted file is %s", outcome(d))
	}
}

func TestEditAfterBadFileWins(t *testing.T) {
	left := &Unsettled{Reason: ReasonInvalid, GitID: gitID("!"), Digest: doc("a").Digest()}
	for _, c := range []struct {
		name     string
		database string
		edited   bool
		gitID    string
		want     string
	}{
		{"edited to something else", "b", true, gitID("!"), "export b"},
		{"saved as it was", "a", true, gitID("!"), "export a"},
		{"not touched", "a", false, gitID("!"), "file error"},
		{"edited, but the file is another bad one", "b", true, "blob-other", "file error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := subjectOf("a", c.database, "!")
			was := *left
			was.GitID = c.gitID
			s.Left, s.Edited = &was, c.edited
			if got := outcome(planOf(document.PreferGit, s).Decisions[0]); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestKeepDeletions(t *testing.T) {
	rules := DefaultRules
	rules.KeepDeleted = true
	for _, c := range []struct {
		name          string
		database, git string
		edited        bool
		want          string
	}{
		{"file deleted", "a", "-", false, "part"},
		{"row deleted", "-", "a", false, "part"},
		{"file deleted, row saved again", "a", "-", true, "export a"},
		{"row deleted, file edited", "-", "b", false, "import b"},
		{"both deleted", "-", "-", false, "forget"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := subjectOf("a", c.database, c.git)
			s.Edited = c.edited
			p := NewPlan(Input{Subjects: []*Subject{s}, Policy: document.PreferGit, Rules: rules, Mirrored: 100})
			if got := outcome(p.Decisions[0]); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestHiddenKeysStayInTheRow(t *testing.T) {
	s := subjectOf("a", "a", "b")
	s.Row.Document.Fields["internal"] = "not for git"
	d := planOf(document.PreferGit, s).Decisions[0]
	if got := outcome(d); got != "import b" {
		t.Fatalf("an unknown key of the row is an edit: %s", got)
	}
	if d.Document.Fields["internal"] != nil {
		t.Error("the agreed document has a key that may not leave")
	}
	if d.stored(d.Document).Fields["internal"] != "not for git" {
		t.Error("the import drops another program's key")
	}
}

func TestRowReplacedByAnother(t *testing.T) {
	for _, c := range []struct{ git, want, wantDatabase string }{
		{"a", "export b", "export b"},
		{"c", "import c, conflict replaced for git", "export b, conflict replaced for database"},
		{"-", "export b", "export b"},
		{"!", "file error", "file error"},
	} {
		for policy, want := range map[document.Policy]string{document.PreferGit: c.want, document.PreferDatabase: c.wantDatabase} {
			s := subjectOf("a", "b", c.git)
			s.Row.ID, s.Replaced, s.Edited = "row-2", true, true
			if got := outcome(planOf(policy, s).Decisions[0]); got != want {
				t.Errorf("git %q, policy %s: got %q, want %q", c.git, policy, got, want)
			}
		}
	}
}
