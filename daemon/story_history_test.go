package daemon_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestForcePushToAnOlderCommit_F1: a person sets the branch back. That is a change like
// any other, and what it replaces in the database is kept.
func TestForcePushToAnOlderCommit_F1(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"a", "b", "c", "d"} {
			w.insert("toolkits", "slug", quote(slug), "name", "'first'")
		}
		w.synced()
		old := w.commits()[0].Hash
		w.exec("UPDATE toolkits SET name = 'second' WHERE slug = 'a'")
		w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"second"}`))
		w.insert("toolkits", "slug", "'late'", "name", "'Late'")
		w.synced()
		w.must(w.repo.ForcePush("main", string(old)))
		w.synced()
		if got := w.query("SELECT count(*) FROM toolkits WHERE name = 'first' AND deleted_at IS NULL"); got != "4" {
			w.t.Errorf("%s rows say what the branch says", got)
		}
		kept := map[any]any{}
		for _, item := range w.get("conflicts")["items"].([]any) {
			c := item.(map[string]any)
			if c["reason"] != "history_rewritten" {
				w.t.Errorf("conflict: %v", c)
			}
			kept[c["slug"]] = c["database"].(map[string]any)["name"]
		}
		if len(kept) != 3 || kept["a"] != "second" || kept["b"] != "second" || kept["late"] != "Late" {
			w.t.Errorf("kept: %v", kept)
		}
		if head := w.commits()[0].Hash; head != old {
			w.t.Errorf("the branch was moved to %s", head)
		}
		w.quiet()
		w.checkClone()
		// It goes on from there, in both directions.
		w.exec("UPDATE toolkits SET name = 'third' WHERE slug = 'a'")
		w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"third"}`))
		w.synced()
		if !w.branchHas("toolkits/a.json", "third") || w.query("SELECT name FROM toolkits WHERE slug = 'b'") != "third" {
			w.t.Errorf("nothing goes on: %v", w.files())
		}
		w.quiet()
		w.checkClone()
	})
}

// What only the database has after that, because deletions are kept, is not lost when
// another file comes where it was.
func TestForcePushWhereDeletionsAreKept_F1(t *testing.T) {
	eachWorld(t, func(w *world) { w.config.Sync.Deletions = "keep" }, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"written on the branch"}`))
		w.synced()
		w.must(w.repo.ForcePush("main", "main~1"))
		w.synced()
		if got := w.live("toolkits"); got != "2" {
			t.Errorf("%s rows are left", got)
		}
		w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"another one"}`))
		w.synced()
		if got := w.query("SELECT name FROM toolkits WHERE slug = 'b'"); got != "another one" {
			t.Errorf("row: %q", got)
		}
		if c := w.conflict(); c["reason"] != "history_rewritten" || c["database"].(map[string]any)["name"] != "written on the branch" {
			t.Errorf("conflict: %v", c)
		}
		w.quiet()
	})
}

