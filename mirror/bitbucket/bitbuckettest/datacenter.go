package bitbuckettest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Data Center's resources (https://developer.atlassian.com/server/bitbucket/rest/). A
// workspace is a project there. Scopes stand for the permissions of HTTP access tokens:
// repository for REPO_READ, repository:write and repository:admin for the others.
var serverResources = []resource{
	{"GET repository", ScopeRepository, (*restCall).serverRepository},
	{"GET default-branch", ScopeRepository, (*restCall).serverDefaultBranch},
	{"GET pull-requests", ScopeRepository, (*restCall).serverListPulls},
	{"POST pull-requests", ScopeRepository, (*restCall).serverPostPull},
	{"GET pull-requests/{id}", ScopeRepository, (*restCall).serverGetPull},
	{"PUT pull-requests/{id}", ScopeRepositoryWrite, (*restCall).serverPutPull},
	{"POST pull-requests/{id}/decline", ScopeRepositoryWrite, (*restCall).serverDeclinePull},
	{"GET pull-requests/{id}/activities", ScopeRepository, (*restCall).serverActivities},
	{"POST pull-requests/{id}/comments", ScopeRepository, (*restCall).serverPostComment},
	{"GET pull-requests/{id}/comments/{comment}", ScopeRepository, (*restCall).serverGetComment},
	{"PUT pull-requests/{id}/comments/{comment}", ScopeRepository, (*restCall).serverPutComment},
	{"POST commits/{commit}/builds", ScopeRepository, (*restCall).serverPostBuild},
	{"GET webhooks", ScopeRepositoryAdmin, (*restCall).serverListHooks},
	{"POST webhooks", ScopeRepositoryAdmin, (*restCall).serverPostHook},
	{"PUT webhooks/{hook}", ScopeRepositoryAdmin, (*restCall).serverPutHook},
}

var permissionResources = []resource{
	{"GET restrictions", ScopeRepositoryAdmin, (*restCall).serverRestrictions},
}

const (
	serverPattern      = "/rest/api/{version}/projects/{workspace}/repos/{slug}"
	permissionsPattern = "/rest/branch-permissions/{version}/projects/{workspace}/repos/{slug}"
)

// serverFault is an entry of Data Center's errors.
type serverFault struct {
	status             int
	exception, message string // the exception below com.atlassian.bitbucket.
}

func (f serverFault) write(w http.ResponseWriter, more object) {
	e := object{"context": nil, "message": f.message, "exceptionName": "com.atlassian.bitbucket." + f.exception}
	for k, v := range more {
		e[k] = v
	}
	writeJSON(w, f.status, object{"errors": []object{e}})
}

func (c *restCall) reject(status int, exception, message string) {
	serverFault{status, exception, message}.write(c.w, nil)
}

func (s *Server) serveServerResource(w http.ResponseWriter, r *http.Request, x resource) {
	project, slug := r.PathValue("workspace"), r.PathValue("slug")
	p := s.restPrincipal(r)
	repo := s.repository(project + "/" + slug)
	notPermitted := serverFault{http.StatusUnauthorized, "AuthorisationException", "You are not permitted to access this resource"}
	switch {
	case p == nil && r.Header.Get("Authorization") != "":
		serverFault{http.StatusUnauthorized, "auth.IncorrectPasswordAuthenticationException",
			"Authentication failed. Please check your credentials and try again."}.write(w, nil)
	case p == nil:
		notPermitted.write(w, nil)
	case !s.limits.take(p.account, s.options.Now()):
		w.Header().Set("Retry-After", "5")
		serverFault{http.StatusTooManyRequests, "ratelimit.RateLimitedException", "You have been rate limited."}.write(w, nil)
	case !s.hasWorkspace(project):
		serverFault{http.StatusNotFound, "project.NoSuchProjectException", "Project " + project + " does not exist."}.write(w, nil)
	case repo == nil:
		serverFault{http.StatusNotFound, "repository.NoSuchRepositoryException", "Repository " + project + "/" + slug + " does not exist."}.write(w, nil)
	case !p.reaches(repo) || !p.may(x.scope):
		notPermitted.write(w, nil)
	default:
		x.serve(&restCall{r, w, repo, p})
	}
}

// serverPage answers a part of a list.
func (c *restCall) serverPage(values []object) {
	q := c.URL.Query()
	limit, start := 25, 0
	if n, err := strconv.Atoi(q.Get("limit")); err == nil && n > 0 {
		limit = n
	}
	if n, err := strconv.Atoi(q.Get("start")); err == nil && n >= 0 {
		start = n
	}
	from := min(start, len(values))
	to := min(from+limit, len(values))
	answer := object{
		"values": append([]object{}, values[from:to]...), "size": to - from, "limit": limit, "start": start,
		"isLastPage": to == len(values), "nextPageStart": nil,
	}
	if to < len(values) {
		answer["nextPageStart"] = to
	}
	c.ok(answer)
}

func selfLink(href string) object { return object{"self": []object{{"href": href}}} }

// serverURL is where people look at the repository.
func (r *Repo) serverURL() string {
	project, slug := r.name()
	return fmt.Sprintf("%s/projects/%s/repos/%s", r.server.URL(), project, slug)
}

// serverSummary is a repository within others.
func (r *Repo) serverSummary() object {
	project, slug := r.name()
	return object{
		"slug": slug, "id": 1, "name": slug, "scmId": "git", "state": "AVAILABLE", "public": false,
		"project": object{"key": project, "id": 1, "name": project, "type": "NORMAL"},
		"links": object{
			"self":  []object{{"href": r.serverURL() + "/browse"}},
			"clone": []object{{"name": "http", "href": r.URL()}},
		},
	}
}

func (c *restCall) serverRepository() { c.ok(c.repo.serverSummary()) }

// serverDefaultBranch says nothing of an empty repository.
func (c *restCall) serverDefaultBranch() {
	main := c.repo.MainBranch()
	if main == "" {
		c.w.WriteHeader(http.StatusNoContent)
		return
	}
	c.ok(object{"id": "refs/heads/" + main, "displayId": main, "type": "BRANCH", "isDefault": true})
}

// serverRestrictions lists what Restrict made.
func (c *restCall) serverRestrictions() {
	c.repo.mu.Lock()
	defer c.repo.mu.Unlock()
	var values []object
	for i, x := range c.repo.rules.restrictions {
		kind, id := "PATTERN", x.pattern
		if !strings.ContainsAny(x.pattern, "*?") {
			kind, id = "BRANCH", "refs/heads/"+x.pattern
		}
		users := []object{}
		for _, name := range x.allowed {
			users = append(users, object{"name": name, "slug": name})
		}
		values = append(values, object{
			"id": i + 1, "type": "pull-request-only", "users": users, "groups": []string{}, "accessKeys": []object{},
			"matcher": object{"id": id, "displayId": x.pattern, "active": true, "type": object{"id": kind, "name": kind}},
		})
	}
	c.serverPage(values)
}
