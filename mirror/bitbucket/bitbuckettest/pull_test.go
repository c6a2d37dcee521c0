package bitbuckettest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// proposed is a world with a pull request from side into main.
func proposed(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, bitbuckettest.Options{})
	commit(t, w.repo, "main", "a", "1")
	w.propose(t, "side")
	return w
}

// propose makes a branch with two commits, and its pull request.
func (w *world) propose(t *testing.T, branch string) bitbuckettest.PullRequest {
	t.Helper()
	if err := w.repo.CreateBranch(branch, "main"); err != nil {
		t.Fatal(err)
	}
	commit(t, w.repo, branch, branch, "1")
	commit(t, w.repo, branch, branch, "2")
	return must[bitbuckettest.PullRequest](t)(w.repo.OpenPullRequest(branch, "main", "Take "+branch))
}

// send makes a REST request of the repository as the consumer.
func (w *world) send(t *testing.T, token, method, path string, body any) (int, map[string]any) {
	t.Helper()
	encoded := must[[]byte](t)(json.Marshal(body))
	r := must[*http.Request](t)(http.NewRequest(method, w.APIURL()+"/repositories/acme-corp/webrix-sync/"+path, bytes.NewReader(encoded)))
	r.Header.Set("Authorization", "Bearer "+token)
	return doJSON(t, r)
}

// ids are those of a list.
func ids(body map[string]any) []int {
	var list []int
	values, _ := body["values"].([]any)
	for _, v := range values {
		list = append(list, int(v.(map[string]any)["id"].(float64)))
	}
	return list
}

func errorText(body map[string]any) string {
	e, _ := body["error"].(map[string]any)
	text, _ := e["message"].(string)
	return text
}

// Each strategy makes the commits that Bitbucket makes, in the real repository.
func TestMergeStrategies(t *testing.T) {
	for _, tt := range []struct {
		strategy bitbuckettest.MergeStrategy
		behind   bool // main has moved meanwhile
		parents  int
		subject  string
	}{
		{bitbuckettest.MergeCommit, false, 2, "Merged in side (pull request #1)"},
		{bitbuckettest.MergeCommit, true, 2, "Merged in side (pull request #1)"},
		{bitbuckettest.Squash, false, 1, "Merged in side (pull request #1)"},
		{bitbuckettest.Squash, true, 1, "Merged in side (pull request #1)"},
		{bitbuckettest.FastForward, false, 1, "Write side"},
		{bitbuckettest.FastForward, true, 2, "Merged in side (pull request #1)"},
	} {
		t.Run(fmt.Sprint(tt.strategy, tt.behind), func(t *testing.T) {
			w := proposed(t)
			if tt.behind {
				commit(t, w.repo, "main", "b", "1")
			}
			made, err := w.repo.Merge(1, tt.strategy)
			if err != nil {
				t.Fatal(err)
			}
			log := must[[]bitbuckettest.Commit](t)(w.repo.Log("main"))
			if log[0].Hash != made || len(log[0].Parents) != tt.parents || log[0].Subject() != tt.subject {
				t.Errorf("%+v", log[0])
			}
			files := must[map[string]string](t)(w.repo.Files("main"))
			if files["side"] != "2" || files["a"] != "1" || tt.behind != (files["b"] == "1") {
				t.Error(files)
			}
			p := w.repo.PullRequest(1)
			if p.State != bitbuckettest.PullMerged || p.MergeCommit != made {
				t.Errorf("%+v", p)
			}
			if _, err := w.repo.Merge(1, tt.strategy); err == nil {
				t.Error("merged twice")
			}
			if head := must[mirror.Hash](t)(w.repo.Head("side")); head == "" {
				t.Error("the source branch went unasked")
			}
		})
	}
}

func TestMergeConflictAndPush(t *testing.T) {
	w := proposed(t)
	before := commit(t, w.repo, "main", "side", "other")
	if _, err := w.repo.Merge(1, bitbuckettest.MergeCommit); err == nil {
		t.Error("a conflict is merged")
	}
	if status, body := w.send(t, w.token(t), "POST", "pullrequests/1/merge", nil); status != http.StatusConflict {
		t.Errorf("%d %v", status, body)
	}
	if head := must[mirror.Hash](t)(w.repo.Head("main")); head != before || w.repo.PullRequest(1).State != bitbuckettest.PullOpen {
		t.Error("a merge that failed left something behind")
	}
	// Pushed by hand, it is merged all the same.
	w.propose(t, "more")
	if err := w.repo.ForcePush("main", "more"); err != nil {
		t.Fatal(err)
	}
	if p := w.repo.PullRequest(2); p.State != bitbuckettest.PullMerged {
		t.Errorf("%+v", p)
	}
	if p := w.repo.PullRequest(1); p.State != bitbuckettest.PullOpen {
		t.Errorf("%+v", p)
	}
}