// TestRemoteHistoryIsNeverRewritten_F2: the remote would refuse whatever is no
// fast-forward, and nothing that we do ever needs it; each head of ours contains every
// one that was there before.
func TestRemoteHistoryIsNeverRewritten_F2(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, key := range []string{"receive.denyNonFastForwards", "receive.denyDeletes"} {
			_, err := w.repo.Git("config", key, "true")
			w.must(err)
		}
		for i := range 6 {
			w.insert("toolkits", "slug", quote(fmt.Sprintf("t%d", i)), "name", "'first'")
		}
		w.synced()
		var heads []string
		step := func(what string, do func()) {
			w.t.Helper()
			heads = append(heads, string(w.commits()[0].Hash))
			do()
			w.sync()
			w.eventually(what, func() bool {
				m := w.mirror()
				return m["state"] == "ok" && m["pending_changes"].(float64) == 0
			})
			head := string(w.commits()[0].Hash)
			for _, before := range heads {
				if _, err := w.repo.Git("merge-base", "--is-ancestor", before, head); err != nil {
					w.t.Errorf("%s: %.8s does not contain %.8s", what, head, before)
				}
			}
		}
		step("an edit", func() { w.exec("UPDATE toolkits SET name = 'second' WHERE slug = 't0'") })
		step("a commit before our push", func() {
			w.standIn.Inject(bitbuckettest.Fault{Times: 1, Do: func() { w.commit(bitbuckettest.Write("toolkits/t1.json", `{"slug":"t1","name":"git"}`)) }}, bitbuckettest.EndpointPush)
			w.exec("UPDATE toolkits SET name = 'third' WHERE slug IN ('t0', 't1')")
		})
		step("an answer that is lost", func() {
			w.standIn.Inject(bitbuckettest.Fault{Times: 1, CutAnswer: true}, bitbuckettest.EndpointPush)
			w.exec("UPDATE toolkits SET description = 'd' WHERE slug = 't2'")
		})
		step("a rename", func() { w.exec("UPDATE toolkits SET slug = 'renamed' WHERE slug = 't3'") })
		step("a deletion", func() { w.exec("DELETE FROM toolkits WHERE slug = 't4'") })
		step("a row that becomes private", func() {
			w.exec("UPDATE toolkits SET owner_id = '8b8f9e9e-8d9e-4f7e-9d7b-222222222222' WHERE slug = 't5'")
		})
		step("a clone made anew", func() {
			w.stop()
			w.must(os.RemoveAll(w.cloneDir()))
			w.start()
			w.exec("UPDATE toolkits SET name = 'fourth' WHERE slug = 't0'")
		})
		step("an import that is merged", func() {
			w.repo.Restrict("main")
			w.exec("UPDATE toolkits SET name = 'fifth' WHERE slug = 't0'")
			w.sync()
			w.commit(bitbuckettest.Write("toolkits/t0.json", `{"slug":"t0","name":"git","description":"git"}`))
			w.repo.Unrestrict()
		})
		for _, c := range w.commits() {
			if len(c.Parents) > 1 {
				w.t.Errorf("%.8s is a merge", c.Hash)
			}
		}
		w.quiet()
	})
}

// TestALostCloneImportsNothing_F4: what was synced is known to the database, so a clone
// that has to be made anew brings in what is new, and nothing else.
func TestALostCloneImportsNothing_F4(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for i := range 5 {
			w.insert("toolkits", "slug", quote(fmt.Sprintf("t%d", i)), "name", "'N'")
		}
		w.insertSkill("triage", map[string]string{"SKILL.md": skillMD})
		w.synced()
		stamps := func() string {
			return w.query("SELECT string_agg(CAST(updated_at AS TEXT), ' ') FROM (SELECT updated_at FROM toolkits ORDER BY slug) t")
		}
		if !w.isPostgres() {
			stamps = func() string { return w.query("SELECT group_concat(updated_at) FROM toolkits") }
		}
		before, commits := stamps(), len(w.commits())
		w.stop()
		w.must(os.RemoveAll(w.cloneDir()))
		w.start()
		if report := w.synced(); report["imported"].(float64) != 0 || report["exported"].(float64) != 0 || report["deleted"].(float64) != 0 {
			w.t.Errorf("a lost clone is work: %v", report)
		}
		if after := stamps(); after != before || len(w.commits()) != commits {
			w.t.Errorf("a lost clone touched rows (%s, were %s) or the branch (%d commits, were %d)", after, before, len(w.commits()), commits)
		}
		w.stop()
		w.must(os.RemoveAll(w.cloneDir()))
		w.commit(bitbuckettest.Write("toolkits/t0.json", `{"slug":"t0","name":"Git's"}`), bitbuckettest.Remove("toolkits/t1.json"))
		w.exec("UPDATE toolkits SET name = 'Row' WHERE slug = 't2'")
		w.start()
		w.synced()
		if got := w.query("SELECT name FROM toolkits WHERE slug = 't0'"); got != "Git's" || w.live("toolkits") != "4" || !w.branchHas("toolkits/t2.json", "Row") {
			w.t.Errorf("t0 is %s, %s live rows, %v", got, w.live("toolkits"), w.files())
		}
		if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
			w.t.Errorf("%s conflicts", n)
		}
		w.quiet()
		w.checkClone()
	})
}

