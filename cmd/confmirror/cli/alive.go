package cli

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// stayAlive answers on a listener while the daemon cannot yet: the process is
// alive and not ready, and who delivers a webhook is told to try again. end gives
// the listener back, still open.
func stayAlive(listener net.Listener) (end func()) {
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return func() {}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, `{"error":{"code":"STARTING","message":"The daemon waits for its database."}}`)
	})
	server := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(lent{tcp}) })
	return func() {
		_ = server.Close()
		serving.Wait()
		_ = tcp.SetDeadline(time.Time{})
	}
}

// lent is a listener whose Close only ends Accept.
type lent struct{ *net.TCPListener }

func (l lent) Close() error { return l.SetDeadline(time.Unix(1, 0)) }
