package bitbucket_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

const side = "confmirror/sync"

var proposal = mirror.Proposal{
	Source: side, Destination: "main", Title: "Update 3 toolkits", Description: "* a\n* b\n", CloseSource: true,
}

func TestPullRequestLife(t *testing.T) {
	s, repo, c := cloud(t)
	ctx := t.Context()
	head := branch(t, repo, side)
	s.ResetRequests()

	if p, err := c.FindPullRequest(ctx, side, "main"); p != nil || err != nil {
		t.Fatalf("%v %v", p, err)
	}
	wantRoutes(t, s, map[string]int{"GET pullrequests": 1})

	made, created, err := c.OpenPullRequest(ctx, proposal)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	wantRoutes(t, s, map[string]int{"GET pullrequests": 1, "POST pullrequests": 1})
	main := ok[mirror.Hash](t)(repo.Head("main"))
	want := mirror.PullRequest{
		ID: 1, Title: proposal.Title, Description: proposal.Description, State: mirror.PullRequestOpen,
		URL:         s.URL() + "/acme-corp/webrix-sync/pull-requests/1",
		Source:      mirror.Tip{Branch: side, Commit: mirror.ShortHash(head[:12])},
		Destination: mirror.Tip{Branch: "main", Commit: mirror.ShortHash(main[:12])},
		UpdatedAt:   made.UpdatedAt,
	}
	if diff := cmp.Diff(want, made); diff != "" || made.UpdatedAt.IsZero() {
		t.Error(diff)
	}
	if !made.Source.Commit.Abbreviates(head) || made.Source.Commit.Abbreviates(main) || mirror.ShortHash("").Abbreviates(head) {
		t.Error("Abbreviates")
	}

	// Again: the one that is there, one request, its text as it is.
	again, created, err := c.OpenPullRequest(ctx, mirror.Proposal{Source: side, Destination: "main", Title: "Other"})
	if err != nil || created || again.ID != 1 || again.Title != proposal.Title {
		t.Errorf("%+v %v %v", again, created, err)
	}
	wantRoutes(t, s, map[string]int{"GET pullrequests": 1})

	merged, err := repo.Merge(1, bitbuckettest.Squash)
	if err != nil {
		t.Fatal(err)
	}
	s.ResetRequests()
	p, err := c.PullRequest(ctx, 1)
	if err != nil || p.State != mirror.PullRequestMerged || !p.MergeCommit.Abbreviates(merged) || len(p.MergeCommit) != 12 {
		t.Errorf("%+v %v", p, err)
	}
	wantRoutes(t, s, map[string]int{"GET pullrequests/{id}": 1})
	if p, err := c.FindPullRequest(ctx, side, "main"); p != nil || err != nil {
		t.Errorf("a merged one is found: %v %v", p, err)
	}
	if head, err := repo.Head(side); head != "" || err != nil {
		t.Error("the source branch stays", head, err)
	}
}

// An update sends back what it would clear otherwise.
func TestDescribeKeepsTheRest(t *testing.T) {
	s, repo, c := cloud(t)
	ctx := t.Context()
	branch(t, repo, side)
	if _, _, err := c.OpenPullRequest(ctx, proposal); err != nil {
		t.Fatal(err)
	}
	reviewer := s.AccountUUID("you")
	err := repo.EditPullRequest(1, func(p *bitbuckettest.PullRequest) {
		p.Reviewers, p.Draft = []string{reviewer}, true
		p.Description = "* a\r\n* b" // an editor on the web
	})
	if err != nil {
		t.Fatal(err)
	}
	s.ResetRequests()
	if _, err := c.DescribePullRequest(ctx, 1, proposal.Title, proposal.Description); err != nil {
		t.Fatal(err)
	}
	wantRoutes(t, s, map[string]int{"GET pullrequests/{id}": 1}) // nothing changes

	p, err := c.DescribePullRequest(ctx, 1, "Update 4 toolkits", "* c\n")
	if err != nil || p.Title != "Update 4 toolkits" || p.Description != "* c\n" || !cmp.Equal(p.Reviewers, []string{reviewer}) {
		t.Errorf("%+v %v", p, err)
	}
	wantRoutes(t, s, map[string]int{"GET pullrequests/{id}": 1, "PUT pullrequests/{id}": 1})
	if is := repo.PullRequest(1); !is.CloseSource || !is.Draft || !cmp.Equal(is.Reviewers, []string{reviewer}) || is.Destination != "main" {
		t.Errorf("%+v", is)
	}

	// A reviewer who left is taken off, the other stays, and the text is changed.
	if err := repo.EditPullRequest(1, func(p *bitbuckettest.PullRequest) { p.Reviewers = []string{"{left}", reviewer} }); err != nil {
		t.Fatal(err)
	}
	s.ResetRequests()
	p, err = c.DescribePullRequest(ctx, 1, "T", "D")
	if err != nil || p.Title != "T" || !cmp.Equal(p.Reviewers, []string{reviewer}) {
		t.Errorf("%+v %v", p, err)
	}
	wantRoutes(t, s, map[string]int{"GET pullrequests/{id}": 1, "PUT pullrequests/{id}": 2})
}

