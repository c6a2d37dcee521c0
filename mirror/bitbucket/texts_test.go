package bitbucket_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// What hosts say, and what that means. Every request that is made of a forge meets every
// refusal of the first table.

const said = `{"type":"error","error":{"message":` // and the text, and }}

func serverSays(exception, text string) string {
	return `{"errors":[{"context":null,"message":"` + text + `","exceptionName":"com.atlassian.bitbucket.` + exception + `"}]}`
}

// asks are requests of each kind.
func asks(f mirror.Forge) map[string]func(*testing.T) error {
	commit := mirror.Hash(strings.Repeat("1", 40))
	return map[string]func(*testing.T) error{
		"repository": func(t *testing.T) error { _, err := f.Repository(t.Context()); return err },
		"find":       func(t *testing.T) error { _, err := f.FindPullRequest(t.Context(), side, "main"); return err },
		"propose":    func(t *testing.T) error { _, _, err := f.OpenPullRequest(t.Context(), proposal); return err },
		"read":       func(t *testing.T) error { _, err := f.PullRequest(t.Context(), 1); return err },
		"describe":   func(t *testing.T) error { _, err := f.DescribePullRequest(t.Context(), 1, "T", "D"); return err },
		"decline":    func(t *testing.T) error { _, err := f.DeclinePullRequest(t.Context(), 1); return err },
		"list":       func(t *testing.T) error { _, err := f.PullRequestsInto(t.Context(), "main"); return err },
		"look":       func(t *testing.T) error { _, err := f.FindComment(t.Context(), 1, "m"); return err },
		"comment":    func(t *testing.T) error { _, err := f.CreateComment(t.Context(), 1, "x"); return err },
		"reword":     func(t *testing.T) error { _, err := f.UpdateComment(t.Context(), 1, 1, "x"); return err },
		"status":     func(t *testing.T) error { return f.SetStatus(t.Context(), commit, mirror.Status{}) },
		"hooks":      func(t *testing.T) error { _, err := f.Hooks(t.Context()); return err },
		"ensure":     func(t *testing.T) error { _, _, err := f.EnsureHook(t.Context(), mirror.HookSettings{}); return err },
	}
}

type refusal struct {
	status       int
	body, header string // header: Name: value
	code         string
	class        mirror.Class
	remedy       string
}

