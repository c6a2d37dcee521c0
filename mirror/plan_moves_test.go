package mirror

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

// newFile is a subject for a file that neither base nor row knows.
func newFile(word, slug string) *Subject {
	return &Subject{Kind: document.Toolkits, File: fileOf(word, slug)}
}

func decisionFor(p *Plan, s *Subject) *Decision {
	for _, d := range p.Decisions {
		if d.Subject == s {
			return d
		}
	}
	return nil
}

func TestGitRename_I3(t *testing.T) {
	for _, c := range []struct {
		name, database string
		to             string
		want           string
		slug           string
	}{
		{"row unchanged", "a", "a", "import a", "t2"},
		{"row edited elsewhere", "a+1", "a", "merge a+1", "t2"},
		{"row deleted", "-", "a", "import a", "t2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			gone, came := subjectOf("a", c.database, "-"), newFile(c.to, "t2")
			p := planOf(document.PreferGit, gone, came)
			if len(p.Decisions) != 1 {
				t.Fatalf("%d decisions, want one for both halves", len(p.Decisions))
			}
			d := decisionFor(p, gone)
			if got := outcome(d); got != c.want || d.Document.Slug != c.slug {
				t.Errorf("got %q as %s, want %q as %s", got, d.Document.Slug, c.want, c.slug)
			}
		})
	}
}

