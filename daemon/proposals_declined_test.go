package daemon_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// changesToDecline are edits of the command old.
var changesToDecline = map[string]struct {
	edit, title string
	slug        string // on the hold list
	again       string // an edit that offers it again
}{
	"update":   {"UPDATE commands SET prompt = 'A new prompt.'", "Update command old", "old", "UPDATE commands SET prompt = 'A better prompt.'"},
	"rename":   {"UPDATE commands SET slug = 'moved'", "Rename command old to moved", "moved", "UPDATE commands SET name = 'Moved'"},
	"deletion": {"UPDATE commands SET deleted_at = CURRENT_TIMESTAMP", "Delete command old", "old", "UPDATE commands SET deleted_at = NULL, prompt = 'A better prompt.'"},
	"private":  {"UPDATE commands SET owner_id = organization_id", "Delete command old", "old", "UPDATE commands SET owner_id = NULL, prompt = 'A better prompt.'"},
}

// eachDeclined declines each of the changes.
func eachDeclined(t *testing.T, test func(w *world, name string)) {
	for name, c := range changesToDecline {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, byPullRequest, func(w *world) {
				w.exec("%s", c.edit)
				w.synced()
				pr := w.pullRequest()
				if pr.Title != c.title {
					w.t.Errorf("the pull request is %q", pr.Title)
				}
				w.must(w.repo.Decline(pr.ID))
				if report := w.sync(); report["state"] != "held" || w.detailCode() != mirror.CodePullRequestDeclined {
					w.t.Fatalf("%v %s", report, w.detailCode())
				}
				items := w.get("mirror/hold")["items"].([]any)
				if len(items) != 1 {
					w.t.Fatalf("on hold: %v", items)
				}
				if item := items[0].(map[string]any); item["slug"] != c.slug || item["reason"] != "declined" || item["direction"] != "to_git" || item["kind"] != "commands" {
					w.t.Errorf("on hold: %v", item)
				}
				if m := w.mirror(); m["pending_changes"] != 0.0 {
					w.t.Errorf("what is held is pending: %v", m)
				}
				test(w, name)
			})
		})
	}
}

// onHold counts what waits for a person.
func (w *world) onHold() int {
	w.t.Helper()
	status, answer := w.call("GET", "mirror/hold", nil)
	if status == 404 {
		return 0
	}
	return len(answer["items"].([]any))
}

// oldFile makes sure that the branch's file is as it was.
func (w *world) oldFile() {
	w.t.Helper()
	if len(w.commits()) != 1 || !w.branchHas("commands/old.json", "An old prompt.") {
		w.t.Errorf("the branch has %v", w.files())
	}
}

func TestDeclinedIsProposedAgain(t *testing.T) {
	eachDeclined(t, func(w *world, name string) {
		if status, answer := w.call("POST", "mirror/propose", nil); status != 202 {
			w.t.Fatalf("%d %v", status, answer)
		}
		w.synced()
		again := w.pullRequest()
		if again.ID != 2 || again.Title != changesToDecline[name].title || w.detailCode() != "" {
			w.t.Errorf("%+v", again)
		}
		// Declined once more, it is held once more.
		w.must(w.repo.Decline(again.ID))
		if report := w.sync(); report["state"] != "held" {
			w.t.Errorf("%v", report)
		}
		if status, _ := w.call("POST", "mirror/approve", nil); status != 202 {
			w.t.Error("it cannot be approved")
		}
		w.synced()
		w.oldFile()
		_, err := w.repo.Merge(w.pullRequest().ID, bitbuckettest.Squash)
		w.must(err)
		w.synced()
		w.atRest()
	})
}

