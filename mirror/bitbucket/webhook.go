package bitbucket

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// Event keys (the X-Event-Key header) that matter here.
const (
	EventPush        = "repo:push"         // Cloud
	EventRefsChanged = "repo:refs_changed" // Data Center
	EventPing        = "diagnostics:ping"  // Data Center; some versions do not sign it
)

// VerifySignature reports whether header, the X-Hub-Signature of a delivery, is
// the HMAC-SHA256 of the raw body: "sha256=" and 64 hexadecimal digits. Nothing
// verifies with an empty secret. The comparison takes the same time wherever they differ.
func VerifySignature(body []byte, header string, secret mirror.Secret) bool {
	key := strings.TrimRight(secret.Reveal(), "\r\n") // of a mounted file
	digits, ok := strings.CutPrefix(header, "sha256=")
	if !ok || key == "" {
		return false
	}
	got, err := hex.DecodeString(digits)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return hmac.Equal(got, mac.Sum(nil))
}

// Event is what is read of a delivery: which repository to look at.
type Event struct {
	Key string
	// UUID of the repository, in braces and lower case; "" from Data Center.
	UUID string
	// FullName is workspace/slug, or project/slug from Data Center.
	FullName string
}

// IsPush reports whether an event key tells of moved refs. All others, a ping
// too, are answered and ignored.
func IsPush(key string) bool { return key == EventPush || key == EventRefsChanged }

// ErrNoRepository: a push event's body names no repository.
var ErrNoRepository = errors.New("the body names no repository")

// ParseEvent reads a delivery's body. Of events that are no push nothing is read.
// The list of changes is not looked at: it is cut, may be empty, and proves nothing.
func ParseEvent(key string, body []byte) (Event, error) {
	e := Event{Key: key}
	if !IsPush(key) {
		return e, nil
	}
	var b struct {
		Repository struct {
			UUID     string `json:"uuid"`
			FullName string `json:"full_name"`
			Slug     string `json:"slug"`
			Project  struct {
				Key string `json:"key"`
			} `json:"project"`
		} `json:"repository"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return e, fmt.Errorf("%s: %w", key, err)
	}
	r := b.Repository
	e.UUID, e.FullName = canonicalUUID(r.UUID), r.FullName
	if key == EventRefsChanged && e.FullName == "" && r.Slug != "" && r.Project.Key != "" {
		e.FullName = r.Project.Key + "/" + r.Slug
	}
	if e.UUID == "" && e.FullName == "" {
		return e, ErrNoRepository
	}
	return e, nil
}

func canonicalUUID(s string) string {
	s = strings.ToLower(strings.Trim(s, "{}"))
	if s == "" {
		return ""
	}
	return "{" + s + "}"
}
