package web

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// A browser that is signed in may do what the admin token may, in the panel and in the API.
// Its cookie goes with no request that another site's page makes but for following a link
// here (SameSite=Lax: one in a pull request's comment shall work), and what changes
// anything is refused to other sites' pages anyway; see crossOrigin.

// sessionTTL is how long a browser stays signed in.
const sessionTTL = 12 * time.Hour

// sessionCookie is the cookie's name; over TLS it begins with hostPrefix, so that no other
// host can set it (https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3.2).
const (
	sessionCookie = "confmirror-session"
	hostPrefix    = "__Host-"
)

// Administrator is who holds the admin token.
const Administrator = "admin"

// SignIn lets the browser in that sent the admin token: the answer gets its cookie.
func (s *Server) SignIn(w http.ResponseWriter, r *http.Request, token string) error {
	if err := s.allow(r, strings.TrimSpace(token)); err != nil {
		return err
	}
	return s.startSession(w, r, Administrator, s.live.Load().proof())
}

// startSession lets the browser in as somebody, for as long as proof holds.
func (s *Server) startSession(w http.ResponseWriter, r *http.Request, who string, proof mirror.Secret) error {
	session, err := s.db.StartSession(context.WithoutCancel(r.Context()), who, proof, sessionTTL)
	if err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(r, sessionCookie, session.Reveal(), sessionTTL))
	return nil
}

// SignOut ends the browser's session, everywhere.
func (s *Server) SignOut(w http.ResponseWriter, r *http.Request) error {
	for _, token := range sessionTokens(r) {
		if err := s.db.EndSession(r.Context(), token); err != nil {
			return err
		}
	}
	http.SetCookie(w, s.cookie(r, sessionCookie, "", -1))
	return nil
}

// Visitor is who sent a request, by the cookie; "" is nobody who is signed in.
func (s *Server) Visitor(r *http.Request) (string, error) {
	l := s.live.Load()
	proofs := []mirror.Secret{l.proof()}
	if l.provider != nil {
		proofs = append(proofs, l.provider.proof(l.token))
	}
	for _, token := range sessionTokens(r) {
		for _, proof := range proofs {
			who, err := s.db.Session(r.Context(), token, proof)
			if !errors.Is(err, db.ErrNotFound) {
				return who, err
			}
		}
	}
	return "", nil
}

// sessionTokens are the cookies that may be a session's: one at most, unless a browser came
// both ways.
func sessionTokens(r *http.Request) (tokens []string) {
	for _, name := range []string{hostPrefix + sessionCookie, sessionCookie} {
		if c, err := r.Cookie(name); err == nil && c.Value != "" && len(c.Value) <= 64 {
			tokens = append(tokens, c.Value)
		}
	}
	return tokens
}

// cookie is one for this browser only; a ttl below 0 takes it away.
func (s *Server) cookie(r *http.Request, name, value string, ttl time.Duration) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(ttl / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if ttl < 0 {
		c.MaxAge = -1
	}
	if s.overTLS(r) {
		c.Name, c.Secure = hostPrefix+name, true
	}
	return c
}

// overTLS reports whether the browser came by https: here, or to the proxy before us. A
// browser that makes up the header gets a stricter cookie.
func (s *Server) overTLS(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" || s.live.Load().publicURL == "https://"+r.Host
}

// proof is what a session was started with: another admin token ends it.
func (l *live) proof() mirror.Secret { return mirror.NewSecret(hex.EncodeToString(l.token.sum[:])) }
