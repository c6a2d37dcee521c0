package mirror

import (
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

func TestTaken(t *testing.T) {
	for _, c := range []struct {
		name                string
		base, database, git string
		take                document.Policy
		want                string
	}{
		{"both changed", "a", "b", "c", document.PreferDatabase, "export b, conflict taken for database"},
		{"both changed", "a", "b", "c", document.PreferGit, "import c, conflict taken for git"},
		{"both changed, to the same", "a", "b", "b", document.PreferGit, "agree b"},
		{"bad file", "a", "a", "!", document.PreferDatabase, "export a"},
		{"bad file", "a", "a", "!", document.PreferGit, "file error"},
		{"bad row", "a", "!", "b", document.PreferDatabase, "row error"},
		{"bad row", "a", "!", "b", document.PreferGit, "import b"},
		{"file deleted", "a", "a", "-", document.PreferDatabase, "export a"},
		{"file deleted", "a", "b", "-", document.PreferGit, "delete row"},
		{"row edited", "a", "b", "a", document.PreferGit, "import a, conflict taken for git"},
		{"row edited", "a", "b", "a", document.PreferDatabase, "export b"},
		{"nothing agreed", "-", "a", "b", document.PreferDatabase, "export a, conflict taken for database"},
		{"nothing agreed", "-", "a", "b", document.PreferGit, "import b, conflict taken for git"},
		{"nothing agreed, no file", "-", "a", "-", document.PreferGit, "export a"},
		{"deleted row", "a", "-", "a", document.PreferDatabase, "delete file"},
		{"private row", "a", "p:a", "b", document.PreferGit, "delete file, conflict became_private for database"},
	} {
		t.Run(c.name+", "+string(c.take), func(t *testing.T) {
			s := subjectOf(c.base, c.database, c.git)
			s.Edited, s.Taken = true, c.take
			policy := document.PreferGit // the policy has no say
			if c.take == document.PreferGit {
				policy = document.PreferDatabase
			}
			if got := outcome(planOf(policy, s).Decisions[0]); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	t.Run("the brake does not hold what a person decided", func(t *testing.T) {
		subjects := many(30, "a", "-")
		for _, s := range subjects {
			s.Taken = document.PreferGit
		}
		for _, d := range planOf(document.PreferGit, subjects...).Decisions {
			if d.Effect != RemoveRow {
				t.Fatalf("got %q", outcome(d))
			}
		}
	})
}
