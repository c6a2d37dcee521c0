package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// tokenHash is what is compared: hashes have one length, so a comparison tells
// nothing about the token's.
type tokenHash struct {
	sum [sha256.Size]byte
	set bool
}

func hashToken(token mirror.Secret) tokenHash {
	text := strings.TrimSpace(token.Reveal()) // of a mounted file
	return tokenHash{sha256.Sum256([]byte(text)), text != ""}
}

func (t tokenHash) is(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1 && t.set
}

// authenticate lets the admin token pass, and browsers that are signed in. It tells who that is.
func (s *Server) authenticate(r *http.Request) (who string, err error) {
	if r.Header.Get("Authorization") == "" {
		if who, err := s.Visitor(r); who != "" || err != nil {
			return who, err
		}
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", &failure{
			status: http.StatusUnauthorized, code: "UNAUTHORIZED", message: "The admin token is missing.",
			remedy: "Send it as: Authorization: Bearer <admin token>.",
		}
	}
	return Administrator, s.allow(r, token)
}

// allow lets the admin token pass; wrong ones cost their sender.
func (s *Server) allow(r *http.Request, token string) error {
	peer := peerOf(r)
	if wait := s.failures.wait(peer); wait > 0 {
		return &failure{
			status: http.StatusTooManyRequests, code: "TOO_MANY_ATTEMPTS",
			message: "Too many wrong tokens came from this address.", retry: wait,
		}
	}
	if !s.live.Load().token.is(token) {
		s.failures.spend(peer)
		return &failure{
			status: http.StatusUnauthorized, code: "UNAUTHORIZED", message: "The admin token is wrong.",
			remedy: "It is the configuration's admin.token, or the content of the file admin-token in the daemon's data_dir.",
		}
	}
	return nil
}
