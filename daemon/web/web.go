package web

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Options of New. DB and Engine are needed; the rest has defaults.
type Options struct {
	DB     *db.DB
	Engine Engine
	// AdminToken guards API and metrics; nothing is let in without one.
	AdminToken mirror.Secret
	// PublicURL is where Bitbucket finds this daemon, without a slash at its end.
	PublicURL string
	// AllowedHosts are the hosts, beside Bitbucket's, that a connection made here may name.
	AllowedHosts []string
	// OIDC is who else may sign in to the panel.
	OIDC OIDC
	// Limits bound documents; see document.DefaultLimits.
	Limits document.Limits
	// Push and Conflict are those of a new connection that names none.
	Push     mirror.PushMode
	Conflict document.Policy
	Version  string
	// Registry is what /metrics shows; the web's own metrics are added to it.
	Registry *prometheus.Registry
	Logger   *slog.Logger
	Now      func() time.Time
}

// Server answers HTTP requests. It holds no listener and no goroutine of its own:
// whoever serves it ends streams by cancelling the requests' contexts.
type Server struct {
	db         *db.DB
	engine     Engine
	version    string
	log        *slog.Logger
	now        func() time.Time
	live       atomic.Pointer[live]
	mux        *http.ServeMux
	failures   *limiter
	metrics    *metrics
	exposition http.Handler
	streams    atomic.Int64
	pages      http.Handler
	api        []byte // the OpenAPI document
	handler    http.Handler
}

// live is what Update changes while requests are answered.
type live struct {
	token        tokenHash
	publicURL    string
	allowedHosts []string
	provider     *provider // nil: none
	limits       document.Limits
	push         mirror.PushMode
	conflict     document.Policy
}

// New makes the daemon's HTTP side.
func New(o Options) *Server {
	s := &Server{db: o.DB, engine: o.Engine, version: o.Version, log: o.Logger, now: o.Now}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	s.Update(o)
	s.failures = newLimiter(s.now)
	s.metrics = newMetrics(o.Registry)
	s.api = describe(s.version)
	s.exposition = promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{Registry: o.Registry})
	s.mux = s.newMux()
	s.handler = s.measure(s.guard(http.HandlerFunc(s.route)))
	return s
}

// Update takes up what a configuration may change while the daemon runs:
// AdminToken, PublicURL, AllowedHosts, OIDC, Limits, Push and Conflict.
func (s *Server) Update(o Options) {
	l := &live{
		token:        hashToken(o.AdminToken),
		publicURL:    strings.TrimRight(o.PublicURL, "/"),
		allowedHosts: o.AllowedHosts,
		provider:     newProvider(o.OIDC, strings.TrimRight(o.PublicURL, "/"), s.now),
		limits:       o.Limits,
		push:         o.Push,
		conflict:     o.Conflict,
	}
	if l.limits == (document.Limits{}) {
		l.limits = document.DefaultLimits
	}
	if l.push == "" {
		l.push = mirror.PushDirect
	}
	if l.conflict == "" {
		l.conflict = document.PreferGit
	}
	s.live.Store(l)
}

// Mount has pages answer whatever is neither the API's nor the webhook's. It comes before
// the first request.
func (s *Server) Mount(pages http.Handler) { s.pages = pages }

// getPages answers for the pages' root, which the OpenAPI document names.
func (s *Server) getPages(c *call) error {
	if s.pages == nil {
		return notFound("page")
	}
	s.pages.ServeHTTP(c.w, c.Request)
	return nil
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }
