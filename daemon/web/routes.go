package web

import (
	"errors"
	"net/http"
	"strings"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror/document"
)

const (
	apiRoot = "/api/v1"
	orgRoot = apiRoot + "/organizations/{org}"
)

// route is one row of the table that both the mux and the OpenAPI document are made of.
type route struct {
	method, path string
	handle       handler
	doc          operation
}

// routes is everything that is answered with the admin token.
var routes = []route{
	{"GET", apiRoot + "/openapi.json", (*Server).getOpenAPI, operation{id: "getOpenAPI", tag: "Daemon", summary: "This description", out: "OpenAPI"}},
	{"GET", apiRoot + "/events", (*Server).getEvents, operation{
		id: "getEvents", tag: "Daemon", summary: "What happens, as server-sent events", query: []string{"organization"}, stream: true,
		more: "Events are run.started, run.progress, run.finished, state and entity; `data` is {type, organization, data}. A comment line is sent every 15 seconds. Nothing is kept for later: a stream that begins again, and a reader that does not keep up, has missed events and should read the state it cares about (event `reset`).",
	}},
	{"GET", apiRoot + "/organizations", (*Server).getOrganizations, operation{id: "listOrganizations", tag: "Organizations", summary: "List organizations by slug", query: paged, out: "OrganizationList"}},
	{"GET", orgRoot, (*Server).getOrganization, operation{id: "getOrganization", tag: "Organizations", summary: "Read one organization", out: "Organization"}},
	{"PUT", orgRoot, (*Server).putOrganization, operation{
		id: "putOrganization", tag: "Organizations", summary: "Create an organization, or change its display name",
		in: "OrganizationForm", optional: true, out: "Organization", created: true,
	}},

	{"GET", orgRoot + "/mirror", (*Server).getMirror, operation{id: "getMirror", tag: "Mirror", summary: "How the mirror is", out: "Mirror"}},
	{"GET", orgRoot + "/mirror/connection", (*Server).getConnection, operation{id: "getConnection", tag: "Mirror", summary: "The connection, without its secrets", out: "ConnectionAnswer"}},
	{"PUT", orgRoot + "/mirror/connection", (*Server).putConnection, operation{
		id: "putConnection", tag: "Mirror", summary: "Connect, or change the connection; then test it", query: []string{"paused"}, in: "ConnectionForm", out: "TestedConnection",
		more: "Saved also when the test fails. What is left out keeps its stored value, or has its default at first. A secret that is \"\" keeps the stored one, null removes it. Changing the workspace or an address needs the credentials in the same request.",
	}},
	{"DELETE", orgRoot + "/mirror/connection", (*Server).deleteConnection, operation{
		id: "deleteConnection", tag: "Mirror", summary: "Disconnect", more: "The repository stays as it is. Connecting the same branch again goes on where it ended.",
	}},
	{"POST", orgRoot + "/mirror/connection/test", (*Server).testConnection, operation{
		id: "testConnection", tag: "Mirror", summary: "Test the stored connection, or the form in the body without saving it", in: "ConnectionForm", optional: true, out: "TestedConnection",
	}},
	{"POST", orgRoot + "/mirror/sync", (*Server).postSync, operation{
		id: "sync", tag: "Mirror", summary: "Run now", query: []string{"wait"}, out: "Report", accepted: "Queued",
		more: "With wait=true the answer comes when a run that covers every edit committed before the request has ended, also when it ended blocked.",
	}},
	{"GET", orgRoot + "/mirror/plan", (*Server).getPlan, operation{id: "getPlan", tag: "Mirror", summary: "What a run would do now; nothing is written", out: "Plan"}},
	{"GET", orgRoot + "/mirror/runs", (*Server).getRuns, operation{id: "listRuns", tag: "Mirror", summary: "Past runs, the latest first", query: paged, out: "RunList"}},
	{"GET", orgRoot + "/mirror/runs/{run}", (*Server).getRun, operation{id: "getRun", tag: "Mirror", summary: "One run and what it did", out: "Report"}},
	{"GET", orgRoot + "/mirror/hold", (*Server).getHold, operation{id: "getHold", tag: "Mirror", summary: "What waits for a person: deletions, and servers whose credentials would go elsewhere", out: "Hold", more: "404 without any."}},
	{"POST", orgRoot + "/mirror/approve", (*Server).approve, operation{id: "approve", tag: "Mirror", summary: "Let what is held go through", in: "HoldForm", optional: true, out: "Queued"}},
	{"POST", orgRoot + "/mirror/discard", (*Server).discard, operation{id: "discard", tag: "Mirror", summary: "Undo what is held from the other side", in: "HoldForm", optional: true, out: "Queued"}},
	{"POST", orgRoot + "/mirror/propose", (*Server).propose, operation{id: "propose", tag: "Mirror", summary: "Offer declined changes in a pull request once more", out: "Queued"}},
	{"POST", orgRoot + "/mirror/pause", (*Server).pause, operation{id: "pause", tag: "Mirror", summary: "Stop runs until they are resumed", out: "Mirror"}},
	{"POST", orgRoot + "/mirror/resume", (*Server).resume, operation{id: "resume", tag: "Mirror", summary: "Let runs go on", in: "ResumeForm", optional: true, out: "Mirror"}},

	{"GET", orgRoot + "/conflicts", (*Server).getConflicts, operation{id: "listConflicts", tag: "Conflicts", summary: "Conflicts, the latest first", query: append([]string{"all"}, paged...), out: "ConflictList"}},
	{"POST", orgRoot + "/conflicts/{id}/resolve", (*Server).resolveConflict, operation{
		id: "resolveConflict", tag: "Conflicts", summary: "Take one side of a conflict", in: "TakeForm", out: "Conflict",
		more: "The taken side wins the contested places; edits elsewhere stay. It is an edit of the entity and is exported like one. Taking the side that has won changes nothing and puts the conflict away; a resolved one may be taken the other way round. 409: the places were edited since, and `difference` says how. 410: the entity is gone, or private. But git's newer document of a row that became private is taken into that row, which stays private; and taking back what a rewritten history deleted restores it.",
	}},

	{"GET", orgRoot + "/{kind}", (*Server).getEntities, operation{id: "listEntities", tag: "Entities", summary: "List entities by slug, and files that are refused", query: append([]string{"owner", "search", "errors"}, paged...), out: "EntityList"}},
	{"GET", orgRoot + "/{kind}/{slug}", (*Server).getEntity, operation{id: "getEntity", tag: "Entities", summary: "Read one entity", query: []string{"owner"}, out: "Entity", etag: true, known: true}},
	{"PUT", orgRoot + "/{kind}/{slug}", (*Server).putEntity, operation{
		id: "putEntity", tag: "Entities", summary: "Create or replace an entity", query: []string{"owner"}, in: "EntityForm", out: "Entity", created: true, etag: true, guarded: true, known: true,
		more: "The body is the file's document. Another slug in it renames. Inside a secret entry, value left out keeps the stored one and null clears it. Saving counts as an edit even when nothing differs.",
	}},
	{"DELETE", orgRoot + "/{kind}/{slug}", (*Server).deleteEntity, operation{id: "deleteEntity", tag: "Entities", summary: "Delete an entity; it can be restored", query: []string{"owner"}, guarded: true}},
	{"POST", orgRoot + "/{kind}/{slug}/restore", (*Server).restoreEntity, operation{id: "restoreEntity", tag: "Entities", summary: "Bring the latest deleted entity of that slug back", query: []string{"owner"}, out: "Entity", etag: true}},
	{"POST", orgRoot + "/{kind}/{slug}/sync", (*Server).syncEntity, operation{
		id: "syncEntity", tag: "Entities", summary: "Run now, and answer with the entity after that; or give it to one side first", in: "EntityTakeForm", optional: true, out: "Entity", etag: true,
		nothing: "Git was taken, and had deleted the entity",
		more:    "With `take` the whole entity is given to that side, whatever stands in the way: an error, an invalid file, changes on both sides, a held deletion. What only the other side has is kept in the conflicts, resolved. Git's file has to be valid: if it is not, the entity stays as it is and `git_integration.error` says why; where git has none and never had, the entity is exported. When the run cannot carry it out (the branch refuses a push), the answer is its problem, and a later run does.",
	}},
}

