package daemon_test

import (
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// rewrites are what people do to the branch by force while a proposal starts from "Dropped".
var rewrites = map[string]func(w *world){
	"set back": func(w *world) { w.must(w.repo.ForcePush("main", "main~1")) },
	"amended": func(w *world) {
		w.must(w.repo.ForcePush("main", "main~1"))
		w.commit(bitbuckettest.Write("commands/instead.json", `{"slug":"instead","name":"Instead","prompt":"p"}`))
	},
	"unrelated": func(w *world) {
		_, err := w.repo.Commit("fresh", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "Anew",
			bitbuckettest.Write("README.md", "Anew\n"), bitbuckettest.Write("commands/old.json", `{"slug":"old","name":"Old","prompt":"An old prompt."}`))
		w.must(err)
		w.must(w.repo.ForcePush("main", "fresh"))
		w.must(w.repo.DeleteBranch("fresh"))
	},
}

// The branch is rewritten below an open proposal: what it dropped does not come back with
// the merge, and what is proposed stays.
func TestBranchIsRewrittenBelowAProposal(t *testing.T) {
	for name, rewrite := range rewrites {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, byPullRequest, func(w *world) {
				w.commit(bitbuckettest.Write("NOTES.md", "a credential that must go"))
				w.synced()
				w.exec("UPDATE commands SET prompt = 'A new prompt.'")
				w.insert("toolkits", "slug", "'new'", "name", "'New'")
				w.synced()
				w.wantProposed("NOTES.md", "must go")
				rewrite(w)
				w.synced()
				w.wantProposed("commands/old.json", "A new prompt.")
				w.wantProposed("toolkits/new.json", "New")
				if _, there := w.proposedFiles()["NOTES.md"]; there {
					w.t.Error("the proposal would bring back what was dropped")
				}
				if pr := w.pullRequest(); pr.Title != "Add 1 toolkit, update 1 command" {
					w.t.Errorf("%+v", pr)
				}
				head, err := w.repo.Merge(w.pullRequest().ID, bitbuckettest.Squash)
				w.must(err)
				w.synced()
				if _, there := w.files()["NOTES.md"]; there || w.commits()[0].Hash != head {
					w.t.Errorf("after the merge: %v", w.files())
				}
				if got := w.query("SELECT prompt FROM commands WHERE slug = 'old'"); got != "A new prompt." {
					w.t.Errorf("the row says %q", got)
				}
				w.atRest()
			})
		})
	}
}

// A merge is taken off the branch again: the rows follow, as without pull requests, and
// what they said is kept.
func TestMergeIsTakenOffTheBranch(t *testing.T) {
	eachStrategy(t, func(w *world, merge func(int64) mirror.Hash) {
		before := w.commits()[0].Hash
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.synced()
		merge(w.pullRequest().ID)
		w.synced()
		w.must(w.repo.ForcePush("main", string(before)))
		w.synced()
		row, kept := w.query("SELECT prompt FROM commands"), w.query("SELECT reason FROM conflicts")
		if row != "An old prompt." || kept != string(mirror.ConflictHistoryRewritten) || w.branchExists(mirror.ProposalBranch) {
			w.t.Errorf("the row says %q, kept: %q, %v", row, kept, w.branchExists(mirror.ProposalBranch))
		}
	})
}

// People squash the proposal branch themselves, or rebase it: what it says counts.
func TestProposalBranchIsRewritten(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.synced()
		w.insert("toolkits", "slug", "'new'", "name", "'New'")
		w.synced()
		files := w.proposedFiles()
		var changes []bitbuckettest.Change
		for path, content := range files {
			changes = append(changes, bitbuckettest.Write(path, content))
		}
		w.must(w.repo.CreateBranch("rebased", "main"))
		_, err := w.repo.Commit("rebased", mirror.Signature{Name: "Rob", Email: "rob@example.com"}, "All at once", changes...)
		w.must(err)
		w.must(w.repo.ForcePush(mirror.ProposalBranch, "rebased"))
		w.must(w.repo.DeleteBranch("rebased"))
		w.synced()
		log, err := w.repo.Log("main.." + mirror.ProposalBranch)
		w.must(err)
		if len(log) != 1 {
			w.t.Errorf("%d commits: %+v", len(log), log)
		}
		w.exec("UPDATE toolkits SET name = 'Newer'")
		w.synced()
		w.wantProposed("toolkits/new.json", "Newer")
		w.accepted("commands/old.json", "toolkits/new.json")
	})
}

