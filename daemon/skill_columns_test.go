package daemon_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror"
)

// The description of a skill stands in its column, too. An edit there is an edit of the
// skill, unless SKILL.md says another one since.
func TestDescriptionOfASkillEditedInTheColumn_L5(t *testing.T) {
	main := func(description, body string) string {
		return "---\nname: s\ndescription: " + description + "\n---\n" + body
	}
	write := func(w *world, text string) {
		w.t.Helper()
		w.exec("UPDATE skill_files SET content = %s", w.blob(text))
	}
	// together makes edits that no run comes between.
	together := func(w *world, edit func()) {
		w.t.Helper()
		w.call("POST", "mirror/pause", nil)
		edit()
		w.call("POST", "mirror/resume", nil)
		w.synced()
	}
	eachWorld(t, nil, func(w *world) {
		id := "5f6d1c3e-0000-4000-8000-000000000001"
		w.insert("skills", "id", quote(id), "slug", "'s'", "name", "'s'", "description", "'old'", "owner_id", quote(w.orgID))
		w.exec("INSERT INTO skill_files (skill_id, path, content) VALUES (%s, 'SKILL.md', %s)", quote(id), w.blob(main("old", "body")))
		w.synced()
		w.exec("UPDATE skills SET description = 'before it was ever exported', owner_id = NULL")
		w.synced()
		if got := w.files()["skills/s/SKILL.md"]; !strings.Contains(got, "before it was ever exported") {
			t.Errorf("nothing agreed yet: %s", got)
		}
		together(w, func() {
			write(w, main("before it was ever exported", "another body"))
			w.exec("UPDATE skills SET description = 'beside another body'")
		})
		if got := w.files()["skills/s/SKILL.md"]; !strings.Contains(got, "beside another body") || !strings.Contains(got, "another body\n") && !strings.HasSuffix(got, "another body") {
			t.Errorf("both edited: %s", got)
		}
		together(w, func() {
			write(w, main("from SKILL.md", "body"))
			w.exec("UPDATE skills SET description = 'from the column'")
		})
		if got := w.query("SELECT description FROM skills"); got != "from SKILL.md" || !w.branchHas("skills/s/SKILL.md", "from SKILL.md") {
			t.Errorf("SKILL.md decides: column %q, file %s", got, w.files()["skills/s/SKILL.md"])
		}
		w.quiet()
	})
}

// The columns of a skill follow SKILL.md once it is exported. What somebody did to the
// row meanwhile is not part of that.
func TestSkillEditedWhileItIsExported_L5(t *testing.T) {
	for name, c := range map[string]struct {
		set  string
		want string // the skills that are on the branch after the next run
	}{
		"made private": {"owner_id = 'jane'", ""},
		"renamed":      {"slug = 'b'", "skills/b/SKILL.md"},
		"deleted":      {"deleted_at = CURRENT_TIMESTAMP", ""},
	} {
		t.Run(name, func(t *testing.T) {
			eachClocked(t, func(w *clocked) {
				w.insertSkill("a", map[string]string{"SKILL.md": skill("a")})
				pushed := &boundary{step: 1, after: true, do: func() { w.exec("UPDATE skills SET %s", c.set) }}
				runner := &mirror.Runner{Store: failingStore{w.store, pushed}, Rules: mirror.DefaultRules, Committer: modelCommitter, Now: w.now, Logger: w.logger()}
				_, err := runner.Run(t.Context(), w.load(), failingClone{w.clone, pushed}, mirror.Request{RunID: uuid.NewString(), Trigger: "test", Look: true})
				w.must(err)
				if !w.branchHas("skills/a/SKILL.md", "name: a") {
					t.Fatalf("not exported: %v", w.files())
				}
				w.run()
				var got []string
				for path := range w.files() {
					got = append(got, path)
				}
				if strings.Join(got, " ") != c.want {
					t.Errorf("on the branch: %q, want %q", got, c.want)
				}
			})
		})
	}
}
