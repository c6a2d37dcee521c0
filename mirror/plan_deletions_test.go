package mirror

import (
	"fmt"
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

// A pair that was parted under "deletions: keep" stays so until the remaining side
// is edited or removed, whatever the setting is by then.
func TestPartedPairs(t *testing.T) {
	for _, c := range []struct {
		name          string
		database, git string
		edited        bool
		want          string
	}{
		{"the file remains", "-", "a", false, "part"},
		{"the file remains, reformatted", "-", "a~", false, "part"},
		{"the file was edited", "-", "b", false, "import b"},
		{"the file was removed", "-", "-", false, "forget"},
		{"the row remains", "a", "-", false, "part"},
		{"the row was edited", "b", "-", true, "export b"},
		{"the row was saved as it was", "a", "-", true, "export a"},
		{"the row was removed", ".", "-", false, "forget"},
		{"the row was restored", "a", "a", false, "nothing"},
		{"the file became invalid", "-", "!", false, "file error"},
	} {
		for _, keep := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, keep is %v", c.name, keep), func(t *testing.T) {
				git, form := c.git, ""
				if git == "a~" {
					git, form = "a", "-reformatted"
				}
				s := subjectOf("a", c.database, git)
				s.File.GitID += form
				s.Base.Parted, s.Edited = true, c.edited
				rules := DefaultRules
				rules.KeepDeleted = keep
				p := NewPlan(Input{Subjects: []*Subject{s}, Policy: document.PreferGit, Rules: rules, Mirrored: 100})
				if got := outcome(p.Decisions[0]); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		}
	}
}

// numbered are n subjects of toolkits that differ in their names.
func numbered(t *testing.T, n int, prefix string, of func(text string) state) []*Subject {
	var subjects []*Subject
	for i := range n {
		slug := fmt.Sprintf("%s%d", prefix, i)
		s := of(fmt.Sprintf(`{"slug":%q,"name":"Toolkit %s","description":"about %s"}`, slug, slug, slug)).subject(t)
		s.Row.ID, s.Base.RowID = slug, slug
		subjects = append(subjects, s)
	}
	return subjects
}

