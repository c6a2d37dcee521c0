package daemon_test

import (
	"slices"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestRefusedAtDataCenter: what a Data Center says no with, over git.
func TestRefusedAtDataCenter(t *testing.T) {
	git := bitbuckettest.GitEndpoints
	eachWorld(t, func(w *world) { w.dataCenter(bitbuckettest.ScopeRepositoryWrite) }, func(w *world) {
		eachRefusal(w, []refusal{
			answers("token", 401, "Authentication failed. Please check your credentials and try again.",
				told{"blocked", mirror.CodeConnectionFailed, mirror.ConnectionFailedMessage, "the access token: it is wrong, expired, revoked or of another repository"}, git...),
			answers("missing", 404, "The requested repository does not exist, or you do not have permission to access it.",
				told{"blocked", mirror.CodeRepositoryNotFound, "The requested repository does not exist", "may read the repository"}, git...),
			answers("forbidden", 403, "You are not permitted to push to this repository", told{"blocked", mirror.CodePermissionDenied, "You are not permitted to push", "Repositories: Read and Write"}, git...),
			rules("restricted", func(r *bitbuckettest.Repo) { r.Restrict("main") }, (*bitbuckettest.Repo).Unrestrict,
				told{"blocked", mirror.CodeBranchRestricted, "The branch does not take direct pushes: Branch refs/heads/main can only be modified through pull requests.", "Make an exception for the token's user"}),
			meets("limited", bitbuckettest.TooManyRequests(0), told{"error", mirror.CodeRateLimited, "fewer requests", "tried again by itself"}, git...),
			meets("down", bitbuckettest.Down(503), told{"error", mirror.CodeNetworkUnreachable, "503", "confmirror check"}, git...),
		})
	})
}

// TestProposalAtDataCenter: changes go by pull request there, too. Reviewers stay when its text
// changes, and a merge of any kind settles all of it.
func TestProposalAtDataCenter(t *testing.T) {
	for _, strategy := range []bitbuckettest.MergeStrategy{bitbuckettest.MergeCommit, bitbuckettest.Squash, bitbuckettest.FastForward} {
		t.Run(string(strategy), func(t *testing.T) {
			eachWorld(t, func(w *world) {
				w.dataCenter(bitbuckettest.ScopeRepositoryWrite)
				byPullRequest(w)
				w.repo.Restrict("main")
			}, func(w *world) {
				w.insert("toolkits", "slug", "'new'", "name", "'New'")
				w.synced()
				id := w.pullRequest().ID
				w.must(w.repo.EditPullRequest(id, func(p *bitbuckettest.PullRequest) { p.Reviewers = []string{"you"} }))
				w.exec("UPDATE commands SET prompt = 'A new prompt.'")
				w.synced()
				pr := w.pullRequest()
				if pr.ID != id || pr.Title != "Add 1 toolkit, update 1 command" || !slices.Equal(pr.Reviewers, []string{"you"}) {
					t.Errorf("%+v", pr)
				}
				merged, err := w.repo.Merge(id, strategy)
				w.must(err)
				w.synced()
				if head := w.commits()[0].Hash; head != merged || w.branchExists(mirror.ProposalBranch) {
					t.Errorf("the branch stands at %s, not at %s; its proposal is there: %v", head, merged, w.branchExists(mirror.ProposalBranch))
				}
				w.atRest()
			})
		})
	}
}

// TestDeliveriesOfADataCenter: each event of a pull request, and none of a test, nudges the mirror.
func TestDeliveriesOfADataCenter(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.public = true
		w.dataCenter(bitbuckettest.ScopeRepositoryAdmin)
		byPullRequest(w)
	}, func(w *world) {
		hook := w.made(webhookSecret)
		w.insert("toolkits", "slug", "'new'", "name", "'New'")
		w.synced()
		id := w.pullRequest().ID
		w.must(w.repo.Decline(id)) // moves no branch
		w.eventually("the mirror hears of it", func() bool { return w.detailCode() == mirror.CodePullRequestDeclined })
		hook.Ping()
		w.must(hook.Wait(w.t.Context()))
		events := map[string]int{}
		for _, d := range hook.Deliveries() {
			events[d.Event] = d.Statuses[len(d.Statuses)-1]
		}
		for event, status := range map[string]int{"repo:refs_changed": 202, "pr:opened": 202, "pr:declined": 202, "diagnostics:ping": 200} {
			if events[event] != status {
				t.Errorf("%s was answered %d, want %d: %v", event, events[event], status, events)
			}
		}
	})
}
