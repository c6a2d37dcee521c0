package bitbucket_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func newClient(t *testing.T, s *bitbuckettest.Server, slug string, tokens bitbucket.Tokens) *bitbucket.Client {
	t.Helper()
	c, err := bitbucket.NewClient(bitbucket.Target{
		Workspace: "acme-corp", Slug: slug, URL: s.APIURL(), HTTP: client(), UserAgent: "confmirror/1.2.3",
	}, tokens)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRepository(t *testing.T) {
	s, consumer, repo := standIn(t)
	c := newClient(t, s, "webrix-sync", source(t, s, consumer.Key, consumer.Secret))
	want := mirror.Repository{
		UUID: repo.UUID(), FullName: "acme-corp/webrix-sync", URL: s.URL() + "/acme-corp/webrix-sync",
	}
	check := func() {
		t.Helper()
		got, err := c.Repository(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	check() // empty: mainbranch is null
	if _, err := repo.Commit("trunk", mirror.Signature{Name: "Ada", Email: "a@x"}, "m", bitbuckettest.Write("a", "1")); err != nil {
		t.Fatal(err)
	}
	repo.SetSignedCommits(true)
	want.MainBranch, want.SignedCommitsRequired = "trunk", true
	check()

	s.RevokeTokens() // C1: renewed once on a 401
	s.ResetRequests()
	check()
	if rest, token := s.Count(bitbuckettest.EndpointREST), s.Count(bitbuckettest.EndpointToken); rest != 2 || token != 1 {
		t.Errorf("%d REST and %d token requests", rest, token)
	}
	for _, r := range s.Requests() {
		if r.Endpoint == bitbuckettest.EndpointREST && r.UserAgent != "confmirror/1.2.3" {
			t.Errorf("user agent %q", r.UserAgent)
		}
	}
}

func TestRepositoryFaults(t *testing.T) {
	s, consumer, _ := standIn(t)
	if _, err := s.CreateRepository("other", "webrix-sync"); err != nil {
		t.Fatal(err)
	}
	readPR := s.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Scopes: []string{bitbuckettest.ScopeWebhook}})
	good := source(t, s, consumer.Key, consumer.Secret)

	_, err := newClient(t, s, "absent", good).Repository(t.Context())
	f := wantFault(t, err, mirror.CodeRepositoryNotFound, mirror.Permanent, "workspace acme-corp")
	if !strings.Contains(f.Message, "acme-corp/absent") {
		t.Error(f.Message)
	}
	_, err = newClient(t, s, "webrix-sync", source(t, s, readPR.Key, readPR.Secret)).Repository(t.Context())
	wantFault(t, err, mirror.CodePermissionDenied, mirror.Permanent, "Repositories: Read (repository)")
	_, err = newClient(t, s, "webrix-sync", bitbucket.NewStaticToken(mirror.NewSecret("wrong"))).Repository(t.Context())
	wantFault(t, err, mirror.CodeConnectionFailed, mirror.Permanent, "access token")

	c, err := bitbucket.NewClient(bitbucket.Target{Workspace: "nobody", Slug: "x", URL: s.APIURL(), HTTP: client()}, good)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Repository(t.Context())
	wantFault(t, err, mirror.CodeConnectionFailed, mirror.Permanent, "no workspace nobody")
	c, _ = bitbucket.NewClient(bitbucket.Target{Workspace: "other", Slug: "webrix-sync", URL: s.APIURL(), HTTP: client()}, good)
	_, err = c.Repository(t.Context())
	wantFault(t, err, mirror.CodeRepositoryNotFound, mirror.Permanent, "must belong to the workspace other")
}

func TestRESTAnswers(t *testing.T) {
	const errorBody = `{"type":"error","error":{"message":`
	perm, trans := mirror.Permanent, mirror.Transient
	for _, tt := range []struct {
		name, contentType string
		status            int
		body, code        string
		class             mirror.Class
		remedy            string
	}{
		{"401 always", "application/json", 401, errorBody + `"Token is invalid, expired, or not supported for this endpoint."}}`, mirror.CodeConnectionFailed, perm, "consumer belongs to the workspace"},
		{"401 empty", "", 401, "", mirror.CodeConnectionFailed, perm, "workspace"},
		{"403 scopes", "application/json", 403, errorBody + `"Your credentials lack one or more required privilege scopes.","detail":{"required":["repository:write","x"],"granted":["webhook"]}}}`, mirror.CodePermissionDenied, perm, "Repositories: Write (repository:write), x"},
		{"403 detail as text", "application/json", 403, errorBody + `"Forbidden","detail":"no"}}`, mirror.CodePermissionDenied, perm, "Pull requests: Write"},
		{"403 plain", "text/plain", 403, "Access denied. You must have write or admin access.", mirror.CodePermissionDenied, perm, "Repositories: Write"},
		{"403 mechanism", "application/json", 403, errorBody + `"This API is not accessible by this authentication mechanism"}}`, mirror.CodePermissionDenied, perm, "kind of credential"},
		{"403 address", "text/plain", 403, "To access this repository, an admin must whitelist your IP.", mirror.CodePermissionDenied, perm, "IP addresses"},
		{"403 two-step", "text/plain", 403, "To access this repository, enable two-step authentication.", mirror.CodePermissionDenied, perm, "two-step"},
		{"404 fields as array", "application/json", 404, errorBody + `"You may not have access","fields":["a"]}}`, mirror.CodeRepositoryNotFound, perm, "Check workspace"},
		{"410", "application/json", 410, errorBody + `"CHANGE-2770 - Functionality has been deprecated","detail":"x","data":{"announcement_url":"https://developer.atlassian.com/cloud/bitbucket/changelog#CHANGE-2770"}}}`, mirror.CodeConnectionFailed, perm, "changelog#CHANGE-2770"},
		{"410 app password", "text/plain", 410, "App passwords are deprecated and must be replaced with API tokens.", mirror.CodeConnectionFailed, perm, "OAuth consumer"},
		{"429", "text/plain", 429, "Rate limit for this resource has been exceeded", mirror.CodeRateLimited, trans, "later"},
		{"500 HTML", "text/html", 500, "<html>", mirror.CodeNetworkUnreachable, trans, "again"},
		{"555", "application/json", 555, errorBody + `"Timeout"}}`, mirror.CodeNetworkUnreachable, trans, "again"},
		{"200 HTML", "text/html", 200, "<html>", mirror.CodeNetworkUnreachable, trans, "check api_url"},
		{"200 other JSON", "application/json", 200, `{"uuid":5}`, mirror.CodeNetworkUnreachable, trans, "again"},
		{"200 nothing", "application/json", 200, `{}`, mirror.CodeNetworkUnreachable, trans, "again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, consumer, _ := standIn(t)
			defer s.Inject(bitbuckettest.Fault{
				Status: tt.status, Body: tt.body, Header: http.Header{"Content-Type": {tt.contentType}},
			}, bitbuckettest.EndpointREST)()
			_, err := newClient(t, s, "webrix-sync", source(t, s, consumer.Key, consumer.Secret)).Repository(t.Context())
			wantFault(t, err, tt.code, tt.class, tt.remedy)
			if tt.status == 401 && s.Count(bitbuckettest.EndpointREST) != 2 {
				t.Errorf("%d requests, want 2", s.Count(bitbuckettest.EndpointREST))
			}
		})
	}
}

