package bitbuckettest

import (
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Person is a human account: reads and writes every repository.
type Person struct {
	Username string
	Password string // what Bitbucket calls an API token
	Name     string
	Email    string
}

// Scopes of consumers and access tokens that the stand-in knows.
const (
	ScopeRepository       = "repository"
	ScopeRepositoryWrite  = "repository:write"
	ScopeRepositoryAdmin  = "repository:admin"
	ScopePullRequest      = "pullrequest"
	ScopePullRequestWrite = "pullrequest:write"
	ScopeWebhook          = "webhook"
)

// implied lists what a scope includes
// (https://developer.atlassian.com/cloud/bitbucket/rest/intro/#scopes).
var implied = map[string][]string{
	ScopeRepositoryWrite:  {ScopeRepository},
	ScopeRepositoryAdmin:  nil, // says nothing about the contents
	ScopePullRequest:      {ScopeRepository},
	ScopePullRequestWrite: {ScopePullRequest, ScopeRepositoryWrite, ScopeRepository},
}

// principal is who a request acts for.
type principal struct {
	person    *Person
	name      string
	account   string // whose requests are counted
	workspace string // what a token is limited to; "" for people
	repo      string // lower-case workspace/slug that a repository's token is limited to
	scopes    []string
}

func (p *principal) may(scope string) bool {
	if p.person != nil {
		return true
	}
	for _, have := range p.scopes {
		if have == scope || slices.Contains(implied[have], scope) {
			return true
		}
	}
	return false
}

func (p *principal) reaches(r *Repo) bool {
	workspace, _ := r.name()
	return p.person != nil ||
		strings.EqualFold(p.workspace, workspace) && (p.repo == "" || p.repo == r.key())
}

// gitPrincipal reads the credentials of a git request. The Cloud's git takes a token only as
// the password of x-token-auth (https://developer.atlassian.com/cloud/bitbucket/oauth-2/),
// Data Center one of a project or repository only as Bearer
// (https://confluence.atlassian.com/bitbucketserver/http-access-tokens-939515499.html).
func (s *Server) gitPrincipal(r *http.Request) *principal {
	if s.options.DataCenter {
		return s.restPrincipal(r)
	}
	username, password, ok := r.BasicAuth()
	if !ok {
		return nil
	}
	if username == "x-token-auth" {
		return s.tokenPrincipal(password)
	}
	return s.personPrincipal(username, password)
}

// restPrincipal reads the credentials of a REST request: a token only as Bearer
// (CHANGE-3052), a person's by Basic.
func (s *Server) restPrincipal(r *http.Request) *principal {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return s.tokenPrincipal(token)
	}
	username, password, ok := r.BasicAuth()
	if !ok {
		return nil
	}
	return s.personPrincipal(username, password)
}

func (s *Server) personPrincipal(username, password string) *principal {
	for i := range s.people {
		p := &s.people[i]
		// x-bitbucket-api-token-auth stands for whoever owns the API token.
		named := strings.EqualFold(username, p.Username) || strings.EqualFold(username, p.Email) ||
			username == "x-bitbucket-api-token-auth"
		if named && subtle.ConstantTimeCompare([]byte(password), []byte(p.Password)) == 1 {
			return &principal{person: p, name: p.Name, account: p.Username}
		}
	}
	return nil
}

// actor is how a webhook names who pushed.
func (p *principal) actor() object {
	kind, id := "app_user", p.name // client_credentials tokens act as an app_user (CHANGE-3052)
	if p.person != nil {
		kind, id = "user", p.person.Username
	}
	a := object{
		"type": kind, "display_name": p.name, "uuid": stableUUID("account/" + id),
		"links": object{}, "nickname": p.name,
	}
	if kind == "user" {
		a["account_id"] = "557058:" + strings.Trim(stableUUID("account-id/"+id), "{}")
	}
	return a
}

// stableUUID is the same for the same name, in braces as Bitbucket writes them:
// a stand-in that starts again on its old directory has the old identities.
func stableUUID(name string) string {
	return "{" + uuid.NewHash(sha1.New(), uuid.NameSpaceURL, []byte("https://bitbucket.org/"+name), 5).String() + "}"
}

// randomText makes keys, secrets and tokens. The "=" is as in real tokens: what
// puts one into a URL unescaped breaks.
func randomText(prefix string) string {
	return fmt.Sprintf("%s%s-%s=", prefix, rand.Text(), rand.Text())
}
