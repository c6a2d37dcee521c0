package bitbuckettest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// resource is what REST has below a repository.
type resource struct {
	route string // "POST pullrequests": how it is counted and named in faults
	scope string
	serve func(*restCall)
}

// resources of 2.0/repositories/{workspace}/{slug}
// (https://developer.atlassian.com/cloud/bitbucket/rest/).
var resources = []resource{
	{"GET repository", ScopeRepository, (*restCall).getRepository},
	{"GET pullrequests", ScopePullRequest, (*restCall).listPulls},
	{"POST pullrequests", ScopePullRequestWrite, (*restCall).postPull},
	{"GET pullrequests/{id}", ScopePullRequest, (*restCall).getPull},
	{"PUT pullrequests/{id}", ScopePullRequestWrite, (*restCall).putPull},
	{"POST pullrequests/{id}/merge", ScopePullRequestWrite, (*restCall).mergePull},
	{"POST pullrequests/{id}/decline", ScopePullRequestWrite, (*restCall).declinePull},
	{"GET pullrequests/{id}/comments", ScopePullRequest, (*restCall).listComments},
	{"POST pullrequests/{id}/comments", ScopePullRequest, (*restCall).postComment},
	{"PUT pullrequests/{id}/comments/{comment}", ScopePullRequest, (*restCall).putComment},
	{"DELETE pullrequests/{id}/comments/{comment}", ScopePullRequest, (*restCall).deleteComment},
	{"GET commit/{commit}/statuses", ScopeRepository, (*restCall).listStatuses},
	{"POST commit/{commit}/statuses/build", ScopeRepository, (*restCall).postStatus},
	{"PUT commit/{commit}/statuses/build/{key}", ScopeRepository, (*restCall).postStatus},
	{"GET hooks", ScopeWebhook, (*restCall).listHooks},
	{"POST hooks", ScopeWebhook, (*restCall).postHook},
	{"GET hooks/{hook}", ScopeWebhook, (*restCall).getHook},
	{"PUT hooks/{hook}", ScopeWebhook, (*restCall).putHook},
	{"DELETE hooks/{hook}", ScopeWebhook, (*restCall).deleteHook},
	{"GET branch-restrictions", ScopeRepositoryAdmin, (*restCall).listRestrictions},
}

// restCall is a request for a resource of a repository.
type restCall struct {
	*http.Request
	w    http.ResponseWriter
	repo *Repo
	by   *principal
}

const repositoryPattern = "/2.0/repositories/{workspace}/{slug}"

func (s *Server) restRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	register := func(below string, list []resource, serve func(http.ResponseWriter, *http.Request, resource)) {
		for _, x := range list {
			method, path, _ := strings.Cut(x.route, " ")
			if path = "/" + path; path == "/repository" {
				path = ""
			}
			mux.HandleFunc(method+" "+below+path, func(w http.ResponseWriter, r *http.Request) { serve(w, r, x) })
		}
	}
	if s.options.DataCenter {
		register(serverPattern, serverResources, s.serveServerResource)
		register(permissionsPattern, permissionResources, s.serveServerResource)
		return mux
	}
	register(repositoryPattern, resources, s.serveResource)
	mux.HandleFunc("/2.0/", func(w http.ResponseWriter, r *http.Request) {
		if s.authenticateREST(w, r) != nil {
			restError(w, http.StatusNotFound, "Resource not found", nil)
		}
	})
	return mux
}

// routeREST names a request before it is served.
func (s *Server) routeREST(r *http.Request) route {
	_, pattern := s.rest.Handler(r)
	method, path, _ := strings.Cut(pattern, " ")
	rt := route{endpoint: EndpointREST, serve: s.rest.ServeHTTP}
	_, below, ok := strings.Cut(path, "{slug}")
	if !ok {
		return rt
	}
	rt.name = method + " " + strings.TrimPrefix(below, "/")
	if below == "" {
		rt.name = method + " repository"
	}
	// The names stand where the pattern has them.
	asked := strings.Split(r.URL.Path, "/")
	for i, segment := range strings.Split(path, "/") {
		switch segment {
		case "{workspace}":
			rt.repo = asked[i]
		case "{slug}":
			rt.repo += "/" + asked[i]
		}
	}
	return rt
}

func (s *Server) serveResource(w http.ResponseWriter, r *http.Request, x resource) {
	p := s.authenticateREST(w, r)
	if p == nil {
		return
	}
	workspace := r.PathValue("workspace")
	repo := s.repository(workspace + "/" + r.PathValue("slug"))
	switch {
	case !s.hasWorkspace(workspace):
		restError(w, http.StatusNotFound, "No workspace with identifier '"+workspace+"'.", nil)
	case repo == nil || !p.reaches(repo):
		restError(w, http.StatusNotFound, textNoAccess, nil)
	case !p.may(x.scope):
		restError(w, http.StatusForbidden, textScopes, object{
			"detail": object{"required": []string{x.scope}, "granted": p.scopes},
		})
	default:
		x.serve(&restCall{r, w, repo, p})
	}
}

func (c *restCall) getRepository() { c.ok(c.repo.describe()) }

func (c *restCall) ok(v any) { writeJSON(c.w, http.StatusOK, v) }

// refuse answers as Bitbucket does to what it does not take; fields may be nil.
func (c *restCall) refuse(status int, message string, fields any) {
	more := object{}
	if fields != nil {
		more["fields"] = fields
	}
	restError(c.w, status, message, more)
}

func (c *restCall) missing() { c.refuse(http.StatusNotFound, "Resource not found", nil) }

// fail is for faults of the stand-in's own.
func (c *restCall) fail(err error) { c.refuse(http.StatusInternalServerError, err.Error(), nil) }

// maxRESTBody bounds what is read of a request.
const maxRESTBody = 4 << 20

// body reads JSON; it answers 400 itself when it returns false.
func (c *restCall) body(into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(c.w, c.Body, maxRESTBody)).Decode(into); err != nil {
		c.refuse(http.StatusBadRequest, "Bad request", []string{"body: " + err.Error()})
		return false
	}
	return true
}