func TestPullRequestREST(t *testing.T) {
	w := proposed(t)
	token := w.token(t)
	side := func(name string) map[string]any { return map[string]any{"branch": map[string]any{"name": name}} }
	if err := w.repo.CreateBranch("next", "side"); err != nil {
		t.Fatal(err)
	}
	// The destination is the main branch unless it is named.
	status, p := w.send(t, token, "POST", "pullrequests", map[string]any{"title": "T", "source": side("next"), "close_source_branch": true})
	if status != 201 || p["id"] != 2.0 || p["state"] != "OPEN" || p["merge_commit"] != nil {
		t.Fatalf("%d %v", status, p)
	}
	hash := p["source"].(map[string]any)["commit"].(map[string]any)["hash"].(string)
	if head := must[mirror.Hash](t)(w.repo.Head("next")); len(hash) != 12 || !strings.HasPrefix(string(head), hash) {
		t.Errorf("%q is not the start of %s", hash, head)
	}
	if status, again := w.send(t, token, "POST", "pullrequests", map[string]any{"title": "U", "source": side("next")}); status != 200 || again["id"] != 2.0 || again["title"] != "T" {
		t.Errorf("a second one: %d %v", status, again)
	}
	you := w.AccountUUID("you")
	reviewers := func(ids ...string) []any {
		var list []any
		for _, id := range ids {
			list = append(list, map[string]any{"uuid": id})
		}
		return list
	}
	if status, p = w.send(t, token, "PUT", "pullrequests/2", map[string]any{"title": "V", "reviewers": reviewers(you)}); status != 200 || len(p["reviewers"].([]any)) != 1 || p["close_source_branch"] != false {
		t.Errorf("%d %v", status, p)
	}
	if _, list := w.send(t, token, "GET", "pullrequests", nil); !slices.Equal(ids(list), []int{2, 1}) || list["values"].([]any)[0].(map[string]any)["reviewers"] != nil {
		t.Errorf("%v", list)
	}
	if _, p = w.send(t, token, "PUT", "pullrequests/2", map[string]any{"title": "W"}); len(p["reviewers"].([]any)) != 0 {
		t.Error("reviewers that are left out stay") // they are cleared, as on Bitbucket
	}
	for fields, want := range map[string]string{
		"x": "Malformed reviewers list", "{x}": "is not a member of this workspace",
	} {
		_, body := w.send(t, token, "PUT", "pullrequests/2", map[string]any{"title": "W", "reviewers": reviewers(fields)})
		if e := fmt.Sprint(body["error"].(map[string]any)["fields"]); !strings.Contains(e, want) {
			t.Error(e)
		}
	}
	status, p = w.send(t, token, "POST", "pullrequests/2/merge", map[string]any{"merge_strategy": "squash", "message": "M", "close_source_branch": true})
	if status != 200 || p["state"] != "MERGED" || p["closed_by"] == nil {
		t.Errorf("%d %v", status, p)
	}
	if head := must[mirror.Hash](t)(w.repo.Head("next")); head != "" {
		t.Error("the source branch stays")
	}
	for _, path := range []string{"POST pullrequests/2/decline", "POST pullrequests/2/merge", "PUT pullrequests/2"} {
		method, path, _ := strings.Cut(path, " ")
		if status, body := w.send(t, token, method, path, map[string]any{"title": "X"}); status != 400 || !strings.Contains(errorText(body), "closed") {
			t.Errorf("%s: %d %v", path, status, body)
		}
	}
	if status, _ := w.send(t, token, "GET", "pullrequests/9", nil); status != 404 {
		t.Errorf("%d", status)
	}
	reads := w.AddAccessToken("acme-corp", "webrix-sync", bitbuckettest.ScopePullRequest)
	if status, body := w.send(t, reads, "POST", "pullrequests/1/decline", nil); status != 403 || !strings.Contains(errorText(body), "privilege scopes") {
		t.Errorf("%d %v", status, body)
	}
}