// Whom the host does not name well enough stays, and the refusal is told.
func TestReviewersWhoAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		left []string // that the second request names; nil: there is none
	}{
		"by name":       {`["Ada is not a member of this workspace and cannot be added to this pull request"]`, []string{"{eve}", "{ann}", "{ann2}"}},
		"the author":    {`["{eve} is the author and cannot be included as a reviewer."]`, []string{"{ada}", "{ann}", "{ann2}"}},
		"two":           {`["Ada is not a member", "Eve is not a member"]`, []string{"{ann}", "{ann2}"}},
		"a shared name": {`["Ann is not a member of this workspace and cannot be added to this pull request"]`, nil},
		"nobody named":  {`["Malformed reviewers list"]`, nil},
		"a longer name": {`["Adam is not a member of this workspace and cannot be added to this pull request"]`, nil},
		"not a list":    {`"Ada is not a member"`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			const pull = `{"id":1,"title":"old","state":"OPEN","reviewers":[{"uuid":"{ada}","display_name":"Ada"},{"uuid":"{eve}","display_name":"Eve"},{"uuid":"{ann}","display_name":"Ann"},{"uuid":"{ann2}","display_name":"Ann"}]}`
			var sent [][]string
			f, err := bitbucket.NewClient(bitbucket.Target{
				Workspace: "acme-corp", Slug: "webrix-sync", URL: "https://api.example.com/2.0",
				HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.Method != http.MethodPut {
						return answer(200, "application/json", pull), nil
					}
					var put struct{ Reviewers []map[string]string }
					if err := json.NewDecoder(r.Body).Decode(&put); err != nil {
						return nil, err
					}
					var ids []string
					for _, reviewer := range put.Reviewers {
						ids = append(ids, reviewer["uuid"])
					}
					if sent = append(sent, ids); len(sent) > 1 {
						return answer(200, "application/json", pull), nil
					}
					return answer(400, "application/json", said+`"Bad request","fields":{"reviewers":`+c.body+`}}}`), nil
				})},
			}, bitbucket.NewStaticToken(mirror.NewSecret("token")))
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.DescribePullRequest(t.Context(), 1, "T", "D")
			if c.left == nil {
				wantFault(t, err, mirror.CodeRequestRefused, mirror.Permanent, "reviewers")
				if !errors.Is(err, mirror.ErrReviewers) || len(sent) != 1 {
					t.Errorf("%v, sent %v", err, sent)
				}
			} else if err != nil || len(sent) != 2 || !cmp.Equal(sent[1], c.left) {
				t.Errorf("%v, sent %v", err, sent)
			}
		})
	}
}

