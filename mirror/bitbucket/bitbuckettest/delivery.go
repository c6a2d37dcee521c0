package bitbuckettest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Limits of Bitbucket's deliveries
// (https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/): three
// attempts in all, a body of 256 KB at most.
const (
	maxAttempts = 3
	maxDelivery = 256 << 10
)

// newHookClient follows no redirects: nothing says that Bitbucket does.
func newHookClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{}, // no proxy: receivers are on this machine
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

func sign(body []byte, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// record puts a delivery into the log, or changes its state there.
func (h *Hook) record(d *Delivery, state string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recordLocked(d, state)
}

func (h *Hook) recordLocked(d *Delivery, state string) {
	if d.State == "" {
		if len(h.log) >= keptDeliveries {
			h.log = append(h.log[:0:0], h.log[keptDeliveries/2:]...)
		}
		h.log = append(h.log, d)
	}
	d.State = state
	close(h.changed)
	h.changed = make(chan struct{})
}

// enqueue hands a delivery to the hook's worker, which lives while there is work:
// one receiver gets its deliveries one after another.
func (h *Hook) enqueue(d *Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recordLocked(d, DeliveryQueued)
	h.queue = append(h.queue, d)
	if h.running || !h.repo.server.begin() {
		return
	}
	h.running = true
	go func() {
		defer h.repo.server.work.Done()
		for h.next(h.repo.server.ctx) {
		}
	}()
}

// next sends the first delivery in the queue; false when the worker is done.
func (h *Hook) next(ctx context.Context) bool {
	h.mu.Lock()
	if len(h.queue) == 0 || ctx.Err() != nil {
		h.running = false
		h.queue = nil
		close(h.changed)
		h.changed = make(chan struct{})
		h.mu.Unlock()
		return false
	}
	d := h.queue[0]
	h.queue = h.queue[1:]
	h.mu.Unlock()
	h.record(d, h.send(ctx, d))
	return true
}

// send makes up to three attempts. Only a 5xx answer is known to be tried again;
// a timeout or a refused connection is taken as lost, which asks more of a receiver.
func (h *Hook) send(ctx context.Context, d *Delivery) string {
	pause(ctx, d.delay)
	for attempt := 1; ; attempt++ {
		status := h.attempt(ctx, d, attempt)
		h.mu.Lock()
		d.Statuses = append(d.Statuses, status)
		h.mu.Unlock()
		switch {
		case status > 0 && status < 500:
			return DeliveryDelivered
		case status == 0, attempt == maxAttempts:
			return DeliveryLost
		}
		pause(ctx, h.repo.server.options.HookBackoff(attempt+1))
	}
}

func (h *Hook) attempt(ctx context.Context, d *Delivery, number int) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL(), bytes.NewReader(d.Body))
	if err != nil {
		return 0
	}
	r.Header = d.Header.Clone()
	if !h.repo.server.options.DataCenter {
		r.Header.Set("X-Attempt-Number", strconv.Itoa(number))
	}
	answer, err := h.repo.server.hooks.Do(r)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	return answer.StatusCode
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
