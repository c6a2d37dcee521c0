package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// stream is a reader of server-sent events.
type stream struct {
	t     *testing.T
	lines *bufio.Reader
}

// message reads up to the next empty line.
func (s *stream) message() string {
	s.t.Helper()
	var message strings.Builder
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			s.t.Fatalf("the stream ended: %v after %q", err, message.String())
		}
		if line == "\n" {
			return message.String()
		}
		message.WriteString(line)
	}
}

// piped is an answer that is read while it is written.
type piped struct {
	*io.PipeWriter
	header http.Header
	status int
}

func (p *piped) Header() http.Header    { return p.header }
func (p *piped) WriteHeader(status int) { p.status = status }
func (p *piped) Flush()                 {}

func TestEvents(t *testing.T) {
	w := embedded(t, nil)
	synctest.Test(t, func(t *testing.T) {
		events := make(chan Event)
		w.engine.events = events
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "GET", "/api/v1/events?organization=acme", nil)
		r.Header.Set("Authorization", "Bearer "+adminToken)
		reader, writer := io.Pipe()
		answer := &piped{PipeWriter: writer, header: http.Header{}}
		done := make(chan struct{})
		go func() {
			w.server.ServeHTTP(answer, r)
			writer.Close()
			close(done)
		}()
		s := &stream{t, bufio.NewReader(reader)}
		if first := s.message(); !strings.Contains(first, "event: ready\n") || !strings.Contains(first, "retry: 2000\n") || !strings.Contains(first, "id: ") {
			t.Errorf("first: %q", first)
		}
		if media := answer.header.Get("Content-Type"); !strings.HasPrefix(media, "text/event-stream") {
			t.Errorf("Content-Type %q", media)
		}
		events <- Event{Type: "run.finished", Organization: "other"}
		events <- Event{Type: "run.finished", Organization: "acme", Data: map[string]any{"text": "two\nlines"}}
		if got := s.message(); !strings.HasSuffix(got, "event: run.finished\ndata: {\"type\":\"run.finished\",\"organization\":\"acme\",\"data\":{\"text\":\"two\\nlines\"}}\n") {
			t.Errorf("event: %q", got)
		}
		begin := time.Now()
		if got := s.message(); got != ": alive\n" || time.Since(begin) != heartbeat {
			t.Errorf("%q after %v", got, time.Since(begin))
		}
		cancel()
		<-done
		if _, err := s.lines.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("the stream did not end: %v", err)
		}
	})
	w.heard("subscribed", "unsubscribed")
	if w.server.streams.Load() != 0 {
		t.Error("the stream is still counted")
	}
}

// Who was let in by a token that is not right any more hears nothing more.
func TestEventsEndWithTheToken(t *testing.T) {
	w := embedded(t, nil)
	synctest.Test(t, func(t *testing.T) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/events", nil)
		r.Header.Set("Authorization", "Bearer "+adminToken)
		reader, writer := io.Pipe()
		go func() {
			w.server.ServeHTTP(&piped{PipeWriter: writer, header: http.Header{}}, r)
			writer.Close()
		}()
		s := &stream{t, bufio.NewReader(reader)}
		s.message()
		s.message()
		w.server.Update(Options{AdminToken: mirror.NewSecret(canary + "another")})
		if line, err := s.lines.ReadString('\n'); !errors.Is(err, io.EOF) {
			t.Errorf("%q, %v", line, err)
		}
		reader.Close()
	})
}

// Over a real connection: what comes back after a break is told to read anew, and the
// stream ends with the daemon's events.
func TestEventsOverHTTP(t *testing.T) {
	w := embedded(t, nil)
	events := make(chan Event)
	w.engine.events = events
	server := httptest.NewServer(w.server)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+adminToken)
	r.Header.Set("Last-Event-ID", "7")
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	s := &stream{t, bufio.NewReader(answer.Body)}
	if got := s.message(); !strings.Contains(got, "event: reset\n") {
		t.Errorf("%q", got)
	}
	events <- Event{Type: "state", Organization: "acme"}
	if got := s.message(); !strings.Contains(got, "event: state\n") {
		t.Errorf("%q", got)
	}
	close(events)
	if _, err := io.ReadAll(s.lines); err != nil {
		t.Errorf("the stream broke: %v", err)
	}
}

func TestEventStreamsAreBounded(t *testing.T) {
	w := embedded(t, nil)
	w.server.streams.Store(maxStreams)
	w.do("GET", "/api/v1/events", nil).fails(503, "TOO_MANY_STREAMS")
	w.do("GET", "/api/v1/events?organization=Not%20A%20Slug", nil).fails(400, "BAD_REQUEST")
	// Who asks for the headers gets them, and no stream.
	if got := w.do("HEAD", "/api/v1/events", nil).is(200); !strings.HasPrefix(got.Header.Get("Content-Type"), "text/event-stream") {
		t.Errorf("%v", got.Header)
	}
	if n := w.server.streams.Load(); n != maxStreams {
		t.Errorf("%d streams are counted", n)
	}
}
