package daemon_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// atOnce runs all of these at the same time, and waits for them.
func atOnce(all ...func()) {
	var wg sync.WaitGroup
	for _, one := range all {
		wg.Go(one)
	}
	wg.Wait()
}

// TestATransactionArrivesWhole_L1: pushes and imports of one mirror never interleave,
// so no commit of ours ever has a part of what another program wrote at once.
func TestATransactionArrivesWhole_L1(t *testing.T) {
	const rows, rounds = 30, 8
	eachWorld(t, nil, func(w *world) {
		for i := range rows {
			w.insert("toolkits", "slug", quote(fmt.Sprintf("row-%d", i)), "name", "'N'", "description", "'round 0'")
		}
		w.synced()
		hook := w.repo.AddHook(w.url+"/api/bitbucket/webhook", mirror.NewSecret(webhookSecret))
		defer w.repo.RemoveHook(hook)
		atOnce(
			func() {
				for round := range rounds {
					w.exec("UPDATE toolkits SET description = 'round %d' WHERE slug LIKE 'row-%%'", round+1)
				}
			},
			func() {
				for i := range rounds {
					w.commit(bitbuckettest.Write(fmt.Sprintf("toolkits/git-%d.json", i), fmt.Sprintf(`{"slug":"git-%d","name":"N"}`, i)))
				}
			},
			func() {
				for range rounds {
					w.sync()
				}
			},
			func() {
				for range rounds {
					w.sync()
				}
			},
		)
		w.eventually("both sides rest", func() bool {
			w.sync()
			return w.mirror()["pending_changes"].(float64) == 0 && w.branchHas("toolkits/row-0.json", fmt.Sprintf("round %d", rounds)) && w.query("SELECT count(*) FROM toolkits WHERE slug LIKE 'git-%%'") == fmt.Sprint(rounds)
		})
		for _, c := range w.commits() {
			found, err := w.repo.Git("grep", "-h", "-o", "round [0-9]*", string(c.Hash), "--", "toolkits")
			w.must(err)
			seen := map[string]int{}
			for line := range strings.Lines(found) {
				seen[strings.TrimSpace(line)]++
			}
			if len(seen) != 1 {
				w.t.Errorf("commit %.8s has a part of a transaction: %v", c.Hash, seen)
			}
		}
		if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
			w.t.Errorf("%s conflicts", n)
		}
		w.quiet()
		w.checkClone()
	})
}

// TestAStaleRowOverwritesNoNewerFile_L4: what counts is what a row says against what
// was agreed, not when it was written.
func TestAStaleRowOverwritesNoNewerFile_L4(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		slugs := []string{"untouched", "future", "past", "saved", "elsewhere", "older"}
		for _, slug := range slugs {
			w.insert("toolkits", "slug", quote(slug), "name", "'first'")
		}
		w.synced()
		w.exec("UPDATE toolkits SET name = 'second'")
		w.synced()
		w.stop()
		for _, slug := range slugs {
			w.commit(bitbuckettest.Write("toolkits/"+slug+".json", `{"slug":"`+slug+`","name":"third"}`))
		}
		w.exec("UPDATE toolkits SET updated_at = '2099-01-01' WHERE slug = 'future'")
		w.exec("UPDATE toolkits SET updated_at = '1999-01-01' WHERE slug = 'past'")
		w.exec("UPDATE toolkits SET name = name, updated_at = '2099-01-01' WHERE slug = 'saved'")
		w.exec("UPDATE toolkits SET description = 'd' WHERE slug = 'elsewhere'")
		w.exec("UPDATE toolkits SET name = 'first', updated_at = '2099-01-01' WHERE slug = 'older'") // written back by a program that read it long ago
		w.start()
		w.synced()
		for _, slug := range slugs {
			if !w.branchHas("toolkits/"+slug+".json", `"third"`) || w.query("SELECT name FROM toolkits WHERE slug = %s", quote(slug)) != "third" {
				w.t.Errorf("%s: the file says %s, the row %s", slug, w.files()["toolkits/"+slug+".json"], w.query("SELECT name FROM toolkits WHERE slug = %s", quote(slug)))
			}
		}
		if !w.branchHas("toolkits/elsewhere.json", `"d"`) {
			w.t.Error("an edit elsewhere was lost")
		}
		conflicts := w.get("conflicts")["items"].([]any)
		if len(conflicts) != 1 || conflicts[0].(map[string]any)["slug"] != "older" || conflicts[0].(map[string]any)["database"].(map[string]any)["name"] != "first" {
			w.t.Errorf("conflicts: %v", conflicts)
		}
		w.quiet()
	})
}

