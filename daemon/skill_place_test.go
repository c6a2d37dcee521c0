package daemon_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// twoSkills are mirrored: b, which has another file, and c.
func (w *world) twoSkills() {
	w.t.Helper()
	w.commit(
		bitbuckettest.Write("skills/b/SKILL.md", skill("b")), bitbuckettest.Write("skills/b/deep/notes.md", "of b"),
		bitbuckettest.Write("skills/c/SKILL.md", skill("c")), bitbuckettest.Write("skills/c/run.sh", "of c"),
	)
	w.synced()
}

// wantSkill compares a skill's directory with its files, by their paths in it.
func (w *world) wantSkill(slug string, want ...string) {
	w.t.Helper()
	var got []string
	for _, path := range slices.Sorted(maps.Keys(w.files())) {
		if inside, ok := strings.CutPrefix(path, "skills/"+slug+"/"); ok {
			got = append(got, inside)
		}
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("skills/%s has %q, want %q", slug, got, want)
	}
}

// A skill is all of its directory: what another one left where it moves to goes.
func TestSkillMovesToWhereAnotherOneStayed(t *testing.T) {
	eachWorld(t, func(w *world) { w.config.Sync.Deletions = "keep" }, func(w *world) {
		w.twoSkills()
		w.exec("DELETE FROM skills WHERE slug = 'b'")
		w.synced()
		w.wantSkill("b", "SKILL.md", "deep/notes.md")
		w.exec("UPDATE skills SET slug = 'b' WHERE slug = 'c'")
		w.synced()
		w.wantSkill("b", "SKILL.md", "run.sh")
		w.wantSkill("c")
		w.wantFile("skills/b/SKILL.md", skill("b"))
		w.quiet()
		w.checkClone()
	})
}

// Also where that one was edited on the branch and deleted in the database, and cannot
// come back beside the row that has its slug: the edit is kept.
func TestSkillMovesToWhereADeletedOneWasEdited(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.twoSkills()
		w.apart(func() {
			w.exec("DELETE FROM skills WHERE slug = 'b'")
			w.exec("UPDATE skills SET slug = 'b' WHERE slug = 'c'")
		}, bitbuckettest.Write("skills/b/deep/notes.md", "edited"))
		w.synced()
		w.wantSkill("b", "SKILL.md", "run.sh")
		w.wantSkill("c")
		if kept := w.query("SELECT git FROM conflicts"); !strings.Contains(kept, "edited") && !strings.Contains(kept, "ZWRpdGVk") {
			t.Errorf("the branch's edit is not kept: %q", kept)
		}
		w.quiet()
		w.checkClone()
	})
}
