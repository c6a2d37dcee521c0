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

// What our webhooks subscribe to: pushes, and what tells that a pull request was opened,
// changed, merged or declined.
var (
	cloudEvents      = []string{EventPush, "pullrequest:created", "pullrequest:updated", "pullrequest:fulfilled", "pullrequest:rejected"}
	dataCenterEvents = []string{EventRefsChanged, "pr:opened", "pr:modified", "pr:from_ref_updated", "pr:merged", "pr:declined", "pr:deleted"}
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

// IsPush reports whether an event key tells of moved refs.
func IsPush(key string) bool { return key == EventPush || key == EventRefsChanged }

// IsPullRequest reports whether an event key tells of a pull request. What is neither that
// nor a push, a ping too, is answered and ignored.
func IsPullRequest(key string) bool {
	return strings.HasPrefix(key, "pullrequest:") || isDataCenterPull(key)
}

func isDataCenterPull(key string) bool { return strings.HasPrefix(key, "pr:") }

// ErrNoRepository: an event's body names no repository.
var ErrNoRepository = errors.New("the body names no repository")

// eventRepository is the repository as either host writes it.
type eventRepository struct {
	UUID     string `json:"uuid"`
	FullName string `json:"full_name"`
	Slug     string `json:"slug"`
	Project  struct {
		Key string `json:"key"`
	} `json:"project"`
}

// ParseEvent reads a delivery's body. Of events that tell neither of a push nor of a pull
// request nothing is read. The list of changes is not looked at: it is cut, may be empty,
// and proves nothing; nor is what is said of the pull request.
func ParseEvent(key string, body []byte) (Event, error) {
	e := Event{Key: key}
	if !IsPush(key) && !IsPullRequest(key) {
		return e, nil
	}
	var b struct {
		Repository  eventRepository `json:"repository"`
		PullRequest struct {        // Data Center's have no repository beside it
			To struct {
				Repository eventRepository `json:"repository"`
			} `json:"toRef"`
		} `json:"pullRequest"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return e, fmt.Errorf("%s: %w", key, err)
	}
	r := b.Repository
	if isDataCenterPull(key) {
		r = b.PullRequest.To.Repository
	}
	e.UUID, e.FullName = canonicalUUID(r.UUID), r.FullName
	dataCenter := key == EventRefsChanged || isDataCenterPull(key)
	if dataCenter && e.FullName == "" && r.Slug != "" && r.Project.Key != "" {
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
