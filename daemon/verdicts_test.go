package daemon_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// verdict is the status that a commit gets.
func (w *world) verdict(commit mirror.Hash) (s bitbuckettest.Status) {
	w.t.Helper()
	w.eventually("a status of the commit", func() bool {
		all := w.repo.Statuses(commit)
		if len(all) == 1 {
			s = all[0]
		}
		return len(all) == 1
	})
	return s
}

func TestVerdictOnEachPushedCommit(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("commands", "slug", "'own'", "name", "'Own'", "prompt", "'x'")
		w.synced()
		own := w.commits()[0].Hash

		bad := w.commit(
			bitbuckettest.Write("commands/good.json", `{"slug":"good","name":"Good","prompt":"x"}`),
			bitbuckettest.Write("commands/bad.json", "{\n  \"slug\" \"bad\"\n}"),
		)
		w.synced()
		s := w.verdict(bad)
		if s.State != "FAILED" || s.Key != "confmirror" || s.RefName != "main" || !strings.HasSuffix(s.URL, "/acme-corp/webrix-sync/commits/"+string(bad)) {
			t.Errorf("%+v", s)
		}
		for _, want := range []string{"1 file is refused", "commands/bad.json: INVALID_JSON: line 2", "1 created"} {
			if !strings.Contains(s.Description, want) {
				t.Errorf("%q does not say %q", s.Description, want)
			}
		}

		good := w.commit(bitbuckettest.Write("commands/bad.json", `{"slug":"bad","name":"Bad no more","prompt":"Another thing altogether."}`), bitbuckettest.Remove("commands/good.json"))
		w.synced()
		if s := w.verdict(good); s.State != "SUCCESSFUL" || s.Description != "1 created, 1 deleted" {
			t.Errorf("%+v", s)
		}

		other := w.commit(bitbuckettest.Write("README.md", "Hello"))
		w.synced()
		if s := w.verdict(other); s.State != "SUCCESSFUL" || s.Description != "nothing that is mirrored changed" {
			t.Errorf("%+v", s)
		}
		if all := w.repo.Statuses(own); len(all) > 0 {
			t.Errorf("our own commit got %v", all)
		}
	})
}

// A consumer without the scope, or a host that has had enough, costs nothing but the status.
func TestVerdictsThatAreNotTaken(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.synced()
		const route = "POST commit/{commit}/statuses/build"
		w.standIn.Inject(bitbuckettest.Fault{Route: route, Status: 403, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"type":"error","error":{"message":"Your credentials lack one or more required privilege scopes.","detail":{"required":["repository"],"granted":["pullrequest"]}}}`}, bitbuckettest.EndpointREST)
		for _, name := range []string{"a", "b"} {
			w.commit(bitbuckettest.Write("commands/"+name+".json", `{"slug":"`+name+`","name":"N","prompt":"x"}`))
			w.synced()
			tried := map[string]int{"a": 1, "b": 2}[name]
			w.eventually("the status is tried", func() bool { return w.standIn.CountRoutes()[route] == tried })
		}
		if n := strings.Count(w.log.String(), "commits get no build status"); n > 1 {
			t.Errorf("it was said %d times", n)
		}
		if report := w.synced(); report["state"] != "ok" {
			t.Errorf("%v", report)
		}
	})
}
