package daemon_test

import (
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// byItself makes a mirror that proposes changes while the branch refuses pushes.
func byItself(w *world) {
	byPullRequest(w)
	w.config.Mirrors[0].Push = mirror.PushAuto
}

// pushes counts those to the stand-in while do works.
func (w *world) pushes(do func()) int {
	w.t.Helper()
	before := w.standIn.Count(bitbuckettest.EndpointPush)
	do()
	return w.standIn.Count(bitbuckettest.EndpointPush) - before
}

// pushedAgain makes sure that what was proposed is on the branch, once, and not proposed any more.
func (w *world) pushedAgain(id int64, commits int) {
	w.t.Helper()
	if state := w.repo.PullRequest(id).State; state != bitbuckettest.PullDeclined || w.branchExists(mirror.ProposalBranch) {
		w.t.Errorf("the pull request is %s, its branch exists: %v", state, w.branchExists(mirror.ProposalBranch))
	}
	if !w.branchHas("commands/old.json", "A new prompt.") || !w.branchHas("toolkits/new.json", "New") {
		w.t.Errorf("the branch has %v", w.files())
	}
	if n := len(w.commits()); n != commits {
		w.t.Errorf("%d commits, want %d", n, commits)
	}
	for _, table := range []string{"mirror_intents", "conflicts", "mirror_unsettled"} {
		if n := w.query("SELECT count(*) FROM %s", table); n != "0" {
			w.t.Errorf("%s rows are left in %s", n, table)
		}
	}
}

// A refused push becomes a proposal in the same run; the branch is not tried for a day, and
// then takes all of it.
func TestAutoTriesTheBranchDaily(t *testing.T) {
	eachStepped(t, byItself, func(s *stepped) {
		s.insert("toolkits", "slug", "'before'", "name", "'Before'")
		s.must(s.step(s.orgID, starts))
		if !s.branchHas("toolkits/before.json", "Before") {
			t.Fatal("an open branch was not pushed to")
		}
		commits := len(s.commits())
		s.repo.Restrict("main")
		s.exec("UPDATE commands SET prompt = 'A new prompt.'")
		if n := s.pushes(func() { s.must(s.step(s.orgID, changes)) }); n != 2 {
			t.Errorf("%d pushes, want the refused one and the proposal's", n)
		}
		s.wants("ok", "")
		pr := s.pullRequest()
		s.insert("toolkits", "slug", "'new'", "name", "'New'")
		if n := s.pushes(func() { s.must(s.step(s.orgID, changes)) }); n != 1 {
			t.Errorf("%d pushes of the next edit", n)
		}
		s.repo.Unrestrict()
		s.clock.advance(23 * time.Hour)
		s.must(s.step(s.orgID, polls))
		if s.pullRequest().ID != pr.ID || len(s.commits()) != commits {
			t.Error("the branch was tried within a day")
		}
		s.clock.advance(2 * time.Hour)
		s.must(s.step(s.orgID, polls))
		s.pushedAgain(pr.ID, commits+2)
		if n := s.pushes(func() { s.must(s.step(s.orgID, polls)) }); n != 0 {
			t.Errorf("%d pushes more", n)
		}
	})
}

// A run by hand tries the branch at once: refused it leaves the proposal alone, else it
// takes its place.
func TestAutoTriesTheBranchByHand(t *testing.T) {
	eachWorld(t, byItself, func(w *world) {
		commits := len(w.commits())
		w.repo.Restrict("main")
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.eventually("the edit is proposed", func() bool { return w.branchExists(mirror.ProposalBranch) && len(w.repo.PullRequests()) == 1 })
		w.insert("toolkits", "slug", "'new'", "name", "'New'")
		w.eventually("the next one joins it", func() bool { return w.proposedFiles()["toolkits/new.json"] != "" })
		w.synced()
		pr := w.pullRequest()
		head := w.proposedFiles()
		w.synced()
		if again := w.pullRequest(); again.ID != pr.ID || len(w.proposedFiles()) != len(head) || len(w.commits()) != commits {
			t.Errorf("a refused run by hand changed the proposal: %+v", again)
		}
		w.repo.Unrestrict()
		w.synced()
		w.pushedAgain(pr.ID, commits+2)
		w.atRest()
		w.exec("UPDATE toolkits SET name = 'Newer' WHERE slug = 'new'")
		w.synced()
		if !w.branchHas("toolkits/new.json", "Newer") || w.branchExists(mirror.ProposalBranch) {
			t.Error("the next edit is not pushed directly")
		}
	})
}

// The branch is tried again under another connection, too; what people put on the proposal
// branch meanwhile stays there for them.
func TestAutoTriesTheBranchOfAnotherConnection(t *testing.T) {
	eachStepped(t, byItself, func(s *stepped) {
		s.must(s.step(s.orgID, starts))
		s.repo.Restrict("main")
		s.exec("UPDATE commands SET prompt = 'A new prompt.'")
		s.insert("toolkits", "slug", "'new'", "name", "'New'")
		s.must(s.step(s.orgID, changes))
		pr := s.pullRequest()
		_, err := s.repo.Commit(mirror.ProposalBranch, ada, "Note", bitbuckettest.Write("NOTES.md", "for later\n"))
		s.must(err)
		s.repo.Unrestrict()
		consumer := s.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
		s.config.Mirrors[0].ClientID, s.config.Mirrors[0].ClientSecret = consumer.Key, mirror.NewSecret(consumer.Secret)
		_, err = daemon.Connect(t.Context(), s.db, s.config.Mirrors)
		s.must(err)
		s.must(s.step(s.orgID, polls))
		if !s.branchHas("commands/old.json", "A new prompt.") || !s.branchHas("toolkits/new.json", "New") {
			t.Errorf("the branch has %v", s.files())
		}
		if !strings.Contains(s.proposedFiles()["NOTES.md"], "for later") {
			t.Error("a person's commit is gone")
		}
		if state := s.repo.PullRequest(pr.ID).State; state != bitbuckettest.PullOpen {
			t.Errorf("the pull request with a person's commit is %s", state)
		}
	})
}
