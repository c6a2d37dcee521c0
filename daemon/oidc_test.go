package daemon_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/daemon/web/oidctest"
	"github.com/confmirror/confmirror/mirror"
)

// provides has people sign in at a provider.
func (w *world) provides() *oidctest.Provider {
	w.t.Helper()
	p, err := oidctest.New()
	w.must(err)
	w.t.Cleanup(p.Close)
	w.config.HTTP.OIDC = configs.OIDC{
		Issuer: p.URL, ClientID: oidctest.ClientID, ClientSecret: mirror.NewSecret(oidctest.ClientSecret),
		AllowedGroup: "admins", GroupsClaim: "groups", Scopes: []string{"openid", "profile", "email"},
	}
	return p
}

// eachSignIn runs a test at a daemon that has a provider. It does not depend on the database.
func eachSignIn(t *testing.T, test func(v *visitor, p *oidctest.Provider)) {
	t.Helper()
	t.Parallel()
	w := newWorld(t, migrated.SQLite(t))
	w.public = true
	p := w.provides()
	w.start()
	test(w.visitor(), p)
}

// leave begins a sign-in, and tells the provider's address.
func (v *visitor) leave(next string) *url.URL {
	v.t.Helper()
	answer, body := v.page("GET", "/sign-in/oidc?next="+url.QueryEscape(next), nil)
	if answer.StatusCode != http.StatusSeeOther {
		v.t.Fatalf("%d %s", answer.StatusCode, body)
	}
	to, err := answer.Location()
	v.must(err)
	return to
}

// come goes back from the provider, and tells where that leads to and what it says.
func (v *visitor) come(p *oidctest.Provider, to *url.URL, change ...func(back url.Values)) (*http.Response, string) {
	v.t.Helper()
	address, err := p.Authorize(to.Query())
	v.must(err)
	back, err := url.Parse(address)
	v.must(err)
	if got := back.Scheme + "://" + back.Host; got != v.url || back.Path != web.OIDCCallback {
		v.t.Fatalf("the provider is to send people to %s", back)
	}
	query := back.Query()
	for _, f := range change {
		f(query)
	}
	return v.page("GET", back.Path+"?"+query.Encode(), nil, "Sec-Fetch-Site", "cross-site")
}

// in reports whether the visitor is signed in.
func (v *visitor) in() bool {
	v.t.Helper()
	answer, _ := v.page("GET", "/organizations/acme", nil)
	return answer.StatusCode == http.StatusOK
}

func TestSignInAtAProvider(t *testing.T) {
	eachSignIn(t, func(v *visitor, p *oidctest.Provider) {
		if _, body := v.page("GET", "/sign-in?next=%2Forganizations%2Facme", nil); !strings.Contains(body, `href="/sign-in/oidc?next=%2Forganizations%2Facme"`) {
			t.Errorf("the sign-in page does not lead there: %s", body)
		}
		answer, _ := v.come(p, v.leave("/organizations/acme/held"))
		if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || to != "/organizations/acme/held" || !v.in() {
			t.Fatalf("%d to %q", answer.StatusCode, to)
		}
		if answer, body := v.page("POST", "/api/v1/organizations/acme/mirror/pause", nil, "Sec-Fetch-Site", "same-origin"); answer.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", answer.StatusCode, body)
		}
		if _, body := v.page("GET", "/organizations/acme/activity", nil); !strings.Contains(body, "by ada@example.com") {
			t.Errorf("nobody knows who paused it: %s", body)
		}
		v.page("POST", "/sign-out", nil)
		if v.in() {
			t.Error("signed out, and still in")
		}
		for _, next := range []string{"//evil.example", "https://evil.example/", "/\\evil.example"} {
			if answer, _ := v.come(p, v.leave(next)); answer.Header.Get("Location") != "/" {
				t.Errorf("%s leads to %s", next, answer.Header.Get("Location"))
			}
		}
		if log := v.log.String(); strings.Contains(log, oidctest.ClientSecret) {
			t.Error("the log has the secret")
		}
	})
}

