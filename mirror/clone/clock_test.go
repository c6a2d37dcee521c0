package clone_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror/clone"
)

// What is kept does not replace what was kept before, when a clock shows the same
// time again.
func TestKeptAtTheSameTime(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(o *clone.Options) { o.Now = func() time.Time { return now } })
	w.commit("main", files{"toolkits/a.json": "1"})
	w.pull(t)
	var commits []string
	for _, mark := range []string{"first", "second", "third"} {
		w.write(t, "toolkits/a.json", mark)
		git(t, w.dir, "commit", "-qam", mark)
		commits = append(commits, git(t, w.dir, "rev-parse", "HEAD"))
		w.commit("main", files{"toolkits/a.json": "after " + mark})
		w.pull(t)
	}
	w.clean(t)
	refs := strings.Fields(git(t, w.dir, "for-each-ref", "--format=%(objectname)", "refs/confmirror/kept"))
	if !slices.Equal(sorted(refs), sorted(commits)) {
		t.Errorf("kept commits %v, want %v", refs, commits)
	}
	var texts []string
	for _, path := range below(t, filepath.Join(w.dir, ".git/confmirror/kept")) {
		texts = append(texts, w.file(t, ".git/confmirror/kept/"+path))
	}
	if want := []string{"first", "second", "third"}; !slices.Equal(sorted(texts), want) {
		t.Errorf("kept files %v, want %v", texts, want)
	}
}

// An edit counts by content: one that leaves size and time as they were, with an
// index that looks older or newer than all files, is an edit all the same.
func TestEditThatTheClockHides(t *testing.T) {
	for _, index := range []time.Duration{-time.Hour, 0, time.Hour} {
		w := newWorld(t)
		w.commit("main", files{"toolkits/a.json": "1", "toolkits/b.json": "1"})
		w.pull(t)
		path := filepath.Join(w.dir, "toolkits/a.json")
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		w.write(t, "toolkits/a.json", "2")
		os.Chtimes(path, fi.ModTime(), fi.ModTime())
		at := fi.ModTime().Add(index)
		os.Chtimes(filepath.Join(w.dir, ".git/index"), at, at)
		// git, too, must look at a file that is as new as the index says it is.
		if out := strings.TrimSpace(git(t, w.dir, "status", "--porcelain")); index <= 0 && out != "M toolkits/a.json" {
			t.Errorf("%s: git sees %q", index, out)
		}
		w.commit("main", files{"toolkits/a.json": "3"})
		w.pull(t)
		w.clean(t)
		if kept := w.kept(t)["toolkits/a.json"]; kept != "2" {
			t.Errorf("%s: the edit is lost: %q", index, kept)
		}
	}
}

// Working files that a clock from the future dated are no edits.
func TestFilesFromTheFutureAreNoEdits(t *testing.T) {
	w := newWorld(t)
	w.commit("main", files{"toolkits/a.json": "1", "skills/s/x": "1"})
	w.pull(t)
	future := time.Now().Add(24 * time.Hour)
	for _, path := range []string{"toolkits/a.json", "skills/s/x"} {
		os.Chtimes(filepath.Join(w.dir, path), future, future)
	}
	w.reopen(t)
	w.clean(t)
	w.commit("main", files{"toolkits/a.json": "2"})
	w.pull(t)
	w.clean(t)
	if len(w.kept(t)) != 0 {
		t.Errorf("kept %v", w.kept(t))
	}
}
