package bitbuckettest

import (
	"io"
	"net"
	"net/http"
)

// Tunnel answers a client's CONNECT as a proxy does: it joins the client with an address.
func Tunnel(w http.ResponseWriter, to string) {
	there, err := net.Dial("tcp", to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		there.Close()
		return
	}
	go func() {
		// The server may have read what a quick client said after the answer.
		io.Copy(there, buffered)
		there.Close()
	}()
	go func() {
		io.Copy(here, there)
		here.Close()
	}()
}
