package daemon_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// eachStrategy runs a test with each way to merge, keeping the source branch or not.
func eachStrategy(t *testing.T, test func(w *world, merge func(id int64) mirror.Hash)) {
	for _, strategy := range []bitbuckettest.MergeStrategy{bitbuckettest.MergeCommit, bitbuckettest.Squash, bitbuckettest.FastForward} {
		for name, keep := range map[string]bool{"closing": false, "keeping": true} {
			t.Run(string(strategy)+" "+name, func(t *testing.T) {
				eachWorld(t, byPullRequest, func(w *world) {
					test(w, func(id int64) mirror.Hash {
						w.must(w.repo.EditPullRequest(id, func(p *bitbuckettest.PullRequest) { p.CloseSource = !keep }))
						head, err := w.repo.Merge(id, strategy)
						w.must(err)
						return head
					})
				})
			})
		}
	}
}

// fix is a reviewer's commit on the proposal branch.
func (w *world) fix(changes ...bitbuckettest.Change) {
	w.t.Helper()
	_, err := w.repo.Commit(mirror.ProposalBranch, mirror.Signature{Name: "Rob", Email: "rob@example.com"}, "Fix", changes...)
	w.must(err)
}

// mergedOnce makes sure that nothing came after the merge, and nothing is left.
func (w *world) mergedOnce(head mirror.Hash) {
	w.t.Helper()
	w.synced()
	if got := w.commits()[0].Hash; got != head || w.branchExists(mirror.ProposalBranch) {
		w.t.Errorf("the branch stands at %s, not at the merge %s; the proposal is there: %v", got, head, w.branchExists(mirror.ProposalBranch))
	}
	for _, table := range []string{"mirror_intents", "conflicts", "mirror_unsettled"} {
		if n := w.query("SELECT count(*) FROM %s", table); n != "0" {
			w.t.Errorf("%s rows are left in %s", n, table)
		}
	}
	w.atRest()
}

// What people say of a pull request stays when its text is brought up to date.
func TestReviewersStay(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.synced()
		id, reviewers := w.pullRequest().ID, []string{w.standIn.AccountUUID("you")}
		w.must(w.repo.EditPullRequest(id, func(p *bitbuckettest.PullRequest) {
			p.Reviewers, p.Draft, p.Title, p.CloseSource = reviewers, true, "Prompts of the quarter", false
		}))
		_, err := w.repo.Comment(id, "Looks good.")
		w.must(err)
		w.synced()
		if pr := w.pullRequest(); pr.Title != "Prompts of the quarter" {
			w.t.Errorf("nothing changed, but the title is %q", pr.Title)
		}
		w.insert("toolkits", "slug", "'new'", "name", "'New'")
		w.synced()
		pr := w.pullRequest()
		if pr.ID != id || !slices.Equal(pr.Reviewers, reviewers) || !pr.Draft || pr.CloseSource || len(pr.Comments) != 1 || pr.Title != "Add 1 toolkit, update 1 command" {
			w.t.Errorf("%+v", pr)
		}
	})
}

// A fix that the daemon learns of with the merge only is what the database gets.
func TestFixIsMergedUnseen(t *testing.T) {
	eachStrategy(t, func(w *world, merge func(int64) mirror.Hash) {
		w.exec("UPDATE commands SET prompt = 'A new prompt.', name = 'New name'")
		w.synced()
		w.fix(bitbuckettest.Write("commands/old.json", strings.Replace(w.proposedFiles()["commands/old.json"], "A new prompt.", "A reviewed prompt.", 1)),
			bitbuckettest.Write("commands/extra.json", `{"slug":"extra","name":"Extra","prompt":"From the reviewer."}`))
		head := merge(w.pullRequest().ID)
		w.mergedOnce(head)
		if got := w.query("SELECT prompt || '/' || name FROM commands WHERE slug = 'old'"); got != "A reviewed prompt./New name" {
			w.t.Errorf("the row says %q", got)
		}
		if got := w.query("SELECT prompt FROM commands WHERE slug = 'extra'"); got != "From the reviewer." {
			w.t.Errorf("the reviewer's own command says %q", got)
		}
	})
}

