package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestFaultsAreToldApart_I2: what passes is tried again by itself, what lost a race at
// once, and what a person must decide is left alone until somebody asks.
func TestFaultsAreToldApart_I2(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'first'")
		w.insert("toolkits", "slug", "'b'", "name", "'B'")
		w.synced()
		pushes := func() int { return w.standIn.Count(bitbuckettest.EndpointPush) }

		// Transient: state error, and nobody has to do anything.
		undo := w.standIn.Inject(bitbuckettest.Down(502), bitbuckettest.GitEndpoints...)
		w.exec("UPDATE toolkits SET name = 'second' WHERE slug = 'a'")
		if report := w.sync(); report["state"] != "error" {
			w.t.Errorf("transient: %v", report)
		}
		undo()
		w.eventually("it passes by itself", func() bool { return w.branchHas("toolkits/a.json", "second") && w.mirror()["state"] == "ok" })

		// Raced: the same run wins the next time, and says nothing of it.
		before := pushes()
		w.standIn.Inject(bitbuckettest.Fault{Times: 2, Do: func() {
			w.commit(bitbuckettest.Write("toolkits/b.json", fmt.Sprintf(`{"slug":"b","name":"B%d"}`, pushes())))
		}}, bitbuckettest.EndpointPush)
		w.exec("UPDATE toolkits SET name = 'third' WHERE slug = 'a'")
		if report := w.sync(); report["state"] != "ok" || report["errors"].(float64) != 0 || !w.branchHas("toolkits/a.json", "third") {
			w.t.Errorf("raced: %v, mirror %v", report, w.mirror())
		}
		if n := pushes() - before; n != 3 {
			w.t.Errorf("raced: %d pushes, want two that lose and one that wins", n)
		}

		// Permanent: state blocked with a remedy; runs that nobody asked for do not push again.
		w.repo.Restrict("main")
		w.exec("UPDATE toolkits SET name = 'fourth' WHERE slug = 'a'")
		if report := w.sync(); report["state"] != "blocked" || w.mirror()["detail"].(map[string]any)["remedy"] == "" {
			w.t.Errorf("permanent: %v", report)
		}
		before = pushes()
		for i := range 5 {
			w.exec("UPDATE toolkits SET description = '%d' WHERE slug = 'a'", i)
			w.nudge()
			last := w.commits()[0].Hash
			w.eventually("the nudge is answered", func() bool { return w.mirror()["synced_commit"] == string(last) })
		}
		if n := pushes() - before; n != 0 {
			w.t.Errorf("permanent: %d pushes that nobody asked for", n)
		}
		w.repo.Unrestrict()
		w.synced() // a person asks
		if !w.branchHas("toolkits/a.json", "fourth") {
			w.t.Errorf("what was blocked is lost: %s", w.files()["toolkits/a.json"])
		}
		w.quiet()
	})
}

// TestABacklogDrainsInAFewRuns_I13: hours of edits on both sides while the remote is
// down are one import and one push, not one for each.
func TestABacklogDrainsInAFewRuns_I13(t *testing.T) {
	const n = 150
	eachWorld(t, nil, func(w *world) {
		for i := range n {
			w.insert("toolkits", "slug", quote(fmt.Sprintf("row-%d", i)), "name", "'N'")
		}
		w.synced()
		undo := w.standIn.Inject(bitbuckettest.Down(503), bitbuckettest.GitEndpoints...)
		for i := range n {
			w.exec("UPDATE toolkits SET name = 'Edited %d' WHERE slug = 'row-%d'", i, i)
			if i%10 == 0 {
				w.commit(bitbuckettest.Write(fmt.Sprintf("toolkits/file-%d.json", i), fmt.Sprintf(`{"slug":"file-%d","name":"F"}`, i)))
			}
		}
		if state := w.sync()["state"]; state != "error" {
			w.t.Errorf("state %v while the remote is down", state)
		}
		undo()
		pushes, requests, runs := w.standIn.Count(bitbuckettest.EndpointPush), w.standIn.Count(), w.query("SELECT count(*) FROM sync_runs")
		w.eventually("the backlog is gone", func() bool {
			m := w.mirror()
			return m["state"] == "ok" && m["pending_changes"].(float64) == 0 && w.query("SELECT count(*) FROM toolkits WHERE slug LIKE 'file-%%'") == fmt.Sprint(n/10)
		})
		if n := w.standIn.Count(bitbuckettest.EndpointPush) - pushes; n > 2 {
			w.t.Errorf("%d pushes", n)
		}
		if n := w.standIn.Count() - requests; n > 20 {
			w.t.Errorf("%d requests", n)
		}
		if n := w.query("SELECT count(*) - %s FROM sync_runs", runs); len(n) > 1 || n > "3" {
			w.t.Errorf("%s runs", n)
		}
		files := w.files()
		for i := range n {
			if text := files[fmt.Sprintf("toolkits/row-%d.json", i)]; !strings.Contains(text, fmt.Sprintf("Edited %d", i)) {
				w.t.Errorf("row-%d was lost: %s", i, text)
			}
		}
		w.quiet()
		w.checkClone()
	})
}
