package bitbucket_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func TestConsumerRefusals(t *testing.T) {
	s, c, _ := standIn(t)
	public := s.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Public: true})
	for _, tt := range []struct{ name, key, secret, remedy string }{
		{"wrong secret", c.Key, "wrong", "Invalid OAuth client credentials"},
		{"wrong key", "wrong", c.Secret, "client secret is wrong"},
		{"public consumer", public.Key, public.Secret, "not private"},
	} {
		_, err := source(t, s, tt.key, tt.secret).Token(t.Context(), mirror.Secret{})
		f := wantFault(t, err, mirror.CodeConnectionFailed, mirror.Permanent, tt.remedy)
		// C2: nothing that is shown or logged carries a credential.
		for _, text := range []string{f.Error(), f.Remedy, f.Message, fmt.Sprintf("%+v", f), fmt.Sprintf("%#v", f)} {
			if strings.Contains(text, tt.key) && tt.key != "wrong" || strings.Contains(text, c.Secret) || strings.Contains(text, public.Secret) {
				t.Errorf("%s: leaks: %s", tt.name, text)
			}
		}
	}
}

func TestGrantFaults(t *testing.T) {
	const jsonType, html = "application/json", "text/html; charset=utf-8"
	perm, trans := mirror.Permanent, mirror.Transient
	for _, tt := range []struct {
		name   string
		answer *http.Response
		code   string
		class  mirror.Class
		remedy string
	}{
		{"wrong client", answer(400, jsonType, `{"error_description": "Invalid OAuth client credentials", "error": "unauthorized_client"}`), mirror.CodeConnectionFailed, perm, "wrong"},
		{"no basic", answer(400, jsonType, `{"error_description":"Requests must be authenticated using OAuth client credentials","error":"unauthorized_client"}`), mirror.CodeConnectionFailed, perm, "did not arrive"},
		{"unknown grant", answer(400, jsonType, `{"error_description": "Unsupported grant type: None", "error": "invalid_grant"}`), mirror.CodeConnectionFailed, perm, "oauth_url"},
		{"as in RFC 6749", answer(401, jsonType, `{"error":"invalid_client"}`), mirror.CodeConnectionFailed, perm, "wrong"},
		{"access denied", answer(403, jsonType, `{"error":"access_denied"}`), mirror.CodeConnectionFailed, perm, "consumer"},
		{"unknown error", answer(400, jsonType, `{"error":"brand_new"}`), mirror.CodeConnectionFailed, perm, "consumer"},
		{"wrong address", answer(404, html, `<html>`), mirror.CodeConnectionFailed, perm, "oauth_url"},
		{"400 in HTML", answer(400, html, `<html>`), mirror.CodeNetworkUnreachable, trans, "again"},
		{"403 of a firewall", answer(403, html, `<html>`), mirror.CodeNetworkUnreachable, trans, "again"},
		{"500", answer(500, jsonType, `{"error":"unauthorized_client"}`), mirror.CodeNetworkUnreachable, trans, "again"},
		{"502 in HTML", answer(502, html, `<html>`), mirror.CodeNetworkUnreachable, trans, "again"},
		{"200 in HTML", answer(200, html, `<html>`), mirror.CodeNetworkUnreachable, trans, "check oauth_url"},
		{"redirect", answer(302, html, `<html>`), mirror.CodeNetworkUnreachable, trans, "check oauth_url"},
		{"400 that passes", answer(400, jsonType, `{"error":"temporarily_unavailable"}`), mirror.CodeNetworkUnreachable, trans, "again"},
		{"400 of a fault", answer(400, jsonType, `{"error":"server_error"}`), mirror.CodeNetworkUnreachable, trans, "again"},
		{"200 without a token", answer(200, jsonType, `{"expires_in":7200}`), mirror.CodeNetworkUnreachable, trans, "again"},
		{"200 with a broken token", answer(200, jsonType, `{"access_token":"a\r\nX-Evil: b"}`), mirror.CodeNetworkUnreachable, trans, "again"},
		{"200 with a vast token", answer(200, jsonType, `{"access_token":"`+strings.Repeat("x", 17<<10)+`"}`), mirror.CodeNetworkUnreachable, trans, "again"},
		{"429", answer(429, "text/plain", "Rate limit for this resource has been exceeded"), mirror.CodeRateLimited, trans, "later"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(1_800_000_000, 0)
			_, err := scripted(t, &now, func() *http.Response { return tt.answer }).Token(t.Context(), mirror.Secret{})
			wantFault(t, err, tt.code, tt.class, tt.remedy)
		})
	}
}

