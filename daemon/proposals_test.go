package daemon_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// byPullRequest makes a mirror that changes the branch by pull request only.
func byPullRequest(w *world) {
	w.config.Mirrors[0].Push = mirror.PushPullRequest
	_, err := w.repo.Commit("main", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "Start",
		bitbuckettest.Write("README.md", "Configuration\n"),
		bitbuckettest.Write("commands/old.json", `{"slug":"old","name":"Old","prompt":"An old prompt."}`))
	w.must(err)
}

// proposed are the files on the proposal branch.
func (w *world) proposedFiles() map[string]string {
	w.t.Helper()
	files, err := w.repo.Files(mirror.ProposalBranch)
	w.must(err)
	return files
}

// pullRequest is the only open one.
func (w *world) pullRequest() (open bitbuckettest.PullRequest) {
	w.t.Helper()
	n := 0
	for _, pr := range w.repo.PullRequests() {
		if pr.State == "OPEN" {
			open = pr
			n++
		}
	}
	if n != 1 {
		w.t.Fatalf("%d open pull requests: %+v", n, w.repo.PullRequests())
	}
	return open
}

func (w *world) wantProposed(path, part string) {
	w.t.Helper()
	if got, ok := w.proposedFiles()[path]; !ok || !strings.Contains(got, part) {
		w.t.Errorf("%s (there: %v) on the proposal branch does not say %q:\n%s", path, ok, part, got)
	}
}

// atRest makes sure that the mirror has nothing to do, and both sides are equal.
func (w *world) atRest() {
	w.t.Helper()
	before, head := len(w.repo.PullRequests()), w.commits()[0].Hash
	if status, answer := w.call("GET", "mirror/plan", nil); status != 200 || answer["total"] != 0.0 {
		w.t.Errorf("something is left to do: %d %v", status, answer)
	}
	w.synced()
	if len(w.repo.PullRequests()) != before || w.commits()[0].Hash != head {
		w.t.Error("a run at rest did something")
	}
	w.checkClone()
}

func (w *world) branchExists(branch string) bool {
	_, err := w.repo.Files(branch)
	return err == nil
}

// From a first edit to the merge, by every strategy: the branch is changed by people only,
// and nothing is committed once more.
func TestProposalIsMerged(t *testing.T) {
	for _, strategy := range []bitbuckettest.MergeStrategy{bitbuckettest.MergeCommit, bitbuckettest.Squash, bitbuckettest.FastForward} {
		t.Run(string(strategy), func(t *testing.T) {
			eachWorld(t, byPullRequest, func(w *world) {
				head := w.commits()[0].Hash
				w.insert("toolkits", "slug", "'new'", "name", "'New'")
				w.exec("UPDATE commands SET prompt = 'A new prompt.'")
				w.synced()
				if w.commits()[0].Hash != head {
					t.Fatal("the branch was pushed to")
				}
				pr := w.pullRequest()
				if pr.Source != mirror.ProposalBranch || pr.Destination != "main" || pr.Title != "Add 1 toolkit, update 1 command" ||
					!strings.Contains(pr.Description, "- Add toolkit new: `toolkits/new.json`") || !strings.Contains(pr.Description, "- Update command old") {
					t.Errorf("%+v", pr)
				}
				w.wantProposed("commands/old.json", "A new prompt.")
				if c := w.condition(mirror.CodePullRequestOpen); c == nil || !strings.Contains(c["message"].(string), "2 changes of the database wait") {
					t.Errorf("%v", c)
				}
				w.synced() // the edit's own notification may have asked for one more run
				requests := len(w.standIn.Requests())
				w.synced()
				if more := w.standIn.Requests()[requests:]; len(more) > 2 { // the branch's head, and the pull request
					t.Errorf("a run with nothing new: %v", more)
				}

				// One more edit goes to the same branch and pull request.
				w.exec("UPDATE toolkits SET name = 'Newer' WHERE slug = 'new'")
				if plan := w.get("mirror/plan"); plan["total"] != 1.0 {
					t.Errorf("the plan lists what is proposed already: %v", plan)
				}
				w.insert("commands", "slug", "'third'", "name", "'Third'", "prompt", "'x'")
				w.synced()
				if again := w.pullRequest(); again.ID != pr.ID || again.Title != "Add 1 command, add 1 toolkit, update 1 command" {
					t.Errorf("%+v", again)
				}
				w.wantProposed("toolkits/new.json", "Newer")

				merge, err := w.repo.Merge(pr.ID, strategy)
				w.must(err)
				w.synced()
				if log := w.commits(); log[0].Hash != merge {
					t.Errorf("a commit came after the merge: %+v", log[0])
				}
				if w.branchExists(mirror.ProposalBranch) {
					t.Error("the proposal branch is still there")
				}
				if c := w.condition(mirror.CodePullRequestOpen); c != nil {
					t.Errorf("%v", c)
				}
				w.atRest()

				// What comes next is a new proposal.
				w.exec("UPDATE commands SET prompt = 'Yet another.' WHERE slug = 'old'")
				w.synced()
				if next := w.pullRequest(); next.ID == pr.ID || next.Title != "Update command old" {
					t.Errorf("%+v", next)
				}
				w.wantProposed("commands/third.json", "Third")
			})
		})
	}
}