func TestQueries(t *testing.T) {
	w := proposed(t)
	w.propose(t, "two")
	w.propose(t, `th"ree`)
	if err := w.repo.Decline(2); err != nil {
		t.Fatal(err)
	}
	token := w.token(t)
	for q, want := range map[string][]int{
		`state="OPEN"`:                       {3, 1},
		`state = "DECLINED"`:                 {2},
		`state != "OPEN"`:                    {2},
		`title ~ "TAKE"`:                     {3, 2, 1},
		`source.branch.name="th\"ree"`:       {3},
		`id=1 OR source.branch.name="two"`:   {2, 1},
		`id=1 and state="OPEN" or id=2`:      {2, 1},
		`id=1 AND state="DECLINED" OR id=9`:  nil,
		`merge_commit.hash="x"`:              nil,
		`destination.branch.name="main"`:     {3, 2, 1},
		`destination.branch.name="mai"`:      nil,
		`state="OPEN" AND title="Take side"`: {1},
	} {
		status, body := w.send(t, token, "GET", "pullrequests?q="+url.QueryEscape(q), nil)
		if status != 200 || !slices.Equal(ids(body), want) {
			t.Errorf("%s: %d %v, want %v", q, status, ids(body), want)
		}
	}
	for _, q := range []string{"state", `(state="OPEN")`, `nonsense="x"`, `state="OPEN" XOR id=1`, `state="OPEN" AND`, `state>1`} {
		if status, body := w.send(t, token, "GET", "pullrequests?q="+url.QueryEscape(q), nil); status != 400 {
			t.Errorf("%s: %d %v", q, status, body)
		}
	}
	for path, want := range map[string][]int{
		"pullrequests":                                            {3, 1},
		"pullrequests?state=OPEN&state=DECLINED":                  {3, 2, 1},
		"pullrequests?state=MERGED":                               nil,
		"pullrequests?q=id>0&sort=updated_on":                     nil,
		"pullrequests?state=OPEN&state=DECLINED&sort=-updated_on": {2, 3, 1},
	} {
		if _, body := w.send(t, token, "GET", path, nil); !slices.Equal(ids(body), want) {
			t.Errorf("%s: %v, want %v", path, ids(body), want)
		}
	}
}

// Lists are given in pages, with a link to the next.
func TestPages(t *testing.T) {
	w := proposed(t)
	token := w.token(t)
	for i := range 25 {
		must[bitbuckettest.Comment](t)(w.repo.Comment(1, fmt.Sprint(i)))
	}
	var lengths []int
	next := w.APIURL() + "/repositories/acme-corp/webrix-sync/pullrequests/1/comments?pagelen=10"
	for next != "" {
		r := must[*http.Request](t)(http.NewRequest("GET", next, nil))
		r.Header.Set("Authorization", "Bearer "+token)
		_, body := doJSON(t, r)
		lengths = append(lengths, len(ids(body)))
		next, _ = body["next"].(string)
	}
	if !slices.Equal(lengths, []int{10, 10, 5}) {
		t.Error(lengths)
	}
	if status, _ := w.send(t, token, "GET", "pullrequests?pagelen=51", nil); status != 400 {
		t.Errorf("a page of 51 pull requests: %d", status)
	}
}

func TestRoutes(t *testing.T) {
	w := proposed(t)
	token := w.token(t)
	w.ResetRequests()
	defer w.Inject(bitbuckettest.Fault{Route: "GET pullrequests/{id}", Status: 503}, bitbuckettest.EndpointREST)()
	for path, want := range map[string]int{"pullrequests/1": 503, "pullrequests": 200, "pullrequests/1/comments": 200, "nonsense": 404} {
		r := must[*http.Request](t)(http.NewRequest("GET", w.APIURL()+"/repositories/acme-corp/webrix-sync/"+path, nil))
		r.Header.Set("Authorization", "Bearer "+token)
		answer := must[*http.Response](t)(plainClient.Do(r))
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, answer.StatusCode, want)
		}
	}
	want := map[string]int{"GET pullrequests/{id}": 1, "GET pullrequests": 1, "GET pullrequests/{id}/comments": 1}
	if diff := cmp.Diff(want, w.CountRoutes()); diff != "" || w.Count(bitbuckettest.EndpointREST) != 4 {
		t.Error(diff)
	}
	for _, r := range w.Requests() {
		if r.Route != "" && r.Repository != "acme-corp/webrix-sync" {
			t.Errorf("%+v", r)
		}
	}
}

