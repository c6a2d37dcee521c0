package cli

import (
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
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
		bitbuckettest.Tunnel(w, behind.Listener.Addr().String())
	}))
	ts.Defer(proxy.Close)
	ts.Setenv("PROXY", proxy.Listener.Addr().String())
}
