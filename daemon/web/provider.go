package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/confmirror/confmirror/mirror"
)

// OIDC are the settings of sign-in at an OpenID provider; the zero value is none.
type OIDC struct {
	Issuer, ClientID string
	ClientSecret     mirror.Secret
	AllowedGroup     string
	GroupsClaim      string
	Scopes           []string
	// Transport makes the requests to the provider; nil: the default one.
	Transport http.RoundTripper
}

// provider is the OpenID provider. It is asked who it is when somebody first signs in: one
// that is down keeps no daemon from starting.
type provider struct {
	OIDC
	name     string // its host
	redirect string
	now      func() time.Time
	client   *http.Client

	known  atomic.Pointer[oidc.Provider]
	asking singleflight.Group // who it is, once for all who wait
}

// providerTimeout bounds each request to the provider, and maxProviderAnswer what it says.
const (
	providerTimeout   = 15 * time.Second
	maxProviderAnswer = 1 << 20
)

func newProvider(o OIDC, publicURL string, now func() time.Time) *provider {
	if o.Issuer == "" {
		return nil
	}
	p := &provider{OIDC: o, name: o.Issuer, redirect: publicURL + OIDCCallback, now: now}
	if u, err := url.Parse(o.Issuer); err == nil {
		p.name = u.Host
	}
	transport := o.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	p.client = &http.Client{
		Transport: bounded{transport}, Timeout: providerTimeout,
		// What is sent there is for nobody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("it redirects") },
	}
	return p
}

// bounded cuts answers off that are larger than any provider's.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, maxProviderAnswer), answer.Body}
	}
	return answer, err
}

// proof is what a session was started with: other settings end it, and so does another
// admin token, which ends all.
func (p *provider) proof(token tokenHash) mirror.Secret {
	sum := sha256.Sum256([]byte(strings.Join([]string{"oidc", string(token.sum[:]), p.Issuer, p.ClientID, p.GroupsClaim, p.AllowedGroup}, "\x00")))
	return mirror.NewSecret(hex.EncodeToString(sum[:]))
}

// flow is one sign-in's way through the provider.
type flow struct {
	*provider
	known *oidc.Provider
	oauth oauth2.Config
}

func (p *provider) flow(ctx context.Context) (*flow, error) {
	known, err := p.discover(ctx)
	if err != nil {
		return nil, &failure{
			status: http.StatusBadGateway, code: "SIGN_IN_UNAVAILABLE", message: p.name + " does not answer as an OpenID provider: " + plainText(err.Error()) + ".",
			remedy: "Try again in a moment, or sign in with the admin token. If it lasts, check http.oidc.issuer.", cause: err,
		}
	}
	return &flow{p, known, oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret.Reveal(), Endpoint: known.Endpoint(), RedirectURL: p.redirect, Scopes: p.Scopes,
	}}, nil
}

// discover reads the provider's configuration; once, if it can be had.
func (p *provider) discover(ctx context.Context) (*oidc.Provider, error) {
	if known := p.known.Load(); known != nil {
		return known, nil
	}
	answer := p.asking.DoChan("", func() (any, error) {
		// For everybody who waits, whoever leaves meanwhile; the client has a timeout.
		known, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.Issuer)
		if err == nil {
			p.known.Store(known)
		}
		return known, err
	})
	select {
	case got := <-answer:
		known, _ := got.Val.(*oidc.Provider)
		return known, got.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// address is where the browser goes.
func (f *flow) address(a attempt) string {
	return f.oauth.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier))
}

// finish tells who came back with a code, if they may come in.
func (p *provider) finish(ctx context.Context, a attempt, code string) (who string, err error) {
	f, err := p.flow(ctx)
	if err != nil {
		return "", err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := f.oauth.Exchange(ctx, code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return "", p.distrust("it gives no token for this sign-in", "Sign in again. If it lasts, check client_id and client_secret of http.oidc.", err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := f.known.VerifierContext(ctx, &oidc.Config{ClientID: p.ClientID, Now: p.now}).Verify(ctx, raw)
	if err != nil {
		return "", p.distrust("its token is not valid", "Sign in again. If it lasts, check http.oidc and the clocks of both machines.", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(a.Nonce)) != 1 {
		return "", p.distrust("its token is for another sign-in", "Sign in again.", errors.New("another nonce"))
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return "", p.distrust("its token cannot be read", "Check http.oidc.", err)
	}
	if _, has := claimAt(claims, p.GroupsClaim); !has && f.known.UserInfoEndpoint() != "" {
		if err := f.addUserInfo(ctx, token, id.Subject, claims); err != nil {
			return "", p.distrust("it does not tell who this is", "Sign in again. If it lasts, check scopes of http.oidc.", err)
		}
	}
	who = nameOf(claims, p.name)
	groups, has := claimAt(claims, p.GroupsClaim)
	switch {
	case !has:
		return "", refusedSignIn(http.StatusForbidden, fmt.Sprintf("%s tells no groups of %s: there is no claim %q.", p.name, who, p.GroupsClaim),
			"Have the provider send it, or name another one in http.oidc.groups_claim; a scope may be needed, in http.oidc.scopes.")
	case !slices.Contains(groups, p.AllowedGroup):
		return "", refusedSignIn(http.StatusForbidden, fmt.Sprintf("%s is not in the group %q, by the claim %q.", who, p.AllowedGroup, p.GroupsClaim),
			"Ask an administrator of "+p.name+" to be added to it, or sign in with the admin token.")
	}
	return who, nil
}

// addUserInfo adds claims that the ID token lacks.
func (f *flow) addUserInfo(ctx context.Context, token *oauth2.Token, subject string, claims map[string]any) error {
	info, err := f.known.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return err
	}
	if info.Subject != subject {
		return errors.New("the user info is somebody else's")
	}
	more := map[string]any{}
	if err := info.Claims(&more); err != nil {
		return err
	}
	for name, value := range more {
		if _, has := claims[name]; !has {
			claims[name] = value
		}
	}
	return nil
}

// distrust is the failure of a sign-in that is nobody's decision. What the provider said in
// detail is for the log.
func (p *provider) distrust(what, remedy string, cause error) *failure {
	f := refusedSignIn(http.StatusBadGateway, "The sign-in at "+p.name+" failed: "+what+".", remedy)
	f.cause = cause
	return f
}

// claimAt reads a claim that is a text or a list of texts: by its name, or else by a path
// with dots.
func claimAt(claims map[string]any, path string) (values []string, ok bool) {
	value, ok := claims[path]
	if !ok {
		first, rest, more := strings.Cut(path, ".")
		if below, isObject := claims[first].(map[string]any); more && isObject {
			return claimAt(below, rest)
		}
		return nil, false
	}
	switch value := value.(type) {
	case string:
		return []string{value}, true
	case []any:
		for _, v := range value {
			if text, isText := v.(string); isText {
				values = append(values, text)
			}
		}
		return values, true
	}
	return nil, false
}

// nameOf is what a person is called here: never as who holds the admin token, nor by an
// address that may be somebody else's.
func nameOf(claims map[string]any, provider string) string {
	for _, claim := range []string{"email", "preferred_username", "name", "sub"} {
		if verified, told := claims["email_verified"]; claim == "email" && told && verified != true && verified != "true" {
			continue
		}
		if name, ok := claims[claim].(string); ok {
			if name = strings.TrimSpace(plainText(name)); name != "" {
				if strings.EqualFold(name, Administrator) {
					name += " of " + provider
				}
				return name
			}
		}
	}
	return "somebody of " + provider
}