// Two organizations mirror directories of one repository: each has a branch and a pull
// request of its own, and what becomes of one does not concern the other.
func TestTwoMirrorsOfOneRepositoryPropose(t *testing.T) {
	eachStepped(t, func(w *world) {
		byPullRequest(w)
		other := *w.config.Mirrors[0]
		w.config.Mirrors[0].PathPrefix = "teams/a"
		other.Organization, other.PathPrefix = "beta", "teams/b"
		w.config.Mirrors = append(w.config.Mirrors, &other)
	}, func(s *stepped) {
		ids := s.organizations(s.config.Mirrors)
		branches := []string{"confmirror/sync-teams-a", "confmirror/sync-teams-b"}
		both := func() {
			for range 2 {
				for _, id := range ids {
					s.must(s.step(id, person))
				}
			}
		}
		add := func(slug string) {
			for _, id := range ids {
				s.orgID = id
				s.insert("toolkits", "slug", quote(slug), "name", quote("Of "+slug))
			}
		}
		pulls := func() map[string]bitbuckettest.PullRequest {
			open := map[string]bitbuckettest.PullRequest{}
			for _, pr := range s.repo.PullRequests() {
				if pr.State == bitbuckettest.PullOpen {
					open[pr.Source] = pr
				}
			}
			return open
		}
		both()
		add("first")
		both()
		open := pulls()
		if len(open) != 2 || len(s.repo.PullRequests()) != 2 {
			s.t.Fatalf("%+v", open)
		}
		for n, branch := range branches {
			files, err := s.repo.Files(branch)
			s.must(err)
			mine, theirs := "teams/a/toolkits/first.json", "teams/b/toolkits/first.json"
			if n == 1 {
				mine, theirs = theirs, mine
			}
			if files[mine] == "" || files[theirs] != "" {
				s.t.Errorf("%s has %v", branch, files)
			}
		}

		// One is merged, the other stays open, with the branch's new head.
		_, err := s.repo.Merge(open[branches[0]].ID, bitbuckettest.Squash)
		s.must(err)
		both()
		if again := pulls(); len(again) != 1 || again[branches[1]].ID != open[branches[1]].ID || s.branchExists(branches[0]) {
			s.t.Errorf("%+v", again)
		}
		s.must(s.repo.Decline(open[branches[1]].ID))
		both()
		s.orgID = ids[0]
		s.wants("ok", "")
		s.orgID = ids[1]
		s.wants("held", mirror.CodePullRequestDeclined)

		// What comes next is one of each again.
		add("second")
		both()
		if again := pulls(); len(again) != 2 || len(s.repo.PullRequests()) != 4 {
			s.t.Errorf("%+v", s.repo.PullRequests())
		}
		for _, branch := range branches {
			_, err := s.repo.Merge(pulls()[branch].ID, bitbuckettest.MergeCommit)
			s.must(err)
			both()
		}
		files := s.files()
		delete(files, "README.md")
		delete(files, "commands/old.json")
		for _, path := range []string{"teams/a/toolkits/first.json", "teams/a/toolkits/second.json", "teams/b/toolkits/second.json"} {
			if files[path] == "" {
				s.t.Errorf("%s is not there", path)
			}
		}
		if len(files) != 3 || len(pulls()) != 0 {
			s.t.Errorf("%v, %v", files, pulls())
		}
	})
}
