package daemon_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// withScopes connects with credentials that may do so much.
func withScopes(scopes ...string) func(w *world) {
	return func(w *world) {
		c := w.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Scopes: scopes})
		w.config.Mirrors[0].ClientID, w.config.Mirrors[0].ClientSecret = c.Key, mirror.NewSecret(c.Secret)
	}
}

// Credentials that may not see pull requests: it is said once, and tried again daily and
// with other credentials.
func TestReviewWithoutTheScope(t *testing.T) {
	eachReview(t, withScopes(bitbuckettest.ScopeRepositoryWrite), func(w *reviewWorld) {
		w.commit(command("a", "A"))
		w.synced()
		id, source := w.open("feature", command("a", "Theirs"))
		asked := func(n int) {
			t.Helper()
			w.eventually(fmt.Sprintf("the host is asked %d times", n), func() bool { return w.standIn.CountRoutes()[getPulls] == n })
		}
		w.look(11 * time.Minute)
		asked(1)
		for range 3 {
			w.look(11 * time.Minute)
		}
		asked(1)
		w.look(24 * time.Hour)
		asked(2)
		if n := strings.Count(w.log.String(), "pull requests cannot be listed: "); n != 1 {
			t.Errorf("it was said %d times", n)
		}
		if report := w.synced(); report["state"] != "ok" {
			t.Errorf("%v", report)
		}
		withScopes(bitbuckettest.ScopeRepositoryWrite, bitbuckettest.ScopePullRequestWrite)(w.world)
		_, err := daemon.Connect(t.Context(), w.db, w.config.Mirrors)
		w.must(err)
		w.look(time.Minute)
		w.review(id, source)
	})
}

// Credentials that may read pull requests but not comment on them.
func TestReviewWithoutComments(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.listen()
		w.commit(command("a", "A"))
		w.synced()
		allow := w.standIn.Inject(bitbuckettest.Fault{Route: postComment, Status: 403, Header: http.Header{"Content-Type": {"application/json"}},
			Body: `{"type":"error","error":{"message":"Your credentials lack one or more required privilege scopes.","detail":{"required":["pullrequest:write"],"granted":["pullrequest"]}}}`}, bitbuckettest.EndpointREST)
		id, source := w.open("feature", command("a", "Theirs"))
		w.look(time.Minute)
		w.eventually("the status", func() bool { return len(w.repo.Statuses(source)) == 1 })
		w.settled()
		source = w.push("feature", command("a", "Theirs again"))
		w.look(time.Minute)
		w.eventually("the status", func() bool { return len(w.repo.Statuses(source)) == 1 })
		w.settled()
		if n := w.standIn.CountRoutes()[postComment]; n != 1 || strings.Count(w.log.String(), "pull requests get no comment: ") != 1 {
			t.Errorf("%d comments were tried", n)
		}
		allow()
		w.look(25 * time.Hour)
		w.review(id, source)
	})
}

// A host that fails for a while gets what is owed later, and nothing twice.
func TestReviewLater(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.listen()
		pushed := w.commit(command("a", "A"))
		w.synced()
		w.verdict(pushed)
		w.standIn.ResetRequests()
		w.standIn.Inject(bitbuckettest.Fault{Route: postComment, Times: 1, Status: 502}, bitbuckettest.EndpointREST)
		id, source := w.open("feature", command("a", "Theirs"))
		w.look(time.Minute)
		w.eventually("the comment is tried", func() bool { return w.standIn.CountRoutes()[postComment] >= 1 })
		w.eventually("it failed", func() bool { return strings.Contains(w.log.String(), "pull requests are looked at later") })
		if report := w.synced(); report["state"] != "ok" {
			t.Errorf("%v", report)
		}
		w.look(3 * time.Minute)
		w.review(id, source)
		w.settled()
		if n := w.standIn.CountRoutes()[postStatus]; n != 1 {
			t.Errorf("%d statuses", n)
		}
	})
}

