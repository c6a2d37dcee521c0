package web

import (
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// webhook is what is known of a connection's webhook, as it is shown.
type webhook struct {
	// URL is where the webhook of this mirror delivers to; "" while none was tried for.
	URL string `json:"url"`
	// Made: the daemon made it, or found it to be as it should be.
	Made bool `json:"made"`
	// Problem says why it could not be made, and what to enter by hand.
	Problem *mirror.Detail `json:"problem"`
	// Silent: pushes came of which no delivery told.
	Silent       bool      `json:"silent"`
	LastDelivery *received `json:"last_delivery"`
	LastRefused  *received `json:"last_refused"`
}

// received is a delivery that came.
type received struct {
	At    time.Time `json:"at"`
	Event string    `json:"event"`
	// Refused is why it was refused: "unsigned" or "signature".
	Refused db.Refusal `json:"refused,omitempty"`
}

func showWebhook(w db.Webhook) webhook {
	shown := webhook{URL: w.URL, Made: w.Given != "", Problem: w.Problem, Silent: w.Silent()}
	if !w.DeliveredAt.IsZero() {
		shown.LastDelivery = &received{At: w.DeliveredAt, Event: w.DeliveredEvent}
	}
	if !w.RefusedAt.IsZero() {
		shown.LastRefused = &received{At: w.RefusedAt, Event: w.RefusedEvent, Refused: w.RefusedWhy}
	}
	return shown
}
