package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confmirror/confmirror/daemon/web"
)

// reachLimit bounds the search for one host.
const reachLimit = 15 * time.Second

// mostSkew is how far two clocks may be apart without a word about it.
const mostSkew = time.Minute

// place is a host that a connection leads to, and how far one request to it came.
type place struct {
	settings []string // that name it: "git_url"
	url      *url.URL // its root

	proxy *url.URL // nil: none
	step  string   // that failed: "dns", "proxy", "connect", "tls"; "" for none
	err   error
	tls   *tls.ConnectionState
	skew  time.Duration // of our clock, if dated
	dated bool
}

// phase is how far a request came.
type phase = int32

const (
	looking phase = iota
	connecting
	securing
	asking
)

// reach asks a place for nothing in particular, on a connection of its own and without
// credentials: it has to be found, to be who it says, and to answer.
func (p *place) reach(ctx context.Context, transport *http.Transport, userAgent string) {
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	request := &http.Request{Method: http.MethodHead, URL: p.url, Header: http.Header{"User-Agent": {userAgent}}}
	if p.proxy, p.err = transport.Proxy(request); p.err != nil {
		p.step = "proxy"
		return
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var came atomic.Int32
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectStart:      func(string, string) { came.Store(connecting) },
		TLSHandshakeStart: func() { came.Store(securing) },
		GotConn:           func(httptrace.GotConnInfo) { came.Store(asking) },
	})
	sent := time.Now()
	answer, err := client.Do(request.WithContext(traced))
	if err != nil {
		p.err, p.step = err, p.failedAt(came.Load(), err)
		return
	}
	answer.Body.Close()
	p.tls = answer.TLS
	if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		p.dated, p.skew = true, skew(sent, time.Now(), date)
	}
}

// failedAt is the step that a request failed at. A host that was found and does not answer
// this request may answer others: that is none.
func (p *place) failedAt(came phase, err error) string {
	var op *net.OpError
	_, refused := errors.AsType[*proxyRefusal](err)
	switch {
	case refused, p.proxy != nil && (came < securing || errors.As(err, &op) && op.Op == "proxyconnect"):
		return "proxy"
	case came == looking:
		return "dns"
	case came == connecting:
		return "connect"
	case came == securing:
		return "tls"
	}
	return ""
}

// skew is how far our clock is ahead of one that said date, in whole seconds, between two
// moments of ours.
func skew(sent, got, date time.Time) time.Duration {
	switch {
	case date.Before(sent.Truncate(time.Second)):
		return sent.Sub(date).Round(time.Second)
	case date.After(got):
		return got.Sub(date).Round(time.Second)
	}
	return 0
}

// proxyRefusal is a proxy's answer that is no connection.
type proxyRefusal struct{ status int }

func (e *proxyRefusal) Error() string { return fmt.Sprintf("the proxy answers %d", e.status) }

// probing is the transport of a test: that of all other requests, with new connections.
func probing(transport *http.Transport) *http.Transport {
	own := transport.Clone()
	own.DisableKeepAlives = true
	own.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
		if answer.StatusCode != http.StatusOK {
			return &proxyRefusal{answer.StatusCode}
		}
		return nil
	}
	return own
}

// network adds the steps that lead to the hosts' doors.
func (p *probe) network(ctx context.Context, places []*place) {
	transport := probing(p.connector.transport)
	var all sync.WaitGroup
	for _, place := range places {
		all.Go(func() { place.reach(ctx, transport, p.connector.userAgent) })
	}
	all.Wait()
	for _, step := range []struct {
		name string
		done func([]*place) string
	}{{"dns", found}, {"proxy", byProxy}, {"connect", connected}, {"tls", secured}} {
		message := step.done(places)
		var left, lost []*place
		for _, at := range places {
			if at.step == step.name {
				lost = append(lost, at)
			} else {
				left = append(left, at)
			}
		}
		switch places = left; {
		case len(lost) > 0:
			p.fail(step.name, lost[0].fault())
		case message == "":
		case len(left) == 0:
			p.skip(step.name, "no host was reached")
		default:
			p.try(ctx, step.name, nil, func() (web.TestStep, error) { return said("%s", message), nil })
		}
		for _, at := range lost {
			for _, setting := range at.settings {
				p.lost[setting] = setting + " cannot be reached"
			}
		}
	}
	if i := slices.IndexFunc(places, func(at *place) bool { return at.dated }); i >= 0 {
		p.try(ctx, "clock", nil, func() (web.TestStep, error) { return clock(places[i]), nil })
	} else {
		p.skip("clock", "no host has told the time")
	}
}

func found(places []*place) string {
	names := hosts(places, func(at *place) bool {
		_, err := netip.ParseAddr(at.url.Hostname())
		return at.proxy == nil && err != nil
	})
	if names == "" {
		return "No name has to be looked up."
	}
	return "Found: " + names + "."
}

// byProxy has nothing to say where no proxy is used.
func byProxy(places []*place) string {
	for _, at := range places {
		if at.proxy != nil {
			return fmt.Sprintf("The proxy %s leads to %s.", at.proxy.Host, hosts(places, func(at *place) bool { return at.proxy != nil }))
		}
	}
	return ""
}

func connected(places []*place) string {
	return "Connected: " + hosts(places, func(*place) bool { return true }) + "."
}

func secured(places []*place) string {
	var last time.Time // of the certificates
	names := hosts(places, func(at *place) bool {
		if at.tls != nil && (last.IsZero() || at.tls.PeerCertificates[0].NotAfter.Before(last)) {
			last = at.tls.PeerCertificates[0].NotAfter
		}
		return at.url.Scheme == "https"
	})
	switch {
	case names == "":
		return "Plain http, which is for this machine itself."
	case last.IsZero():
		return "The certificate is good: " + names + "."
	}
	return fmt.Sprintf("The certificates are good until %s: %s.", last.UTC().Format(time.DateOnly), names)
}

// hosts lists those of the places that are meant.
func hosts(places []*place, meant func(*place) bool) string {
	var names []string
	for _, at := range places {
		if meant(at) {
			names = append(names, at.url.Host)
		}
	}
	return strings.Join(names, ", ")
}

// clock compares this machine's clock with a host's.
func clock(at *place) web.TestStep {
	if at.skew.Abs() <= mostSkew {
		return said("This machine's clock and that of %s agree.", at.url.Host)
	}
	side := "ahead of"
	if at.skew < 0 {
		side = "behind"
	}
	step := said("This machine's clock is %s %s that of %s.", at.skew.Abs(), side, at.url.Host)
	step.Remedy = "Set the clock, best by NTP: certificates and tokens are judged by it."
	return step
}
