package bitbucket_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// hooked is a client whose consumer may make webhooks.
func hooked(t *testing.T) (*bitbuckettest.Server, *bitbuckettest.Repo, *bitbucket.Client) {
	t.Helper()
	s, repo, _ := cloud(t)
	k := s.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Scopes: []string{
		bitbuckettest.ScopePullRequestWrite, bitbuckettest.ScopeWebhook,
	}})
	c := newClient(t, s, "webrix-sync", source(t, s, k.Key, k.Secret))
	if _, err := c.Repository(t.Context()); err != nil { // a token
		t.Fatal(err)
	}
	s.ResetRequests()
	return s, repo, c
}

func TestEnsureHook(t *testing.T) {
	s, repo, c := hooked(t)
	want := mirror.HookSettings{URL: "https://mirror.example/hook", Description: "confmirror", Secret: mirror.NewSecret("one\n")}
	ensure := func(change mirror.HookChange) mirror.Hook {
		t.Helper()
		h, did, err := c.EnsureHook(t.Context(), want)
		if err != nil || did != change {
			t.Fatalf("%+v %s %v", h, did, err)
		}
		if !h.Active || !h.Complete || !h.Signed || !strings.HasPrefix(h.ID, "{") || len(repo.Hooks()) != 1 {
			t.Errorf("%+v, %d webhooks", h, len(repo.Hooks()))
		}
		return h
	}
	ensure(mirror.HookCreated)
	wantRoutes(t, s, map[string]int{"GET hooks": 1, "POST hooks": 1})
	if !repo.Hooks()[0].HasSecret("one") {
		t.Error("the secret")
	}
	ensure(mirror.HookKept)
	wantRoutes(t, s, map[string]int{"GET hooks": 1})

	want.URL = "HTTPS://Mirror.Example:443/hook/" // the same address
	want.Secret, want.RenewSecret = mirror.NewSecret("two"), true
	ensure(mirror.HookUpdated)
	wantRoutes(t, s, map[string]int{"GET hooks": 1, "PUT hooks/{hook}": 1})
	if !repo.Hooks()[0].HasSecret("two") || repo.Hooks()[0].URL() != "https://mirror.example/hook" {
		t.Error("the secret is not renewed, or the address is another one")
	}

	// Somebody switched it off and subscribed it to something else: both are mended. The
	// secret is not sent: one that is there stays.
	want.RenewSecret = false
	repo.Hooks()[0].Subscribe(false, "repo:updated")
	repo.Hooks()[0].SetSecret(mirror.NewSecret("by hand"))
	h := ensure(mirror.HookUpdated)
	if !slices.Contains(h.Events, "repo:updated") || !repo.Hooks()[0].HasSecret("by hand") {
		t.Errorf("%+v", h)
	}
	repo.Hooks()[0].SetSecret(mirror.Secret{})
	ensure(mirror.HookUpdated)
	if !repo.Hooks()[0].HasSecret("two") {
		t.Error("an unsigned webhook gets no secret")
	}
}

// A webhook made through REST is told of pushes and of what becomes of pull requests.
func TestEnsuredHookDelivers(t *testing.T) {
	_, repo, c := hooked(t)
	secret := mirror.NewSecret("secret")
	var mu sync.Mutex
	var keys []string
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, err := bitbucket.ParseEvent(r.Header.Get("X-Event-Key"), readAll(t, r, secret))
		if err != nil || e.UUID != repo.UUID() {
			t.Errorf("%+v %v", e, err)
		}
		mu.Lock()
		defer mu.Unlock()
		keys = append(keys, e.Key)
	}))
	defer receiver.Close()
	if _, _, err := c.EnsureHook(t.Context(), mirror.HookSettings{URL: receiver.URL, Secret: secret}); err != nil {
		t.Fatal(err)
	}
	branch(t, repo, side) // two pushes
	if _, _, err := c.OpenPullRequest(t.Context(), proposal); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DescribePullRequest(t.Context(), 1, "T", "D"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateComment(t.Context(), 1, "not subscribed to"); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Merge(1, bitbuckettest.MergeCommit); err != nil {
		t.Fatal(err)
	}
	branch(t, repo, side)
	if _, _, err := c.OpenPullRequest(t.Context(), proposal); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeclinePullRequest(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if err := repo.Hooks()[0].Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	want := []string{
		"repo:push", "repo:push", "pullrequest:created", "pullrequest:updated",
		"repo:push", "pullrequest:fulfilled", "repo:push", // the branch is closed with the merge
		"repo:push", "repo:push", "pullrequest:created", "pullrequest:rejected",
	}
	if !slices.Equal(keys, want) {
		t.Errorf("%q", keys)
	}
	for _, key := range keys {
		if bitbucket.IsPush(key) == bitbucket.IsPullRequest(key) {
			t.Errorf("%s: IsPush %v, IsPullRequest %v", key, bitbucket.IsPush(key), bitbucket.IsPullRequest(key))
		}
	}
}

// readAll reads a delivery and checks its signature.
func readAll(t *testing.T, r *http.Request, secret mirror.Secret) []byte {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil || !bitbucket.VerifySignature(body, r.Header.Get("X-Hub-Signature"), secret) {
		t.Errorf("%s: not signed with the secret, or broken: %v", r.Header.Get("X-Event-Key"), err)
	}
	return body
}

func TestHookRefusals(t *testing.T) {
	s, repo, c := hooked(t)
	_, _, err := c.EnsureHook(t.Context(), mirror.HookSettings{URL: "https://mirror.example/", Secret: mirror.NewSecret(strings.Repeat("s", 200))})
	f := wantFault(t, err, mirror.CodeRequestRefused, mirror.Permanent, "names")
	if !strings.Contains(f.Message, "at most 128 characters") || strings.Contains(err.Error(), "sss") {
		t.Error(err)
	}
	repo.AddHook("https://mirror.example/", mirror.Secret{})
	defer s.Inject(bitbuckettest.Fault{Route: "PUT hooks/{hook}", Status: 404, Body: `{"type":"error","error":{"message":"Resource not found"}}`}, bitbuckettest.EndpointREST)()
	_, _, err = c.EnsureHook(t.Context(), mirror.HookSettings{URL: "https://mirror.example/"})
	if f := wantFault(t, err, mirror.CodeRequestRefused, mirror.Permanent, "made again"); !strings.Contains(f.Message, "webhook") {
		t.Error(f.Message)
	}
	if hooks, err := c.Hooks(t.Context()); err != nil || len(hooks) != 1 || hooks[0].Complete || hooks[0].Signed {
		t.Errorf("%+v %v", hooks, err)
	}
	if events := c.HookEvents(); !slices.Contains(events, "repo:push") || !slices.Contains(events, "pullrequest:fulfilled") {
		t.Error(events)
	}
}
