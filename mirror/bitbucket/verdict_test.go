package bitbucket_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func TestSetStatus(t *testing.T) {
	s, repo, c := cloud(t)
	head := ok[mirror.Hash](t)(repo.Head("main"))
	status := mirror.Status{
		State: mirror.StatusFailed, Name: "confmirror", Description: "toolkits/a.json:\n\tINVALID_JSON",
		URL: "https://mirror.example/{repository.full_name}/{x}?a={commit.hash}", Branch: "main",
	}
	set := func() {
		t.Helper()
		if err := c.SetStatus(t.Context(), head, status); err != nil {
			t.Fatal(err)
		}
	}
	s.ResetRequests()
	set()
	want := bitbuckettest.Status{
		Key: "confmirror", State: "FAILED", Name: "confmirror", Description: "toolkits/a.json: INVALID_JSON", RefName: "main",
		// As it was given: no braces are left to be filled in.
		URL: "https://mirror.example/%7Brepository.full_name%7D/%7Bx%7D?a=%7Bcommit.hash%7D", Writes: 1,
	}
	if diff := cmp.Diff([]bitbuckettest.Status{want}, repo.Statuses(head)); diff != "" {
		t.Error(diff)
	}
	wantRoutes(t, s, map[string]int{"POST commit/{commit}/statuses/build": 1})

	status.State, status.Description = mirror.StatusSuccessful, strings.Repeat("é", 400)
	set() // the same key overwrites
	got := repo.Statuses(head)
	if len(got) != 1 || got[0].State != "SUCCESSFUL" || got[0].Writes != 2 || len(got[0].Description) > 255 || !strings.HasSuffix(got[0].Description, "é…") {
		t.Errorf("%+v", got)
	}
	status.Key, status.State = "confmirror/"+strings.Repeat("a long prefix/", 9), mirror.StatusInProgress
	set()
	if got := repo.Statuses(head); len(got) != 2 || len(got[1].Key) != 40 || got[1].State != "INPROGRESS" {
		t.Errorf("%+v", got)
	}

	err := c.SetStatus(t.Context(), mirror.Hash(strings.Repeat("1", 40)), status)
	if !errors.Is(err, mirror.ErrGone) {
		t.Error(err)
	}
	status.URL = ""
	f := wantFault(t, c.SetStatus(t.Context(), head, status), mirror.CodeRequestRefused, mirror.Permanent, "names")
	if !strings.Contains(f.Message, "url: enter a valid URL") { // of an array of fields
		t.Error(f.Message)
	}
}

func TestComments(t *testing.T) {
	s, repo, c := cloud(t)
	ctx := t.Context()
	branch(t, repo, side)
	ok[bitbuckettest.PullRequest](t)(repo.OpenPullRequest(side, "main", "T"))
	marker := mirror.CommentMarker(`verdict "x"` + "\n")
	text := marker + "\n\nEverything is fine.\n"
	for i := range 120 {
		ok[bitbuckettest.Comment](t)(repo.Comment(1, fmt.Sprintf("a word %d about %s", i, marker)))
	}
	ok[bitbuckettest.Comment](t)(repo.Comment(1, "> "+marker)) // a quotation

	s.ResetRequests()
	if found, err := c.FindComment(ctx, 1, marker); found != nil || err != nil {
		t.Fatalf("%+v %v", found, err)
	}
	wantRoutes(t, s, map[string]int{"GET pullrequests/{id}/comments": 2})
	made, err := c.CreateComment(ctx, 1, text)
	if err != nil || made.Text != text || !strings.Contains(made.URL, "/pull-requests/1/") {
		t.Fatalf("%+v %v", made, err)
	}
	found, err := c.FindComment(ctx, 1, marker)
	if err != nil || found == nil || *found != made {
		t.Fatalf("%+v %v", found, err)
	}
	s.ResetRequests()
	again, err := c.UpdateComment(ctx, 1, made.ID, marker+"\n\n"+strings.Repeat("An error.\n", 9000))
	if err != nil || again.ID != made.ID || len(again.Text) > 32_000 || !mirror.HasMarker(again.Text, marker) {
		t.Errorf("%d bytes %v", len(again.Text), err)
	}
	wantRoutes(t, s, map[string]int{"PUT pullrequests/{id}/comments/{comment}": 1})

	if err := repo.DeleteComment(1, made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateComment(ctx, 1, made.ID, text); !errors.Is(err, mirror.ErrGone) {
		t.Error(err)
	}
	if found, err := c.FindComment(ctx, 1, marker); found != nil || err != nil {
		t.Errorf("a deleted one is found: %+v %v", found, err)
	}
	if _, err := c.CreateComment(ctx, 9, text); !errors.Is(err, mirror.ErrGone) {
		t.Error(err)
	}
}

func TestBranchRules(t *testing.T) {
	s, repo, c := cloud(t)
	ctx := t.Context()
	repo.Restrict("release/*", "you")
	repo.Restrict("ma??")
	// Scopes of the setup do not reach that far, which is no fault.
	if rules, err := c.BranchRules(ctx, "main"); err != nil || rules != (mirror.BranchRules{}) {
		t.Errorf("%+v %v", rules, err)
	}
	admin := s.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Scopes: []string{bitbuckettest.ScopeRepositoryAdmin}})
	c = newClient(t, s, "webrix-sync", source(t, s, admin.Key, admin.Secret))
	for branch, want := range map[string]mirror.BranchRules{
		"main":        {Known: true, PushRestricted: true, Rule: "push to ma??"},
		"release/1/2": {Known: true, PushRestricted: true, Rule: "push to release/*"},
		"xmain":       {Known: true},
		"mainx":       {Known: true},
	} {
		if rules, err := c.BranchRules(ctx, branch); err != nil || rules != want {
			t.Errorf("%s: %+v %v", branch, rules, err)
		}
	}
	defer s.Inject(jsonFault(200, `{"values":[{"kind":"push","branch_match_kind":"branching_model","branch_type":"production"},
		{"kind":"delete","branch_match_kind":"glob","pattern":"*"}]}`), bitbuckettest.EndpointREST)()
	if rules, err := c.BranchRules(ctx, "main"); err != nil || rules != (mirror.BranchRules{}) {
		t.Errorf("a branching model: %+v %v", rules, err)
	}
	defer s.Inject(bitbuckettest.Down(503), bitbuckettest.EndpointREST)()
	_, err := c.BranchRules(ctx, "main")
	wantFault(t, err, mirror.CodeNetworkUnreachable, mirror.Transient, "again")
}
