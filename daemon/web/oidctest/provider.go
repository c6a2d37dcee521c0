// Package oidctest is an OpenID provider for tests: discovery, keys, a page on which people
// say who they are, and tokens. It checks what a client has to send, PKCE and the client's
// secret among it (https://openid.net/specs/openid-connect-core-1_0.html, RFC 7636).
package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The one client that is registered.
const (
	ClientID     = "confmirror"
	ClientSecret = "the-client's-secret"
)

// Provider runs until it is closed. Its fields are set before a sign-in, under no lock.
type Provider struct {
	*httptest.Server
	// Claims of whoever signs in, in the ID token; UserInfo, of the user info endpoint.
	Claims, UserInfo map[string]any
	// Change has the last word on an ID token's claims.
	Change func(claims map[string]any)
	// Key signs ID tokens, if not the published one.
	Key *ecdsa.PrivateKey

	instead atomic.Pointer[http.HandlerFunc]
	key     *ecdsa.PrivateKey
	mu      sync.Mutex
	codes   map[string]url.Values // of authorization requests, for one use
}

// New starts one that knows Ada, of the group admins.
func New() (*Provider, error) {
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	p := &Provider{key: key, Key: key, codes: map[string]url.Values{}, Claims: map[string]any{
		"sub": "u1", "email": "ada@example.com", "groups": []string{"staff", "admins"},
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) { reply(w, p.UserInfo) })
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if instead := p.instead.Load(); instead != nil {
			(*instead)(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	return p, nil
}

// Answer makes answer stand in for the provider, until it is called without one.
func (p *Provider) Answer(answer http.HandlerFunc) {
	if answer == nil {
		p.instead.Store(nil)
		return
	}
	p.instead.Store(&answer)
}

// NewKey makes a key that ID tokens can be signed with.
func NewKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	reply(w, map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
		"jwks_uri": p.URL + "/keys", "userinfo_endpoint": p.URL + "/userinfo",
		"id_token_signing_alg_values_supported": []string{"ES256"}, "code_challenge_methods_supported": []string{"S256"},
	})
}

const keyID = "k1"

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	reply(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: keyID, Algorithm: "ES256", Use: "sig"}}})
}

// authorize is the page on which somebody signs in: a link.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	back, err := p.Authorize(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><title>Provider</title><p>Who are you? <a href="%s">Ada</a>`, html.EscapeString(back))
}

// Authorize is what signing in at the page leads to: the address to go back to.
func (p *Provider) Authorize(q url.Values) (back string, err error) {
	for name, want := range map[string]string{"client_id": ClientID, "response_type": "code", "code_challenge_method": "S256"} {
		if got := q.Get(name); got != want {
			return "", fmt.Errorf("%s is %q", name, got)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge", "redirect_uri", "scope"} {
		if q.Get(name) == "" {
			return "", fmt.Errorf("there is no %s", name)
		}
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = q
	p.mu.Unlock()
	return q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), nil
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	code := r.PostFormValue("code")
	p.mu.Lock()
	q, ok := p.codes[code]
	delete(p.codes, code)
	p.mu.Unlock()
	id, secret, basic := r.BasicAuth()
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	proof := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	refused := ""
	switch {
	case id != ClientID || secret != ClientSecret:
		refused = "invalid_client"
	case !ok, r.PostFormValue("redirect_uri") != q.Get("redirect_uri"), base64.RawURLEncoding.EncodeToString(proof[:]) != q.Get("code_challenge"):
		refused = "invalid_grant"
	}
	if refused != "" {
		w.WriteHeader(http.StatusBadRequest)
		reply(w, map[string]string{"error": refused})
		return
	}
	now := time.Now()
	claims := map[string]any{"iss": p.URL, "aud": ClientID, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "nonce": q.Get("nonce")}
	maps.Copy(claims, p.Claims)
	if p.Change != nil {
		p.Change(claims)
	}
	token, err := sign(p.Key, claims)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 3600, "id_token": token})
}

func sign(key crypto.Signer, claims map[string]any) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: keyID}}, nil)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(body)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
