package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/confmirror/confmirror/mirror/document"
)

const (
	// heartbeat keeps proxies from closing a quiet stream, and finds readers that are gone.
	heartbeat = 15 * time.Second
	// patience is how long a reader may take for one message.
	patience = 10 * time.Second
	// maxStreams bounds what a forgotten script can open.
	maxStreams = 200
	// reconnect is when a browser tries again after a stream broke, in milliseconds.
	reconnect = 2000
)

// getEvents streams what happens, until the reader or the daemon goes, or the reader may not
// read any more: its session has ended, or the admin token is another. It begins with
// an event "ready", or "reset" for a reader that comes back (Last-Event-ID): what it
// missed is not kept, so it should read the state anew.
func (s *Server) getEvents(c *call) error {
	only := c.URL.Query().Get("organization")
	if only != "" && !document.ValidSlug(document.Toolkits, only) {
		return badRequest("organization: expected an organization's slug.")
	}
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx would collect them
	if c.Method == http.MethodHead {
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		return fail(http.StatusServiceUnavailable, "TOO_MANY_STREAMS", "There are %d event streams already.", maxStreams)
	}
	s.metrics.streams.Inc()
	defer func() {
		s.streams.Add(-1)
		s.metrics.streams.Dec()
	}()
	events, cancel := s.engine.Events()
	defer cancel()

	stream := &eventStream{control: http.NewResponseController(c.w), w: c.w, next: s.now().UnixMilli()}
	c.w.WriteHeader(http.StatusOK)
	first := "ready"
	if c.Header.Get("Last-Event-ID") != "" {
		first = "reset"
	}
	if stream.begin(first) != nil {
		return nil
	}
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-c.Context().Done():
			return nil
		case <-ticker.C:
			if s.shutOut(c.Request) {
				return nil
			}
			err = stream.comment("alive")
		case event, open := <-events:
			if !open {
				return nil
			}
			if only == "" || event.Organization == only {
				err = stream.send(event.Type, event)
			}
		}
		if err != nil {
			return nil // the reader is gone, or too slow
		}
	}
}

// shutOut reports whether a request that was let in would be refused now. A database that does
// not answer is no refusal.
func (s *Server) shutOut(r *http.Request) bool {
	_, err := s.authenticate(r)
	refused, ok := errors.AsType[*failure](err)
	return ok && refused.status == http.StatusUnauthorized
}

// eventStream writes server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	next    int64 // id; it begins with the time, so that ids grow over restarts
}

func (s *eventStream) begin(event string) error {
	return s.write(fmt.Appendf(nil, "retry: %d\nid: %d\nevent: %s\ndata: {}\n\n", reconnect, s.id(), event))
}

func (s *eventStream) comment(text string) error { return s.write([]byte(": " + text + "\n\n")) }

func (s *eventStream) send(event string, body any) error {
	data, err := json.Marshal(body) // one line
	if err != nil {
		return err
	}
	return s.write(fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", s.id(), event, bytes.TrimSpace(data)))
}

func (s *eventStream) id() int64 {
	s.next++
	return s.next
}

func (s *eventStream) write(b []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return s.control.Flush()
}
