package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror/document"
)

// call is one request on its way to a handler, and the way back.
type call struct {
	*http.Request
	w http.ResponseWriter
	// organization is that of {org}; nil where the path names none.
	organization *db.Organization
	// kind is that of {kind}; "" where the path names none.
	kind document.Kind
}

// handler answers a call, or returns why it cannot; see failure.
type handler func(s *Server, c *call) error

// reply answers with JSON. The body is made before the status is sent, so that
// what cannot be encoded is an honest 500.
func (c *call) reply(status int, body any) error {
	out, err := encode(body)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.WriteHeader(status)
	_, _ = c.w.Write(out) // a client that has gone misses its answer
	return nil
}

// encode is a value in JSON, one line, with < as it is.
func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return out.Bytes(), err
}

// nothing answers without a body.
func (c *call) nothing() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// How long a body may take: a while, and what the slowest line needs for it.
const (
	sending = 20 * time.Second
	slowest = 64 << 10 // bytes a second
)

// body reads at most limit bytes.
func (c *call) body(limit int64) ([]byte, error) {
	if c.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	// The deadline is lifted again when all is there: past it the server would take
	// the client for gone.
	control := http.NewResponseController(c.w)
	_ = control.SetReadDeadline(time.Now().Add(sending + time.Duration(limit/slowest)*time.Second))
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, limit))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, tooLarge(limit)
	}
	if err != nil {
		c.w.Header().Set("Connection", "close") // or the rest would be waited for before the answer is sent
		return nil, &failure{status: http.StatusBadRequest, code: "BAD_REQUEST", message: "The request's body ended early, or took too long.", cause: err}
	}
	_ = control.SetReadDeadline(time.Time{})
	return body, nil
}

// patient lifts the server's write timeout, if it has one, for an answer that
// takes as long as it takes.
func (c *call) patient() {
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Time{})
}

// list is the frame of every list.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor"` // "" after the last page
}

func newList[T any](items []T, next string) list[T] { return list[T]{orEmpty(items), next} }

// orEmpty makes JSON say [] instead of null.
func orEmpty[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