// TestADeclinedPushIsNoSuccess_F5: the server unpacks the objects and declines the ref.
func TestADeclinedPushIsNoSuccess_F5(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'first'")
		w.synced()
		head := w.commits()[0].Hash
		w.repo.RefusePushes("JIRA-123: every commit needs a ticket")
		w.exec("UPDATE toolkits SET name = 'second'")
		report := w.sync()
		if report["state"] != "blocked" || report["exported"].(float64) != 0 || len(report["commits"].([]any)) != 0 || w.detailCode() != "PUSH_REFUSED" {
			w.t.Errorf("report: %v", report)
		}
		m := w.mirror()
		if m["pending_changes"].(float64) != 1 || m["synced_commit"] != string(head) || !strings.Contains(m["detail"].(map[string]any)["message"].(string), "JIRA-123") {
			w.t.Errorf("mirror: %v", m)
		}
		if integration := w.get("toolkits/a")["git_integration"].(map[string]any); integration["commit"] != string(head) {
			w.t.Errorf("the row claims %v", integration)
		}
		w.repo.RefusePushes("")
		w.synced()
		if !w.branchHas("toolkits/a.json", "second") {
			w.t.Error("what was declined is lost")
		}
		w.quiet()
	})
}

// TestAFirstSyncThatFailsHalfWay_S6: on the way in, on the way out, or with the daemon
// gone; it starts again and ends as if nothing had been.
func TestAFirstSyncThatFailsHalfWay_S6(t *testing.T) {
	const n = 40
	eachWorld(t, func(w *world) {
		o, err := w.db.CreateOrganization(w.t.Context(), "acme", "")
		w.must(err)
		w.orgID = o.ID
		var changes []bitbuckettest.Change
		for i := range n {
			w.insert("toolkits", "slug", quote(fmt.Sprintf("row-%d", i)), "name", "'Row'")
			w.insert("toolkits", "slug", quote(fmt.Sprintf("both-%d", i)), "name", "'Both'", "description", "'row'")
			changes = append(changes, bitbuckettest.Write(fmt.Sprintf("toolkits/file-%d.json", i), fmt.Sprintf(`{"slug":"file-%d","name":"File"}`, i)),
				bitbuckettest.Write(fmt.Sprintf("toolkits/both-%d.json", i), fmt.Sprintf(`{"slug":"both-%d","name":"Both","status":"draft"}`, i)))
		}
		w.commit(changes...)
		w.standIn.Inject(bitbuckettest.Fault{Times: 3, CutAfter: 2000}, bitbuckettest.EndpointFetch)
	}, func(w *world) {
		w.repo.Restrict("main") // imports go in, exports do not go out
		w.eventually("the files are in", func() bool {
			w.sync()
			return w.query("SELECT count(*) FROM toolkits WHERE slug LIKE 'file-%%'") == fmt.Sprint(n)
		})
		w.stop()
		w.standIn.Inject(bitbuckettest.Fault{Times: 1, CutAnswer: true}, bitbuckettest.EndpointPush)
		w.repo.Unrestrict()
		w.start()
		w.eventually("both sides rest", func() bool {
			w.sync()
			m := w.mirror()
			return m["state"] == "ok" && m["pending_changes"].(float64) == 0
		})
		if live, all := w.live("toolkits"), w.query("SELECT count(*) FROM toolkits"); live != fmt.Sprint(3*n) || all != live {
			w.t.Errorf("%s live rows of %s, want %d", live, all, 3*n)
		}
		files := w.files()
		if len(files) != 3*n {
			w.t.Errorf("%d files, want %d", len(files), 3*n)
		}
		for i := range n {
			if text := files[fmt.Sprintf("toolkits/both-%d.json", i)]; !strings.Contains(text, "draft") || !strings.Contains(text, "row") {
				w.t.Errorf("both-%d was not merged: %s", i, text)
			}
		}
		if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
			w.t.Errorf("%s conflicts", n)
		}
		w.quiet()
		w.checkClone()
	})
}
