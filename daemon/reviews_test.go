package daemon_test

import (
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// A pull request from its opening to its merge.
func TestReviewOfAPullRequest(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.listen()
		pushed := w.commit(command("old", "Old"))
		w.synced()
		w.verdict(pushed)
		w.standIn.ResetRequests()

		id, source := w.open("feature", command("new", "New"), bitbuckettest.Write("commands/bad.json", "{\n  \"slug\" \"bad\"\n}"), bitbuckettest.Remove("commands/old.json"))
		w.look(time.Minute)
		s, text := w.review(id, source)
		if s.State != "FAILED" || s.Key != "confmirror-pr" || s.RefName != "feature" || !strings.HasSuffix(s.URL, "/commits/"+string(source)) {
			t.Errorf("%+v", s)
		}
		w.says(s.Description, "1 file is refused: commands/bad.json: INVALID_JSON: line 2", "1 created, 1 deleted")
		w.says(text, "**1 file would be refused:**\n\n- `commands/bad.json:2:10`: `INVALID_JSON` `line 2, column 10", "- create command `new`", "- delete command `old`")
		w.settled()
		w.requests(map[string]int{getPulls: 1, getComments: 1, postComment: 1, postStatus: 1})

		source = w.push("feature", command("bad", "Better"))
		w.look(time.Minute)
		s, text = w.review(id, source)
		if s.State != "SUCCESSFUL" || s.Description != "2 created, 1 deleted" || strings.Contains(text, "refused") {
			t.Errorf("%+v\n%s", s, text)
		}
		w.says(text, "All files are valid.")
		w.settled()
		w.requests(map[string]int{getPulls: 2, getComments: 1, postComment: 1, putComment: 1, postStatus: 2})

		// What it proposed is taken back.
		source = w.push("feature", bitbuckettest.Remove("commands/bad.json"), bitbuckettest.Remove("commands/new.json"), command("old", "Old"))
		w.look(time.Minute)
		if s, text = w.review(id, source); s.Description != "nothing that is mirrored changes" {
			t.Errorf("%+v", s)
		}
		w.says(text, "Nothing that is mirrored changes.")

		source = w.push("feature", command("last", "Last"))
		w.look(time.Minute)
		w.review(id, source)
		_, err := w.repo.Merge(id, bitbuckettest.Squash)
		w.must(err)
		w.look(time.Minute)
		w.eventually("it is forgotten", func() bool { return w.query("SELECT count(*) FROM mirror_reviews") == "0" })
		w.noClone()
		w.eventually("what it brought is there", func() bool { return w.query("SELECT name FROM commands WHERE slug = 'last'") == "Last" })
	})
}

// One that changes nothing of ours gets a status and no comment.
func TestReviewWithNothingToSay(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.listen()
		w.commit(command("a", "A"))
		w.synced()
		id, source := w.open("docs", bitbuckettest.Write("README.md", "Hello"))
		w.look(time.Minute)
		w.eventually("the status", func() bool { return len(w.repo.Statuses(source)) == 1 })
		w.settled()
		if s := w.repo.Statuses(source)[0]; s.State != "SUCCESSFUL" || s.Description != "nothing that is mirrored changes" || w.text(id) != "" {
			t.Errorf("%+v %q", s, w.text(id))
		}
		w.must(w.repo.Decline(id))
		w.look(time.Minute)
		w.noClone()
	})
}

// Our own proposals say themselves what they bring.
func TestReviewOfOurProposal(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.listen()
		w.commit(command("a", "A"))
		w.synced()
		id, source := w.open("confmirror/sync", bitbuckettest.Write("commands/b.json", "{"))
		w.look(time.Minute)
		w.eventually("the status", func() bool { return len(w.repo.Statuses(source)) == 1 })
		w.settled()
		if s := w.repo.Statuses(source)[0]; s.State != "FAILED" || w.text(id) != "" {
			t.Errorf("%+v %q", s, w.text(id))
		}
	})
}

// The mirrored branch moves: what is known is reviewed again, and the host hears only what is new.
func TestReviewAfterTheBranchMoved(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.listen()
		w.commit(command("a", "A"), command("b", "B"))
		w.synced()
		id, source := w.open("feature", command("a", "Theirs"))
		w.look(time.Minute)
		w.review(id, source)
		w.settled()
		w.standIn.ResetRequests()

		w.exec("UPDATE commands SET name = 'Edited' WHERE slug = 'b'")
		w.look(2 * time.Minute)
		w.settled()
		w.requests(nil)

		w.exec("UPDATE commands SET prompt = 'Another one altogether.', name = 'Ours' WHERE slug = 'a'")
		w.look(2 * time.Minute)
		w.settled()
		s, text := w.review(id, source)
		if s.State != "FAILED" || !strings.HasPrefix(s.Description, "in conflict with main: commands/a.json") {
			t.Errorf("%+v", s)
		}
		w.says(text, "cannot be merged yet:**\n\n- `commands/a.json`")
		w.requests(map[string]int{putComment: 1, postStatus: 1})
	})
}

// Without deliveries the host is asked now and then, and a restart asks for nothing.
func TestReviewWithoutWebhook(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		pushed := w.commit(command("a", "A"))
		w.synced()
		w.verdict(pushed)
		w.standIn.ResetRequests()
		id, source := w.open("feature", command("a", "Theirs"))
		w.look(9 * time.Minute)
		w.requests(nil)
		w.look(2 * time.Minute)
		w.review(id, source)
		w.settled()
		w.standIn.ResetRequests()

		w.stop()
		w.start()
		w.look(5 * time.Minute)
		w.look(4 * time.Minute)
		w.requests(nil)

		source = w.push("feature", command("a", "Theirs again"))
		w.look(2 * time.Minute)
		w.review(id, source)
		w.settled()
		w.requests(map[string]int{getPulls: 1, putComment: 1, postStatus: 1})
	})
}

// A comment that somebody deleted is made anew when there is something new to say.
func TestReviewAfterItsCommentWasDeleted(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.listen()
		w.commit(command("a", "A"))
		w.synced()
		id, source := w.open("feature", command("a", "Theirs"))
		w.look(time.Minute)
		w.review(id, source)
		w.must(w.repo.DeleteComment(id, w.repo.PullRequest(id).Comments[0].ID))
		w.settled()
		source = w.push("feature", command("a", "Theirs again"))
		w.look(time.Minute)
		w.eventually("another comment", func() bool {
			comments := w.repo.PullRequest(id).Comments
			return len(comments) > 0 && strings.Contains(comments[len(comments)-1].Text, string(source[:12]))
		})
	})
}

func TestReviewAtDataCenter(t *testing.T) {
	eachReview(t, func(w *world) { w.dataCenter(bitbuckettest.ScopeRepositoryWrite) }, func(w *reviewWorld) {
		w.listen()
		w.commit(command("a", "A"))
		w.synced()
		id, source := w.open("feature", bitbuckettest.Write("commands/a.json", "{"))
		w.look(time.Minute)
		s, text := w.review(id, source)
		if s.State != "FAILED" || !strings.Contains(s.URL, "/projects/CONF/repos/webrix-sync/commits/") {
			t.Errorf("%+v", s)
		}
		w.says(text, "1 file would be refused")
		source = w.push("feature", command("a", "Theirs"))
		w.look(time.Minute)
		s, text = w.review(id, source)
		if s.State != "SUCCESSFUL" {
			t.Errorf("%+v", s)
		}
		w.says(text, "- update command `a`")
	})
}