func TestGitRenameNeedsProof(t *testing.T) {
	t.Run("different documents are a deletion and a creation", func(t *testing.T) {
		gone, came := subjectOf("a", "a", "-"), newFile("b", "t2")
		delete(came.File.Document.Fields, "name")
		came.File.Document.Fields["name"] = "Another"
		p := planOf(document.PreferGit, gone, came)
		if got := outcome(decisionFor(p, gone)) + "; " + outcome(decisionFor(p, came)); got != "delete row; import b" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("a file that is invalid where it went holds the deletion", func(t *testing.T) {
		gone, came := subjectOf("a", "a", "-"), newFile("!", "t2")
		came.File.Content = gone.Base.Content // git mv, the slug inside unchanged
		p := planOf(document.PreferGit, gone, came)
		d := decisionFor(p, gone)
		if d.Effect != Refuse || !d.Due || !strings.Contains(d.Problem.Message, "toolkits/t2.json") {
			t.Errorf("got %q: %v", outcome(d), d.Problem)
		}
	})
}

func TestDatabaseRename(t *testing.T) {
	renamed := func(git string) *Subject {
		s := subjectOf("a", "a", git)
		s.Row.Slug, s.Row.Document = "t2", s.Row.Document.Renamed("t2")
		return s
	}
	for _, c := range []struct{ name, git, want string }{
		{"file unchanged", "a", "export a"},
		{"file edited", "b", "merge b"},
		{"file deleted", "-", "export a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := planOf(document.PreferGit, renamed(c.git)).Decisions[0]
			if got := outcome(d); got != c.want || d.Path(document.Layout{}) != "toolkits/t2.json" {
				t.Errorf("got %q at %s, want %q", got, d.Path(document.Layout{}), c.want)
			}
		})
	}
	t.Run("somebody's file stands at the new place", func(t *testing.T) {
		s := renamed("a")
		s.Target = fileOf("c", "t2")
		d := planOf(document.PreferGit, s).Decisions[0]
		if got := outcome(d); got != "merge c, conflict replaced for git" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("somebody's file stands at the new place, and the old one was edited", func(t *testing.T) {
		s := renamed("a+git")
		s.Target = fileOf("a+new", "t2")
		d := planOf(document.PreferDatabase, s).Decisions[0]
		if got := outcome(d); got != "merge a+git, conflict replaced for database" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("a bad file stands at the new place", func(t *testing.T) {
		s := renamed("a")
		s.Target = fileOf("!", "t2")
		d := planOf(document.PreferGit, s).Decisions[0]
		if got := outcome(d); got != "file error" || d.bad() != s.Target {
			t.Errorf("got %q", got)
		}
	})
	t.Run("the row is edited after the bad file at the new place was found", func(t *testing.T) {
		s := renamed("a")
		s.Target, s.Edited = fileOf("!", "t2"), true
		s.TargetLeft = &Unsettled{Reason: ReasonInvalid, GitID: s.Target.GitID}
		d := planOf(document.PreferGit, s).Decisions[0]
		if got := outcome(d); got != "export a" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("a decision that does not reach the file at the new place leaves it open", func(t *testing.T) {
		s := renamed("!")
		s.Target = fileOf("c", "t2")
		d := planOf(document.PreferGit, s).Decisions[0]
		if got := outcome(d); got != "file error" || d.behind != s.Target {
			t.Errorf("got %q, behind %v", got, d.behind)
		}
	})
}

func many(n int, database, git string) []*Subject {
	var subjects []*Subject
	for i := range n {
		s := subjectOf("a", database, git)
		slug := "t" + strings.Repeat("x", i)
		s.Base.Path, s.Base.Slug, s.File.Path, s.File.Slug = "toolkits/"+slug+".json", slug, "toolkits/"+slug+".json", slug
		s.Row.Slug = slug
		subjects = append(subjects, s)
	}
	return subjects
}

func TestBrake_D5(t *testing.T) {
	for _, c := range []struct {
		name          string
		deletions     int
		mirrored      int
		before, held  int
		database, git string
		hold          bool
	}{
		{"ten of a hundred go", 10, 100, 0, 0, "a", "-", false},
		{"twenty of a hundred go", 20, 100, 0, 0, "a", "-", false},
		{"twenty-one of a hundred are held", 21, 100, 0, 0, "a", "-", true},
		{"the last hour counts", 5, 20, 6, 0, "a", "-", true},
		{"what is held counts", 5, 20, 0, 6, "a", "-", true},
		{"all of several are held", 2, 2, 0, 0, "a", "-", true},
		{"a single one goes", 1, 1, 0, 0, "a", "-", false},
		{"rows deleted", 21, 100, 0, 0, "-", "a", true},
		{"rows that became private do not count", 50, 100, 0, 0, "p:a", "a", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			subjects := many(c.deletions, c.database, c.git)
			for _, s := range subjects { // their documents carry their slugs
				if s.Row.Document != nil {
					s.Row.Document = s.Row.Document.Renamed(s.Row.Slug)
					s.Base.Digest = s.Row.Document.Digest()
				}
			}
			direction := ToDatabase
			if c.database == "-" {
				direction = ToGit
			}
			p := NewPlan(Input{Subjects: subjects, Policy: document.PreferGit, Rules: DefaultRules, Mirrored: c.mirrored,
				Deleted: map[Direction]int{direction: c.before}, Held: map[Direction]int{direction: c.held}})
			for _, d := range p.Decisions {
				if got := d.Effect == Hold; got != c.hold {
					t.Fatalf("held: %v, want %v (%s)", got, c.hold, outcome(d))
				}
			}
		})
	}
}

func TestHeldDeletions(t *testing.T) {
	for _, c := range []struct {
		verdict       Verdict
		database, git string
		want          string
	}{
		{Undecided, "a", "-", "hold to_database"},
		{Approved, "a", "-", "delete row"},
		{Discarded, "a", "-", "export a"},
		{Undecided, "-", "a", "hold to_git"},
		{Approved, "-", "a", "delete file"},
		{Discarded, "-", "a", "import a"},
		{Undecided, "b", "-", "export b"},
	} {
		s := subjectOf("a", c.database, c.git)
		s.Left = &Unsettled{Reason: ReasonHeld, Verdict: c.verdict}
		if got := outcome(planOf(document.PreferGit, s).Decisions[0]); got != c.want {
			t.Errorf("%q: got %q, want %q", c.verdict, got, c.want)
		}
	}
}

func server(slug, tool string) *Subject {
	d := (&document.Document{Kind: document.MCPServers, Slug: slug, Fields: map[string]any{
		"slug": slug, "name": slug, "type": "http", "url": "https://example.com",
		"tools": map[string]any{tool: map[string]any{"enabled": true}},
	}}).Normalize()
	return &Subject{Kind: document.MCPServers, File: &File{
		Entry: Entry{Kind: document.MCPServers, Slug: slug, Path: "mcp-servers/" + slug + ".json", GitID: "blob-server"}, Document: d}}
}

func using(s *Subject, slug, tool string) *Subject {
	s.File.Document.Fields["integrations"] = map[string]any{slug: map[string]any{"tools": []any{tool}}}
	return s
}

func TestReferences(t *testing.T) {
	gh := map[string]document.Server{"gh": {ToolsKnown: true, Tools: map[string]bool{"search": true}}}
	for _, c := range []struct {
		name    string
		servers map[string]document.Server
		also    *Subject
		tool    string
		want    string
		code    document.Code
	}{
		{"server in the database", gh, nil, "search", "import a", ""},
		{"no server", nil, nil, "search", "file error", document.MissingIntegration},
		{"no such tool", gh, nil, "delete", "file error", document.MissingTool},
		{"server in the same push", nil, server("gh", "search"), "search", "import a", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			toolkit := using(newFile("a", testSlug), "gh", c.tool)
			subjects := []*Subject{toolkit}
			if c.also != nil {
				subjects = append(subjects, c.also)
			}
			p := NewPlan(Input{Subjects: subjects, Servers: c.servers, Policy: document.PreferGit, Rules: DefaultRules, Mirrored: 100})
			for _, d := range p.Decisions {
				if d.Kind != document.Toolkits {
					continue
				}
				if got := outcome(d); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
				if c.code != "" && d.Problem.Code != c.code {
					t.Errorf("code %s, want %s", d.Problem.Code, c.code)
				}
			}
		})
	}
}

func TestRowWithMissingReferenceIsExported(t *testing.T) {
	s := subjectOf("a", "b", "a")
	s.Row.Document.Fields["integrations"] = map[string]any{"gone": map[string]any{"tools": "*"}}
	d := planOf(document.PreferGit, s).Decisions[0]
	if got := outcome(d); got != "export b" || d.Problem == nil || d.Problem.Code != document.MissingIntegration {
		t.Errorf("got %q with %v", got, d.Problem)
	}
}

func TestFileWithSecretIsRefused(t *testing.T) {
	s := &Subject{Kind: document.MCPServers, File: server("gh", "search").File}
	s.File.Document.Fields["env"] = map[string]any{"TOKEN": "leaked"}
	row := s.File.Document.Clone()
	row.Fields["env"] = map[string]any{"TOKEN": map[string]any{"secret": true}}
	s.Row = &Row{Kind: document.MCPServers, ID: "row-1", Slug: "gh", Document: row}
	d := planOf(document.PreferGit, s).Decisions[0]
	if d.Effect != Refuse || d.Problem.Code != document.ValidationFailed {
		t.Fatalf("got %q", outcome(d))
	}
	if strings.Contains(d.Problem.Message, "leaked") {
		t.Error("the message repeats the value")
	}
}

func TestRewrittenHistoryKeepsWhatIsReplaced_F1(t *testing.T) {
	for _, c := range []struct{ database, git, want string }{
		{"a", "b", "import b, conflict history_rewritten for git"},
		{"a", "-", "part, conflict history_rewritten for git"}, // the next file there replaces it
		{"-", "a", "part"},
		{"b", "-", "export b"},
	} {
		rules := DefaultRules
		rules.KeepDeleted = true
		s := subjectOf("a", c.database, c.git)
		p := NewPlan(Input{Subjects: []*Subject{s}, Policy: document.PreferGit, Rules: rules, Mirrored: 100, HistoryRewritten: true})
		if got := outcome(p.Decisions[0]); got != c.want {
			t.Errorf("%s, %s: got %q, want %q", c.database, c.git, got, c.want)
		}
	}
}

func TestRenamedOntoAFileThatStays(t *testing.T) {
	renamed := func() *Subject {
		s := subjectOf("a", "a", "a")
		s.Base.Path, s.Base.Slug, s.File = "toolkits/was.json", "was", fileOf("a", "was")
		s.Row.ID = "row-2" // its slug is t
		return s
	}
	for _, c := range []struct {
		name     string
		there    *Subject
		keep     bool
		want     string
		wantThat string
	}{
		{"a bad file", subjectOf("b", "-", "!"), false, "file error", "file error"},
		{"a file that goes", subjectOf("b", "-", "b"), false, "export a", "delete file"},
		{"a file that only stays because deletions are kept", subjectOf("b", "-", "b"), true, "export a", "forget"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules, s := DefaultRules, renamed()
			rules.KeepDeleted = c.keep
			p := NewPlan(Input{Subjects: []*Subject{c.there, s}, Policy: document.PreferGit, Rules: rules, Mirrored: 100})
			if got := outcome(decisionFor(p, s)); got != c.want {
				t.Errorf("the renamed row: got %q, want %q", got, c.want)
			}
			if got := outcome(decisionFor(p, c.there)); got != c.wantThat {
				t.Errorf("the file there: got %q, want %q", got, c.wantThat)
			}
		})
	}
}

// Thousands of files that were moved without their slugs are matched in one pass.
func BenchmarkSlips(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		var subjects []*Subject
		for i := range 2000 {
			slug := fmt.Sprintf("t%d", i)
			gone := subjectOf("a", "a", "-")
			renamed := doc("a").Renamed(slug)
			content := document.Encode(renamed)
			gone.Base.Path, gone.Base.Slug, gone.File = "toolkits/"+slug+".json", slug, fileOf("-", slug)
			gone.Base.Content, gone.Base.Digest = &Content{Bytes: content}, renamed.Digest()
			gone.Row.ID, gone.Row.Slug, gone.Row.Document = slug, slug, renamed
			came := newFile("!", "moved-"+slug)
			came.File.Content = &Content{Bytes: content}
			subjects = append(subjects, gone, came)
		}
		b.StartTimer()
		for _, d := range planOf(document.PreferGit, subjects...).Decisions {
			if d.Effect != Refuse {
				b.Fatal(outcome(d))
			}
		}
	}
}