func TestRemoteTextIsCleaned(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	body := `{"error":"unauthorized_client","error_description":"you sent key:s3cr3t\n\u001b[31m` + strings.Repeat("x", 5000) + `"}`
	_, err := scripted(t, &now, func() *http.Response { return answer(400, "application/json", body) }).Token(t.Context(), mirror.Secret{})
	f := mirror.AsFault(err)
	if strings.Contains(f.Remedy, "s3cr3t") || strings.ContainsAny(f.Remedy, "\n\x1b") || len(f.Remedy) > 1000 {
		t.Errorf("%q", f.Remedy)
	}
}

// C2: what is repeated of a request is hidden in each form that it was sent in, and so is
// an address that a redirect makes of it.
func TestRepeatedClientIsHidden(t *testing.T) {
	header := ""
	for name, answer := range map[string]func(http.ResponseWriter){
		"description": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":"unauthorized_client","error_description":"no: %s"}`, header)
		},
		"error": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":"no: %s"}`, header)
		},
		"redirect": func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://[bad/?"+header)
			w.WriteHeader(http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				header = r.Header.Get("Authorization")
				answer(w)
			}))
			defer s.Close()
			source, err := bitbucket.NewTokenSource(bitbucket.Consumer{ID: "the-key", Secret: mirror.NewSecret("s3cr3t"), URL: s.URL, HTTP: client()})
			if err != nil {
				t.Fatal(err)
			}
			_, err = source.Token(t.Context(), mirror.Secret{})
			f := mirror.AsFault(err)
			if all := err.Error() + f.Remedy; header == "" || strings.Contains(all, strings.TrimPrefix(header, "Basic ")) {
				t.Errorf("%q: %s", header, all)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for value, want := range map[string]time.Duration{
		"": 0, "30": 30 * time.Second, "-5": 0, "99999999": time.Hour, "soon": 0,
		now.Add(time.Minute).UTC().Format(http.TimeFormat): time.Minute,
		now.Add(-time.Hour).UTC().Format(http.TimeFormat):  0,
	} {
		_, err := scripted(t, &now, func() *http.Response {
			a := answer(429, "text/plain", "")
			a.Header.Set("Retry-After", value)
			return a
		}).Token(t.Context(), mirror.Secret{})
		f := wantFault(t, err, mirror.CodeRateLimited, mirror.Transient, "")
		if want == 0 && f.RetryAfter > 0 && f.RetryAfter <= 30*time.Second {
			continue // nothing usable was said: a pause of our own
		}
		if f.RetryAfter != want {
			t.Errorf("%q: %v, want %v", value, f.RetryAfter, want)
		}
	}
}

// Credentials never follow a redirect to another origin.
func TestTokenRedirects(t *testing.T) {
	stolen := 0
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen++ }))
	defer thief.Close()
	for _, status := range []int{301, 302, 307, 308} {
		var real *httptest.Server
		real = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/away":
				http.Redirect(w, r, thief.URL+"/token", status)
			case "/near":
				http.Redirect(w, r, real.URL+"/token", http.StatusTemporaryRedirect)
			default:
				fmt.Fprint(w, `{"access_token":"t","expires_in":7200}`)
			}
		}))
		get := func(path string) error {
			s, err := bitbucket.NewTokenSource(bitbucket.Consumer{ID: "k", Secret: mirror.NewSecret("s"), URL: real.URL + path, HTTP: client()})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Token(t.Context(), mirror.Secret{})
			return err
		}
		wantFault(t, get("/away"), mirror.CodeNetworkUnreachable, mirror.Transient, "")
		if err := get("/near"); err != nil {
			t.Errorf("within the origin: %v", err)
		}
		real.Close()
	}
	if stolen != 0 {
		t.Errorf("%d requests reached another origin", stolen)
	}
}

func TestTransportFaults(t *testing.T) {
	for name, err := range map[string]error{
		"cannot be resolved": &net.DNSError{Name: "bitbucket.example", Err: "no such host"},
		"cannot be reached":  errors.New("connection refused"),
	} {
		s, _ := bitbucket.NewTokenSource(bitbucket.Consumer{
			ID: "k", Secret: mirror.NewSecret("s3cr3t"), URL: "https://bitbucket.example/token",
			HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, &url.Error{Op: "Post", URL: "u", Err: err} })},
		})
		_, got := s.Token(t.Context(), mirror.Secret{})
		f := wantFault(t, got, mirror.CodeNetworkUnreachable, mirror.Transient, "bitbucket.example")
		if !strings.Contains(f.Message, name) {
			t.Errorf("%q, want %q", f.Message, name)
		}
	}
}