// Who is not in the group, and whose token is not for this sign-in, stays outside, and is
// told why.
func TestSignInAtAProviderIsRefused(t *testing.T) {
	other, err := oidctest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	groups := func(value any) func(p *oidctest.Provider) {
		return func(p *oidctest.Provider) { p.Change = func(claims map[string]any) { claims["groups"] = value } }
	}
	claim := func(name string, value any) func(p *oidctest.Provider) {
		return func(p *oidctest.Provider) { p.Change = func(claims map[string]any) { claims[name] = value } }
	}
	back := func(name, value string) func(url.Values) { return func(q url.Values) { q.Set(name, value) } }
	for name, tc := range map[string]struct {
		provider func(p *oidctest.Provider)
		back     func(q url.Values)
		status   int
		says     string
	}{
		"another group":       {groups([]string{"staff", "admins2"}), nil, 403, "is not in the group"},
		"a group in capitals": {groups([]string{"Admins"}), nil, 403, "is not in the group"},
		"groups of another shape": {func(p *oidctest.Provider) {
			p.Claims["groups"] = map[string]any{"admins": true}
			p.UserInfo = map[string]any{"sub": "u1"}
		}, nil, 403, "there is no claim"},
		"no groups": {func(p *oidctest.Provider) {
			p.Change = func(claims map[string]any) { delete(claims, "groups") }
			p.UserInfo = map[string]any{"sub": "u1"}
		}, nil, 403, "there is no claim"},
		"groups of somebody else": {func(p *oidctest.Provider) {
			p.Change = func(claims map[string]any) { delete(claims, "groups") }
			p.UserInfo = map[string]any{"sub": "u2", "groups": []string{"admins"}}
		}, nil, 502, "does not tell who this is"},
		"another nonce":     {claim("nonce", "x"), nil, 502, "for another sign-in"},
		"no nonce":          {claim("nonce", ""), nil, 502, "for another sign-in"},
		"another audience":  {claim("aud", "somebody"), nil, 502, "not valid"},
		"another issuer":    {claim("iss", "https://evil.example"), nil, 502, "not valid"},
		"expired":           {claim("exp", time.Now().Add(-time.Hour).Unix()), nil, 502, "not valid"},
		"signed by another": {func(p *oidctest.Provider) { p.Key = other }, nil, 502, "not valid"},
		"another state":     {nil, back("state", "x"), 400, "not begun in this browser"},
		"no state":          {nil, back("state", ""), 400, "not begun in this browser"},
		"another code":      {nil, back("code", "x"), 502, "gives no token"},
		"refused over there": {nil, func(q url.Values) {
			q.Del("code")
			q.Set("error", "access_denied")
			q.Set("error_description", "<b>not you</b>\x00")
		}, 403, "access_denied &lt;b&gt;not you"},
		"an answer without end": {func(p *oidctest.Provider) {
			p.Claims["filler"] = strings.Repeat("x", 2<<20)
		}, nil, 502, "gives no token"},
	} {
		t.Run(name, func(t *testing.T) {
			eachSignIn(t, func(v *visitor, p *oidctest.Provider) {
				to := v.leave("/")
				if tc.provider != nil {
					tc.provider(p)
				}
				unsaid := []string{oidctest.ClientSecret, "eyJ"} // a secret, and how tokens begin
				answer, body := v.come(p, to, func(q url.Values) {
					unsaid = append(unsaid, q.Get("code"), q.Get("state"))
					if tc.back != nil {
						tc.back(q)
					}
				})
				log := v.log.String()
				for _, private := range unsaid {
					if strings.Contains(log, private) || strings.Contains(body, private) {
						t.Errorf("%q is told", private)
					}
				}
				if answer.StatusCode != tc.status || !strings.Contains(body, tc.says) {
					t.Errorf("%d %s", answer.StatusCode, body)
				}
				if v.in() {
					t.Error("signed in all the same")
				}
			})
		})
	}
}

// A sign-in is finished once, and by the browser that began it.
func TestSignInAtAProviderIsForOneBrowser(t *testing.T) {
	eachSignIn(t, func(v *visitor, p *oidctest.Provider) {
		to := v.leave("/")
		victim := v.visitor()
		victim.leave("/")
		if answer, _ := victim.come(p, to); answer.StatusCode != http.StatusBadRequest || victim.in() {
			t.Errorf("somebody else's sign-in: %d", answer.StatusCode)
		}
		if answer, _ := v.come(p, to); answer.StatusCode != http.StatusSeeOther || !v.in() {
			t.Errorf("the own: %d", answer.StatusCode)
		}
		v.page("POST", "/sign-out", nil)
		if answer, _ := v.come(p, to); answer.StatusCode != http.StatusBadRequest || v.in() {
			t.Errorf("once more: %d", answer.StatusCode)
		}
	})
}

// Groups may come with the user info, one alone as a text, or deep in an object; the name of
// who holds the admin token is nobody else's.
func TestSignInAtAProviderOfItsOwnWays(t *testing.T) {
	eachSignIn(t, func(v *visitor, p *oidctest.Provider) {
		p.Claims = map[string]any{"sub": "u1", "preferred_username": "Admin"}
		p.UserInfo = map[string]any{"sub": "u1", "groups": "admins"}
		if answer, body := v.come(p, v.leave("/")); !v.in() {
			t.Fatalf("%d %s", answer.StatusCode, body)
		}
		v.page("POST", "/api/v1/organizations/acme/mirror/pause", nil, "Sec-Fetch-Site", "same-origin")
		if _, body := v.page("GET", "/organizations/acme/activity", nil); !strings.Contains(body, "by Admin of 127.0.0.1") {
			t.Errorf("%s", body)
		}
	})
}

