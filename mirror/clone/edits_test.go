package clone_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
)

// edits are what the clone tells of by now, contents by path; files count as still at once.
func (w *world) edits(t *testing.T) (files, *mirror.Edits) {
	t.Helper()
	found, err := w.Edits(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	told := files{}
	for _, ch := range found.Changes {
		told[ch.Path] = string(ch.Content)
	}
	return told, found
}

func (w *world) taken(t *testing.T, found *mirror.Edits, imported bool) {
	t.Helper()
	if err := w.Taken(t.Context(), found.Changes, func(string) bool { return imported }); err != nil {
		t.Fatal(err)
	}
}

// What counts as an edit, and what does not.
func TestEdits(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1", "toolkits/old.json": "one", "skills/s/SKILL.md": "s", "skills/s/run": "r", "README": "1", "commands/gone.json": "1", "commands/empty.json": "1"})
	w.pull(t)
	w.commit("main", files{"toolkits/old.json": "two"})
	w.pull(t)
	if told, _ := w.edits(t); len(told) > 0 {
		t.Errorf("nobody edited anything: %v", told)
	}
	for path, content := range (files{
		"toolkits/a.json": "mine", "toolkits/new.json": "new", "skills/s/more/deep": "d", "skills/t/SKILL.md": "t", // edits
		"toolkits/old.json": "one",                                                                               // was there before
		"README":            "mine", "toolkits/.hidden.json": "h", "toolkits/note.txt": "n", "notes/x.json": "x", // nothing of ours
		"toolkits/a.json~": "b", "toolkits/.a.json.swp": "b", "skills/s/.#SKILL.md": "b", "skills/s/4913": "b", // editors'
		"commands/empty.json": "",
	}) {
		w.write(t, path, content)
	}
	for _, err := range []error{
		os.Chmod(filepath.Join(w.dir, "skills/s/run"), 0o755),
		os.Chmod(filepath.Join(w.dir, "toolkits/old.json"), 0o755),
		os.Remove(filepath.Join(w.dir, "commands/gone.json")),
		os.Symlink("/etc/passwd", filepath.Join(w.dir, "toolkits/link.json")),
		os.Symlink("/etc", filepath.Join(w.dir, "skills/etc")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	told, found := w.edits(t)
	want := files{"toolkits/a.json": "mine", "toolkits/new.json": "new", "skills/s/more/deep": "d", "skills/t/SKILL.md": "t", "skills/s/run": "r"}
	if d := cmp.Diff(want, told); d != "" {
		t.Error(d)
	}
	if i := slices.IndexFunc(found.Changes, func(ch mirror.FileChange) bool { return ch.Path == "skills/s/run" }); i < 0 || !found.Changes[i].Executable {
		t.Error("the mode of a skill's file is not told")
	}
	if found.From != w.head("main") || found.Later {
		t.Errorf("%+v", found)
	}
	if w.file(t, "commands/gone.json") != "1" || w.file(t, "commands/empty.json") != "1" {
		t.Error("missing files are not back")
	}
	if again, _ := w.edits(t); !maps.Equal(again, told) {
		t.Errorf("what was not taken is told again: %v", again)
	}
	w.taken(t, found, false)
	if again, _ := w.edits(t); len(again) > 0 {
		t.Errorf("what was refused is told again: %v", again)
	}
	w.write(t, "toolkits/new.json", "newer")
	if told, _ := w.edits(t); !maps.Equal(told, files{"toolkits/new.json": "newer"}) {
		t.Errorf("%v", told)
	}
}

// A file that is written right now is not told of, and neither is the rest of its skill.
func TestEditsWaitUntilFilesAreStill(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"skills/s/SKILL.md": "s", "toolkits/a.json": "1"})
	w.pull(t)
	w.write(t, "skills/s/SKILL.md", "mine")
	w.write(t, "toolkits/a.json", "")
	found, err := w.Edits(t.Context(), time.Hour)
	if err != nil || len(found.Changes) > 0 || !found.Later {
		t.Errorf("%+v %v", found, err)
	}
	if w.file(t, "toolkits/a.json") != "" {
		t.Error("a file that was just emptied was restored under somebody's hands")
	}
}

// What a checkout moves aside is told of with the commit that it was made on, until it was
// taken; what was taken into the database is not moved aside.
func TestEditsThatACheckoutMet(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1", "toolkits/b.json": "1", "toolkits/c.json": "1"})
	w.pull(t)
	from := w.head("main")
	w.write(t, "toolkits/c.json", "known")
	_, found := w.edits(t)
	w.taken(t, found, true)
	w.write(t, "toolkits/a.json", "mine")
	w.write(t, "toolkits/b.json", "mine too")
	w.commit("main", files{"toolkits/a.json": "2", "toolkits/b.json": "", "toolkits/c.json": "2"})
	w.pull(t)
	if kept := slices.Sorted(maps.Keys(w.kept(t))); !slices.Equal(kept, []string{"toolkits/a.json", "toolkits/b.json"}) {
		t.Errorf("kept %q", kept)
	}
	for range 2 {
		told, found := w.edits(t)
		if d := cmp.Diff(files{"toolkits/a.json": "mine", "toolkits/b.json": "mine too"}, told); d != "" || found.From != from {
			t.Errorf("of %s: %s", found.From, d)
		}
	}
	_, found = w.edits(t)
	w.taken(t, found, true)
	if told, found := w.edits(t); len(told) > 0 || found.From != w.head("main") {
		t.Errorf("of %s: %v", found.From, told)
	}
	w.clean(t)
}

// What was taken is known to the next process, too.
func TestTakenEditsAreRemembered(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1"})
	w.pull(t)
	w.write(t, "toolkits/a.json", "mine")
	_, found := w.edits(t)
	w.taken(t, found, true)
	w.reopen(t)
	if told, _ := w.edits(t); len(told) > 0 {
		t.Errorf("told again: %v", told)
	}
}

// While somebody's git is at work, files are those of other commits.
func TestEditsWaitForGit(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1"})
	w.pull(t)
	w.write(t, "toolkits/a.json", "mine")
	for _, what := range []string{"MERGE_HEAD", "rebase-merge", "CHERRY_PICK_HEAD", "REVERT_HEAD"} {
		at := filepath.Join(w.dir, ".git", what)
		if err := os.WriteFile(at, []byte(w.head("main")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if told, found := w.edits(t); len(told) > 0 || found.Blocked == "" {
			t.Errorf("%s: %+v", what, found)
		}
		if err := os.Remove(at); err != nil {
			t.Fatal(err)
		}
	}
	git(t, w.dir, "checkout", "-q", "-b", "feature")
	if told, found := w.edits(t); len(told) > 0 || !strings.Contains(found.Blocked, "branch") {
		t.Errorf("%+v", found)
	}
	git(t, w.dir, "checkout", "-q", "main")
	if told, _ := w.edits(t); told["toolkits/a.json"] != "mine" {
		t.Errorf("%v", told)
	}
	git(t, w.dir, "commit", "-qam", "Mine")
	w.pull(t) // the branch goes back, the file stays
	if touched, known := w.Touched([]string{"toolkits/a.json"}); !touched || !known {
		t.Errorf("a local commit: touched %v, known %v", touched, known)
	}
	if told, _ := w.edits(t); told["toolkits/a.json"] != "mine" {
		t.Errorf("a local commit: %v", told)
	}
}
