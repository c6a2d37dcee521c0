package bitbucket_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// dataCenter is a Data Center's repository with a file, and a client of it.
func dataCenter(t *testing.T, scopes ...string) (*bitbuckettest.Server, *bitbuckettest.Repo, mirror.Forge) {
	t.Helper()
	s := bitbuckettest.Start(t, bitbuckettest.Options{DataCenter: true})
	repo := ok[*bitbuckettest.Repo](t)(s.CreateRepository("CONF", "webrix-sync"))
	write(t, repo, "main", "a", "1")
	if scopes == nil {
		scopes = []string{bitbuckettest.ScopeRepositoryAdmin}
	}
	return s, repo, serverClient(t, s, "CONF", "webrix-sync", s.AddAccessToken("CONF", "webrix-sync", scopes...))
}

func serverClient(t *testing.T, s *bitbuckettest.Server, project, slug, token string) mirror.Forge {
	t.Helper()
	f := ok[mirror.Forge](t)(bitbucket.New(bitbucket.Target{
		Workspace: project, Slug: slug, URL: s.APIURL(), HTTP: client(), UserAgent: "confmirror/1.2.3",
	}, bitbucket.NewBearerToken(mirror.NewSecret(token))))
	if _, is := f.(*bitbucket.DataCenter); !is {
		t.Fatalf("%s is taken for %T", s.APIURL(), f)
	}
	return f
}

func TestIsDataCenter(t *testing.T) {
	for url, want := range map[string]bool{
		"https://git.example/rest/api/latest": true, "https://example/bitbucket/rest/api/1.0/": true, "https://git.example/rest": true,
		"": false, "https://api.bitbucket.org/2.0": false, "https://rest.example/2.0": false, "https://git.example/forest/2.0": false,
	} {
		if got := bitbucket.IsDataCenter(url); got != want {
			t.Errorf("%q: %v", url, got)
		}
	}
	if _, is := ok[mirror.Forge](t)(bitbucket.New(bitbucket.Target{Workspace: "w", Slug: "s"}, nil)).(*bitbucket.Client); !is {
		t.Error("the Cloud is not what is taken when no URL is given")
	}
}

func TestServerRepository(t *testing.T) {
	s, _, f := dataCenter(t, bitbuckettest.ScopeRepository)
	want := mirror.Repository{FullName: "CONF/webrix-sync", MainBranch: "main", URL: s.URL() + "/projects/CONF/repos/webrix-sync/browse"}
	s.ResetRequests()
	if diff := cmp.Diff(want, ok[mirror.Repository](t)(f.Repository(t.Context()))); diff != "" {
		t.Error(diff)
	}
	wantRoutes(t, s, map[string]int{"GET repository": 1, "GET default-branch": 1})
	ok[*bitbuckettest.Repo](t)(s.CreateRepository("CONF", "empty"))
	empty := serverClient(t, s, "conf", "empty", s.AddAccessToken("CONF", "empty", bitbuckettest.ScopeRepository))
	if r, err := empty.Repository(t.Context()); err != nil || r.MainBranch != "" {
		t.Errorf("%+v %v", r, err)
	}
}