// TestSavedStaysSaved_L5: a save through the API is there whatever runs meanwhile, and
// reaches the branch when it can.
func TestSavedStaysSaved_L5(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'before'")
		w.insert("toolkits", "slug", "'b'", "name", "'B'")
		w.synced()
		still := func(when string) {
			w.t.Helper()
			if name := w.get("toolkits/a")["name"]; name != "saved" {
				w.t.Errorf("%s the save is gone: %v", when, name)
			}
		}
		w.repo.Restrict("main")
		w.put("toolkits/a", map[string]any{"slug": "a", "name": "saved"})
		still("at once")
		w.sync()
		still("after a run that may not push")
		w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"from git"}`))
		w.sync()
		still("after a push of something else")
		undo := w.standIn.Inject(bitbuckettest.Down(503), bitbuckettest.GitEndpoints...)
		w.sync()
		still("while the remote is down")
		undo()
		w.stop()
		w.start()
		w.sync()
		still("after a restart")
		w.repo.Unrestrict()
		w.synced()
		still("once it is pushed")
		if !w.branchHas("toolkits/a.json", `"saved"`) || w.query("SELECT name FROM toolkits WHERE slug = 'b'") != "from git" {
			w.t.Errorf("the branch: %v", w.files())
		}
		w.quiet()
	})
}

// TestAStaleReadDoesNotWin_L6: the remote is at one commit, as its webhook tells, and a
// read still answers with the one before. That one wins on neither side, in the end.
func TestAStaleReadDoesNotWin_L6(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'first'")
		w.synced()
		before := w.commits()[0].Hash
		w.exec("UPDATE toolkits SET name = 'second' WHERE slug = 'a'")
		w.insert("toolkits", "slug", "'new'", "name", "'New'")
		w.synced()
		id := w.query("SELECT id FROM toolkits WHERE slug = 'new'")
		after := w.commits()[0].Hash
		stale := w.standIn.Inject(bitbuckettest.Fault{Times: 1, Do: func() {
			_, err := w.repo.Git("update-ref", "refs/heads/main", string(before))
			w.must(err)
		}}, bitbuckettest.EndpointFetch)
		w.sync()
		stale()
		_, err := w.repo.Git("update-ref", "refs/heads/main", string(after))
		w.must(err)
		w.synced()
		if !w.branchHas("toolkits/a.json", "second") || !w.branchHas("toolkits/new.json", "New") {
			w.t.Errorf("the branch: %v", w.files())
		}
		if got := w.query("SELECT name FROM toolkits WHERE slug = 'a'"); got != "second" {
			w.t.Errorf("the row says %s", got)
		}
		if got := w.query("SELECT id FROM toolkits WHERE slug = 'new' AND deleted_at IS NULL"); got != id {
			w.t.Errorf("the row that the stale read did not know is %q, was %q", got, id)
		}
		if head := w.commits()[0].Hash; head != after {
			w.t.Errorf("a commit was made of a stale read: %s", head)
		}
		w.quiet()
	})
}

// TestOneSlugFromBothSidesAtOnce_L11: a row and a file of one slug are made at the same
// time, again and again: there is one row, and both sides agree.
func TestOneSlugFromBothSidesAtOnce_L11(t *testing.T) {
	const rounds = 12
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'first'", "name", "'F'")
		w.synced()
		for i := range rounds {
			slug := fmt.Sprintf("twin-%d", i)
			atOnce(
				func() { w.insert("toolkits", "slug", quote(slug), "name", "'N'", "description", "'row'") },
				func() {
					w.commit(bitbuckettest.Write("toolkits/"+slug+".json", `{"slug":"`+slug+`","name":"N","status":"draft"}`))
					w.sync()
				},
				func() { w.sync() },
			)
		}
		w.eventually("both sides rest", func() bool { w.sync(); return w.mirror()["pending_changes"].(float64) == 0 })
		for i := range rounds {
			slug := fmt.Sprintf("twin-%d", i)
			if n := w.query("SELECT count(*) FROM toolkits WHERE slug = %s AND deleted_at IS NULL AND description = 'row' AND status = 'draft'", quote(slug)); n != "1" {
				w.t.Errorf("%s: %s rows that say what both sides wrote", slug, n)
			}
			if !w.branchHas("toolkits/"+slug+".json", "row") || !w.branchHas("toolkits/"+slug+".json", "draft") {
				w.t.Errorf("%s: the file says %s", slug, w.files()["toolkits/"+slug+".json"])
			}
		}
		if n := w.query("SELECT count(*) FROM toolkits"); n != fmt.Sprint(rounds+1) {
			w.t.Errorf("%s rows, deleted ones included", n)
		}
		w.quiet()
		w.checkClone()
	})
}
