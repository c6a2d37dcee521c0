package web

import (
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
	session, err := s.db.StartSession(r.Context(), Administrator, s.live.Load().proof(), sessionTTL)
	if err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(r, session.Reveal(), int(sessionTTL/time.Second)))
	return nil
}

// SignOut ends the browser's session, everywhere.
func (s *Server) SignOut(w http.ResponseWriter, r *http.Request) error {
	for _, token := range sessionTokens(r) {
		if err := s.db.EndSession(r.Context(), token); err != nil {
			return err
		}
	}
	http.SetCookie(w, s.cookie(r, "", -1))
	return nil
}

// Visitor is who sent a request, by the cookie; "" is nobody who is signed in.
func (s *Server) Visitor(r *http.Request) (string, error) {
	for _, token := range sessionTokens(r) {
		who, err := s.db.Session(r.Context(), token, s.live.Load().proof())
		if !errors.Is(err, db.ErrNotFound) {
			return who, err
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

func (s *Server) cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	c := &http.Cookie{Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if s.overTLS(r) {
		c.Name, c.Secure = hostPrefix+sessionCookie, true
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
