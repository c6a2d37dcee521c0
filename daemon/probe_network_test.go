package daemon

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// quiet is for servers whose clients end the handshake, as they should.
var quiet = log.New(io.Discard, "", 0)

// offline resolves as a machine does whose name server does not answer.
func offline(p *probed) {
	resolve(p, func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no name server") })
}

// nameless resolves as a machine does whose name server knows no name.
func nameless(p *probed) {
	resolve(p, func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			query := make([]byte, 1<<10)
			for {
				n, err := theirs.Read(query) // a length of two bytes, then the message, in one piece
				if err != nil {
					return
				}
				query[4], query[5] = query[4]|0x80, 0x83 // an answer: NXDOMAIN
				if _, err := theirs.Write(query[:n]); err != nil {
					return
				}
			}
		}()
		return ours, nil
	})
}

func resolve(p *probed, dial func(context.Context, string, string) (net.Conn, error)) {
	dialer := &net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: dial}}
	p.transport().DialContext = dialer.DialContext
}

// closedPort is an address that nobody listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// accepting does something with each connection, and is no server.
func accepting(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			do(c)
		}
	}()
	return l.Addr().String()
}

// Without a way to the git server everything else is still tested: the token and what REST says.
func TestProbeOfAHostThatIsNotReached(t *testing.T) {
	const hour = time.Hour
	now := time.Now()
	for name, test := range map[string]struct {
		gitURL          func(p *probed, a *authority) string
		step            string
		message, remedy string
	}{
		"no such name": {func(p *probed, _ *authority) string { nameless(p); return "https://nowhere.invalid" }, "dns",
			"There is no host of the name nowhere.invalid (git_url).", "Check git_url for a slip"},
		"no name server": {func(p *probed, _ *authority) string { offline(p); return "https://nowhere.invalid" }, "dns",
			"This machine's DNS does not answer, so that nowhere.invalid (git_url) cannot be found.", "HTTPS_PROXY"},
		"nobody listens": {func(p *probed, _ *authority) string { return "https://" + closedPort(p.t) }, "connect",
			"Nobody takes connections at 127.0.0.1, port ", "firewalls on the way. Where the Internet is reached by a proxy only, name it in HTTPS_PROXY."},
		"an address that nobody may ask": {func(*probed, *authority) string { return "https://169.254.169.254" }, "connect",
			"169.254.169.254 is a link-local or metadata address", "network"},
		"unknown authority": {func(p *probed, a *authority) string {
			return a.serve(p.standIn, now.Add(-hour), now.Add(hour), "127.0.0.1")
		}, "tls", `The certificate of 127.0.0.1 (git_url) is signed by "Corporate Root", whom this machine does not trust.`, "SSL_CERT_FILE"},
		"expired": {func(p *probed, a *authority) string {
			a.trusted(p)
			return a.serve(p.standIn, now.Add(-72*hour), now.Add(-48*hour), "127.0.0.1")
		}, "tls", "expired on " + now.Add(-48*hour).UTC().Format(time.DateOnly), "this machine's clock says " + now.UTC().Format(time.DateOnly)},
		"not yet valid": {func(p *probed, a *authority) string {
			a.trusted(p)
			return a.serve(p.standIn, now.Add(48*hour), now.Add(72*hour), "127.0.0.1")
		}, "tls", "is not valid before " + now.Add(48*hour).UTC().Format(time.DateOnly), "this machine's clock says"},
		"another name": {func(p *probed, a *authority) string {
			a.trusted(p)
			return a.serve(p.standIn, now.Add(-hour), now.Add(hour), "git.example.com", "\x1b[31mred", "10.0.0.1")
		}, "tls", "The certificate of 127.0.0.1 (git_url) is for git.example.com, ?[31mred, 10.0.0.1.", "git_url"},
		"no TLS": {func(p *probed, _ *authority) string { return strings.Replace(p.standIn.URL(), "http:", "https:", 1) }, "tls",
			"127.0.0.1 does not speak TLS at port ", "http:// is for this machine itself only"},
		"no server at all": {func(p *probed, _ *authority) string {
			return "https://" + accepting(p.t, func(c net.Conn) { c.Write([]byte("SSH-2.0-OpenSSH_9.9\r\n")); c.Close() })
		}, "tls", "", "port in git_url"},
		"cut": {func(p *probed, _ *authority) string {
			return "https://" + accepting(p.t, func(c net.Conn) { c.Close() })
		}, "tls",
			"TLS with 127.0.0.1 fails (git_url): ", "port in git_url"},
		"silence": {func(p *probed, _ *authority) string {
			p.transport().TLSHandshakeTimeout = 50 * time.Millisecond
			return "https://" + accepting(p.t, func(c net.Conn) { p.t.Cleanup(func() { c.Close() }) })
		}, "tls", "127.0.0.1 does not answer in the TLS handshake (git_url).", "firewall"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbed(t)
			p.settings.GitURL = test.gitURL(p, newAuthority(t))
			result := p.test()
			p.wants(result, map[string]string{test.step: mirror.CodeNetworkUnreachable, "git": "-", "branch": "-", "write": "-",
				"delivery": map[bool]string{true: "note", false: "ok"}[!strings.Contains(p.settings.GitURL, "127.0.0.1")]})
			p.says(result, test.step, test.message, test.remedy)
			p.says(result, "write", "Not tried, because git_url cannot be reached.", "")
		})
	}
}