// Events of pull requests go to those who subscribed to them, with what became of it.
func TestPullRequestEvents(t *testing.T) {
	rc := newReceiver(t)
	w := newWorld(t, bitbuckettest.Options{HookBackoff: noBackoff})
	events := []string{
		"pullrequest:created", "pullrequest:updated", "pullrequest:fulfilled", "pullrequest:rejected",
		"pullrequest:comment_created", "pullrequest:comment_deleted",
	}
	h := w.repo.AddHook(rc.URL, hookSecret, events...)
	commit(t, w.repo, "main", "a", "1")
	w.propose(t, "side")                   // created
	commit(t, w.repo, "side", "side", "3") // updated
	commit(t, w.repo, "main", "b", "1")    // nobody is told
	c := must[bitbuckettest.Comment](t)(w.repo.Comment(1, "Well done"))
	if err := w.repo.DeleteComment(1, c.ID); err != nil {
		t.Fatal(err)
	}
	must[mirror.Hash](t)(w.repo.Merge(1, bitbuckettest.Squash))
	w.propose(t, "more")
	if err := w.repo.Decline(2); err != nil {
		t.Fatal(err)
	}
	wait(t, h)
	type row struct {
		Event, State string
		ID           int
	}
	var got []row
	for i, body := range rc.bodies {
		var b struct {
			PullRequest struct {
				ID    int
				State string
			}
			Repository struct{ UUID string }
			Actor      struct{ Type string }
		}
		if err := json.Unmarshal(body, &b); err != nil || b.Repository.UUID != w.repo.UUID() || b.Actor.Type != "user" {
			t.Errorf("%v %s", err, body)
		}
		got = append(got, row{rc.headers[i].Get("X-Event-Key"), b.PullRequest.State, b.PullRequest.ID})
	}
	want := []row{
		{events[0], "OPEN", 1}, {events[1], "OPEN", 1}, {events[4], "OPEN", 1}, {events[5], "OPEN", 1},
		{events[2], "MERGED", 1}, {events[0], "OPEN", 2}, {events[3], "DECLINED", 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What a status's address has in braces is filled in, and the same key overwrites.
func TestStatusREST(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	head := commit(t, w.repo, "main", "a", "1")
	token := w.token(t)
	path := "commit/" + string(head[:12]) + "/statuses/build"
	status := map[string]any{"key": "k", "state": "INPROGRESS", "url": "https://x.example/{repository.full_name}/{commit.hash}{nothing}"}
	if got, body := w.send(t, token, "POST", path, status); got != 201 || body["url"] != "https://x.example/acme-corp/webrix-sync/"+string(head) {
		t.Errorf("%d %v", got, body)
	}
	status["state"] = "STOPPED"
	if got, body := w.send(t, token, "PUT", path+"/k", status); got != 200 || body["state"] != "STOPPED" {
		t.Errorf("%d %v", got, body)
	}
	if _, body := w.send(t, token, "GET", "commit/"+string(head)+"/statuses", nil); len(body["values"].([]any)) != 1 {
		t.Errorf("%v", body)
	}
	for name, wrong := range map[string]map[string]any{
		"key":   {"key": strings.Repeat("k", 41), "state": "FAILED", "url": "https://x.example"},
		"state": {"key": "k", "state": "BROKEN", "url": "https://x.example"}, "url": {"key": "k", "state": "FAILED"},
	} {
		if got, body := w.send(t, token, "POST", path, wrong); got != 400 || !strings.Contains(fmt.Sprint(body), name+": ") {
			t.Errorf("%s: %d %v", name, got, body)
		}
	}
	if got, _ := w.send(t, token, "POST", "commit/"+strings.Repeat("1", 40)+"/statuses/build", status); got != 404 {
		t.Errorf("no such commit: %d", got)
	}
}

func TestHookREST(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	token := w.AddAccessToken("acme-corp", "webrix-sync", bitbuckettest.ScopeWebhook)
	hook := map[string]any{"url": "https://x.example/", "active": true, "events": []string{"repo:push"}, "secret": "s"}
	status, made := w.send(t, token, "POST", "hooks", hook)
	id, _ := made["uuid"].(string)
	if status != 201 || !strings.HasPrefix(id, "{") || made["secret_set"] != true || made["secret"] != nil {
		t.Fatalf("%d %v", status, made)
	}
	path := "hooks/" + url.PathEscape(id)
	delete(hook, "secret")
	if _, body := w.send(t, token, "PUT", path, hook); body["secret_set"] != true || !w.repo.Hooks()[0].HasSecret("s") {
		t.Errorf("without a secret it is kept: %v", body)
	}
	hook["secret"] = nil
	if _, body := w.send(t, token, "PUT", path, hook); body["secret_set"] != false {
		t.Errorf("null removes it: %v", body)
	}
	if status, _ := w.send(t, token, "POST", "hooks", hook); status != 201 || len(w.repo.Hooks()) != 2 {
		t.Errorf("a second one with the same address: %d", status)
	}
	hook["events"] = []string{"repo:nonsense"}
	if status, body := w.send(t, token, "POST", "hooks", hook); status != 400 || !strings.Contains(fmt.Sprint(body), "Unknown event") {
		t.Errorf("%d %v", status, body)
	}
	if status, _ := w.send(t, token, "DELETE", path, nil); status != 204 || len(w.repo.Hooks()) != 1 {
		t.Errorf("%d", status)
	}
	consumer := w.token(t)
	if status, _ := w.send(t, consumer, "GET", "hooks", nil); status != 403 {
		t.Errorf("without the scope: %d", status)
	}
	if status, _ := w.send(t, consumer, "GET", "branch-restrictions", nil); status != 403 {
		t.Errorf("restrictions without an administrator's scope: %d", status)
	}
}
