package bitbuckettest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror"
)

// Hook is a webhook of a repository.
type Hook struct {
	repo *Repo
	id   string

	mu sync.Mutex
	hookSettings
	mood    HookMood
	queue   []*Delivery // waiting for the worker
	held    []*Delivery // waiting for Release
	log     []*Delivery
	running bool          // a worker drains the queue
	changed chan struct{} // closed and made anew at every change
}

// hookSettings are what REST reads and writes.
type hookSettings struct {
	url, description string
	secret           mirror.Secret
	events           []string
	paused           bool // not active
}

// HookMood is how deliveries go wrong. The zero value is Bitbucket on a good day.
type HookMood struct {
	Drop           bool          // deliveries are lost before they are sent
	Hold           bool          // deliveries wait for Release
	Delay          time.Duration // pause before the first attempt
	Copies         int           // extra deliveries of the same event, under ids of their own
	WrongSignature bool          // signed with another secret
	Unsigned       bool          // no signature although there is a secret
	EmptyChanges   bool          // "changes": []
	Truncate       bool          // the body ends in the middle, the signature is that of all of it
}

// Delivery states.
const (
	DeliveryQueued    = "queued"
	DeliveryHeld      = "held"
	DeliveryDelivered = "delivered" // the receiver answered below 500
	DeliveryLost      = "lost"      // no attempt was answered below 500
	DeliveryDropped   = "dropped"   // by HookMood.Drop
	DeliveryTooLarge  = "too large" // over 256 KB: never sent
)

// Delivery is one event on its way to a receiver.
type Delivery struct {
	ID       string // X-Request-UUID, the same in every attempt
	Event    string // X-Event-Key
	Header   http.Header
	Body     []byte
	State    string
	Statuses []int // the answer to each attempt; 0: none

	delay time.Duration
}

// keptDeliveries bounds a hook's log.
const keptDeliveries = 1000

// AddHook registers a webhook; with a zero secret its deliveries are not signed. Without
// events it is subscribed to pushes.
func (r *Repo) AddHook(url string, secret mirror.Secret, events ...string) *Hook {
	if len(events) == 0 {
		events = []string{r.server.pushEvent()}
	}
	return r.addHook(hookSettings{url: url, secret: secret, events: events})
}

func (r *Repo) addHook(settings hookSettings) *Hook {
	h := &Hook{repo: r, id: uuid.NewString(), hookSettings: settings, changed: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hooks = append(r.hooks, h)
	return h
}

// Hooks are the repository's webhooks, those made through REST too.
func (r *Repo) Hooks() []*Hook {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.hooks)
}

// subscribed are the webhooks that an event goes to.
func (r *Repo) subscribed(event string) []*Hook {
	return slices.DeleteFunc(r.Hooks(), func(h *Hook) bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.paused || !slices.Contains(h.events, event)
	})
}

// RemoveHook takes a webhook away. What it has queued still goes out.
func (r *Repo) RemoveHook(h *Hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hooks = slices.DeleteFunc(r.hooks, func(g *Hook) bool { return g == h })
}

// Set changes the mood of deliveries that are made from now on.
func (h *Hook) Set(mood HookMood) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mood = mood
}

// SetSecret replaces the secret.
func (h *Hook) SetSecret(secret mirror.Secret) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secret = secret
}

// Release sends what HookMood.Hold kept, newest first when reversed.
func (h *Hook) Release(reversed bool) {
	h.mu.Lock()
	held := h.held
	h.held = nil
	h.mu.Unlock()
	if reversed {
		slices.Reverse(held)
	}
	for _, d := range held {
		h.enqueue(d)
	}
}

// Subscribe changes what it is told of, and whether anything at all, as a person does.
func (h *Hook) Subscribe(active bool, events ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paused, h.events = !active, events
}

// URL is where it delivers to.
func (h *Hook) URL() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.url
}

// Send delivers any event, subscribed or not.
func (h *Hook) Send(event string, body []byte) { h.deliver(event, body) }

// Replay sends an earlier delivery again, byte for byte, as "resend" and an eavesdropper do.
func (h *Hook) Replay(d Delivery) {
	again := d
	again.State, again.Statuses, again.delay = "", nil, 0
	again.Header = d.Header.Clone()
	h.enqueue(&again)
}

