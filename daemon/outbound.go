package daemon

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/confmirror/confmirror/daemon/web"
)

// restTimeout bounds one request to REST or OAuth; git's transfers are bounded by
// their progress instead.
const restTimeout = time.Minute

// outbound makes the connections to remotes. It refuses link-local and metadata
// addresses, whatever name led to them: cloud machines hand out credentials there, and a
// connection's host may be named by whoever may use the API.
func outbound() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: refuseMetadata}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

func refuseMetadata(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := to.Addr().Unmap(); web.NeverAsked(ip) {
		return fmt.Errorf("%s is a link-local or metadata address, which no connection may lead to", ip)
	}
	return nil
}
