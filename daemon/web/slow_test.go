package web

import (
	"bufio"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is a listener with one connection.
type pipe chan net.Conn

func (p pipe) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (p pipe) Close() error   { return nil }
func (p pipe) Addr() net.Addr { return &net.TCPAddr{} }

// A body that never comes holds no connection, whether a handler wants it or not.
func TestSlowBody(t *testing.T) {
	for _, tt := range []struct {
		line   string
		status int
	}{
		{"POST " + webhookPath, 400},
		{"GET /healthz", 200},
		{"POST /nothing", 404},
		{"POST /api/v1/organizations/acme/mirror/sync", 401},
	} {
		for _, length := range []string{"Content-Length: 100", "Transfer-Encoding: chunked"} {
			t.Run(tt.line+" "+length, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					listener := make(pipe, 1)
					server := &http.Server{Handler: New(Options{Engine: &recorder{}})}
					go server.Serve(listener)
					ours, theirs := net.Pipe()
					listener <- theirs
					go ours.Write([]byte(tt.line + " HTTP/1.1\r\nHost: x\r\nX-Event-Key: repo:push\r\n" + length + "\r\n\r\n"))

					begin := time.Now()
					response, err := http.ReadResponse(bufio.NewReader(ours), nil)
					if err != nil {
						t.Fatal(err)
					}
					if response.StatusCode != tt.status || time.Since(begin) > time.Minute {
						t.Errorf("got status %d after %v, want %d within a minute", response.StatusCode, time.Since(begin), tt.status)
					}
					ours.Close()
					close(listener)
					server.Close()
				})
			})
		}
	}
}