// Deliveries are the latest 1,000 with their present state, oldest first.
func (h *Hook) Deliveries() []Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Delivery, len(h.log))
	for i, d := range h.log {
		all[i] = *d
		all[i].Statuses = slices.Clone(d.Statuses)
		all[i].Header = d.Header.Clone()
	}
	return all
}

// Wait returns when nothing is queued or on its way. Held deliveries do not count.
func (h *Hook) Wait(ctx context.Context) error {
	for {
		h.mu.Lock()
		idle, changed := !h.running && len(h.queue) == 0, h.changed
		h.mu.Unlock()
		if idle {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-h.repo.server.ctx.Done():
			return h.repo.server.ctx.Err()
		}
	}
}

// announce tells the repository's hooks of a push. Its caller holds r.refs: the
// deliveries of a hook are queued in the order of the pushes.
func (r *Repo) announce(by *principal, changes []refChange, before map[string]string) error {
	hooks := r.subscribed(r.server.pushEvent())
	if len(hooks) == 0 {
		return nil
	}
	describe := r.pushBodies
	if r.server.options.DataCenter {
		describe = r.refsChangedBodies
	}
	bodies, err := describe(by, changes, before)
	if err != nil {
		return err
	}
	for _, h := range hooks {
		h.mu.Lock()
		empty := h.mood.EmptyChanges
		h.mu.Unlock()
		if empty {
			h.deliver(r.server.pushEvent(), bodies.empty)
		} else {
			h.deliver(r.server.pushEvent(), bodies.full)
		}
	}
	return nil
}

// pushEvent tells of refs that moved.
func (s *Server) pushEvent() string {
	if s.options.DataCenter {
		return "repo:refs_changed"
	}
	return "repo:push"
}

// wrongSecret signs for HookMood.WrongSignature.
const wrongSecret = "this is not the secret"

func (h *Hook) deliver(event string, body []byte) {
	h.mu.Lock()
	mood, secret := h.mood, h.secret
	h.mu.Unlock()
	for range 1 + mood.Copies {
		d := &Delivery{ID: uuid.NewString(), Event: event, Body: body, delay: mood.Delay}
		d.Header = h.headers(d)
		switch {
		case mood.Unsigned || secret.IsZero():
		case mood.WrongSignature:
			d.Header.Set("X-Hub-Signature", sign(body, wrongSecret))
		default:
			d.Header.Set("X-Hub-Signature", sign(body, secret.Reveal()))
		}
		if mood.Truncate {
			d.Body = body[:len(body)/2]
		}
		switch {
		case mood.Drop:
			h.record(d, DeliveryDropped)
		case len(body) > maxDelivery:
			h.record(d, DeliveryTooLarge)
		case mood.Hold:
			h.record(d, DeliveryHeld)
			h.mu.Lock()
			h.held = append(h.held, d)
			h.mu.Unlock()
		default:
			h.enqueue(d)
		}
	}
}

// headers of a first attempt, without the signature.
func (h *Hook) headers(d *Delivery) http.Header {
	if h.repo.server.options.DataCenter {
		return http.Header{
			"User-Agent":   {"Atlassian HttpClient 4.2.0 / Bitbucket-9.5.2 (9005002) / Default"},
			"Content-Type": {"application/json; charset=utf-8"},
			"X-Event-Key":  {d.Event},
			"X-Request-Id": {d.ID},
		}
	}
	trace := strings.ReplaceAll(uuid.NewString(), "-", "")
	return http.Header{
		"User-Agent":       {"Bitbucket-Webhooks/2.0"},
		"Content-Type":     {"application/json"},
		"X-Event-Key":      {d.Event},
		"X-Hook-Uuid":      {h.id}, // without braces, unlike in REST
		"X-Request-Uuid":   {d.ID},
		"X-Attempt-Number": {"1"},
		"X-Event-Time":     {h.repo.server.options.Now().UTC().Format(http.TimeFormat)},
		"Traceparent":      {"00-" + trace + "-" + trace[:16] + "-01"},
	}
}
