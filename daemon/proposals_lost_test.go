package daemon_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// crashing is a mirror that proposes, and whose runs die where a test says.
type crashing struct {
	*clocked
	host mirror.Forge
}

func eachCrashing(t *testing.T, prepare func(w *world), test func(c *crashing)) {
	t.Helper()
	eachClocked(t, func(clocked *clocked) {
		c := &crashing{clocked: clocked}
		prepare(c.world)
		settings := c.config.Mirrors[0].Settings()
		_, err := c.store.SaveConnection(c.t.Context(), c.id, db.ConnectionWrite{Settings: settings, Source: db.SourceAPI})
		c.must(err)
		source, err := new(bitbucket.TokenSources).Source(bitbucket.Consumer{ID: settings.ClientID, Secret: settings.ClientSecret, URL: settings.OAuthURL})
		c.must(err)
		c.host, err = bitbucket.New(bitbucket.Target{Workspace: settings.Workspace, Slug: settings.Repository, URL: settings.APIURL}, source)
		c.must(err)
		c.runAt(&boundary{step: -1})
		test(c)
	})
}

// runAt makes one run, which dies at the boundary if it says so.
func (c *crashing) runAt(at *boundary) {
	c.t.Helper()
	store, clone := failingStore{c.store, at}, failingClone{c.clone, at}
	runner := &mirror.Runner{Store: store, Rules: mirror.DefaultRules, Committer: modelCommitter, Now: c.now, Logger: c.logger()}
	_, err := runner.Run(c.t.Context(), c.load(), clone, mirror.Request{
		RunID: uuid.NewString(), Trigger: "test", Look: true, PullRequests: c.host, LookAtPullRequest: true})
	if !errors.Is(err, at.err) {
		c.t.Fatalf("the run ended with %v, want %v", err, at.err)
	}
	if at.err != nil { // another process opens the clone
		c.must(c.clone.Close())
		c.openClone()
	}
}

// wantCommits counts what the proposal branch has and main has not.
func (c *crashing) wantCommits(n int) {
	c.t.Helper()
	log, err := c.repo.Log("main.." + mirror.ProposalBranch)
	c.must(err)
	if len(log) != n {
		c.t.Errorf("%d commits are proposed, want %d: %+v", len(log), n, log)
	}
}

// A daemon that dies anywhere in a run that proposes leaves one pull request and one commit:
// after the push, after the pull request was opened and before it was remembered, and so on.
func TestDiesWhileItProposes(t *testing.T) {
	for step := range 3 { // the intent, the push, the settlement
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("step %d, after it: %v", step, after), func(t *testing.T) {
				eachCrashing(t, byPullRequest, func(c *crashing) {
					dies := func() { c.runAt(&boundary{step: step, after: after, err: errCrash}) }
					lives := func() { c.runAt(&boundary{step: -1}) }
					c.exec("UPDATE commands SET prompt = 'A new prompt.'")
					dies()
					lives()
					c.wantCommits(1)
					pr := c.pullRequest()
					c.exec("UPDATE commands SET name = 'New'")
					dies()
					lives()
					c.wantCommits(2)
					if n := len(c.repo.PullRequests()); n != 1 || c.pullRequest().ID != pr.ID {
						c.t.Errorf("%d pull requests", n)
					}
					c.wantProposed("commands/old.json", "A new prompt.")
					c.wantProposed("commands/old.json", "New")
					lives()
					c.wantCommits(2)
					c.merged(pr.ID)
				})
			})
		}
	}
}

// merged merges the pull request, with a death before the proposal's end is remembered.
func (c *crashing) merged(id int64) {
	c.t.Helper()
	head, err := c.repo.Merge(id, bitbuckettest.Squash)
	c.must(err)
	c.runAt(&boundary{err: errCrash})
	c.runAt(&boundary{step: -1})
	c.runAt(&boundary{step: -1})
	if c.branchExists(mirror.ProposalBranch) || c.commits()[0].Hash != head || len(c.repo.PullRequests()) != 1 {
		c.t.Errorf("after the merge: %+v %+v", c.commits()[0], c.repo.PullRequests())
	}
	for _, table := range []string{"mirror_intents", "conflicts", "mirror_unsettled", "mirror_changes"} {
		if n := c.query("SELECT count(*) FROM %s", table); n != "0" {
			c.t.Errorf("%s rows are left in %s", n, table)
		}
	}
	if got := c.query("SELECT prompt || '/' || name FROM commands"); got != "A new prompt./New" {
		c.t.Errorf("the row says %q", got)
	}
}

