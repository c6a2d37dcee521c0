package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// Requests of the stand-in that reviews take.
const (
	getPulls    = "GET pullrequests"
	getComments = "GET pullrequests/{id}/comments"
	postComment = "POST pullrequests/{id}/comments"
	putComment  = "PUT pullrequests/{id}/comments/{comment}"
	postStatus  = "POST commit/{commit}/statuses/build"
)

// reviewWorld is a world with a clock that stands still.
type reviewWorld struct {
	*world
	clock *clockwork
	hook  *bitbuckettest.Hook // nil until listen
}

// eachReview runs a test on both databases.
func eachReview(t *testing.T, prepare func(w *world), test func(w *reviewWorld)) {
	t.Helper()
	clocks := map[*world]*clockwork{}
	eachWorld(t, func(w *world) {
		clocks[w] = &clockwork{start: time.Now()}
		w.now = clocks[w].now
		if prepare != nil {
			prepare(w)
		}
	}, func(w *world) { test(&reviewWorld{world: w, clock: clocks[w]}) })
}

// listen has pull requests delivered.
func (w *reviewWorld) listen() {
	events := []string{"pullrequest:created", "pullrequest:updated", "pullrequest:fulfilled", "pullrequest:rejected"}
	if strings.Contains(w.standIn.APIURL(), "/rest/") {
		events = []string{"pr:opened", "pr:from_ref_updated", "pr:merged", "pr:declined"}
	}
	w.hook = w.repo.AddHook(w.url+"/api/bitbucket/webhook", mirror.NewSecret(webhookSecret), events...)
}

// look lets a while pass, in which everything is delivered, and the mirror run.
func (w *reviewWorld) look(pass time.Duration) {
	w.t.Helper()
	if w.hook != nil {
		w.must(w.hook.Wait(w.t.Context()))
	}
	w.clock.advance(pass)
	w.sync()
}

// push commits to a branch, which is made of main if there is none.
func (w *reviewWorld) push(branch string, changes ...bitbuckettest.Change) mirror.Hash {
	w.t.Helper()
	if _, err := w.repo.Log(branch); err != nil {
		w.must(w.repo.CreateBranch(branch, "main"))
	}
	made, err := w.repo.Commit(branch, mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "Propose", changes...)
	w.must(err)
	return made
}

// open proposes changes.
func (w *reviewWorld) open(branch string, changes ...bitbuckettest.Change) (id int64, source mirror.Hash) {
	w.t.Helper()
	source = w.push(branch, changes...)
	p, err := w.repo.OpenPullRequest(branch, "main", "Change `x` <b>@{all}</b>")
	w.must(err)
	return p.ID, source
}

// review waits for a commit's status and the comment that checked it.
func (w *reviewWorld) review(id int64, source mirror.Hash) (s bitbuckettest.Status, text string) {
	w.t.Helper()
	w.eventually("a review of the commit", func() bool {
		for _, s = range w.repo.Statuses(source) {
			if strings.HasPrefix(s.Key, "confmirror-pr") {
				text = w.text(id)
				return strings.Contains(text, string(source[:12]))
			}
		}
		return false
	})
	return s, text
}

// text is the only comment of ours.
func (w *reviewWorld) text(id int64) string {
	w.t.Helper()
	comments := w.repo.PullRequest(id).Comments
	if len(comments) > 1 {
		w.t.Fatalf("comments: %+v", comments)
	}
	if len(comments) == 0 {
		return ""
	}
	return comments[0].Text
}

func (w *reviewWorld) says(text string, wants ...string) {
	w.t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			w.t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}

// requests are those of the routes, since the last reset.
func (w *reviewWorld) requests(want map[string]int) {
	w.t.Helper()
	counts := w.standIn.CountRoutes()
	for _, route := range []string{getPulls, getComments, postComment, putComment, postStatus} {
		if counts[route] != want[route] {
			w.t.Errorf("%d requests %s, want %d: %v", counts[route], route, want[route], counts)
		}
	}
}

// settled waits until a look against main's head was remembered.
func (w *reviewWorld) settled() {
	w.t.Helper()
	head := string(w.commits()[0].Hash)
	w.eventually("all is reviewed", func() bool { return w.query("SELECT head FROM mirror_review_rounds") == head })
}

func (w *reviewWorld) noClone() {
	w.t.Helper()
	w.eventually("the clone is gone", func() bool {
		_, err := os.Stat(filepath.Join(w.config.DataDir, "reviews", "acme"))
		return os.IsNotExist(err)
	})
}

func command(slug, name string) bitbuckettest.Change {
	return bitbuckettest.Write("commands/"+slug+".json", `{"slug":"`+slug+`","name":"`+name+`","prompt":"Say `+name+`."}`)
}
