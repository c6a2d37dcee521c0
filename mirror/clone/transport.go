package clone

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// userAgent must look like git's: hosts answer others with a web page.
const userAgent = "git/2.45.0 (confmirror)"

const (
	maxRedirects = 5
	// maxErrorBody bounds what is read of a refusal's body.
	maxErrorBody = 16 << 10
)

// defaultClient gives up on a host that does not take the connection; how long
// an answer may take is up to the stall timer of each exchange.
var defaultClient = sync.OnceValue(func() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
	}}
})

// transport speaks HTTP to one repository: credentials, redirects, refusals.
type transport struct {
	base   *url.URL // of the repository; moved by a redirect of info/refs
	origin string   // where the credentials belong
	cred   mirror.Credentials
	client *http.Client
	stall  time.Duration
	link   linkSpeed
}

func newTransport(raw string, cred mirror.Credentials, client *http.Client, stall time.Duration) (*transport, error) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the repository's address must be http(s)://host/path without credentials") // raw may hold some
	}
	if client == nil {
		client = defaultClient()
	}
	own := *client
	own.Timeout = 0
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	own.Jar = nil
	if stall <= 0 {
		stall = 60 * time.Second
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return &transport{base: u, origin: originOf(u), cred: cred, client: &own, stall: stall}, nil
}

func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// request is one exchange with the repository.
type request struct {
	method, path, query string
	header              map[string]string
	body                func() (io.ReadCloser, error)
	length              int64
	// again: the exchange may be repeated on a fresh connection when a kept one died.
	again bool
}

func bytesBody(b []byte) (func() (io.ReadCloser, error), int64) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }, int64(len(b))
}

// answer is a response under a stall timer. Close it.
type answer struct {
	*http.Response
	pulse *pulse
	err   func(error) error
	// sent are the credentials of the request, in every form that a text may repeat.
	sent []string
}

func (a *answer) Read(b []byte) (int, error) {
	n, err := a.Body.Read(b)
	if n > 0 {
		a.pulse.beat()
	}
	if err != nil && err != io.EOF {
		err = a.err(err)
	}
	return n, err
}

// Close reads what little may be left, so that the connection can be used again.
func (a *answer) Close() error {
	io.CopyN(io.Discard, a.Body, 64<<10)
	a.pulse.stop()
	return a.Body.Close()
}

// pulse cancels an exchange in which nothing has moved for a while.
type pulse struct {
	timer  *time.Timer
	every  time.Duration
	cancel context.CancelCauseFunc
}

var errStalled = errors.New("no byte moved for too long")

func startPulse(ctx context.Context, every time.Duration) (context.Context, *pulse) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &pulse{time.AfterFunc(every, func() { cancel(errStalled) }), every, cancel}
}

func (p *pulse) beat() { p.timer.Reset(p.every) }
func (p *pulse) stop() { p.timer.Stop(); p.cancel(context.Canceled) }

// beatingBody reports the sending of a request's body.
type beatingBody struct {
	io.ReadCloser
	pulse *pulse
	link  *linkSpeed
	sent  int64
	begun time.Time
}

// sendStep is how much of a body is sent between two beats: little, for on a slow line
// even that may take most of a minute.
const sendStep = 4 << 10

func (b *beatingBody) Read(p []byte) (int, error) {
	b.pulse.beat()
	p = p[:min(len(p), sendStep)]
	if b.sent == 0 {
		b.begun = time.Now()
	}
	n, err := b.ReadCloser.Read(p)
	b.sent += int64(n)
	if err == io.EOF {
		b.link.sent(b.sent, time.Since(b.begun))
	}
	return n, err
}

// do sends one request and returns its 2xx answer, or a *mirror.Fault. A refused
// token is renewed once.
func (t *transport) do(ctx context.Context, r *request) (*answer, error) {
	for renew := false; ; renew = true {
		a, err := t.send(ctx, r, t.base, renew)
		if err != nil {
			return nil, err
		}
		for hops := 0; r.method == http.MethodGet && isRedirect(a.StatusCode); hops++ {
			next, err := t.redirected(a, r)
			a.Close()
			if err != nil || hops == maxRedirects {
				return nil, somebodyElse("The git server redirects to where a repository cannot be.", err)
			}
			t.base = next
			if a, err = t.send(ctx, r, t.base, renew); err != nil {
				return nil, err
			}
		}
		if a.StatusCode >= 200 && a.StatusCode < 300 {
			return a, nil
		}
		retry := a.StatusCode == http.StatusUnauthorized && !renew && t.authenticates()
		err = refusal(a, r)
		if t.cred != nil && !t.authenticates() {
			err = t.refusedElsewhere(err)
		}
		a.Close()
		if !retry {
			return nil, err
		}
	}
}

func isRedirect(code int) bool {
	switch code {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirected is the repository's new address: git's rule is that only the part
// before the service's own path may change.
func (t *transport) redirected(a *answer, r *request) (*url.URL, error) {
	to, err := a.Request.URL.Parse(a.Header.Get("Location"))
	if err != nil {
		return nil, errors.New("unreadable Location")
	}
	path, ok := strings.CutSuffix(to.Path, r.path)
	if !ok || (to.Scheme != "https" && to.Scheme != t.base.Scheme) {
		return nil, errors.New("redirect away from the git service")
	}
	return &url.URL{Scheme: to.Scheme, Host: to.Host, Path: strings.TrimRight(path, "/")}, nil
}

// authenticates reports whether credentials may be sent where base points now.
func (t *transport) authenticates() bool { return t.cred != nil && originOf(t.base) == t.origin }

// authorization is the header, and what of it is secret.
func authorization(user string, password mirror.Secret) (header string, secrets []string) {
	if user == "" {
		return "Bearer " + password.Reveal(), []string{password.Reveal()}
	}
	basic := mirror.BasicAuth(user, password.Reveal())
	return "Basic " + basic, []string{basic, password.Reveal()}
}

func (t *transport) send(ctx context.Context, r *request, base *url.URL, renew bool) (*answer, error) {
	u := *base
	u.Path += r.path
	u.RawQuery = r.query
	caller := ctx
	ctx, p := startPulse(ctx, t.stall)
	fail := func(err error) error {
		if cerr := caller.Err(); cerr != nil {
			return fmt.Errorf("git over HTTP: %w", cerr)
		}
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return unreachable(err)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), nil)
	if err != nil {
		p.stop()
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	var sent []string
	if t.authenticates() {
		user, password, err := t.cred.Basic(ctx, renew)
		if err != nil {
			p.stop()
			return nil, fmt.Errorf("credentials for git: %w", err)
		}
		var header string
		header, sent = authorization(user, password)
		req.Header.Set("Authorization", header)
	}
	if r.body != nil {
		req.ContentLength = r.length
		req.GetBody = func() (io.ReadCloser, error) {
			b, err := r.body()
			return &beatingBody{ReadCloser: b, pulse: p, link: &t.link}, err
		}
		if req.Body, err = req.GetBody(); err != nil {
			p.stop()
			return nil, err
		}
	}
	if r.again {
		req.Header["Idempotency-Key"] = nil // net/http's sign that it may repeat; never sent
	}
	p.beat() // the credentials may have taken their time
	resp, err := t.client.Do(req)
	if err != nil {
		err = fail(err)
		p.stop()
		return nil, err
	}
	p.beat()
	return &answer{resp, p, fail, sent}, nil
}