// The brake holds deletions and nothing else, each direction by itself.
func TestBrakeHoldsDeletionsOnly_D5(t *testing.T) {
	fileGone := func(text string) state { return state{document.Toolkits, text, text, ""} }
	rowGone := func(text string) state { return state{document.Toolkits, text, "", text} }
	edit := func(text string) string { return text[:len(text)-1] + `,"status":"draft"}` }
	rowEdited := func(text string) state { return state{document.Toolkits, text, edit(text), text} }
	fileEdited := func(text string) state { return state{document.Toolkits, text, text, edit(text)} }
	private := func(s []*Subject) []*Subject {
		for _, s := range s {
			s.Row.Private = true
		}
		return s
	}
	rowRenamed := func(text string) state {
		return state{document.Toolkits, text, `{"slug":"new-` + text[len(`{"slug":"`):], text}
	}
	verdict := func(v Verdict, s []*Subject) []*Subject {
		for _, s := range s {
			s.Left = &Unsettled{Reason: ReasonHeld, Verdict: v, GitID: s.File.GitID}
		}
		return s
	}
	all := func(lists ...[]*Subject) (joined []*Subject) {
		for _, list := range lists {
			joined = append(joined, list...)
		}
		return joined
	}
	for _, c := range []struct {
		name     string
		subjects []*Subject
		mirrored int
		deleted  map[Direction]int
		held     map[Direction]int
		holds    int
		deletes  int
	}{
		{"ten go, whatever they are of", numbered(t, 10, "a", fileGone), 12, nil, nil, 0, 10},
		{"eleven of fifty-four are held", numbered(t, 11, "a", fileGone), 54, nil, nil, 11, 0},
		{"eleven of fifty-five go", numbered(t, 11, "a", fileGone), 55, nil, nil, 0, 11},
		{"each direction counts by itself", all(numbered(t, 10, "a", fileGone), numbered(t, 10, "b", rowGone)), 25, nil, nil, 0, 20},
		{"one direction is held, the other goes on", all(numbered(t, 11, "a", fileGone), numbered(t, 2, "b", rowGone)), 20, nil, nil, 11, 2},
		{"the last hour of the other direction does not count", numbered(t, 5, "a", fileGone), 20, map[Direction]int{ToGit: 10}, nil, 0, 5},
		{"the last hour counts", numbered(t, 1, "a", fileGone), 20, map[Direction]int{ToDatabase: 10}, nil, 1, 0},
		{"all of more than one, in two steps", numbered(t, 1, "a", rowGone), 2, map[Direction]int{ToGit: 1}, nil, 1, 0},
		{"all but one go", numbered(t, 2, "a", rowGone), 3, nil, nil, 0, 2},
		{"changes do not count and go on", all(numbered(t, 11, "a", fileGone), numbered(t, 20, "b", rowEdited), numbered(t, 20, "c", fileEdited)), 51, nil, nil, 11, 0},
		{"rows that became private do not count", all(private(numbered(t, 30, "a", stays)), numbered(t, 5, "b", rowGone)), 50, nil, nil, 0, 35},
		{"renames do not count", numbered(t, 30, "a", rowRenamed), 40, nil, nil, 0, 0},
		{"an approved list goes, however long", verdict(Approved, numbered(t, 30, "a", fileGone)), 30, nil, nil, 0, 30},
		{"what came after the approval is counted by itself", all(verdict(Approved, numbered(t, 30, "a", fileGone)), numbered(t, 2, "b", fileGone)), 100, nil, nil, 0, 32},
		{"an undecided list stays, fresh ones join it", all(verdict(Undecided, numbered(t, 21, "a", fileGone)), numbered(t, 1, "b", fileGone)), 100, nil, map[Direction]int{ToDatabase: 21}, 22, 0},
		{"a discarded list comes back", verdict(Discarded, numbered(t, 30, "a", fileGone)), 30, nil, nil, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPlan(Input{Subjects: c.subjects, Policy: document.PreferGit, Rules: DefaultRules, Mirrored: c.mirrored, Deleted: c.deleted, Held: c.held})
			holds, deletes := 0, 0
			for _, d := range p.Decisions {
				switch d.Effect {
				case Hold:
					holds++
				case RemoveFile, RemoveRow:
					deletes++
				case Converge:
				default:
					t.Errorf("%s: %s", d.Slug(), outcome(d))
				}
			}
			if holds != c.holds || deletes != c.deletes {
				t.Errorf("%d held and %d deleted, want %d and %d", holds, deletes, c.holds, c.deletes)
			}
		})
	}
}

// stays is there on both sides.
func stays(text string) state { return state{document.Toolkits, text, text, text} }

// A held deletion that is none any more is free; one that was approved is planned anew.
func TestHeldDeletionsArePlannedAnew(t *testing.T) {
	for _, c := range []struct {
		verdict       Verdict
		database, git string
		want          string
	}{
		{Undecided, "-", "b", "import b"},      // the file was edited
		{Undecided, "a", "a", "nothing"},       // it came back
		{Undecided, "-", "-", "forget"},        // both are gone
		{Undecided, "p:a", "a", "delete file"}, // private: no deletion that counts
		{Approved, "b", "-", "export b"},
		{Approved, "-", "b", "import b"},
		{Approved, "a", "!", "file error"},
		{Discarded, "b", "-", "export b"},
		{Discarded, "-", "-", "forget"},
	} {
		s := subjectOf("a", c.database, c.git)
		s.Left = &Unsettled{Reason: ReasonHeld, Verdict: c.verdict}
		if got := outcome(planOf(document.PreferGit, s).Decisions[0]); got != c.want {
			t.Errorf("%q of %s, %s: got %q, want %q", c.verdict, c.database, c.git, got, c.want)
		}
	}
}