func TestServerPullRequestLife(t *testing.T) {
	s, repo, f := dataCenter(t)
	ctx := t.Context()
	head := branch(t, repo, side)
	branch(t, repo, "other")
	ok[bitbuckettest.PullRequest](t)(repo.OpenPullRequest("other", "main", "Other"))
	s.ResetRequests()

	made, created, err := f.OpenPullRequest(ctx, proposal)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	wantRoutes(t, s, map[string]int{"GET pull-requests": 1, "POST pull-requests": 1})
	main := ok[mirror.Hash](t)(repo.Head("main"))
	want := mirror.PullRequest{
		ID: 2, Title: proposal.Title, Description: proposal.Description, State: mirror.PullRequestOpen,
		URL:         s.URL() + "/projects/CONF/repos/webrix-sync/pull-requests/2",
		Source:      mirror.Tip{Branch: side, Commit: mirror.ShortHash(head)},
		Destination: mirror.Tip{Branch: "main", Commit: mirror.ShortHash(main)},
		UpdatedAt:   made.UpdatedAt,
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Error(diff)
	}
	if again, created, err := f.OpenPullRequest(ctx, proposal); err != nil || created || again.ID != 2 {
		t.Errorf("%+v %v %v", again, created, err)
	}
	if all, err := f.PullRequestsInto(ctx, "main"); err != nil || len(all) != 2 || all[0].ID != 2 {
		t.Errorf("%+v %v", all, err)
	}
	if all, err := f.PullRequestsInto(ctx, "other"); err != nil || len(all) != 0 {
		t.Errorf("%+v %v", all, err)
	}

	if err := repo.EditPullRequest(2, func(p *bitbuckettest.PullRequest) { p.Reviewers = []string{"you"} }); err != nil {
		t.Fatal(err)
	}
	s.ResetRequests()
	p, err := f.DescribePullRequest(ctx, 2, "T", "D")
	if err != nil || p.Title != "T" || !cmp.Equal(p.Reviewers, []string{"you"}) || !cmp.Equal(repo.PullRequest(2).Reviewers, []string{"you"}) {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := f.DescribePullRequest(ctx, 2, "T", "D"); err != nil {
		t.Error(err)
	}
	wantRoutes(t, s, map[string]int{"GET pull-requests/{id}": 2, "PUT pull-requests/{id}": 1})

	merged, err := repo.Merge(2, bitbuckettest.MergeCommit)
	if err != nil {
		t.Fatal(err)
	}
	p, err = f.PullRequest(ctx, 2)
	if err != nil || p.State != mirror.PullRequestMerged || p.MergeCommit != mirror.ShortHash(merged) {
		t.Errorf("%+v %v", p, err)
	}
	if p, err := f.DeclinePullRequest(ctx, 1); err != nil || p.State != mirror.PullRequestDeclined {
		t.Errorf("%+v %v", p, err)
	}
	for _, id := range []int64{1, 2} {
		if _, err := f.DeclinePullRequest(ctx, id); !errors.Is(err, mirror.ErrClosed) {
			t.Error(err)
		}
	}
	if _, err := f.DescribePullRequest(ctx, 9, "T", "D"); !errors.Is(err, mirror.ErrGone) {
		t.Error(err)
	}
	// Should a branch that is not there be minded in a list, it has no pull requests.
	defer s.Inject(jsonFault(404, serverSays("repository.NoSuchBranchException", "None")), bitbuckettest.EndpointREST)()
	if p, err := f.FindPullRequest(ctx, side, "main"); p != nil || err != nil {
		t.Errorf("%+v %v", p, err)
	}
}

// Somebody is faster: a duplicate is the pull request that is there, and a version that
// is out of date is read again, once.
func TestServerRaces(t *testing.T) {
	s, repo, f := dataCenter(t)
	ctx := t.Context()
	branch(t, repo, side)
	race := func(route string, do func()) {
		s.Inject(bitbuckettest.Fault{Times: 1, Route: route, Do: do}, bitbuckettest.EndpointREST)
	}
	race("POST pull-requests", func() { ok[bitbuckettest.PullRequest](t)(repo.OpenPullRequest(side, "main", "Theirs")) })
	p, created, err := f.OpenPullRequest(ctx, proposal)
	if err != nil || created || p.ID != 1 || p.Title != "Theirs" {
		t.Errorf("%+v %v %v", p, created, err)
	}
	edit := func() {
		if err := repo.EditPullRequest(1, func(p *bitbuckettest.PullRequest) { p.Reviewers = []string{"you"} }); err != nil {
			t.Error(err)
		}
	}
	race("PUT pull-requests/{id}", edit)
	if p, err = f.DescribePullRequest(ctx, 1, "Ours", "D"); err != nil || p.Title != "Ours" || len(p.Reviewers) != 1 {
		t.Errorf("%+v %v", p, err)
	}
	defer s.Inject(bitbuckettest.Fault{Route: "PUT pull-requests/{id}", Do: edit}, bitbuckettest.EndpointREST)()
	s.ResetRequests()
	_, err = f.DescribePullRequest(ctx, 1, "Never", "D")
	wantFault(t, err, mirror.CodeRequestRefused, mirror.Permanent, "tried again")
	wantRoutes(t, s, map[string]int{"GET pull-requests/{id}": 2, "PUT pull-requests/{id}": 2})

	comment := ok[mirror.Comment](t)(f.CreateComment(ctx, 1, "one"))
	race("PUT pull-requests/{id}/comments/{comment}", func() { ok[mirror.Comment](t)(f.UpdateComment(ctx, 1, comment.ID, "two")) })
	if c, err := f.UpdateComment(ctx, 1, comment.ID, "three"); err != nil || c.Text != "three" {
		t.Errorf("%+v %v", c, err)
	}
	race("POST pull-requests/{id}/decline", func() {
		if err := repo.Decline(1); err != nil {
			t.Error(err)
		}
	})
	if _, err := f.DeclinePullRequest(ctx, 1); !errors.Is(err, mirror.ErrClosed) {
		t.Error(err)
	}
}

func TestServerVerdict(t *testing.T) {
	_, repo, f := dataCenter(t)
	ctx := t.Context()
	head := branch(t, repo, side)
	ok[bitbuckettest.PullRequest](t)(repo.OpenPullRequest(side, "main", "T"))
	marker := mirror.CommentMarker("verdict")
	for range 101 {
		ok[bitbuckettest.Comment](t)(repo.Comment(1, "hello"))
	}
	if c, err := f.FindComment(ctx, 1, marker); c != nil || err != nil {
		t.Fatalf("%+v %v", c, err)
	}
	made := ok[mirror.Comment](t)(f.CreateComment(ctx, 1, marker+"\n\nFine."))
	if !strings.Contains(made.URL, "/projects/CONF/repos/webrix-sync/pull-requests/1/overview?commentId=") {
		t.Error(made.URL)
	}
	if c := ok[*mirror.Comment](t)(f.FindComment(ctx, 1, marker)); c == nil || *c != made {
		t.Errorf("%+v", c)
	}
	if err := repo.DeleteComment(1, made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.UpdateComment(ctx, 1, made.ID, "x"); !errors.Is(err, mirror.ErrGone) {
		t.Error(err)
	}

	status := mirror.Status{State: mirror.StatusFailed, Name: "confmirror", Description: "bad", URL: "https://mirror.example/{a}", Branch: side}
	if err := f.SetStatus(ctx, head, status); err != nil {
		t.Fatal(err)
	}
	want := []bitbuckettest.Status{{
		Key: "confmirror", State: "FAILED", Name: "confmirror", Description: "bad", URL: "https://mirror.example/{a}",
		RefName: "refs/heads/" + side, Writes: 1,
	}}
	if diff := cmp.Diff(want, repo.Statuses(head)); diff != "" {
		t.Error(diff)
	}
	if err := f.SetStatus(ctx, mirror.Hash(strings.Repeat("1", 40)), status); !errors.Is(err, mirror.ErrGone) {
		t.Error(err)
	}
}

func TestServerHooks(t *testing.T) {
	s, repo, f := dataCenter(t)
	ctx := t.Context()
	secret := mirror.NewSecret("one")
	heard := make(chan string, 20)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, err := bitbucket.ParseEvent(r.Header.Get("X-Event-Key"), readAll(t, r, secret))
		if err != nil || e.UUID != "" || e.Key != bitbucket.EventPing && e.FullName != "CONF/webrix-sync" {
			t.Errorf("%+v %v", e, err)
		}
		if r.Header.Get("X-Hook-Uuid") != "" || r.Header.Get("X-Attempt-Number") != "" || r.Header.Get("X-Request-Id") == "" {
			t.Errorf("%v", r.Header)
		}
		heard <- e.Key
	}))
	defer receiver.Close()
	ensure := func(change mirror.HookChange, want mirror.HookSettings) {
		t.Helper()
		h, did, err := f.EnsureHook(ctx, want)
		if err != nil || did != change || !h.Active || !h.Complete || !h.Signed || len(repo.Hooks()) != 1 {
			t.Fatalf("%+v %s %v", h, did, err)
		}
	}
	want := mirror.HookSettings{URL: receiver.URL + "/hook", Secret: mirror.NewSecret("zero")}
	ensure(mirror.HookCreated, want)
	ensure(mirror.HookKept, want)
	want.Secret, want.RenewSecret = secret, true
	ensure(mirror.HookUpdated, want)
	want.RenewSecret = false
	repo.Hooks()[0].Subscribe(true, "repo:modified")
	s.ResetRequests()
	ensure(mirror.HookUpdated, want)
	wantRoutes(t, s, map[string]int{"GET webhooks": 1, "PUT webhooks/{hook}": 1})
	if !repo.Hooks()[0].HasSecret("one") {
		t.Error("an update removed the secret")
	}

	branch(t, repo, side)
	if _, _, err := f.OpenPullRequest(ctx, proposal); err != nil {
		t.Fatal(err)
	}
	write(t, repo, side, "more", "1")
	ok[mirror.PullRequest](t)(f.DescribePullRequest(ctx, 1, "T", "D"))
	ok[mirror.Hash](t)(repo.Merge(1, bitbuckettest.Squash))
	repo.Hooks()[0].Ping()
	if err := repo.Hooks()[0].Wait(ctx); err != nil {
		t.Fatal(err)
	}
	close(heard)
	var keys []string
	for key := range heard {
		keys = append(keys, key)
	}
	push := bitbucket.EventRefsChanged
	if want := []string{push, push, "pr:opened", push, "pr:from_ref_updated", "pr:modified", push, "pr:merged", bitbucket.EventPing}; !slices.Equal(keys, want) {
		t.Errorf("%q", keys)
	}
	if !slices.Contains(f.HookEvents(), push) {
		t.Error(f.HookEvents())
	}
}