var paged = []string{"limit", "cursor"}

// openRoutes need no admin token.
var openRoutes = []route{
	{"GET", "/{$}", (*Server).getPages, operation{id: "getPanel", tag: "Daemon", summary: "The admin panel, or its sign-in", media: "text/html"}},
	{"GET", "/healthz", (*Server).getHealth, operation{id: "getHealth", tag: "Daemon", summary: "The daemon gets on; 503 where it is stuck and should be started anew", out: "Status"}},
	{"GET", "/readyz", (*Server).getReady, operation{id: "getReady", tag: "Daemon", summary: "The database works, whatever Bitbucket does", out: "Readiness"}},
	{"GET", "/metrics", (*Server).getMetrics, operation{id: "getMetrics", tag: "Daemon", summary: "Prometheus metrics: from this machine, or with the admin token", media: "text/plain"}},
	{"POST", webhookPath, (*Server).postWebhook, webhookOperation("postWebhook")},
	{"POST", webhookPath + "/{organization}", (*Server).postWebhook, webhookOperation("postWebhookFor")},
}

const webhookPath = "/api/bitbucket/webhook"

func webhookOperation(id string) operation {
	return operation{
		id: id, tag: "Webhook", summary: "Bitbucket's deliveries", out: "Status", accepted: "Status",
		more: "Signed with X-Hub-Signature (HMAC-SHA256 of the body). 202: the mirrors will look at the repository. 200: an event that says nothing about branches.",
	}
}

