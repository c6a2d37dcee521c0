package clone_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
)

// pipes is a network within this process, on which time can be anything.
type pipes struct {
	accept chan net.Conn
	done   chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// slowWorld is a clone whose server is at the other end of a pipe. It is for synctest.
func slowWorld(t *testing.T, s *server, every time.Duration, around func(http.ResponseWriter, *http.Request, http.Handler)) *world {
	t.Helper()
	backend := s.Config.Handler
	network := &pipes{accept: make(chan net.Conn), done: make(chan struct{})}
	host := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { around(w, r, backend) })}
	go host.Serve(network)
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case network.accept <- &uphill{Conn: theirs, every: every, closed: make(chan struct{})}:
			return ours, nil
		case <-network.done:
			return nil, net.ErrClosed
		}
	}}
	w := &world{server: s, dir: t.TempDir() + "/acme"}
	w.o = clone.Options{
		Dir: w.dir, URL: "http://git.example.com/ws/repo.git", Branch: "main",
		Committer: mirror.Signature{Name: "confmirror", Email: "confmirror@example.com"}, Client: &http.Client{Transport: transport},
	}
	w.open(t)
	t.Cleanup(func() {
		w.Clone.Close()
		transport.CloseIdleConnections()
		host.Close()
	})
	return w
}

// inDrops writes an answer a few bytes at a time, each after a while.
func inDrops(w http.ResponseWriter, answer *httptest.ResponseRecorder, drop int, every time.Duration) {
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.Header().Del("Content-Length")
	w.WriteHeader(answer.Code)
	for b := answer.Body.Bytes(); len(b) > 0; b = b[min(drop, len(b)):] {
		<-time.After(every)
		if _, err := w.Write(b[:min(drop, len(b))]); err != nil {
			return
		}
		w.(http.Flusher).Flush()
	}
}

// uphill is a connection whose client gets rid of a little at a time.
type uphill struct {
	net.Conn
	every  time.Duration
	closed chan struct{}
	once   sync.Once
}

func (u *uphill) Read(b []byte) (int, error) {
	select {
	case <-time.After(u.every):
	case <-u.closed:
	}
	return u.Conn.Read(b[:min(len(b), 1<<10)])
}

func (u *uphill) Close() error {
	u.once.Do(func() { close(u.closed) })
	return u.Conn.Close()
}

// A transfer may take hours, as long as something moves within each minute: both ways.
func TestSlowTransfersAreNotCut(t *testing.T) {
	s := newServer(t)
	noise := make([]byte, 300<<10)
	rand.NewChaCha8([32]byte{}).Read(noise)
	want := s.commit("main", files{"toolkits/a.json": string(noise[:10<<10])})
	synctest.Test(t, func(t *testing.T) {
		w := slowWorld(t, s, 10*time.Second, func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			inDrops(rw, answer, 100, 55*time.Second)
		})
		begun := time.Now()
		if got := w.pull(t); got != want {
			t.Fatalf("pulled %s, not %s", got, want)
		}
		if took := time.Since(begun); took < time.Hour {
			t.Errorf("it took %s only", took)
		}
		begun = time.Now()
		head := w.push(t, want, files{"toolkits/b.json": string(noise)})
		if took := time.Since(begun); took < 5*time.Minute || s.head("main") != head {
			t.Errorf("it took %s, the branch is at %s", took, s.head("main"))
		}
	})
}

// One in which nothing moves for a minute ends then, wherever it stands: before the answer,
// within it, or before a request's body was taken.
func TestTransfersThatStandStillEnd_H16(t *testing.T) {
	for name, stand := range map[string]func(rw http.ResponseWriter, r *http.Request, next http.Handler, over chan struct{}){
		"before the answer": func(_ http.ResponseWriter, r *http.Request, _ http.Handler, over chan struct{}) {
			io.Copy(io.Discard, r.Body)
			<-over
		},
		"within the answer": func(rw http.ResponseWriter, r *http.Request, next http.Handler, over chan struct{}) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			whole := answer.Body.Bytes()
			answer.Body = bytes.NewBuffer(whole[:len(whole)/2])
			inDrops(rw, answer, len(whole), time.Second)
			<-over
		},
		"within the body": func(_ http.ResponseWriter, _ *http.Request, _ http.Handler, over chan struct{}) { <-over },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			first := s.commit("main", files{"toolkits/a.json": "1"})
			synctest.Test(t, func(t *testing.T) {
				var still atomic.Bool
				over := make(chan struct{})
				defer close(over)
				w := slowWorld(t, s, 0, func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
					if still.Load() {
						stand(rw, r, next, over)
						return
					}
					next.ServeHTTP(rw, r)
				})
				w.pull(t)
				still.Store(true)
				b := w.build(t, first, files{"toolkits/b.json": "2"})
				for what, do := range map[string]func() error{
					"Remote": func() error { _, err := w.Remote(t.Context()); return err },
					"Push":   func() error { return w.Push(t.Context(), b) },
				} {
					begun := time.Now()
					fault(t, do(), mirror.CodeNetworkUnreachable, mirror.Transient)
					if took := time.Since(begun); took < time.Minute || took > 3*time.Minute { // Push looks again, whether it arrived
						t.Errorf("%s took %s", what, took)
					}
				}
				still.Store(false)
				if err := w.Push(t.Context(), b); err != nil && !errors.Is(err, mirror.ErrStale) {
					t.Error(err)
				}
			})
		})
	}
}