// meets makes every request of a forge meet a refusal.
func (r refusal) meets(t *testing.T, s *bitbuckettest.Server, f mirror.Forge) {
	t.Helper()
	fault := bitbuckettest.Fault{Status: r.status, Body: r.body, Header: http.Header{"Content-Type": {"text/plain"}}}
	if strings.HasPrefix(r.body, "{") {
		fault.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if name, value, ok := strings.Cut(r.header, ": "); ok {
		fault.Header.Set(name, value)
	}
	defer s.Inject(fault, bitbuckettest.EndpointREST)()
	for name, ask := range asks(f) {
		t.Run(name, func(t *testing.T) { wantFault(t, ask(t), r.code, r.class, r.remedy) })
	}
	if rules, err := f.BranchRules(t.Context(), "main"); (err == nil) != (r.code == mirror.CodePermissionDenied) || rules != (mirror.BranchRules{}) {
		t.Errorf("branch rules: %+v %v", rules, err)
	}
}

func TestWhatTheCloudSays(t *testing.T) {
	const noAccess = `"You may not have access to this repository or it no longer exists in this workspace. If you think this repository exists and you have access, make sure you are authenticated."}}`
	perm, trans := mirror.Permanent, mirror.Transient
	s, _, c := cloud(t)
	for name, r := range map[string]refusal{
		"401":           {401, said + `"Token is invalid, expired, or not supported for this endpoint."}}`, "", mirror.CodeConnectionFailed, perm, "belongs to the workspace acme-corp"},
		"401 expired":   {401, said + `"Access token expired. Use your refresh token to obtain a new access token."}}`, "", mirror.CodeConnectionFailed, perm, "belongs to the workspace"},
		"401 empty":     {401, "", `Www-Authenticate: Basic realm="Bitbucket.org HTTP"`, mirror.CodeConnectionFailed, perm, "belongs to the workspace"},
		"403 scopes":    {403, said + `"Your credentials lack one or more required privilege scopes.","detail":{"required":["pullrequest:write"],"granted":["repository"]}}}`, "", mirror.CodePermissionDenied, perm, "Pull requests: Write (pullrequest:write)."},
		"403 no scopes": {403, said + `"Your credentials lack one or more required privilege scopes."}}`, "", mirror.CodePermissionDenied, perm, "these permissions: "},
		"403":           {403, said + `"Forbidden"}}`, "", mirror.CodePermissionDenied, perm, "these permissions: "},
		"403 plain":     {403, "Access denied. You must have write or admin access.", "", mirror.CodePermissionDenied, perm, "these permissions: "},
		"403 mechanism": {403, said + `"This API is not accessible by this authentication mechanism"}}`, "", mirror.CodePermissionDenied, perm, "OAuth consumer's client ID"},
		"403 address":   {403, said + `"To access this repository, an admin must whitelist your IP."}}`, "", mirror.CodePermissionDenied, perm, "add this machine's"},
		"403 two-step":  {403, said + `"To access this repository, enable two-step authentication."}}`, "", mirror.CodePermissionDenied, perm, "OAuth consumer of the workspace"},
		"404":           {404, said + noAccess, "", mirror.CodeRepositoryNotFound, perm, "must belong to the workspace acme-corp"},
		"404 workspace": {404, said + `"No workspace with identifier 'acme-corp'."}}`, "", mirror.CodeConnectionFailed, perm, "no workspace acme-corp"},
		"410":           {410, said + `"CHANGE-2770 - Functionality has been deprecated","detail":"Please read the changelog entry for more details.","data":{"announcement_url":"https://developer.atlassian.com/cloud/bitbucket/changelog#CHANGE-2770"}}}`, "", mirror.CodeConnectionFailed, perm, "changelog#CHANGE-2770"},
		"410 password":  {410, "App passwords are deprecated and must be replaced with API tokens.", "", mirror.CodeConnectionFailed, perm, "OAuth consumer"},
		"429":           {429, "Rate limit for this resource has been exceeded", "", mirror.CodeRateLimited, trans, "poll less often"},
		"500":           {500, "<html></html>", "", mirror.CodeNetworkUnreachable, trans, "tried again"},
		"503":           {503, "", "Retry-After: 7", mirror.CodeNetworkUnreachable, trans, "tried again"},
		"555":           {555, said + `"The request timed out"}}`, "", mirror.CodeNetworkUnreachable, trans, "tried again"},
		"408":           {408, "", "", mirror.CodeNetworkUnreachable, trans, "tried again"},
		"302":           {302, "", "Location: https://elsewhere.example/login", mirror.CodeConnectionFailed, perm, "https://elsewhere.example"},
		"400":           {400, said + `"Bad request"}}`, "", mirror.CodeRequestRefused, perm, "Bitbucket names"},
	} {
		t.Run(name, func(t *testing.T) { r.meets(t, s, c) })
	}
}

func TestWhatDataCenterSays(t *testing.T) {
	perm, trans := mirror.Permanent, mirror.Transient
	s, _, f := dataCenter(t)
	for name, r := range map[string]refusal{
		"401":            {401, serverSays("auth.IncorrectPasswordAuthenticationException", "Authentication failed. Please check your credentials and try again."), "", mirror.CodeConnectionFailed, perm, "access token"},
		"401 empty":      {401, "", `Www-Authenticate: Basic realm="Atlassian Bitbucket"`, mirror.CodeConnectionFailed, perm, "access token"},
		"401 permission": {401, serverSays("AuthorisationException", "You are not permitted to access this resource"), "", mirror.CodePermissionDenied, perm, "higher permission: Repository "},
		"403":            {403, serverSays("RepositoryArchivedException", "The repository is archived."), "", mirror.CodePermissionDenied, perm, "The repository is archived."},
		"404":            {404, serverSays("repository.NoSuchRepositoryException", "Repository CONF/webrix-sync does not exist."), "", mirror.CodeRepositoryNotFound, perm, "Check api_url, project"},
		"404 project":    {404, serverSays("project.NoSuchProjectException", "Project CONF does not exist."), "", mirror.CodeRepositoryNotFound, perm, "Check api_url, project"},
		"429":            {429, serverSays("ratelimit.RateLimitedException", "You have been rate limited."), "Retry-After: 5", mirror.CodeRateLimited, trans, "rate limiting"},
		"503":            {503, "<html></html>", "", mirror.CodeNetworkUnreachable, trans, "whoever runs 127.0.0.1"},
		"302":            {302, "", "Location: https://sso.example/login", mirror.CodeConnectionFailed, perm, "https://sso.example"},
	} {
		t.Run(name, func(t *testing.T) { r.meets(t, s, f) })
	}
}

// What is said of a pull request that is proposed or changed.
func TestWhatIsSaidOfProposals(t *testing.T) {
	member := `"fields":{"reviewers":["Ada is not a member of this workspace and cannot be added to this pull request"]}`
	for name, tt := range map[string]struct {
		server bool
		status int
		body   string
		cause  error
		says   string
	}{
		"nothing":           {false, 400, said + `"There are no changes to be pulled"}}`, mirror.ErrNothingToPull, "nothing to propose"},
		"nothing, prefixed": {false, 400, said + `"source: There are no changes to be pulled"}}`, mirror.ErrNothingToPull, "nothing to propose"},
		"no branch":         {false, 400, said + `"source: branch not found: confmirror/sync"}}`, mirror.ErrNoBranch, "branch not found: confmirror/sync"},
		"malformed":         {false, 400, said + `"Bad request","fields":{"reviewers":["Malformed reviewers list"]}}}`, mirror.ErrReviewers, "Malformed reviewers list"},
		"no member":         {false, 400, said + `"Bad request",` + member + `}}`, mirror.ErrReviewers, "Ada is not a member"},
		"the author":        {false, 400, said + `"Bad request","fields":{"reviewers":["Ada is the author and cannot be included as a reviewer."]}}}`, mirror.ErrReviewers, "Ada is the author"},
		"anything":          {false, 400, said + `"Bad request","fields":["Title: too long"],"data":{"key":"X"}}}`, nil, "Title: too long"},
		"a restriction": {false, 400, said + `"You are not allowed to create a branch that matches the pattern \"release/*\".","data":{"key":"BRANCH_PERMISSION_VIOLATED"}}}`,
			nil, "not allowed to create a branch"},
		"DC nothing":   {true, 409, serverSays("pull.EmptyPullRequestException", "Rien"), mirror.ErrNothingToPull, "nothing to propose"},
		"DC no branch": {true, 404, serverSays("repository.NoSuchBranchException", "Keine"), mirror.ErrNoBranch, "Keine"},
		"DC reviewers": {true, 409, serverSays("pull.InvalidPullRequestReviewersException", "Ada"), mirror.ErrReviewers, "Ada"},
		"DC anything":  {true, 400, serverSays("validation.ArgumentValidationException", "Too long"), nil, "Too long"},
		"DC fields": {true, 400, `{"errors":[{"context":"title","message":"Too long","exceptionName":null},{"context":"description","message":"Too long, too","exceptionName":null}]}`,
			nil, "title: Too long; description: Too long, too"},
	} {
		t.Run(name, func(t *testing.T) {
			var s *bitbuckettest.Server
			var f mirror.Forge
			route := "POST pullrequests"
			if tt.server {
				s, _, f = dataCenter(t)
				route = "POST pull-requests"
			} else {
				s, _, f = cloud(t)
			}
			fault := jsonFault(tt.status, tt.body)
			fault.Route = route
			defer s.Inject(fault, bitbuckettest.EndpointREST)()
			_, _, err := f.OpenPullRequest(t.Context(), proposal)
			got := wantFault(t, err, mirror.CodeRequestRefused, mirror.Permanent, "")
			if tt.cause != nil && !errors.Is(err, tt.cause) || !strings.Contains(got.Message, tt.says) {
				t.Errorf("%q: %v", got.Message, err)
			}
		})
	}
}

// Retry-After is told on, whatever it comes with.
func TestRetryAfterIsTold(t *testing.T) {
	for _, status := range []int{429, 503} {
		s, _, c := cloud(t)
		s.Inject(bitbuckettest.Fault{Status: status, Header: http.Header{"Retry-After": {"7"}}}, bitbuckettest.EndpointREST)
		_, err := c.Repository(t.Context())
		if f := mirror.AsFault(err); f.RetryAfter != 7*time.Second {
			t.Errorf("%d: %s", status, f.RetryAfter)
		}
	}
}
