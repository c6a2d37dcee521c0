package bitbuckettest

import (
	"bufio"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
)

// Endpoint is a kind of request.
type Endpoint string

// The endpoints.
const (
	EndpointToken     Endpoint = "token"      // POST /site/oauth2/access_token
	EndpointFetchRefs Endpoint = "fetch-refs" // GET info/refs?service=git-upload-pack
	EndpointFetch     Endpoint = "fetch"      // POST git-upload-pack: ls-refs and fetch of protocol v2
	EndpointPushRefs  Endpoint = "push-refs"  // GET info/refs?service=git-receive-pack
	EndpointPush      Endpoint = "push"       // POST git-receive-pack
	EndpointREST      Endpoint = "rest"       // anything below /2.0 or /rest
	EndpointOther     Endpoint = "other"
)

// GitEndpoints are those of git over HTTPS.
var GitEndpoints = []Endpoint{EndpointFetchRefs, EndpointFetch, EndpointPushRefs, EndpointPush}

// Request is one request that was answered, refused or cut.
type Request struct {
	Endpoint      Endpoint
	Route         string // of REST: "GET repository", "PUT pullrequests/{id}"
	Method, Path  string
	Repository    string // workspace/slug
	UserAgent     string
	Authenticated bool // credentials were sent, good or bad
	Status        int  // 0: the connection was cut
	In, Out       int64
}

// keptRequests bounds the log of a stand-in that runs for days; counts go on.
const keptRequests = 10_000

type stats struct {
	counts map[Endpoint]int
	routes map[string]int
	log    []Request
}

func newStats() *stats {
	return &stats{counts: make(map[Endpoint]int), routes: make(map[string]int)}
}

// Count is how many requests to these endpoints have ended; without endpoints, to all.
func (s *Server) Count(endpoints ...Endpoint) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for e, count := range s.stats.counts {
		if len(endpoints) == 0 || slices.Contains(endpoints, e) {
			n += count
		}
	}
	return n
}

// CountRoutes is how many requests to each resource of REST have ended, by names such as
// "POST pullrequests".
func (s *Server) CountRoutes() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.stats.routes)
}

// Requests are the latest requests (at most 10,000), oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stats.log)
}

// ResetRequests forgets requests and counts, and those of requests that are under way: what
// one does is seen before it has ended.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats = newStats()
}

// account is the one that a request of now goes to.
func (s *Server) account() *stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

func (s *Server) finish(to *stats, rt route, m *meter) {
	r := m.request
	s.mu.Lock()
	defer s.mu.Unlock()
	to.counts[rt.endpoint]++
	if rt.name != "" {
		to.routes[rt.name]++
	}
	if len(to.log) >= keptRequests {
		to.log = slices.Delete(to.log, 0, keptRequests/2)
	}
	to.log = append(to.log, Request{
		Endpoint: rt.endpoint, Route: rt.name, Method: r.Method, Path: r.URL.Path, Repository: rt.repo,
		UserAgent: r.UserAgent(), Authenticated: r.Header.Get("Authorization") != "",
		Status: m.status, In: m.in.Load(), Out: m.out,
	})
}

// meter counts what passes through a request.
type meter struct {
	http.ResponseWriter
	request *http.Request
	in      atomic.Int64 // the body may be read by a goroutine of its own
	out     int64
	status  int
	limit   int64 // cut the connection after so many bytes of answer; < 0: never
}

func newMeter(w http.ResponseWriter, r *http.Request) *meter {
	m := &meter{ResponseWriter: w, request: r, limit: -1}
	r.Body = &countedBody{r.Body, &m.in}
	return m
}

func (m *meter) WriteHeader(status int) {
	if m.status == 0 {
		m.status = status
	}
	m.ResponseWriter.WriteHeader(status)
}

func (m *meter) Write(p []byte) (int, error) {
	if m.status == 0 {
		m.status = http.StatusOK
	}
	if m.limit >= 0 && m.out+int64(len(p)) > m.limit {
		n, _ := m.ResponseWriter.Write(p[:m.limit-m.out])
		m.out += int64(n)
		_ = http.NewResponseController(m.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	n, err := m.ResponseWriter.Write(p)
	m.out += int64(n)
	return n, err
}

func (m *meter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// Hijack is for handlers that look for it directly.
func (m *meter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(m.ResponseWriter).Hijack()
}

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// discard takes an answer that is never sent.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
