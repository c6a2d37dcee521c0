package daemon_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// restOf counts the requests to each resource of pull requests, and to git, while do works.
func (s *stepped) restOf(do func()) map[string]int {
	s.t.Helper()
	s.standIn.ResetRequests()
	do()
	counts := s.standIn.CountRoutes()
	if n := s.standIn.Count(bitbuckettest.GitEndpoints...); n > 0 {
		counts["git"] = n
	}
	return counts
}

func wantCounts(t testing.TB, what string, got, want map[string]int) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// Nobody does anything for an hour: a poll a minute, and a look at the pull request each five.
func TestOpenProposalAsksRarely(t *testing.T) {
	eachStepped(t, byPullRequest, func(s *stepped) {
		s.must(s.step(s.orgID, starts))
		wantCounts(s.t, "the first edit", s.restOf(func() {
			s.exec("UPDATE commands SET prompt = 'A new prompt.'")
			s.must(s.step(s.orgID, changes))
		}), map[string]int{"GET pullrequests": 1, "POST pullrequests": 1, "git": 2})
		wantCounts(s.t, "the next edit", s.restOf(func() {
			s.insert("toolkits", "slug", "'new'", "name", "'New'")
			s.must(s.step(s.orgID, changes))
		}), map[string]int{"GET pullrequests/{id}": 1, "PUT pullrequests/{id}": 1, "git": 2})
		wantCounts(s.t, "the hour", s.restOf(func() {
			for range 60 {
				s.clock.advance(time.Minute)
				s.must(s.step(s.orgID, polls))
			}
		}), map[string]int{"GET pullrequests/{id}": 12, "git": 60})
	})
}

// troubles of REST, while git goes on, with what is said and to be done about them.
var troubles = map[string]struct {
	begin        func(s *stepped) (end func())
	said, remedy string
}{
	"down":    {restAnswers(bitbuckettest.Down(500)), "500", "tried again"},
	"limited": {restAnswers(bitbuckettest.TooManyRequests(0)), "limits how many requests", "tried again"},
	"scope": {func(s *stepped) func() {
		m := s.config.Mirrors[0]
		may := func(scopes ...string) {
			s.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Key: m.ClientID, Secret: m.ClientSecret.Reveal(), Scopes: scopes})
			s.standIn.RevokeTokens()
		}
		may(bitbuckettest.ScopeRepositoryWrite)
		return func() { may() }
	}, "refuses access", "Pull requests"},
}

func restAnswers(fault bitbuckettest.Fault) func(s *stepped) func() {
	return func(s *stepped) func() { return s.standIn.Inject(fault, bitbuckettest.EndpointREST) }
}

// Git goes on where REST does not: the branch is there, the condition says what is missing,
// and once it answers again there is one pull request about all of it.
func TestProposalWithoutREST(t *testing.T) {
	for name, trouble := range troubles {
		t.Run(name, func(t *testing.T) {
			eachStepped(t, byPullRequest, func(s *stepped) {
				s.must(s.step(s.orgID, starts))
				end := trouble.begin(s)
				s.exec("UPDATE commands SET prompt = 'A new prompt.'")
				s.must(s.step(s.orgID, changes))
				s.insert("toolkits", "slug", "'new'", "name", "'New'")
				s.must(s.step(s.orgID, changes))
				s.wantProposed("commands/old.json", "A new prompt.")
				s.wantProposed("toolkits/new.json", "New")
				c := s.storedCondition()
				if c == nil || !strings.Contains(c.Message, "2 changes of the database wait") || !strings.Contains(c.Message, trouble.said) ||
					!strings.Contains(c.Remedy, trouble.remedy) || !strings.Contains(c.Remedy, "from confmirror/sync into main by hand") {
					s.t.Errorf("%+v", c)
				}
				asked := s.standIn.Count(bitbuckettest.EndpointREST)
				for range 60 {
					s.clock.advance(time.Minute)
					s.must(s.step(s.orgID, polls))
				}
				if n := s.standIn.Count(bitbuckettest.EndpointREST) - asked; n > 12 {
					s.t.Errorf("%d requests in an hour", n)
				}
				end()
				s.clock.advance(time.Hour) // whatever pace the client keeps
				s.must(s.step(s.orgID, polls))
				s.must(s.step(s.orgID, polls))
				if n := len(s.repo.PullRequests()); n != 1 || s.pullRequest().Title != "Add 1 toolkit, update 1 command" {
					s.t.Errorf("%+v", s.repo.PullRequests())
				}
				if c := s.storedCondition(); c == nil || !strings.Contains(c.Message, "in pull request 1") {
					s.t.Errorf("%+v", c)
				}
			})
		})
	}
}

// storedCondition tells of the proposal.
func (s *stepped) storedCondition() *mirror.Detail {
	s.t.Helper()
	status, err := s.db.Status(s.t.Context(), s.orgID)
	s.must(err)
	for _, c := range status.State.Conditions {
		if c.Code == mirror.CodePullRequestOpen {
			return &c
		}
	}
	return nil
}

// Somebody mended what was missing and asks for a run: it does not wait.
func TestProposalOpenedByHand(t *testing.T) {
	eachStepped(t, byPullRequest, func(s *stepped) {
		s.must(s.step(s.orgID, starts))
		undo := s.standIn.Inject(bitbuckettest.ScopesMissing(), bitbuckettest.EndpointREST)
		s.exec("UPDATE commands SET prompt = 'A new prompt.'")
		s.must(s.step(s.orgID, changes))
		undo()
		s.must(s.step(s.orgID, person))
		if pr := s.pullRequest(); pr.Title != "Update command old" {
			s.t.Errorf("%+v", pr)
		}
	})
}

// A plain git host has no pull requests of its own: people merge the branch by git.
func TestProposalOnAPlainGitHost(t *testing.T) {
	for _, squash := range []bool{false, true} {
		t.Run(fmt.Sprintf("squash: %v", squash), func(t *testing.T) {
			eachWorld(t, func(w *world) {
				byPullRequest(w)
				none := ""
				m := w.config.Mirrors[0]
				m.APIURL = &none
			}, func(w *world) {
				w.exec("UPDATE commands SET prompt = 'A new prompt.'")
				w.synced()
				w.insert("toolkits", "slug", "'new'", "name", "'New'")
				w.synced()
				w.wantProposed("commands/old.json", "A new prompt.")
				w.wantProposed("toolkits/new.json", "New")
				c := w.condition(mirror.CodePullRequestOpen)
				if c == nil || c["message"] != "2 changes of the database wait on the branch confmirror/sync." ||
					c["remedy"] != "Open a pull request from confmirror/sync into main, and merge it." {
					w.t.Errorf("%v", c)
				}
				if squash {
					for path, content := range w.proposedFiles() {
						w.commit(bitbuckettest.Write(path, content))
					}
				} else {
					w.must(w.repo.ForcePush("main", mirror.ProposalBranch))
				}
				head := w.commits()[0].Hash
				w.synced()
				w.synced()
				if w.commits()[0].Hash != head || w.branchExists(mirror.ProposalBranch) || w.condition(mirror.CodePullRequestOpen) != nil {
					w.t.Errorf("the branch exists: %v; %v", w.branchExists(mirror.ProposalBranch), w.mirror())
				}
				w.atRest()
				w.exec("UPDATE toolkits SET name = 'Newer'")
				w.synced()
				w.wantProposed("toolkits/new.json", "Newer")
			})
		})
	}
}