// A reviewer takes one of two changes back: that row is as the branch has it then.
func TestReviewerTakesAPartBack(t *testing.T) {
	for name, seen := range map[string]bool{"seen": true, "unseen": false} {
		t.Run(name, func(t *testing.T) {
			eachStrategy(t, func(w *world, merge func(int64) mirror.Hash) {
				before := w.files()["commands/old.json"]
				w.exec("UPDATE commands SET prompt = 'A new prompt.'")
				w.insert("toolkits", "slug", "'new'", "name", "'New'")
				w.synced()
				w.fix(bitbuckettest.Write("commands/old.json", before))
				if seen {
					w.synced()
					if got := w.proposedFiles()["commands/old.json"]; got != before {
						w.t.Errorf("the reviewer is overruled: %s", got)
					}
				}
				head := merge(w.pullRequest().ID)
				w.mergedOnce(head)
				if got := w.query("SELECT prompt FROM commands"); got != "An old prompt." {
					w.t.Errorf("the row says %q", got)
				}
				if !w.branchHas("toolkits/new.json", "New") {
					w.t.Error("the other change is gone")
				}
			})
		})
	}
}

// A row is edited after the merge and before the daemon hears of it: the edit is proposed
// anew, and what was merged counts.
func TestEditAfterAMergeNobodyHeardOf(t *testing.T) {
	eachStrategy(t, func(w *world, merge func(int64) mirror.Hash) {
		w.exec("UPDATE commands SET prompt = 'A new prompt.', name = 'New name'")
		w.synced()
		w.fix(bitbuckettest.Write("commands/old.json", strings.Replace(w.proposedFiles()["commands/old.json"], "A new prompt.", "A reviewed prompt.", 1)))
		head := merge(w.pullRequest().ID)
		w.exec("UPDATE commands SET name = 'Newer name'")
		w.eventually("the edit is heard", func() bool { return w.mirror()["pending_changes"] == 0.0 })
		w.synced()
		if w.commits()[0].Hash != head {
			w.t.Error("the branch was pushed to")
		}
		w.wantProposed("commands/old.json", "Newer name")
		w.wantProposed("commands/old.json", "A reviewed prompt.")
		pr := w.pullRequest()
		if pr.ID != 2 {
			w.t.Errorf("%+v", pr)
		}
		head = merge(pr.ID)
		w.mergedOnce(head)
		if got := w.query("SELECT prompt || '/' || name FROM commands"); got != "A reviewed prompt./Newer name" {
			w.t.Errorf("the row says %q", got)
		}
	})
}

// A fix that is no JSON is the file's error once it is merged, and the row stays.
func TestFixIsBroken(t *testing.T) {
	eachStrategy(t, func(w *world, merge func(int64) mirror.Hash) {
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.synced()
		w.fix(bitbuckettest.Write("commands/old.json", `{"slug":"old",`))
		w.synced()
		w.wantProposed("commands/old.json", `{"slug":"old",`)
		merge(w.pullRequest().ID)
		w.synced()
		if got := w.query("SELECT prompt FROM commands"); got != "A new prompt." || w.entityError("commands", "old") != "INVALID_JSON" {
			w.t.Errorf("the row says %q, with %q", got, w.entityError("commands", "old"))
		}
		w.exec("UPDATE commands SET prompt = 'A valid prompt.'")
		w.synced()
		w.wantProposed("commands/old.json", "A valid prompt.")
		head := merge(w.pullRequest().ID)
		w.synced()
		if w.entityError("commands", "old") != "" || w.commits()[0].Hash != head {
			w.t.Errorf("after the mend: %q, %v", w.entityError("commands", "old"), w.files())
		}
		w.atRest()
	})
}