// expand gives a path as the mux has it: a kind is one of the five words, so that a
// wrong method at another path is told from a kind that does not exist.
func (r route) expand() []string {
	if !strings.Contains(r.path, "{kind}") {
		return []string{r.path}
	}
	var paths []string
	for _, k := range document.Kinds {
		paths = append(paths, strings.Replace(r.path, "{kind}", string(k), 1))
	}
	return paths
}

func (s *Server) newMux() *http.ServeMux {
	mux := http.NewServeMux()
	add := func(r route, admin bool) {
		for _, path := range r.expand() {
			kind := document.Kind("")
			if path != r.path {
				kind = document.Kind(strings.Split(path[len(orgRoot)+1:], "/")[0])
			}
			mux.Handle(r.method+" "+path, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				s.serve(r, kind, admin, w, req)
			}))
		}
	}
	for _, r := range routes {
		add(r, true)
	}
	for _, r := range openRoutes {
		add(r, false)
	}
	return mux
}

// crossOrigin keeps other sites' pages from changing anything in a browser that may.
var crossOrigin http.CrossOriginProtection

// CrossSite reports whether another site's page sent a request that changes something.
func CrossSite(r *http.Request) bool { return crossOrigin.Check(r) != nil }

// route finds what a request wants. What does not exist is told only to those who
// may know what exists.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	h, pattern := s.mux.Handler(r)
	if pattern != "" {
		// The mux and not h, which would not see the path's values.
		s.mux.ServeHTTP(w, r)
		return
	}
	if s.pages != nil && !strings.HasPrefix(r.URL.Path, "/api/") {
		s.pages.ServeHTTP(w, r)
		return
	}
	c := &call{Request: r, w: w}
	if strings.HasPrefix(r.URL.Path, apiRoot+"/") || r.URL.Path == apiRoot {
		if _, err := s.authenticate(r); err != nil {
			s.refuse(c, withChallenge(w, err))
			return
		}
	}
	// The mux's own answer tells a wrong method from a wrong path.
	probe := &probe{header: http.Header{}}
	h.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.header.Get("Allow"))
		s.refuse(c, fail(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "%s is not possible here; possible is %s.", methodName(r.Method), probe.header.Get("Allow")))
		return
	}
	s.refuse(c, fail(http.StatusNotFound, "NOT_FOUND", "There is nothing at this path. GET %s/openapi.json tells what there is.", apiRoot))
}

// methodName shows a method that may be anything.
func methodName(method string) string {
	if len(method) > 16 {
		return "This method"
	}
	return method
}

// probe takes an answer that nobody reads.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) WriteHeader(status int)      { p.status = status }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }

// serve takes a request to its handler.
func (s *Server) serve(r route, kind document.Kind, admin bool, w http.ResponseWriter, req *http.Request) {
	if a, ok := w.(*answer); ok {
		a.route = strings.TrimSuffix(r.path, "{$}")
	}
	c := &call{Request: req, w: w, kind: kind}
	if err := s.prepare(r, c, admin); err != nil {
		s.refuse(c, withChallenge(w, err))
		return
	}
	if err := r.handle(s, c); err != nil {
		s.refuse(c, err)
	}
}

// prepare does what comes before every handler.
func (s *Server) prepare(r route, c *call, admin bool) error {
	if !admin {
		return nil
	}
	if CrossSite(c.Request) {
		return fail(http.StatusForbidden, "CROSS_ORIGIN", "A page of another site sent this request.")
	}
	who, err := s.authenticate(c.Request)
	if err != nil {
		return err
	}
	c.Request = c.WithContext(db.As(c.Context(), who))
	slug := c.PathValue("org")
	if slug == "" || r.path == orgRoot && r.method == http.MethodPut {
		return nil
	}
	if !document.ValidSlug(document.Toolkits, slug) { // a database might refuse to look for it
		return notFound("organization")
	}
	o, err := s.db.Organization(c.Context(), slug)
	if errors.Is(err, db.ErrNotFound) {
		return notFound("organization")
	}
	c.organization = o
	return err
}

// withChallenge says how to authenticate.
func withChallenge(w http.ResponseWriter, err error) error {
	if f, ok := errors.AsType[*failure](err); ok && f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="confmirror"`)
	}
	return err
}