// C2: an answer that echoes the token, or a secret that was sent, does not carry it into
// an error, wherever it stands.
func TestRESTErrorHidesSecrets(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, string){
		"text": func(w http.ResponseWriter, echo string) { http.Error(w, "bad: "+echo, http.StatusForbidden) },
		"fields": func(w http.ResponseWriter, echo string) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":{"message":"Bad request","fields":{"a":[%q]}}}`, echo)
		},
		"scopes": func(w http.ResponseWriter, echo string) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"error":{"message":"privilege scopes","detail":{"required":[%q],"granted":[%q]}}}`, echo, echo)
		},
		"redirect": func(w http.ResponseWriter, echo string) {
			w.Header().Set("Location", "http://[bad/?"+strings.ReplaceAll(echo, " ", "+"))
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"address": func(w http.ResponseWriter, echo string) {
			w.WriteHeader(http.StatusGone)
			fmt.Fprintf(w, `{"error":{"message":"gone","data":{"announcement_url":"https://x/?%s"}}}`, strings.TrimSpace(echo))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var said []string
			echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet && r.URL.Query().Has("pagelen") {
					fmt.Fprint(w, `{"values":[]}`)
					return
				}
				body, _ := io.ReadAll(r.Body)
				said = append(said, string(body))
				answer(w, r.Header.Get("Authorization")+" s3cret-s3cret")
			}))
			defer echo.Close()
			c, err := bitbucket.NewClient(bitbucket.Target{Workspace: "w", Slug: "s", URL: echo.URL, HTTP: client()},
				bitbucket.NewStaticToken(mirror.NewSecret("t0ken-t0ken")))
			if err != nil {
				t.Fatal(err)
			}
			_, read := c.Repository(t.Context())
			_, _, write := c.EnsureHook(t.Context(), mirror.HookSettings{URL: "https://x.example/", Secret: mirror.NewSecret("s3cret-s3cret")})
			if read == nil || write == nil || len(said) != 2 || !strings.Contains(said[1], "s3cret") {
				t.Fatalf("%v, %v, %q", read, write, said)
			}
			for _, err := range []error{read, write} {
				f := mirror.AsFault(err)
				if all := err.Error() + f.Message + f.Remedy; strings.Contains(all, "t0ken") || err == write && strings.Contains(all, "s3cret") {
					t.Error(all)
				}
			}
		})
	}
}

func TestRESTRedirects(t *testing.T) {
	stolen := 0
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen++ }))
	defer thief.Close()
	api := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusFound))
	defer api.Close()
	c, err := bitbucket.NewClient(bitbucket.Target{Workspace: "w", Slug: "s", URL: api.URL, HTTP: client()},
		bitbucket.NewStaticToken(mirror.NewSecret("token")))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Repository(t.Context())
	wantFault(t, err, mirror.CodeConnectionFailed, mirror.Permanent, "redirects to "+thief.URL)
	if stolen != 0 {
		t.Error("the token followed a redirect to another origin")
	}
}

func TestClientNames(t *testing.T) {
	for _, name := range []string{"..", ".", "", "a/b", "a?b", "a b", "{uuid}", "a%2fb"} {
		if _, err := bitbucket.NewClient(bitbucket.Target{Workspace: "w", Slug: name}, nil); err == nil {
			t.Errorf("%q is taken for a repository", name)
		}
		if _, err := bitbucket.NewClient(bitbucket.Target{Workspace: name, Slug: "s"}, nil); err == nil {
			t.Errorf("%q is taken for a workspace", name)
		}
	}
}
