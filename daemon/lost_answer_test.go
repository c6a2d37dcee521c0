package daemon_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// losePush lets the daemon push an edit, hear nothing of what became of it, and not
// find out either, until undo.
func (w *world) losePush(edit func()) (undo func()) {
	w.t.Helper()
	pushed := make(chan func(), 1)
	w.standIn.Inject(bitbuckettest.Fault{Times: 1, CutAnswer: true, Do: func() {
		pushed <- w.standIn.Inject(bitbuckettest.Fault{Status: 503, Body: "upstream"}, bitbuckettest.EndpointFetch)
	}}, bitbuckettest.EndpointPush)
	before := len(w.commits())
	edit()
	undo = <-pushed
	w.eventually("the push is at an end", func() bool { return w.mirror()["state"] == "error" })
	if now := len(w.commits()); now != before+1 {
		w.t.Fatalf("%d commits were pushed, want 1", now-before)
	}
	return undo
}

// onTop is what a person does to the file of a toolkit before the daemon knows that
// its push arrived, and what must come of it.
var onTop = []struct {
	name string
	text string // of the file, "" leaves it, "-" removes it
	want string // name and description, on both sides
}{
	{name: "nothing", want: "B/old"},
	{name: "another place", text: `{"slug": "a", "name": "B", "description": "new"}`, want: "B/new"},
	{name: "the same place", text: `{"slug": "a", "name": "C", "description": "old"}`, want: "C/old"},
	{name: "what it was before", text: `{"slug": "a", "name": "A", "description": "old"}`, want: "A/old"},
	{name: "removed", text: "-", want: ""},
}

// A push that arrived is agreed, however its answer was lost: what a person does on
// top of it is an edit of theirs, and no conflict with our own.
func TestEditOnTopOfAPushWhoseAnswerWasLost_E6(t *testing.T) {
	for _, edit := range onTop {
		t.Run(edit.name, func(t *testing.T) {
			eachWorld(t, nil, func(w *world) {
				w.insert("toolkits", "slug", "'other'", "name", "'Other'")
				w.insert("toolkits", "slug", "'a'", "name", "'A'", "description", "'old'")
				w.synced()
				undo := w.losePush(func() { w.exec("UPDATE toolkits SET name = 'B' WHERE slug = 'a'") })
				switch edit.text {
				case "":
				case "-":
					w.commit(bitbuckettest.Remove("toolkits/a.json"))
				default:
					w.commit(bitbuckettest.Write("toolkits/a.json", edit.text))
				}
				commits := len(w.commits())
				if w.target.Dialect == "sqlite" { // a restart, too
					w.stop()
					undo()
					w.start()
				}
				undo()
				w.synced()
				if got := w.query("SELECT name || '/' || description FROM toolkits WHERE slug = 'a' AND deleted_at IS NULL"); got != edit.want {
					t.Errorf("row: %q, want %q", got, edit.want)
				}
				file, there := w.files()["toolkits/a.json"]
				name, description, _ := strings.Cut(edit.want, "/")
				if there != (edit.want != "") || !strings.Contains(file, name) || !strings.Contains(file, description) {
					t.Errorf("file (there: %v): %s", there, file)
				}
				if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
					t.Errorf("%s conflicts with our own push", n)
				}
				if n := len(w.commits()); n != commits {
					t.Errorf("%d commits after the edit, want none", n-commits)
				}
				if n := w.query("SELECT count(*) FROM mirror_intents"); n != "0" {
					t.Errorf("%s intents are left", n)
				}
				w.checkClone()
			})
		})
	}
}

// What an import agreed on counts, even if an earlier push, whose answer was lost, is
// found out in the same run and the run is overtaken before it can settle.
func TestLostPushDoesNotUndoWhatWasAgreedSince_E6(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		undo := w.losePush(func() { w.exec("UPDATE toolkits SET description = 'first' WHERE slug = 'a'") })
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A","description":"first","x-git":1}`))
		w.standIn.Inject(bitbuckettest.Fault{Times: 1, Do: func() {
			w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A","description":"first","x-git":2}`))
		}}, bitbuckettest.EndpointPush)
		w.exec("UPDATE toolkits SET description = 'second' WHERE slug = 'a'")
		undo()
		w.synced()
		if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
			t.Errorf("%s conflicts where nobody changed the same place", n)
		}
		if file := w.files()["toolkits/a.json"]; !strings.Contains(file, "second") || !strings.Contains(file, `"x-git":2`) {
			t.Errorf("file: %s", file)
		}
	})
}

// Several edits go out as a commit each. Whoever sets the branch back into the middle of
// them before the daemon knows that they arrived leaves some agreed and some undone: the
// latter go out again, and what is edited on top of the former is no conflict with us.
func TestSetBackIntoAPushThatWasNotSettled_E6(t *testing.T) {
	const onTop = `{"slug": "a", "name": "on top"}`
	for _, c := range []struct {
		name string
		edit []bitbuckettest.Change
		want string // the name of a
	}{
		{"nothing", nil, "edited"},
		{"edited on top", []bitbuckettest.Change{bitbuckettest.Write("toolkits/a.json", onTop)}, "on top"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachClocked(t, func(w *clocked) {
				for _, slug := range []string{"a", "b", "c"} {
					w.insert("toolkits", "slug", quote(slug), "name", "'agreed'")
				}
				w.run()
				before := len(w.commits())
				w.exec("UPDATE toolkits SET name = 'edited'")
				store := failingStore{w.store, &boundary{step: 1, err: errCrash}} // before the settle
				runner := &mirror.Runner{Store: store, Rules: mirror.DefaultRules, Committer: modelCommitter, Now: w.now, Logger: w.logger()}
				if _, err := runner.Run(t.Context(), w.load(), w.clone, mirror.Request{RunID: uuid.NewString(), Trigger: "test"}); !errors.Is(err, errCrash) {
					t.Fatalf("the run ended with %v", err)
				}
				if pushed := len(w.commits()) - before; pushed != 3 {
					t.Fatalf("%d commits were pushed, want 3", pushed)
				}
				w.must(w.repo.ForcePush("main", "main~2"))
				if len(c.edit) > 0 {
					w.commit(c.edit...)
				}
				report := w.run()
				if len(report.Commits) != 2 {
					t.Errorf("%d commits went out again, want 2: %+v", len(report.Commits), report)
				}
				if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
					t.Errorf("%s conflicts with our own push", n)
				}
				for slug, name := range map[string]string{"a": c.want, "b": "edited", "c": "edited"} {
					if got := w.query("SELECT name FROM toolkits WHERE slug = %s", quote(slug)); got != name || !w.branchHas(fmt.Sprintf("toolkits/%s.json", slug), name) {
						t.Errorf("%s: row %q, file %s, want %q", slug, got, w.files()["toolkits/"+slug+".json"], name)
					}
				}
				if n := w.query("SELECT count(*) FROM mirror_intents"); n != "0" {
					t.Errorf("%s intents are left", n)
				}
			})
		})
	}
}