func TestServerBranchRules(t *testing.T) {
	_, repo, f := dataCenter(t)
	ctx := t.Context()
	repo.Restrict("main")
	repo.Restrict("release/*")
	repo.Restrict("hotfix", "you")
	for branch, want := range map[string]mirror.BranchRules{
		"main":      {Known: true, PushRestricted: true, Rule: "pull-request-only for refs/heads/main"},
		"release/1": {Known: true, PushRestricted: true, Rule: "pull-request-only for release/*"},
		"hotfix":    {}, // somebody may, and it may be us
		"side":      {Known: true},
	} {
		if rules, err := f.BranchRules(ctx, branch); err != nil || rules != want {
			t.Errorf("%s: %+v %v", branch, rules, err)
		}
	}
	_, repo, f = dataCenter(t, bitbuckettest.ScopeRepositoryWrite)
	repo.Restrict("main")
	if rules, err := f.BranchRules(ctx, "main"); err != nil || rules != (mirror.BranchRules{}) {
		t.Errorf("without an administrator's permission: %+v %v", rules, err)
	}
}

func TestServerFaults(t *testing.T) {
	s, repo, f := dataCenter(t, bitbuckettest.ScopeRepository)
	ctx := t.Context()
	branch(t, repo, side)
	ok[bitbuckettest.PullRequest](t)(repo.OpenPullRequest(side, "main", "T"))
	s.ResetRequests()
	_, err := f.DescribePullRequest(ctx, 1, "U", "D")
	wantFault(t, err, mirror.CodePermissionDenied, mirror.Permanent, "Repository write")
	if scopes, ok := errors.AsType[*mirror.ScopeError](err); !ok || !cmp.Equal(scopes.Required, []string{"REPO_WRITE"}) {
		t.Errorf("%v", err)
	}
	wantRoutes(t, s, map[string]int{"GET pull-requests/{id}": 1, "PUT pull-requests/{id}": 1}) // no renewal helps
	_, err = f.Hooks(ctx)
	wantFault(t, err, mirror.CodePermissionDenied, mirror.Permanent, "Repository admin")

	if err := repo.CreateBranch("same", "main"); err != nil {
		t.Fatal(err)
	}
	for source, cause := range map[string]error{"same": mirror.ErrNothingToPull, "absent": mirror.ErrNoBranch} {
		_, _, err := f.OpenPullRequest(ctx, mirror.Proposal{Source: source, Destination: "main", Title: "T"})
		wantFault(t, err, mirror.CodeRequestRefused, mirror.Permanent, "")
		if !errors.Is(err, cause) {
			t.Errorf("%s: %v", source, err)
		}
	}

	token := s.AddAccessToken("CONF", "absent", bitbuckettest.ScopeRepository)
	_, err = serverClient(t, s, "CONF", "absent", token).Repository(ctx)
	wantFault(t, err, mirror.CodeRepositoryNotFound, mirror.Permanent, "projects/{project}/repos/{repository}")
	_, err = serverClient(t, s, "NONE", "x", token).Repository(ctx)
	wantFault(t, err, mirror.CodeRepositoryNotFound, mirror.Permanent, "project")
	_, err = serverClient(t, s, "CONF", "webrix-sync", token).Repository(ctx)
	wantFault(t, err, mirror.CodePermissionDenied, mirror.Permanent, "Repository read")
	_, err = serverClient(t, s, "CONF", "webrix-sync", "wrong").Repository(ctx)
	wantFault(t, err, mirror.CodeConnectionFailed, mirror.Permanent, "access token")

	s.SetRateLimit(1)
	if _, err := f.PullRequest(ctx, 1); err != nil {
		t.Error(err)
	}
	_, err = f.PullRequest(ctx, 1)
	if f := wantFault(t, err, mirror.CodeRateLimited, mirror.Transient, "rate limiting"); f.RetryAfter != 5*time.Second {
		t.Error(f.RetryAfter)
	}
}