// Names, titles and texts of the repository are shown as they are and do nothing.
func TestReviewOfHostileNames(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.listen()
		w.commit(command("a", "A"))
		w.synced()
		const name = "commands/`![x](http:__evil) <img src=x> @{all} [confmirror]: # \"review\"\n# Title\u202e.json"
		id, source := w.open("fea`ture<b>", bitbuckettest.Write(name, "{}"), bitbuckettest.Write("commands/c.json", `{"slug":"c","name":"C","prompt":"x","`+"`<script>\\n"+`":1,"status":"@{all}"}`))
		w.look(time.Minute)
		_, text := w.review(id, source)
		w.says(text, "2 files would be refused", "- `commands/'![x](http:__evil) <img src=x> @{all} [confmirror]: # \"review\"\uFFFD# Title\uFFFD.json")
		inCode := false
		for i, part := range strings.Split(text, "`") {
			if inCode = i%2 == 1; !inCode && (strings.ContainsAny(part, "<@!") || strings.Contains(part, "evil")) {
				t.Errorf("%q is no code in\n%s", part, text)
			}
		}
		if inCode {
			t.Errorf("a code span is open:\n%s", text)
		}
	})
}

// A comment that was made though its answer was lost is taken up; one that somebody else made
// look like it is not ours to change.
func TestReviewFindsItsComment(t *testing.T) {
	for name, forged := range map[string]bool{"lost": false, "forged": true} {
		t.Run(name, func(t *testing.T) {
			eachReview(t, nil, func(w *reviewWorld) {
				w.listen()
				w.commit(command("a", "A"))
				w.synced()
				id, source := w.open("feature", command("a", "Theirs"))
				_, err := w.repo.Comment(id, mirror.CommentMarker("review")+"\n\nAll is well.")
				w.must(err)
				want := 1
				if forged {
					want = 2
					w.standIn.Inject(bitbuckettest.Fault{Route: putComment, Times: 1, Status: 403, Header: http.Header{"Content-Type": {"application/json"}},
						Body: `{"type":"error","error":{"message":"Forbidden"}}`}, bitbuckettest.EndpointREST)
				}
				w.look(time.Minute)
				w.eventually("the comment", func() bool {
					all := w.repo.PullRequest(id).Comments
					return len(all) == want && strings.Contains(all[want-1].Text, string(source[:12]))
				})
			})
		})
	}
}

// Of hundreds of errors the first are listed.
func TestReviewOfManyErrors(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.listen()
		w.commit(command("a", "A"))
		w.synced()
		var changes []bitbuckettest.Change
		for i := range 400 {
			changes = append(changes, bitbuckettest.Write(fmt.Sprintf("commands/bad-%03d.json", i), "{"), command(fmt.Sprintf("good-%03d", i), "N"))
		}
		id, source := w.open("feature", changes...)
		w.look(time.Minute)
		s, text := w.review(id, source)
		w.says(s.Description, "400 files are refused")
		w.says(text, "**400 files would be refused:**", "- and 375 more", "`commands/bad-000.json:1:2`")
		if len(text) > 8000 || strings.Contains(text, "bad-399") || !strings.HasSuffix(text, "\n") {
			t.Errorf("%d bytes:\n%s", len(text), text)
		}
	})
}

// A fork's commits are elsewhere, which is said once.
func TestReviewOfAFork(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.listen()
		w.commit(command("a", "A"))
		w.synced()
		id, source := w.open("feature", command("a", "Theirs"))
		w.standIn.Inject(bitbuckettest.Fault{Route: getPulls, Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: fmt.Sprintf(
			`{"values":[{"id":%d,"title":"T","state":"OPEN","source":{"branch":{"name":"feature"},"commit":{"hash":"0123456789ab"},"repository":{"full_name":"ada/webrix-sync"}},`+
				`"destination":{"branch":{"name":"main"},"commit":{"hash":"0123456789ab"},"repository":{"full_name":"acme-corp/webrix-sync"}}}]}`, id)}, bitbuckettest.EndpointREST)
		w.look(time.Minute)
		w.eventually("the comment", func() bool { return w.text(id) != "" })
		w.says(w.text(id), "was not checked: its commits are in `ada/webrix-sync`")
		w.commit(command("b", "B"))
		w.look(2 * time.Minute)
		w.settled()
		if counts := w.standIn.CountRoutes(); counts[postComment] != 1 || counts[putComment] != 0 || len(w.repo.Statuses(source)) != 0 {
			t.Errorf("%v", counts)
		}
	})
}