// A reviewer's fix counts as the proposal, and comes to the database with the merge.
func TestReviewersFixIsKept(t *testing.T) {
	for _, strategy := range []bitbuckettest.MergeStrategy{bitbuckettest.MergeCommit, bitbuckettest.Squash} {
		t.Run(string(strategy), func(t *testing.T) {
			eachWorld(t, byPullRequest, func(w *world) {
				w.exec("UPDATE commands SET prompt = 'A new prompt.', name = 'New name'")
				w.synced()
				pr := w.pullRequest()
				fixed := strings.Replace(w.proposedFiles()["commands/old.json"], "A new prompt.", "A reviewed prompt.", 1)
				_, err := w.repo.Commit(mirror.ProposalBranch, mirror.Signature{Name: "Rob", Email: "rob@example.com"}, "Fix",
					bitbuckettest.Write("commands/old.json", fixed))
				w.must(err)
				w.synced()
				w.wantProposed("commands/old.json", "A reviewed prompt.")

				// The row's next edit joins it.
				w.exec("UPDATE commands SET description = 'Described.'")
				w.synced()
				w.wantProposed("commands/old.json", "A reviewed prompt.")
				w.wantProposed("commands/old.json", "Described.")

				_, err = w.repo.Merge(pr.ID, strategy)
				w.must(err)
				w.synced()
				if got := w.query("SELECT prompt || '/' || name || '/' || description FROM commands"); got != "A reviewed prompt./New name/Described." {
					t.Errorf("the row says %q", got)
				}
				if n := w.get("conflicts")["total"]; n != 0.0 && n != nil {
					t.Errorf("conflicts: %v", w.get("conflicts"))
				}
				w.atRest()
			})
		})
	}
}

