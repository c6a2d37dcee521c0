package web

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// signIn is what a browser gets that sends a token.
func (w *world) signIn(token string, options ...option) (*http.Cookie, error) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), "POST", "/sign-in", nil)
	for _, o := range options {
		o(r)
	}
	answer := httptest.NewRecorder()
	if err := w.server.SignIn(answer, r, token); err != nil {
		return nil, err
	}
	cookies := answer.Result().Cookies()
	if len(cookies) != 1 {
		w.t.Fatalf("%d cookies", len(cookies))
	}
	return cookies[0], nil
}

func cookie(c *http.Cookie) option { return func(r *http.Request) { r.AddCookie(c) } }

func TestSession(t *testing.T) {
	each(t, func(w *world) {
		w.connect("acme", nil)
		c, err := w.signIn(" " + adminToken + "\n")
		if err != nil {
			w.t.Fatal(err)
		}
		if c.Name != sessionCookie || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge != int(sessionTTL/time.Second) || c.Domain != "" {
			w.t.Errorf("%+v", c)
		}
		if strings.Contains(c.Value, canary) {
			w.t.Error("the cookie holds the token")
		}
		path := org("acme", "mirror")
		w.do("GET", path, nil, anonymous, cookie(c)).is(200)
		w.do("POST", path+"/sync", nil, anonymous, cookie(c), header("Sec-Fetch-Site", "same-origin")).is(202)
		w.do("POST", path+"/sync", nil, anonymous, cookie(c), header("Sec-Fetch-Site", "cross-site")).fails(403, "CROSS_ORIGIN")
		w.do("POST", path+"/sync", nil, anonymous, cookie(c), header("Origin", "https://evil.example")).fails(403, "CROSS_ORIGIN")
		// A wrong token is wrong, whatever else is sent.
		w.do("GET", path, nil, header("Authorization", "Bearer wrong"), cookie(c)).fails(401, "UNAUTHORIZED")
		w.do("GET", path, nil, anonymous, cookie(&http.Cookie{Name: c.Name, Value: c.Value + "x"})).fails(401, "UNAUTHORIZED")
		w.do("GET", path, nil, anonymous, cookie(&http.Cookie{Name: c.Name, Value: strings.Repeat("x", 10_000)})).fails(401, "UNAUTHORIZED")

		// Over TLS it is another cookie, which no other host and no plain connection can set or see.
		for name, o := range map[string]option{
			"TLS":                func(r *http.Request) { r.TLS = &tls.ConnectionState{} },
			"a proxy":            header("X-Forwarded-Proto", "https"),
			"the public address": func(r *http.Request) { r.Host = "confmirror.example.com" },
		} {
			if s, err := w.signIn(adminToken, o); err != nil || s.Name != "__Host-"+sessionCookie || !s.Secure {
				w.t.Errorf("over %s: %+v %v", name, s, err)
			} else {
				w.do("GET", path, nil, anonymous, cookie(s)).is(200)
			}
		}

		// Signing out ends it for whoever has a copy of the cookie.
		r := httptest.NewRequestWithContext(w.t.Context(), "POST", "/sign-out", nil)
		r.AddCookie(c)
		answer := httptest.NewRecorder()
		if err := w.server.SignOut(answer, r); err != nil {
			w.t.Fatal(err)
		}
		if gone := answer.Result().Cookies(); len(gone) != 1 || gone[0].MaxAge >= 0 || gone[0].Value != "" {
			w.t.Errorf("%+v", gone)
		}
		w.do("GET", path, nil, anonymous, cookie(c)).fails(401, "UNAUTHORIZED")
	})
}

// Another admin token ends the sessions of the one before.
func TestSessionsEndWithTheToken(t *testing.T) {
	w := embedded(t, nil)
	c, err := w.signIn(adminToken)
	if err != nil {
		t.Fatal(err)
	}
	w.do("GET", "/api/v1/organizations", nil, anonymous, cookie(c)).is(200)
	w.server.Update(Options{AdminToken: mirror.NewSecret(canary + "another")})
	w.do("GET", "/api/v1/organizations", nil, anonymous, cookie(c)).fails(401, "UNAUTHORIZED")
	w.server.Update(Options{})
	w.do("GET", "/api/v1/organizations", nil, anonymous, cookie(c)).fails(401, "UNAUTHORIZED")
	if _, err := w.signIn(""); err == nil {
		t.Error("without a token nobody is let in")
	}
}

// Guessing at the sign-in costs what it costs at the API.
func TestSignInIsLimited(t *testing.T) {
	w := embedded(t, nil)
	for range attempts {
		if _, err := w.signIn("wrong"); asFailure(err).status != http.StatusUnauthorized {
			t.Fatal(err)
		}
	}
	if _, err := w.signIn(adminToken); asFailure(err).status != http.StatusTooManyRequests {
		t.Errorf("%v", err)
	}
	if _, err := w.signIn(adminToken, from("192.0.2.77:1234")); err != nil {
		t.Errorf("another address: %v", err)
	}
	w.clock = w.clock.Add(2 * attemptsReturn)
	if _, err := w.signIn(adminToken); err != nil {
		t.Error(err)
	}
}

// Pages are mounted beside the API, and answer nothing of it.
func TestMount(t *testing.T) {
	w := embedded(t, nil)
	w.server.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Answered(w, "/page")
		_, _ = w.Write([]byte("a page"))
	}))
	for path, page := range map[string]bool{
		"/": true, "/anything": true, "/apiary": true, "/healthz": false, "/metrics": false, "/api/v1/nothing": false, "/api/nothing": false, "/api/v1": false,
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
		answer := httptest.NewRecorder()
		w.server.ServeHTTP(answer, r)
		if got := answer.Body.String() == "a page"; got != page {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
}
