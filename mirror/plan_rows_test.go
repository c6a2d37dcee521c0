package mirror

import (
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

// The corners of the decision table: rows of TestDecisionTable with something more
// that was observed.
func TestDecisionCorners(t *testing.T) {
	reformatted := func(s *Subject) { s.File.GitID += "-reformatted" }
	edited := func(s *Subject) { s.Edited = true }
	left := func(reason Reason, gitID, database string) func(*Subject) {
		return func(s *Subject) {
			s.Left = &Unsettled{Reason: reason, GitID: gitID, Digest: doc(database).Digest()}
		}
	}
	both := func(changes ...func(*Subject)) func(*Subject) {
		return func(s *Subject) {
			for _, change := range changes {
				change(s)
			}
		}
	}
	another := func(s *Subject) { s.Row.ID, s.Replaced, s.Edited = "row-2", true, true }
	for _, c := range []struct {
		name                string
		base, database, git string
		observed            func(s *Subject)
		want, wantDatabase  string
	}{
		{"saved as it was, same", "a", "a", "a", edited, "nothing", ""},
		{"same, changed in form only", "a", "a", "a", reformatted, "nothing", ""},
		{"changed, changed in form only", "a", "b", "a", reformatted, "export b", ""},
		{"deleted, changed in form only", "a", "-", "a", reformatted, "delete file", ""},
		{"private, changed in form only", "a", "p:a", "a", reformatted, "delete file", ""},
		{"saved as it was, changed", "a", "a", "b", edited, "import b", ""},
		{"saved as it was, deleted", "a", "a", "-", edited, "delete row", ""},

		{"changed in the run that finds the file bad", "a", "b", "!", edited, "file error", ""},
		{"changed before the file was found bad", "a", "b", "!", left(ReasonInvalid, gitID("!"), "b"), "file error", ""},
		{"changed after the file was found bad", "a", "c", "!", left(ReasonInvalid, gitID("!"), "b"), "export c", ""},
		{"saved as it was after that", "a", "b", "!", both(left(ReasonInvalid, gitID("!"), "b"), edited), "export b", ""},
		{"saved after that, and the file is bad in another way now", "a", "b", "!", both(left(ReasonInvalid, "another", "b"), edited), "file error", ""},
		{"deleted after the file was found bad", "a", "-", "!", both(left(ReasonInvalid, gitID("!"), "a"), edited), "file error", ""},
		{"the bad file is deleted", "a", "a", "-", left(ReasonInvalid, gitID("!"), "a"), "delete row", ""},
		{"the bad file is mended", "a", "a", "b", left(ReasonInvalid, gitID("!"), "a"), "import b", ""},
		{"the bad file is taken back", "a", "a", "a", left(ReasonInvalid, gitID("!"), "a"), "nothing", ""},
		{"the bad file is mended, the row changed", "a", "b", "a+1", left(ReasonInvalid, gitID("!"), "a"), "merge b+1", ""},
		{"a first connection finds it bad, then the row changes", "-", "b", "!", both(left(ReasonInvalid, gitID("!"), "a"), edited), "export b", ""},

		{"a push was refused meanwhile", "a", "b", "a", left(ReasonBlocked, gitID("a"), "b"), "export b", ""},
		{"a row was locked meanwhile", "a", "a", "b", left(ReasonRaced, gitID("b"), "a"), "import b", ""},

		{"no base, different in several keys", "-", "a+1", "b", nil, "merge b+1, conflict both_changed for git", "export a+1, conflict both_changed for database"},
		{"no base, private", "-", "p:a", "-", nil, "nothing", ""},

		{"another row, same", "a", "b", "a", another, "export b", ""},
		{"another row, equal to the file", "a", "a", "a", another, "agree a", ""},
		{"another row, changed in form only", "a", "b", "a", both(another, reformatted), "export b", ""},
		{"another row, changed elsewhere in the document", "a", "b", "a+1", another, "import a+1, conflict replaced for git", "export b, conflict replaced for database"},
		{"another row, changed to what it holds", "a", "b", "b", another, "agree b", ""},
		{"another row, deleted", "a", "b", "-", another, "export b", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for policy, want := range map[document.Policy]string{document.PreferGit: c.want, document.PreferDatabase: cmpOr(c.wantDatabase, c.want)} {
				s := subjectOf(c.base, c.database, c.git)
				if c.observed != nil {
					c.observed(s)
				}
				if got := outcome(planOf(policy, s).Decisions[0]); got != want {
					t.Errorf("policy %s: got %q, want %q", policy, got, want)
				}
			}
		})
	}
}

// A file that appears under the slug of a soft-deleted row is that row again.
func TestFileOfADeletedRowRestoresIt(t *testing.T) {
	d := planOf(document.PreferGit, subjectOf("-", "-", "b")).Decisions[0]
	if got := outcome(d); got != "import b" || d.Row == nil || d.Row.ID != "row-1" || !d.toRow || d.toFile {
		t.Errorf("got %q into %+v", got, d.Row)
	}
}

// After a force-push what an import or a deletion replaces is kept, once.
func TestRewrittenHistory_F1(t *testing.T) {
	for _, c := range []struct{ base, database, git, want string }{
		{"a", "a", "b", "import b, conflict history_rewritten for git"},
		{"a", "a", "-", "delete row, conflict history_rewritten for git"},
		{"a", "b", "a+1", "merge b+1, conflict history_rewritten for git"},
		{"a", "b", "c", "import c, conflict both_changed for git"},
		{"a", "b", "a", "export b"},
		{"a", "b", "-", "export b"},
		{"a", "-", "a", "delete file"},
		{"a", "a", "a", "nothing"},
		{"a", "b", "b", "agree b"},
		{"a", "a", "!", "file error"},
		{"-", ".", "b", "import b"},
		{"a", "-", "b", "import b"},
	} {
		s := subjectOf(c.base, c.database, c.git)
		p := NewPlan(Input{Subjects: []*Subject{s}, Policy: document.PreferGit, Rules: DefaultRules, Mirrored: 100, HistoryRewritten: true})
		if got := outcome(p.Decisions[0]); got != c.want {
			t.Errorf("%s, %s, %s: got %q, want %q", c.base, c.database, c.git, got, c.want)
		}
	}
}

// An unknown key of a row leaves only if the file has or had it, or it says that it may.
func TestUnknownKeysThatLeave_C3(t *testing.T) {
	const row = `{"slug":"t","name":"T","description":"d","internal":1,"x-note":2,"$schema":"s"}`
	for _, c := range []struct{ name, base, git, want string }{
		{"no file", "", "", `{"slug":"t","name":"T","description":"d","x-note":2,"$schema":"s"}`},
		{"the file never had it", `{"slug":"t","name":"T"}`, `{"slug":"t","name":"T"}`, `{"slug":"t","name":"T","description":"d","x-note":2,"$schema":"s"}`},
		{"the file has it", `{"slug":"t","name":"T","internal":0}`, `{"slug":"t","name":"T","internal":0}`, row},
		{"the file had it", `{"slug":"t","name":"T","internal":1}`, ``, row},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := planOf(document.PreferDatabase, state{document.Toolkits, c.base, row, c.git}.subject(t)).Decisions[0]
			becomes(t, d, c.want)
			if d.stored(d.Document).Digest() != docOf(t, document.Toolkits, testSlug, row).Digest() {
				t.Error("what stays in the database is not kept in the row")
			}
		})
	}
}
