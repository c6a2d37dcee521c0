package bitbuckettest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options of a Server; the zero value is useful.
type Options struct {
	// Addr to listen on; "" is 127.0.0.1:0. The stand-in keeps no secrets worth
	// the name: it belongs on a loopback address.
	Addr string
	// Dir holds the bare repositories; what is there already is adopted when
	// created again. "" is a temporary directory, removed by Close.
	Dir string
	// People who may clone and push; none means one: user "you", password "you".
	People []Person
	// Now is the clock for token lifetimes and commit dates.
	Now func() time.Time
	// HookBackoff is the pause before attempt n (2 or 3) of a delivery; nil is one second.
	HookBackoff func(attempt int) time.Duration
	// HookTimeout is how long a receiver may take to answer; 0 is Bitbucket's 10 s.
	HookTimeout time.Duration
	// DataCenter makes it a Bitbucket Data Center: workspaces are projects, tokens are HTTP
	// access tokens (AddAccessToken), and there is no OAuth.
	DataCenter bool
	// Plain leaves out what Bitbucket does about a push: rules, malformed objects,
	// deliveries, the spooling of requests. What is left is git http-backend alone,
	// for measurements.
	Plain bool
}

// Server is a running stand-in.
type Server struct {
	options  Options
	git      *gitTool
	dir      string
	tempDir  string // removed by Close
	listener net.Listener
	http     *http.Server
	hooks    *http.Client
	rest     *http.ServeMux
	limits   rateLimit

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup // handlers, deliveries, the accept loop

	mu            sync.Mutex
	closed        bool
	people        []Person
	consumers     map[string]*Consumer    // by key
	tokens        map[string]*accessToken // by token
	tokenLife     time.Duration
	legacyTokens  bool
	missingStatus int
	repos         map[string]*Repo // by lower-case workspace/slug
	faults        []*fault
	stats         *stats
}

// New starts a stand-in.
func New(o Options) (*Server, error) {
	s := &Server{
		options:       o,
		people:        o.People,
		consumers:     make(map[string]*Consumer),
		tokens:        make(map[string]*accessToken),
		tokenLife:     2 * time.Hour,
		missingStatus: http.StatusNotFound,
		repos:         make(map[string]*Repo),
		stats:         newStats(),
	}
	s.rest = s.restRoutes()
	if s.options.Now == nil {
		s.options.Now = time.Now
	}
	if s.options.HookBackoff == nil {
		s.options.HookBackoff = func(int) time.Duration { return time.Second }
	}
	if len(s.people) == 0 {
		s.people = []Person{{Username: "you", Password: "you", Name: "You", Email: "you@example.com"}}
	}
	if err := s.prepareDir(); err != nil {
		return nil, errors.Join(err, s.removeTemp())
	}
	listener, err := net.Listen("tcp", cmp.Or(o.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bitbuckettest: %w", err), s.removeTemp())
	}
	s.listener = listener
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.hooks = newHookClient(cmp.Or(o.HookTimeout, 10*time.Second))
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.work.Go(func() { _ = s.http.Serve(listener) })
	return s, nil
}

func (s *Server) prepareDir() error {
	temp, err := os.MkdirTemp("", "bitbuckettest-")
	if err != nil {
		return fmt.Errorf("bitbuckettest: %w", err)
	}
	s.tempDir = temp
	s.dir = cmp.Or(s.options.Dir, filepath.Join(temp, "repositories"))
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("bitbuckettest: %w", err)
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return fmt.Errorf("bitbuckettest: %w", err)
	}
	s.git, err = newGitTool(temp)
	return err
}

func (s *Server) removeTemp() error {
	if s.tempDir == "" {
		return nil
	}
	return os.RemoveAll(s.tempDir)
}

// Close ends every connection, delivery and git process, and waits for them.
// It may be called more than once.
func (s *Server) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		s.work.Wait()
		return nil
	}
	s.cancel()
	err := s.http.Close()
	s.work.Wait()
	s.hooks.CloseIdleConnections()
	return errors.Join(err, s.removeTemp())
}

// begin registers work that Close waits for; false once the server is closing.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.work.Add(1)
	return true
}

// URL is the server's base, without a final slash.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// GitURL is the base of clone URLs: + /{workspace}/{repository}.git.
func (s *Server) GitURL() string {
	if s.options.DataCenter {
		return s.URL() + "/scm"
	}
	return s.URL()
}

// APIURL is the base of REST 2.0, or of Data Center's interface.
func (s *Server) APIURL() string {
	if s.options.DataCenter {
		return s.URL() + "/rest/api/latest"
	}
	return s.URL() + "/2.0"
}

// OAuthURL is the token endpoint.
func (s *Server) OAuthURL() string { return s.URL() + "/site/oauth2/access_token" }

// ServeHTTP answers as bitbucket.org and api.bitbucket.org do, told apart by path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		panic(http.ErrAbortHandler)
	}
	defer s.work.Done()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	r = r.WithContext(ctx)

	rt := s.route(r)
	m := newMeter(w, r)
	defer s.finish(s.account(), rt, m)
	cutAnswer, done := s.applyFault(rt, m, r)
	if done {
		return
	}
	if cutAnswer {
		// The work is done, then the connection dies without a byte of the answer.
		rt.serve(&discard{header: make(http.Header)}, r)
		panic(http.ErrAbortHandler)
	}
	rt.serve(m, r)
}

// route is where a request goes.
type route struct {
	endpoint Endpoint
	name     string // of a REST resource: "POST pullrequests"
	repo     string // workspace/slug, as asked
	serve    http.HandlerFunc
}

func (s *Server) route(r *http.Request) route {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if s.options.DataCenter {
		if strings.HasPrefix(path, "rest/") {
			return s.routeREST(r)
		}
		path = strings.TrimPrefix(path, "scm/")
	} else if path == "site/oauth2/access_token" {
		return route{endpoint: EndpointToken, serve: s.serveToken}
	} else if strings.HasPrefix(path, "2.0/") {
		return s.routeREST(r)
	}
	workspace, rest, _ := strings.Cut(path, "/")
	slug, rest, _ := strings.Cut(rest, "/")
	name := workspace + "/" + strings.TrimSuffix(slug, ".git")
	service := strings.TrimPrefix(r.URL.Query().Get("service"), "git-")
	git := func(e Endpoint, service string) route {
		return route{endpoint: e, repo: name, serve: func(w http.ResponseWriter, r *http.Request) {
			s.serveGit(w, r, name, rest, service)
		}}
	}
	switch {
	case rest == "info/refs" && service == "upload-pack":
		return git(EndpointFetchRefs, service)
	case rest == "info/refs" && service == "receive-pack":
		return git(EndpointPushRefs, service)
	case rest == "git-upload-pack" && r.Method == http.MethodPost:
		return git(EndpointFetch, "upload-pack")
	case rest == "git-receive-pack" && r.Method == http.MethodPost:
		return git(EndpointPush, "receive-pack")
	}
	return route{endpoint: EndpointOther, repo: name, serve: func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "Resource not found", http.StatusNotFound)
	}}
}
