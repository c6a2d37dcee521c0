package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// restartAs is the daemon with another push setting.
func (w *world) restartAs(mode mirror.PushMode) {
	w.t.Helper()
	w.stop()
	w.config.Mirrors[0].Push = mode
	w.start()
	w.synced()
}

// Whoever goes over to direct pushes has what waits pushed, and its pull request declined.
func TestFromPullRequestsToDirect(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		commits := len(w.commits())
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.insert("toolkits", "slug", "'new'", "name", "'New'")
		w.synced()
		id := w.pullRequest().ID
		w.restartAs(mirror.PushDirect)
		w.pushedAgain(id, commits+2)
		w.atRest()
	})
}

// What people declined is not pushed behind their backs: it stays held, even when everything
// is compared, until somebody approves it.
func TestFromDeclinedToDirect(t *testing.T) {
	eachStepped(t, byPullRequest, func(s *stepped) {
		s.must(s.step(s.orgID, starts))
		s.exec("UPDATE commands SET prompt = 'A new prompt.'")
		s.insert("toolkits", "slug", "'new'", "name", "'New'")
		s.must(s.step(s.orgID, changes))
		id, commits := s.pullRequest().ID, len(s.commits())
		s.must(s.repo.Decline(id))
		s.must(s.step(s.orgID, person))
		s.config.Mirrors[0].Push = mirror.PushDirect
		_, err := daemon.Connect(t.Context(), s.db, s.config.Mirrors)
		s.must(err)
		s.must(s.step(s.orgID, person))
		s.must(s.step(s.orgID, daemon.Nudge{Trigger: "audit", Look: true, Full: true}))
		s.wants("held", mirror.CodePullRequestDeclined)
		if n := len(s.commits()); n != commits {
			s.t.Errorf("%d commits of what was declined", n-commits)
		}
		s.must(s.db.DecideHold(t.Context(), s.orgID, "", mirror.Approved))
		s.must(s.step(s.orgID, changes))
		s.wants("ok", "")
		s.pushedAgain(id, commits+2)
	})
}

// What a restricted branch refused for good is proposed as soon as the setting says so.
func TestFromRestrictedToPullRequests(t *testing.T) {
	for _, mode := range []mirror.PushMode{mirror.PushPullRequest, mirror.PushAuto} {
		t.Run(string(mode), func(t *testing.T) {
			eachWorld(t, func(w *world) {
				byPullRequest(w)
				w.config.Mirrors[0].Push = mirror.PushDirect
				w.repo.Restrict("main")
			}, func(w *world) {
				w.exec("UPDATE commands SET prompt = 'A new prompt.'")
				w.insert("toolkits", "slug", "'new'", "name", "'New'")
				if w.sync(); w.detailCode() != mirror.CodeBranchRestricted {
					w.t.Errorf("%s", w.detailCode())
				}
				w.restartAs(mode)
				w.wantProposed("commands/old.json", "A new prompt.")
				w.wantProposed("toolkits/new.json", "New")
				if w.detailCode() != "" || w.mirror()["pending_changes"] != 0.0 {
					w.t.Errorf("%v", w.mirror())
				}
				w.accepted("commands/old.json", "toolkits/new.json")
			})
		})
	}
}

// Where the proposal branch may not be written either, the fault names it, imports go on,
// and nothing is tried over and over.
func TestProposalBranchIsRestricted(t *testing.T) {
	for _, mode := range []mirror.PushMode{mirror.PushPullRequest, mirror.PushAuto} {
		t.Run(string(mode), func(t *testing.T) {
			eachWorld(t, func(w *world) {
				byPullRequest(w)
				w.config.Mirrors[0].Push = mode
				w.repo.Restrict("*")
			}, func(w *world) {
				w.exec("UPDATE commands SET prompt = 'A new prompt.'")
				w.commit(bitbuckettest.Write("toolkits/git.json", `{"slug":"git","name":"From git"}`))
				if report := w.sync(); report["state"] != "blocked" || w.detailCode() != mirror.CodeBranchRestricted {
					w.t.Errorf("%v", report)
				}
				if detail := w.mirror()["detail"].(map[string]any); !strings.Contains(fmt.Sprint(detail["message"], detail["remedy"]), "confmirror/sync") {
					w.t.Errorf("%v", detail)
				}
				if w.query("SELECT name FROM toolkits") != "From git" || w.mirror()["pending_changes"] != 1.0 {
					w.t.Errorf("%v", w.mirror())
				}
				if n := w.pushes(func() {
					w.commit(bitbuckettest.Write("toolkits/next.json", `{"slug":"next","name":"Next"}`))
					w.nudge()
					w.eventually("imports go on", func() bool { return w.query("SELECT count(*) FROM toolkits") == "2" })
				}); n != 0 {
					w.t.Errorf("%d pushes more", n)
				}
				w.repo.Unrestrict()
				w.repo.Restrict("main")
				w.synced()
				w.wantProposed("commands/old.json", "A new prompt.")
				head, err := w.repo.Merge(w.pullRequest().ID, bitbuckettest.Squash)
				w.must(err)
				w.mergedOnce(head)
			})
		})
	}
}

// Too many deletions at once wait before they are proposed, and are counted once.
func TestHeldDeletionsAreProposed(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		var files []bitbuckettest.Change
		for n := range 12 {
			files = append(files, bitbuckettest.Write(fmt.Sprintf("toolkits/t%02d.json", n), fmt.Sprintf(`{"slug":"t%02d","name":"T"}`, n)))
		}
		w.commit(files...)
		w.synced()
		w.exec("UPDATE toolkits SET deleted_at = CURRENT_TIMESTAMP")
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		if report := w.sync(); report["state"] != "held" || w.detailCode() != mirror.CodeDeletionsHeld || w.onHold() != 12 {
			w.t.Errorf("%v", report)
		}
		if pr := w.pullRequest(); pr.Title != "Update command old" {
			w.t.Errorf("%q", pr.Title)
		}
		w.call("POST", "mirror/approve", nil)
		w.synced()
		if pr := w.pullRequest(); pr.Title != "Delete 12 toolkits, update 1 command" {
			w.t.Errorf("%q", pr.Title)
		}
		w.exec("UPDATE commands SET name = 'New'") // which plans what is proposed once more
		w.synced()
		w.accepted("commands/old.json")
	})
}

// Without REST nobody tells that a pull request was merged, and squashed commits do not
// either: what the branch says then counts all the same.
func TestSquashedWhileRESTIsDown(t *testing.T) {
	for name, closes := range map[string]bool{"closing": true, "keeping": false} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, byPullRequest, func(w *world) {
				w.exec("UPDATE commands SET prompt = 'A new prompt.', name = 'New name'")
				w.insert("toolkits", "slug", "'new'", "name", "'New'")
				w.synced()
				id := w.pullRequest().ID
				w.must(w.repo.EditPullRequest(id, func(p *bitbuckettest.PullRequest) { p.CloseSource = closes }))
				up := w.standIn.Inject(bitbuckettest.Down(503), bitbuckettest.EndpointREST)
				head, err := w.repo.Merge(id, bitbuckettest.Squash)
				w.must(err)
				w.synced()
				w.synced()
				up()
				w.mergedOnce(head)
				if got := w.query("SELECT prompt || '/' || name FROM commands"); got != "A new prompt./New name" {
					w.t.Errorf("the row says %q", got)
				}
				w.wantTree("main", "commands/old.json", "toolkits/new.json")
			})
		})
	}
}
