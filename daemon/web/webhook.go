package web

import (
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/document"
)

// maxDelivery is four times what Bitbucket sends.
const maxDelivery = 1 << 20

// postWebhook takes a delivery: at /api/bitbucket/webhook for whichever mirrors the
// repository has, below it for one organization's. The order of the checks is part of the API.
func (s *Server) postWebhook(c *call) error {
	result, err := s.deliver(c)
	s.metrics.webhooks.WithLabelValues(result).Inc()
	return err
}

func (s *Server) deliver(c *call) (result string, err error) {
	body, err := c.body(maxDelivery)
	if f, ok := errors.AsType[*failure](err); ok && f.status == http.StatusRequestEntityTooLarge {
		return "too_large", err
	}
	if err != nil {
		return "malformed", err
	}
	key := c.Header.Get("X-Event-Key")
	if key == "" {
		return "malformed", badRequest("The header X-Event-Key is missing: this is no delivery of Bitbucket's.")
	}
	if !bitbucket.IsPush(key) && !bitbucket.IsPullRequest(key) {
		return "ignored", c.reply(http.StatusOK, map[string]string{"status": "ignored"})
	}
	event, err := bitbucket.ParseEvent(key, body)
	if err != nil {
		return "malformed", &failure{status: http.StatusBadRequest, code: "BAD_REQUEST", message: "The body is no event of Bitbucket's: it names no repository.", cause: err}
	}
	targets, err := s.targets(c, event)
	if err != nil {
		return "failed", err
	}
	if len(targets) == 0 {
		return "unknown", fail(http.StatusNotFound, "NOT_FOUND", "No organization is connected to this repository.")
	}
	signature := c.Header.Get("X-Hub-Signature")
	verified := verify(targets, body, signature)
	if len(verified) == 0 {
		s.log.Warn("a webhook delivery was refused: its signature fits no webhook secret of the repository's mirrors",
			"repository", event.FullName, "signed", signature != "", "peer", peerOf(c.Request))
		s.engine.Delivered(organizationsOf(targets), Delivery{Event: eventName(key), Refused: refusal(signature)})
		return "unsigned", &failure{
			status: http.StatusUnauthorized, code: "BAD_SIGNATURE", message: "The signature does not fit the webhook secret.",
			remedy: "Give the webhook in Bitbucket the same secret as the connection.",
		}
	}
	s.engine.Delivered(verified, Delivery{Event: eventName(key)})
	for _, id := range verified {
		s.engine.Nudge(id, "webhook")
	}
	return "accepted", c.reply(http.StatusAccepted, map[string]string{"status": "accepted"})
}

// eventName is an event's key as it may be kept: anybody can send one of any length.
func eventName(key string) string {
	if len(key) > 100 || !storable(key) {
		return ""
	}
	return key
}

// refusal is why a delivery with that signature was refused.
func refusal(signature string) db.Refusal {
	if signature == "" {
		return db.RefusedUnsigned
	}
	return db.RefusedSignature
}

func organizationsOf(targets []db.WebhookTarget) []string {
	ids := make([]string, len(targets))
	for i, t := range targets {
		ids[i] = t.OrganizationID
	}
	return ids
}

// targets are the mirrors that an event may concern.
func (s *Server) targets(c *call, event bitbucket.Event) ([]db.WebhookTarget, error) {
	slug := c.PathValue("organization")
	if slug != "" && !document.ValidSlug(document.Toolkits, slug) {
		return nil, nil
	}
	if !storable(event.UUID) || !storable(event.FullName) {
		return nil, nil // PostgreSQL would refuse to look for it
	}
	return s.db.WebhookTargets(c.Context(), event.UUID, event.FullName, slug)
}

// storable reports whether a database may hold the text.
func storable(text string) bool {
	return len(text) <= 1000 && utf8.ValidString(text) && !strings.ContainsRune(text, 0)
}

// verify gives the organizations whose mirrors believe the delivery: the signature
// is that of one of their secrets, or they have none. Every secret is tried, so that
// the time tells nothing about which one fits; equal ones once.
func verify(targets []db.WebhookTarget, body []byte, signature string) []string {
	known := map[string]bool{}
	var verified []string
	for _, t := range targets {
		believed := !t.Signed
		for _, secret := range t.Secrets {
			ok, tried := known[secret.Reveal()]
			if !tried {
				ok = bitbucket.VerifySignature(body, signature, secret)
				known[secret.Reveal()] = ok
			}
			believed = believed || ok
		}
		if believed {
			verified = append(verified, t.OrganizationID)
		}
	}
	return verified
}