func TestClosedPullRequests(t *testing.T) {
	s, repo, c := cloud(t)
	ctx := t.Context()
	branch(t, repo, side)
	if _, _, err := c.OpenPullRequest(ctx, proposal); err != nil {
		t.Fatal(err)
	}
	p, err := c.DeclinePullRequest(ctx, 1)
	if err != nil || p.State != mirror.PullRequestDeclined || p.MergeCommit != "" {
		t.Fatalf("%+v %v", p, err)
	}
	s.ResetRequests()
	for name, act := range map[string]func() error{
		"decline":  func() error { _, err := c.DeclinePullRequest(ctx, 1); return err },
		"describe": func() error { _, err := c.DescribePullRequest(ctx, 1, "T", "D"); return err },
	} {
		if err := act(); !errors.Is(err, mirror.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, act := range map[string]func() error{
		"read":     func() error { _, err := c.PullRequest(ctx, 7); return err },
		"decline":  func() error { _, err := c.DeclinePullRequest(ctx, 7); return err },
		"describe": func() error { _, err := c.DescribePullRequest(ctx, 7, "T", "D"); return err },
	} {
		err := act()
		wantFault(t, err, mirror.CodeRequestRefused, mirror.Permanent, "nothing")
		if !errors.Is(err, mirror.ErrGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Declined for good: the next proposal is another one.
	again, created, err := c.OpenPullRequest(ctx, proposal)
	if err != nil || !created || again.ID != 2 {
		t.Errorf("%+v %v %v", again, created, err)
	}
}

func TestProposalRefusals(t *testing.T) {
	_, repo, c := cloud(t)
	ctx := t.Context()
	if err := repo.CreateBranch("same", "main"); err != nil {
		t.Fatal(err)
	}
	branch(t, repo, side)
	for _, tt := range []struct {
		source, destination string
		cause               error
		message             string
	}{
		{"same", "main", mirror.ErrNothingToPull, "nothing that main has not"},
		{"absent", "main", mirror.ErrNoBranch, "branch not found: absent"},
		{side, "absent", mirror.ErrNoBranch, "branch not found: absent"},
	} {
		_, _, err := c.OpenPullRequest(ctx, mirror.Proposal{Source: tt.source, Destination: tt.destination, Title: "T"})
		f := wantFault(t, err, mirror.CodeRequestRefused, mirror.Permanent, "")
		if !errors.Is(err, tt.cause) || !strings.Contains(f.Message, tt.message) {
			t.Errorf("%s: %v", tt.source, err)
		}
	}
	_, _, err := c.OpenPullRequest(ctx, mirror.Proposal{Source: side, Destination: "main"})
	if f := wantFault(t, err, mirror.CodeRequestRefused, mirror.Permanent, "Bitbucket names"); !strings.Contains(f.Message, "This field is required") {
		t.Error(f.Message)
	}
}

// The list goes over pages, keeps to its branch and to what is open.
func TestPullRequestsInto(t *testing.T) {
	s, repo, c := cloud(t)
	if err := repo.CreateBranch("other", "main"); err != nil {
		t.Fatal(err)
	}
	// A name that would end the text in the query.
	odd := `fe"ature`
	if err := repo.CreateBranch(odd, "main"); err != nil {
		t.Fatal(err)
	}
	const n = 60
	for i := range n {
		name := fmt.Sprintf("b%d", i)
		branch(t, repo, name)
		ok[bitbuckettest.PullRequest](t)(repo.OpenPullRequest(name, "main", name))
	}
	ok[bitbuckettest.PullRequest](t)(repo.OpenPullRequest("b0", "other", "elsewhere"))
	ok[bitbuckettest.PullRequest](t)(repo.OpenPullRequest("b1", odd, "odd"))
	if err := repo.Decline(5); err != nil {
		t.Fatal(err)
	}
	write(t, repo, "b2", "again", "2") // the latest updated
	s.ResetRequests()
	all, err := c.PullRequestsInto(t.Context(), "main")
	if err != nil || len(all) != n-1 || all[0].Source.Branch != "b2" {
		t.Errorf("%d %v", len(all), err)
	}
	for _, p := range all {
		if p.ID == 5 || p.Destination.Branch != "main" {
			t.Errorf("%+v", p)
		}
	}
	wantRoutes(t, s, map[string]int{"GET pullrequests": 2})
	if p, err := c.FindPullRequest(t.Context(), "b1", odd); err != nil || p == nil || p.Title != "odd" {
		t.Errorf("%+v %v", p, err)
	}
}

// A fork's pull request from a branch of the same name is not ours, nor is what a host
// lists although it was not asked for.
func TestForeignPullRequests(t *testing.T) {
	s, _, c := cloud(t)
	item := func(id int, source, repository, state string) string {
		return fmt.Sprintf(`{"id":%d,"state":%q,"source":{"branch":{"name":%q},"repository":%s},
			"destination":{"branch":{"name":"main"},"repository":{"full_name":"acme-corp/webrix-sync"}}}`, id, state, source, repository)
	}
	const own = `{"full_name":"Acme-Corp/webrix-sync"}`
	body := `{"values":[` + strings.Join([]string{
		item(1, side, `{"full_name":"eve/webrix-sync"}`, "OPEN"), item(2, side, "null", "OPEN"),
		item(3, "other", own, "OPEN"), item(4, side, own, "DECLINED"), item(5, side, own, "OPEN"),
	}, ",") + `]}`
	defer s.Inject(jsonFault(200, body), bitbuckettest.EndpointREST)()
	p, err := c.FindPullRequest(t.Context(), side, "main")
	if err != nil || p == nil || p.ID != 5 {
		t.Errorf("%+v %v", p, err)
	}
	all, err := c.PullRequestsInto(t.Context(), "main")
	if err != nil || len(all) != 4 || all[0].ID != 1 || all[0].Fork != "eve/webrix-sync" || all[1].Fork == "" || all[3].Fork != "" {
		t.Errorf("%+v %v", all, err)
	}
}

func jsonFault(status int, body string) bitbuckettest.Fault {
	return bitbuckettest.Fault{Status: status, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
}

// C2: a list that goes on elsewhere does not take the token along, and no list is endless.
func TestPages(t *testing.T) {
	s, _, c := cloud(t)
	for name, next := range map[string]string{
		"another host":   "http://127.0.0.1:1/2.0/x",
		"another scheme": strings.Replace(s.URL(), "http:", "https:", 1) + "/2.0/x",
		"user":           "http://api.bitbucket.org@127.0.0.1:1/2.0",
	} {
		undo := s.Inject(jsonFault(200, `{"values":[],"next":"`+next+`"}`), bitbuckettest.EndpointREST)
		s.ResetRequests()
		_, err := c.PullRequestsInto(t.Context(), "main")
		wantFault(t, err, mirror.CodeConnectionFailed, mirror.Permanent, "api_url")
		if n := s.Count(bitbuckettest.EndpointREST); n != 1 {
			t.Errorf("%s: %d requests", name, n)
		}
		undo()
	}
	defer s.Inject(jsonFault(200, `{"values":[],"next":"`+s.APIURL()+`/repositories/acme-corp/webrix-sync/pullrequests?page=2"}`), bitbuckettest.EndpointREST)()
	s.ResetRequests()
	if all, err := c.PullRequestsInto(t.Context(), "main"); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
	if n := s.Count(bitbuckettest.EndpointREST); n > 10 {
		t.Errorf("%d requests for a list without an end", n)
	}
}

// Long texts are cut, whole lines as far as that goes.
func TestLongTexts(t *testing.T) {
	_, repo, c := cloud(t)
	branch(t, repo, side)
	long := strings.Repeat("* a line of the description é\n", 5000)
	p := proposal
	p.Title, p.Description = strings.Repeat("é", 400), long
	made, _, err := c.OpenPullRequest(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(made.Title) > 255 || !strings.HasSuffix(made.Title, "é…") {
		t.Errorf("title of %d bytes", len(made.Title))
	}
	if len(made.Description) > 32_000 || !strings.HasSuffix(made.Description, "é\n…") {
		t.Errorf("description of %d bytes", len(made.Description))
	}
}

// Data is not written twice when a refused token is renewed, and nothing goes out for
// who has given up.
func TestWritesAndTokens(t *testing.T) {
	s, repo, c := cloud(t)
	branch(t, repo, side)
	if _, err := c.Repository(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.RevokeTokens()
	s.ResetRequests()
	if _, _, err := c.OpenPullRequest(t.Context(), proposal); err != nil || len(repo.PullRequests()) != 1 {
		t.Fatal(err)
	}
	wantRoutes(t, s, map[string]int{"GET pullrequests": 2, "POST pullrequests": 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.PullRequest(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// The answer to a proposal is lost: the next look finds what was made.
func TestLostAnswer(t *testing.T) {
	s, repo, c := cloud(t)
	branch(t, repo, side)
	s.Inject(bitbuckettest.Fault{Times: 1, Route: "POST pullrequests", CutAnswer: true}, bitbuckettest.EndpointREST)
	_, _, err := c.OpenPullRequest(t.Context(), proposal)
	wantFault(t, err, mirror.CodeNetworkUnreachable, mirror.Transient, "again")
	p, created, err := c.OpenPullRequest(t.Context(), proposal)
	if err != nil || created || p.ID != 1 || len(repo.PullRequests()) != 1 {
		t.Errorf("%+v %v %v", p, created, err)
	}
}

func TestMissingScopes(t *testing.T) {
	s, _, _ := cloud(t)
	poor := s.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Scopes: []string{bitbuckettest.ScopeRepository}})
	c := newClient(t, s, "webrix-sync", source(t, s, poor.Key, poor.Secret))
	ctx := t.Context()
	for name, tt := range map[string]struct {
		act   func() error
		scope string
		title string
	}{
		"find":    {func() error { _, err := c.FindPullRequest(ctx, side, "main"); return err }, "pullrequest", "Pull requests: Read"},
		"decline": {func() error { _, err := c.DeclinePullRequest(ctx, 1); return err }, "pullrequest:write", "Pull requests: Write"},
		"comment": {func() error { _, err := c.CreateComment(ctx, 1, "x"); return err }, "pullrequest", "Pull requests: Read"},
		"hooks":   {func() error { _, err := c.Hooks(ctx); return err }, "webhook", "Webhooks: Read and write"},
		"ensure": {func() error {
			_, _, err := c.EnsureHook(ctx, mirror.HookSettings{URL: "https://mirror.example/"})
			return err
		}, "webhook", "Webhooks: Read and write"},
	} {
		err := tt.act()
		wantFault(t, err, mirror.CodePermissionDenied, mirror.Permanent, tt.title)
		scopes, ok := errors.AsType[*mirror.ScopeError](err)
		if !ok || !cmp.Equal(scopes, &mirror.ScopeError{Required: []string{tt.scope}, Granted: []string{"repository"}}) {
			t.Errorf("%s: %v", name, scopes)
		}
	}
}