// Declined changes are held and shown; they are offered again when the row is edited, or by hand.
func TestDeclinedProposal(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.insert("toolkits", "slug", "'new'", "name", "'New'")
		w.synced()
		w.must(w.repo.Decline(w.pullRequest().ID))
		if report := w.sync(); report["state"] != "held" {
			t.Fatalf("%v", report)
		}
		if w.branchExists(mirror.ProposalBranch) {
			t.Error("the proposal branch is still there")
		}
		if code := w.detailCode(); code != mirror.CodePullRequestDeclined {
			t.Errorf("detail %q", code)
		}
		hold := w.get("mirror/hold")
		if items := hold["items"].([]any); len(items) != 2 || items[0].(map[string]any)["reason"] != "declined" {
			t.Errorf("%v", hold)
		}
		prs := len(w.repo.PullRequests())
		w.sync()
		w.call("POST", "mirror/sync?wait=true", map[string]any{})
		if len(w.repo.PullRequests()) != prs {
			t.Error("it was offered again")
		}

		// An edit brings this one back, and only this one.
		w.exec("UPDATE commands SET prompt = 'A better prompt.'")
		w.sync()
		if pr := w.pullRequest(); pr.Title != "Update command old" {
			t.Errorf("%+v", pr)
		}
		if _, there := w.proposedFiles()["toolkits/new.json"]; there {
			t.Error("what was declined is proposed")
		}
		// By hand the other one, too.
		if status, answer := w.call("POST", "mirror/approve", nil); status != 202 {
			t.Fatalf("%d %v", status, answer)
		}
		w.synced()
		w.wantProposed("toolkits/new.json", "New")
		w.must(w.repo.Decline(w.pullRequest().ID))
		w.sync()
		// Discarded: the row takes the branch's version, and what the branch never had stays as it is.
		if status, answer := w.call("POST", "mirror/discard", nil); status != 202 {
			t.Fatalf("%d %v", status, answer)
		}
		w.synced()
		if got := w.query("SELECT prompt FROM commands"); got != "An old prompt." {
			t.Errorf("the row says %q", got)
		}
		if w.query("SELECT slug FROM toolkits WHERE deleted_at IS NULL") != "new" {
			t.Error("the new row is gone")
		}
		w.synced()
		if w.branchExists(mirror.ProposalBranch) {
			t.Error("something is proposed")
		}
	})
}

// The mirrored branch moves on while a proposal waits: imports go on, the proposal is
// merged with it, and edits of one entity on both sides are joined.
func TestProposalFollowsTheBranch(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.insert("toolkits", "slug", "'new'", "name", "'New'")
		w.synced()
		pr := w.pullRequest()
		w.commit(bitbuckettest.Write("commands/old.json", `{"slug":"old","name":"Renamed by hand","prompt":"An old prompt."}`),
			bitbuckettest.Write("commands/other.json", `{"slug":"other","name":"Other","prompt":"p"}`), bitbuckettest.Write("docs/a.md", "a"))
		w.synced()
		if got := w.query("SELECT name || '/' || prompt FROM commands WHERE slug = 'old'"); got != "Renamed by hand/A new prompt." {
			t.Errorf("the row says %q", got)
		}
		w.wantProposed("commands/old.json", "Renamed by hand")
		w.wantProposed("commands/old.json", "A new prompt.")
		w.wantProposed("commands/other.json", "Other")
		w.wantProposed("docs/a.md", "a")
		_, err := w.repo.Merge(pr.ID, bitbuckettest.MergeCommit)
		w.must(err)
		w.synced()
		w.atRest()
	})
}

// A row that goes back takes its proposal along; with the last one the pull request goes.
func TestProposalIsTakenBack(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.insert("toolkits", "slug", "'new'", "name", "'New'")
		w.synced()
		pr := w.pullRequest()
		w.exec("UPDATE commands SET prompt = 'An old prompt.'")
		w.synced()
		if again := w.pullRequest(); again.ID != pr.ID || again.Title != "Add toolkit new" {
			t.Errorf("%+v", again)
		}
		w.wantProposed("commands/old.json", "An old prompt.")
		w.exec("UPDATE toolkits SET slug = 'newer' WHERE slug = 'new'")
		w.synced()
		if _, there := w.proposedFiles()["toolkits/new.json"]; there {
			t.Error("the old place is still proposed")
		}
		w.wantProposed("toolkits/newer.json", "New")
		w.exec("DELETE FROM toolkits")
		w.synced()
		if w.branchExists(mirror.ProposalBranch) || w.repo.PullRequest(pr.ID).State == "OPEN" {
			t.Errorf("%+v", w.repo.PullRequest(pr.ID))
		}
		w.atRest()
	})
}