// The other way round: what REST and tokens need is not what git needs.
func TestProbeWithoutREST(t *testing.T) {
	p := newProbed(t)
	p.settings.APIURL = "http://" + closedPort(t) + "/2.0"
	result := p.test()
	p.wants(result, map[string]string{"connect": mirror.CodeNetworkUnreachable, "repository": "-"})
	p.says(result, "repository", "Not tried, because api_url cannot be reached.", "")

	p = newProbed(t)
	p.settings.OAuthURL = "http://" + closedPort(t) + "/token"
	result = p.test()
	p.wants(result, map[string]string{"connect": mirror.CodeNetworkUnreachable, "token": "-", "repository": "-", "git": "-", "branch": "-", "write": "-"})
	p.says(result, "write", "Not tried, because oauth_url cannot be reached.", "")
}

func TestProbeWithNoHostAtAll(t *testing.T) {
	p := newProbed(t)
	nameless(p)
	p.settings.GitURL, p.settings.APIURL, p.settings.OAuthURL = "https://nowhere.invalid", "https://nowhere.invalid/2.0", "https://nowhere.invalid/token"
	result := p.test()
	p.wants(result, map[string]string{"dns": mirror.CodeNetworkUnreachable, "connect": "-", "tls": "-", "clock": "-", "token": "-", "repository": "-", "git": "-", "branch": "-", "write": "-", "delivery": "note"})
}

// A certificate of an authority that the machine trusts is good, whoever that is.
func TestProbeOverTLS(t *testing.T) {
	p, a := newProbed(t), newAuthority(t)
	a.trusted(p)
	p.settings.GitURL = a.serve(p.standIn, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), "127.0.0.1")
	result := p.test()
	p.wants(result, nil)
	p.says(result, "tls", "The certificates are good until "+time.Now().Add(time.Hour).UTC().Format(time.DateOnly), "")
}

// proxied leads all https through a proxy that answers each CONNECT as it likes.
func proxied(p *probed, user *url.Userinfo, answer func(w http.ResponseWriter, to string)) (at string) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r.Host) }))
	p.t.Cleanup(proxy.Close)
	u, err := url.Parse(proxy.URL)
	p.must(err)
	u.User = user
	leadThrough(p, u, nil)
	return u.Host
}

func leadThrough(p *probed, proxy *url.URL, err error) {
	p.transport().Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme != "https" {
			return nil, nil
		}
		return proxy, err
	}
	p.settings.GitURL = "https://git.example.com"
}

func TestProbeByAProxyThatRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		user            *url.Userinfo
		status          int
		message, remedy string
	}{
		"no user":        {nil, 407, "asks for a user and a password (407).", "HTTPS_PROXY: http://user:password@host:port. If git.example.com is reached without a proxy, name it in NO_PROXY."},
		"another user":   {url.UserPassword("me", "hunter2"), 407, "does not accept the user and password", "HTTPS_PROXY"},
		"forbidden":      {nil, 403, "does not let through to git.example.com, port 443 (git_url): it answers 403.", "allowed"},
		"no way from it": {nil, 502, "cannot reach git.example.com, port 443 (git_url): it answers 502.", "git_url"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbed(t)
			at := proxied(p, test.user, func(w http.ResponseWriter, _ string) { w.WriteHeader(test.status) })
			result := p.test()
			p.wants(result, map[string]string{"proxy": mirror.CodeNetworkUnreachable, "git": "-", "branch": "-", "write": "-", "delivery": "note"})
			p.says(result, "proxy", "The proxy "+at+" (HTTPS_PROXY) "+test.message, test.remedy)
		})
	}
}

func TestProbeByAProxyThatIsNotThere(t *testing.T) {
	for name, test := range map[string]struct {
		lead    func(p *probed)
		message string
	}{
		"closed": {func(p *probed) { leadThrough(p, &url.URL{Scheme: "http", Host: closedPort(p.t)}, nil) }, "(HTTPS_PROXY) cannot be reached: connection refused."},
		"no such name": {func(p *probed) {
			nameless(p)
			leadThrough(p, &url.URL{Scheme: "http", Host: "proxy.invalid:3128"}, nil)
		}, "The proxy proxy.invalid:3128 (HTTPS_PROXY) cannot be found: proxy.invalid is not resolved."},
		"no address": {func(p *probed) { leadThrough(p, nil, errors.New("http://me:hunter2@[")) }, "HTTPS_PROXY is no address."},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbed(t)
			test.lead(p)
			result := p.test()
			p.wants(result, map[string]string{"proxy": mirror.CodeNetworkUnreachable, "git": "-", "branch": "-", "write": "-", "delivery": "note"})
			p.says(result, "proxy", test.message, "HTTPS_PROXY")
		})
	}
}

// By a proxy that works, a name is found that this machine does not know.
func TestProbeByAProxy(t *testing.T) {
	p, a := newProbed(t), newAuthority(t)
	a.trusted(p)
	behind, err := url.Parse(a.serve(p.standIn, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), "git.example.com"))
	p.must(err)
	at := proxied(p, nil, func(w http.ResponseWriter, _ string) {
		bitbuckettest.Tunnel(w, behind.Host)
	})
	result := p.test()
	p.wants(result, map[string]string{"proxy": "ok", "delivery": "note"})
	p.says(result, "proxy", "The proxy "+at+" leads to git.example.com.", "")
	p.says(result, "dns", "No name has to be looked up.", "")
}

// A clock that is more than a minute off is said; it is a reason for other failures, not one itself.
func TestProbeOfTheClock(t *testing.T) {
	for name, test := range map[string]struct {
		theirs        time.Duration // ahead of ours
		mark, message string
	}{
		"the same":          {0, "ok", "agree"},
		"a little":          {-30 * time.Second, "ok", "agree"},
		"behind":            {5 * time.Minute, "note", " behind that of 127.0.0.1"},
		"ahead":             {-26 * time.Hour, "note", " ahead of that of 127.0.0.1"},
		"a time without us": {50 * 365 * 24 * time.Hour, "note", " behind that of 127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbed(t)
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", time.Now().Add(test.theirs).UTC().Format(http.TimeFormat))
				p.standIn.ServeHTTP(w, r)
			}))
			t.Cleanup(front.Close)
			p.settings.GitURL = front.URL
			result := p.test()
			p.wants(result, map[string]string{"clock": test.mark})
			p.says(result, "clock", test.message, map[string]string{"ok": "", "note": "NTP"}[test.mark])
		})
	}
}