func TestDeclinedIsDiscarded(t *testing.T) {
	eachDeclined(t, func(w *world, name string) {
		if status, answer := w.call("POST", "mirror/discard", nil); status != 202 {
			w.t.Fatalf("%d %v", status, answer)
		}
		w.synced()
		if got := w.query("SELECT slug || '/' || prompt FROM commands WHERE deleted_at IS NULL"); got != "old/An old prompt." {
			w.t.Errorf("the row says %q", got)
		}
		if private := w.query("SELECT owner_id FROM commands") != ""; private != (name == "private") { // its owner keeps it
			w.t.Errorf("it is private: %v", private)
		}
		w.oldFile()
		if w.branchExists(mirror.ProposalBranch) || w.detailCode() != "" || w.onHold() != 0 {
			w.t.Errorf("something is left: %v", w.mirror())
		}
		w.atRest()
	})
}

func TestDeclinedIsEdited(t *testing.T) {
	eachDeclined(t, func(w *world, name string) {
		w.exec("%s", changesToDecline[name].again)
		w.synced()
		if pr := w.pullRequest(); pr.ID != 2 {
			w.t.Errorf("%+v", pr)
		}
		if n := w.onHold(); n != 0 || w.detailCode() != "" {
			w.t.Errorf("%d are on hold, %s", n, w.detailCode())
		}
		w.oldFile()
		_, err := w.repo.Merge(w.pullRequest().ID, bitbuckettest.MergeCommit)
		w.must(err)
		w.synced()
		w.atRest()
	})
}

// What was declined is over when the row goes back by itself, and survives a restart and
// the audit until then.
func TestDeclinedIsTakenBack(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.synced()
		w.must(w.repo.Decline(w.pullRequest().ID))
		w.sync()
		w.stop()
		w.start()
		if report := w.sync(); report["state"] != "held" || len(w.repo.PullRequests()) != 1 {
			w.t.Errorf("after a restart: %v", report)
		}
		w.exec("UPDATE commands SET prompt = 'An old prompt.'")
		w.synced()
		if n := w.onHold(); n != 0 || w.branchExists(mirror.ProposalBranch) {
			w.t.Errorf("%d are on hold", n)
		}
		w.oldFile()
		w.atRest()
	})
}

// Git's own edit of what was declined is imported; the declined place is git's to leave.
func TestDeclinedAndEditedInGit(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.synced()
		w.must(w.repo.Decline(w.pullRequest().ID))
		w.sync()
		w.commit(bitbuckettest.Write("commands/old.json", `{"slug":"old","name":"Named in git","prompt":"An old prompt."}`))
		w.sync()
		if got := w.query("SELECT name || '/' || prompt FROM commands"); got != "Named in git/A new prompt." {
			w.t.Errorf("the row says %q", got)
		}
		if !strings.Contains(w.files()["commands/old.json"], "An old prompt.") {
			w.t.Error("what was declined is on the branch")
		}
		if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
			w.t.Errorf("%s conflicts", n)
		}
	})
}

// A branch that somebody deleted was declined: nobody can merge it any more.
func TestDeletedProposalBranch(t *testing.T) {
	for name, decline := range map[string]bool{"declined before": true, "open": false} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, byPullRequest, func(w *world) {
				w.exec("UPDATE commands SET prompt = 'A new prompt.'")
				w.synced()
				if decline {
					w.must(w.repo.Decline(w.pullRequest().ID))
				}
				w.must(w.repo.DeleteBranch(mirror.ProposalBranch))
				if report := w.sync(); report["state"] != "held" || w.detailCode() != mirror.CodePullRequestDeclined || w.branchExists(mirror.ProposalBranch) {
					w.t.Errorf("%v", report)
				}
				if state := w.repo.PullRequest(1).State; state != bitbuckettest.PullDeclined { // nothing is left of it to merge
					w.t.Errorf("the pull request is %s", state)
				}
				w.call("POST", "mirror/propose", nil)
				w.synced()
				w.wantProposed("commands/old.json", "A new prompt.")
				_, err := w.repo.Merge(w.pullRequest().ID, bitbuckettest.MergeCommit)
				w.must(err)
				w.synced()
				w.atRest()
			})
		})
	}
}