// A death between the decline and its settlement does not propose what was declined.
func TestDiesWhenItWasDeclined(t *testing.T) {
	for step := range 2 { // the branch's deletion, the settlement
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("step %d, after it: %v", step, after), func(t *testing.T) {
				eachCrashing(t, byPullRequest, func(c *crashing) {
					c.exec("UPDATE commands SET prompt = 'A new prompt.'")
					c.runAt(&boundary{step: -1})
					c.must(c.repo.Decline(c.pullRequest().ID))
					c.runAt(&boundary{step: step, after: after, err: errCrash})
					c.runAt(&boundary{step: -1})
					if n := len(c.repo.PullRequests()); n != 1 || c.branchExists(mirror.ProposalBranch) {
						c.t.Errorf("%d pull requests, the branch exists: %v", n, c.branchExists(mirror.ProposalBranch))
					}
					if reason := c.query("SELECT reason FROM mirror_unsettled"); reason != "declined" {
						c.t.Errorf("the change is %q", reason)
					}
				})
			})
		}
	}
}

// A death while what was proposed is pushed directly leaves it on the branch once, and
// proposed no more.
func TestDiesWhenTheBranchTakesPushesAgain(t *testing.T) {
	for step := range 4 { // the intent, the push, the branch's deletion, the settlement
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("step %d, after it: %v", step, after), func(t *testing.T) {
				eachCrashing(t, byItself, func(c *crashing) {
					c.repo.Restrict("main")
					c.exec("UPDATE commands SET prompt = 'A new prompt.'")
					c.insert("toolkits", "slug", "'new'", "name", "'New'")
					c.runAt(&boundary{step: -1})
					id, commits := c.pullRequest().ID, len(c.commits())
					c.repo.Unrestrict()
					c.offset += 25 * time.Hour
					c.claim()
					c.runAt(&boundary{step: step, after: after, err: errCrash})
					c.runAt(&boundary{step: -1})
					c.runAt(&boundary{step: -1})
					c.pushedAgain(id, commits+2)
				})
			})
		}
	}
}

// answersLost are those of the requests that make a proposal.
var answersLost = map[string]struct {
	endpoint bitbuckettest.Endpoint
	route    string
}{
	"push":     {bitbuckettest.EndpointPush, ""},
	"open":     {bitbuckettest.EndpointREST, "POST pullrequests"},
	"find":     {bitbuckettest.EndpointREST, "GET pullrequests"},
	"describe": {bitbuckettest.EndpointREST, "PUT pullrequests/{id}"},
	"look":     {bitbuckettest.EndpointREST, "GET pullrequests/{id}"},
}

// Whichever answer is lost, there is one pull request with one commit for each edit, and its
// text is about both.
func TestAnswerToAProposalIsLost(t *testing.T) {
	for name, answer := range answersLost {
		t.Run(name, func(t *testing.T) {
			eachStepped(t, byPullRequest, func(s *stepped) {
				s.must(s.step(s.orgID, starts))
				for n, edit := range []string{"UPDATE commands SET prompt = 'A new prompt.'", "UPDATE toolkits SET name = 'Newer'"} {
					if n == 1 {
						s.insert("toolkits", "slug", "'new'", "name", "'New'")
					}
					undo := s.standIn.Inject(bitbuckettest.Fault{Route: answer.route, CutAnswer: true}, answer.endpoint)
					s.exec("%s", edit)
					_ = s.step(s.orgID, changes)
					undo()
					for range 2 { // the fault has passed, and what failed is due again
						s.clock.advance(6 * time.Minute)
						_ = s.step(s.orgID, polls)
					}
					s.wants("ok", "")
				}
				if n := len(s.repo.PullRequests()); n != 1 || s.pullRequest().Title != "Add 1 toolkit, update 1 command" {
					s.t.Errorf("%+v", s.repo.PullRequests())
				}
				log, err := s.repo.Log("main.." + mirror.ProposalBranch)
				s.must(err)
				if len(log) != 2 {
					s.t.Errorf("%d commits: %+v", len(log), log)
				}
				_, err = s.repo.Merge(1, bitbuckettest.MergeCommit)
				s.must(err)
				s.must(s.step(s.orgID, polls))
				for _, table := range []string{"mirror_intents", "conflicts", "mirror_unsettled", "mirror_changes"} {
					if n := s.query("SELECT count(*) FROM %s", table); n != "0" {
						s.t.Errorf("%s rows are left in %s", n, table)
					}
				}
			})
		})
	}
}
