package bitbuckettest

import (
	"net/http"
	"slices"
	"strings"
)

// Fault is a mood of the server. The zero value changes nothing; fields combine.
type Fault struct {
	// Times is how many requests it meets; 0: all until it is taken back.
	Times int
	// Repository limits it to one workspace/slug; "" is any.
	Repository string
	// Route limits it to one resource of REST, named as in Request.Route; "" is any request.
	Route string
	// Above limits it to requests with a body of more bytes, when not 0.
	Above int64
	// Do runs first, for instance a commit that wins a race.
	Do func()
	// Stall holds the request until the client gives up, the fault is taken back,
	// or the server closes.
	Stall bool
	// Status, when not 0, is answered instead of doing the work.
	Status int
	Header http.Header
	Body   string
	// CutRequest closes the connection before any work is done. HTTP clients, git's
	// too, repeat a request by themselves when a connection that they used before dies
	// without an answer: such a fault with Times 1 may go unnoticed.
	CutRequest bool
	// CutAnswer does the work and closes the connection before answering.
	CutAnswer bool
	// CutAfter closes the connection after so many bytes of the answer's body, when not 0.
	CutAfter int64
}

type fault struct {
	Fault
	endpoints []Endpoint
	left      int
	gone      chan struct{} // closed when taken back
}

// Inject makes requests to the endpoints (none: all of them) meet the fault.
// The latest injected fault that fits acts. undo takes it back and releases what it holds.
func (s *Server) Inject(f Fault, endpoints ...Endpoint) (undo func()) {
	in := &fault{Fault: f, endpoints: endpoints, left: f.Times, gone: make(chan struct{})}
	s.mu.Lock()
	s.faults = append(s.faults, in)
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(g *fault) bool { return g == in })
		select {
		case <-in.gone:
		default:
			close(in.gone)
		}
	}
}

// takeFault finds the fault that a request meets and uses it up by one.
func (s *Server) takeFault(rt route, r *http.Request) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range slices.Backward(s.faults) {
		if len(f.endpoints) > 0 && !slices.Contains(f.endpoints, rt.endpoint) ||
			f.Route != "" && f.Route != rt.name ||
			f.Above > 0 && r.ContentLength <= f.Above ||
			f.Repository != "" && !strings.EqualFold(f.Repository, rt.repo) {
			continue
		}
		if f.Times > 0 {
			if f.left--; f.left == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return f
	}
	return nil
}

// applyFault acts a fault out. done: the request is answered.
func (s *Server) applyFault(rt route, m *meter, r *http.Request) (cutAnswer, done bool) {
	f := s.takeFault(rt, r)
	if f == nil {
		return false, false
	}
	if f.Do != nil {
		f.Do()
	}
	if f.Stall {
		select {
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-f.gone:
		}
	}
	if f.CutRequest {
		panic(http.ErrAbortHandler)
	}
	if f.CutAfter > 0 {
		m.limit = f.CutAfter
	}
	if f.Status != 0 {
		for name, values := range f.Header {
			m.Header()[name] = values
		}
		if m.Header().Get("Content-Type") == "" {
			m.Header().Set("Content-Type", "text/plain; charset=utf-8")
		}
		m.WriteHeader(f.Status)
		_, _ = m.Write([]byte(f.Body))
		return false, true
	}
	return f.CutAnswer, false
}
