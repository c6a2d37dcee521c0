package web

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"
)

// People sign in at an OpenID provider by the authorization code flow with PKCE
// (https://openid.net/specs/openid-connect-core-1_0.html, RFC 7636). What a sign-in has to
// be finished with is in a cookie of the browser that began it, so that nobody can be
// signed in as somebody else, and any daemon can finish it.

// OIDCCallback is the path that the provider sends browsers back to.
const OIDCCallback = "/sign-in/oidc/callback"

// attemptTTL is how long somebody may take at the provider.
const attemptTTL = 10 * time.Minute

// attemptCookie has an attempt, under hostPrefix over TLS.
const attemptCookie = "confmirror-sign-in"

// attempt is a sign-in that was begun.
type attempt struct {
	State, Nonce, Verifier string
	Next                   string // the page to go on to
	Begun                  int64  // Unix seconds, of the daemon's clock
}

// maxNext bounds the page to go on to: browsers keep no cookie of more than 4 KiB.
const maxNext = 2000

// SignInProvider names the OpenID provider that people may sign in at, "" without one.
func (s *Server) SignInProvider() string {
	if p := s.live.Load().provider; p != nil {
		return p.name
	}
	return ""
}

// BeginSignIn is the provider's address for a browser to go to; the answer gets what its
// return needs. Next is the page to go on to after it.
func (s *Server) BeginSignIn(w http.ResponseWriter, r *http.Request, next string) (address string, err error) {
	p, err := s.signInAt(r)
	if err != nil {
		return "", err
	}
	flow, err := p.flow(r.Context())
	if err != nil {
		return "", err
	}
	if len(next) > maxNext {
		next = "/"
	}
	a := attempt{State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(), Next: next, Begun: s.now().Unix()}
	kept, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	http.SetCookie(w, s.cookie(r, attemptCookie, base64.RawURLEncoding.EncodeToString(kept), attemptTTL))
	return flow.address(a), nil
}

// FinishSignIn lets the browser in that comes back from the provider, and tells the page to
// go on to; with an error too, where that is known.
func (s *Server) FinishSignIn(w http.ResponseWriter, r *http.Request) (next string, err error) {
	p, err := s.signInAt(r)
	if err != nil {
		return "", err
	}
	a, ok := begun(r)
	http.SetCookie(w, s.cookie(r, attemptCookie, "", -1)) // for one use
	query := r.URL.Query()
	if age := s.now().Sub(time.Unix(a.Begun, 0)); age < -attemptTTL || age > attemptTTL {
		ok = false
	}
	if !ok || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(a.State)) != 1 {
		// It cost nothing, and any site can have a browser come here: it is not counted.
		return "", refusedSignIn(http.StatusBadRequest, "This sign-in was not begun in this browser, or longer than ten minutes ago.", "Sign in again.")
	}
	if said := query.Get("error"); said != "" {
		why := strings.TrimSpace(said + " " + query.Get("error_description"))
		return a.Next, refusedSignIn(http.StatusForbidden, p.name+" refused the sign-in: "+plainText(why), "What it means is in the provider's documentation.")
	}
	who, err := p.finish(r.Context(), a, query.Get("code"))
	if err != nil {
		s.failures.spend(peerOf(r))
		var refused *failure
		if !errors.As(err, &refused) || refused.cause != nil {
			s.log.Warn("a sign-in failed", "provider", p.name, "error", err)
		}
		return a.Next, err
	}
	if err := s.startSession(w, r, who, p.proof(s.live.Load().token)); err != nil {
		return a.Next, err
	}
	s.log.Info("somebody signed in", "who", who, "provider", p.name)
	return a.Next, nil
}

// signInAt is the provider, for who has not failed too often.
func (s *Server) signInAt(r *http.Request) (*provider, error) {
	p := s.live.Load().provider
	if p == nil {
		return nil, notFound("page")
	}
	if wait := s.failures.wait(peerOf(r)); wait > 0 {
		return nil, &failure{
			status: http.StatusTooManyRequests, code: "TOO_MANY_ATTEMPTS",
			message: "Too many failed sign-ins came from this address.", retry: wait,
		}
	}
	return p, nil
}

// begun is the attempt that a browser has.
func begun(r *http.Request) (a attempt, ok bool) {
	for _, name := range []string{hostPrefix + attemptCookie, attemptCookie} {
		if c, err := r.Cookie(name); err == nil {
			kept, err := base64.RawURLEncoding.DecodeString(c.Value)
			return a, err == nil && json.Unmarshal(kept, &a) == nil && a.State != "" && a.Nonce != "" && a.Verifier != ""
		}
	}
	return attempt{}, false
}

func refusedSignIn(status int, message, remedy string) *failure {
	return &failure{status: status, code: "SIGN_IN_REFUSED", message: message, remedy: remedy}
}

// maxSaid bounds what is shown of somebody else's text.
const maxSaid = 200

// plainText is a stranger's text in one line.
func plainText(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxSaid {
		s = strings.ToValidUTF8(s[:maxSaid], "") + "…"
	}
	return s
}
