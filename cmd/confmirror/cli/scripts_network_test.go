package cli

import (
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// runProxy is the way to the script's stand-in over the Internet, as a company has it:
//
//	proxy USER:PASSWORD    starts a proxy for https that wants these, and behind it, under
//	                       any name, the stand-in over TLS with a certificate for
//	                       example.com; sets PROXY, writes the certificate to ca.pem
func runProxy(ts *testscript.TestScript, _ bool, args []string) {
	started, ok := standIns.Load(ts.Getenv("WORK"))
	if !ok {
		ts.Fatalf("bitbucket start comes first")
	}
	behind := httptest.NewUnstartedServer(started.(*standIn).server)
	behind.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that clients end
	behind.StartTLS()
	ts.Defer(behind.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: behind.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), certificate, 0o600))

	wanted := "Basic " + base64.StdEncoding.EncodeToString([]byte(args[0]))
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != wanted {
			w.Header().Set("Proxy-Authenticate", `Basic realm="proxy"`)
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		tunnel(w, behind.Listener.Addr().String())
	}))
	ts.Defer(proxy.Close)
	ts.Setenv("PROXY", proxy.Listener.Addr().String())
}

// tunnel joins a client of a proxy with an address.
func tunnel(w http.ResponseWriter, to string) {
	there, err := net.Dial("tcp", to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		there.Close()
		return
	}
	go func() {
		io.Copy(there, here)
		there.Close()
	}()
	go func() {
		io.Copy(here, there)
		here.Close()
	}()
}