// A provider that is down, or is none, keeps nobody from signing in with the token, and is
// asked again the next time.
func TestSignInAtAProviderThatIsDown(t *testing.T) {
	for name, tc := range map[string]http.HandlerFunc{
		"an error": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<h1>down</h1>", http.StatusServiceUnavailable)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"another": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"issuer":"https://evil.example"}`))
		},
		"a connection cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachSignIn(t, func(v *visitor, p *oidctest.Provider) {
				p.Answer(tc)
				answer, body := v.page("GET", "/sign-in/oidc", nil)
				if answer.StatusCode != http.StatusBadGateway || !strings.Contains(body, "does not answer as an OpenID provider") || strings.Contains(body, "<h1>down") {
					t.Errorf("%d %s", answer.StatusCode, body)
				}
				v.signIn()
				v.page("POST", "/sign-out", nil)
				p.Answer(nil)
				if v.come(p, v.leave("/")); !v.in() {
					t.Error("it is up again, and nobody can sign in")
				}
			})
		})
	}
}

// Other settings end the sessions that were begun with the old ones; so does none.
func TestSessionsEndWithTheirProvider(t *testing.T) {
	for name, change := range map[string]func(o *configs.OIDC){
		"another group":  func(o *configs.OIDC) { o.AllowedGroup = "owners" },
		"another client": func(o *configs.OIDC) { o.ClientID = "other" },
		"another claim":  func(o *configs.OIDC) { o.GroupsClaim = "roles" },
		"off":            func(o *configs.OIDC) { *o = configs.OIDC{} },
	} {
		t.Run(name, func(t *testing.T) {
			eachSignIn(t, func(v *visitor, p *oidctest.Provider) {
				v.come(p, v.leave("/"))
				v.stop()
				v.start()
				if !v.in() {
					t.Fatal("a restart ended the session")
				}
				v.stop()
				change(&v.config.HTTP.OIDC)
				v.start()
				if v.in() {
					t.Error("the session goes on")
				}
			})
		})
	}
}

// Another admin token ends all sessions.
func TestSessionsOfAProviderEndWithTheToken(t *testing.T) {
	eachSignIn(t, func(v *visitor, p *oidctest.Provider) {
		v.come(p, v.leave("/"))
		v.stop()
		v.token = "another-admin-token"
		v.start()
		if v.in() {
			t.Error("the session goes on")
		}
	})
}

// A long way to go on to, an address that is nobody's, and a sign-in that took too long.
func TestSignInAtAProviderAtItsEdges(t *testing.T) {
	eachSignIn(t, func(v *visitor, p *oidctest.Provider) {
		if answer, _ := v.come(p, v.leave("/organizations/acme/entities?search="+strings.Repeat("x", 5000))); answer.Header.Get("Location") != "/" || !v.in() {
			t.Errorf("%d to %s", answer.StatusCode, answer.Header.Get("Location"))
		}
		v.page("POST", "/sign-out", nil)
		p.Claims["email_verified"], p.Claims["preferred_username"] = false, "ada"
		p.Claims["groups"] = []string{"staff"}
		answer, body := v.come(p, v.leave("/organizations/acme/held"))
		if answer.StatusCode != http.StatusForbidden || !strings.Contains(body, "ada is not in the group") || !strings.Contains(body, "%2Forganizations%2Facme%2Fheld") {
			t.Errorf("%d %s", answer.StatusCode, body)
		}
	})
}

// Who fails too often has to wait.
func TestSignInAtAProviderIsLimited(t *testing.T) {
	eachSignIn(t, func(v *visitor, p *oidctest.Provider) {
		// Any page can have a browser come back without having left.
		for range 100 {
			if answer, _ := v.page("GET", web.OIDCCallback+"?state=x&code=y", nil, "Sec-Fetch-Site", "cross-site"); answer.StatusCode != http.StatusBadRequest {
				t.Fatalf("%d", answer.StatusCode)
			}
		}
		v.signIn()
		v.page("POST", "/sign-out", nil)
		for range 100 {
			answer, _ := v.page("GET", "/sign-in/oidc", nil)
			if answer.StatusCode == http.StatusTooManyRequests {
				return
			}
			to, err := answer.Location()
			v.must(err)
			v.come(p, to, func(q url.Values) { q.Set("code", "guessed") })
		}
		t.Error("a hundred failures cost nothing")
	})
}

// In a browser it is a link here, a link there, and one is in.
func TestBrowserSignsInAtAProvider(t *testing.T) {
	var p *oidctest.Provider
	eachBrowser(t, func(w *world) { w.public, p = true, w.provides() }, func(b *browser) {
		b.elsewhere = p.URL
		b.open("/organizations/acme/activity")
		b.press("Sign in with " + strings.TrimPrefix(p.URL, "http://"))
		b.sees("Who are you?")
		b.do(chromedp.Click(chromedp.CSS("a")))
		b.sees("Sign out", "Runs")
		if at := ask[string](b, "location.pathname"); at != "/organizations/acme/activity" {
			t.Errorf("it went on to %s", at)
		}
	})
}
