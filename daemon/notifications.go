package daemon

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

const (
	// notifyTimeout bounds one notification.
	notifyTimeout = 10 * time.Second
	// Pauses after one that did not arrive.
	firstNotifyPause = 30 * time.Second
	longNotifyPause  = 10 * time.Minute
)

// notifications tell people when a mirror needs them, and when it does no more. They go by what
// is, compared with what was told last (which the database remembers): none is lost over a
// restart or when a mirror goes to another daemon, and what was over before anybody could be
// told is not told. Of two daemons that both think they have the mirror both may tell.
type notifications struct {
	client   *http.Client
	failures int
	until    time.Time // the pause
}

// Notification is the body of the request, with a text that chat services show.
type Notification struct {
	Text         string           `json:"text"`
	Organization string           `json:"organization"`
	State        mirror.StateName `json:"state"`
	// Code is why a person should look; "": nobody need look any more.
	Code     string          `json:"code"`
	Severity mirror.Severity `json:"severity"`
	Message  string          `json:"message"`
	Remedy   string          `json:"remedy"`
	Since    *time.Time      `json:"since"`
	URL      string          `json:"url"` // of the mirror in the panel
}

// attention is why a mirror needs a person; nil while it does not.
func (d *Daemon) attention(st *db.Status) *mirror.Detail {
	if stalled := d.stalled(st); stalled != nil {
		return stalled
	}
	if st.State.Name == mirror.StateBlocked || st.State.Name == mirror.StateHeld {
		return st.State.Detail
	}
	return nil
}

// notify tells what was not told yet. It is called by one goroutine only.
func (d *Daemon) notify(ctx context.Context, found examination) {
	n, to := d.notifications, d.config().Notifications.URL
	if to.IsZero() || time.Now().Before(n.until) {
		return
	}
	for _, st := range found.statuses {
		code := ""
		detail := d.attention(st)
		if detail != nil {
			code = detail.Code
		}
		if code == st.Alarm {
			continue
		}
		err := d.send(ctx, to, d.notification(st, detail))
		if err == nil {
			err = d.db.RecordAlarm(ctx, st.OrganizationID, code)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			n.failures++
			pause := growing(firstNotifyPause, longNotifyPause, n.failures)
			n.until = time.Now().Add(pause)
			d.metrics.notifications.WithLabelValues("failed").Inc()
			d.log.Warn("a notification did not arrive; it is tried again", "organization", st.Organization, "code", code, "after", pause.Round(time.Second), "error", err)
			return
		}
		n.failures = 0
		d.metrics.notifications.WithLabelValues("sent").Inc()
		d.log.Info("people were notified", "organization", st.Organization, "code", code)
	}
}

func (d *Daemon) notification(st *db.Status, detail *mirror.Detail) Notification {
	n := Notification{
		Organization: st.Organization, State: st.State.Name, Severity: mirror.SeverityInfo,
		URL: d.config().HTTP.PublicURL + "/organizations/" + url.PathEscape(st.Organization),
	}
	if detail == nil {
		n.Text = fmt.Sprintf("confmirror: %s needs nobody any more (%s). %s", n.Organization, n.State, n.URL)
		return n
	}
	n.Code, n.Message, n.Remedy, n.Since = detail.Code, detail.Message, detail.Remedy, &detail.Since
	n.Severity = mirror.SeverityCritical
	if st.State.Name == mirror.StateHeld {
		n.Severity = mirror.SeverityWarning // all else goes on
	}
	n.Text = fmt.Sprintf("confmirror: %s, %s. %s What to do: %s %s", n.Organization, n.Code, n.Message, n.Remedy, n.URL)
	return n
}

// send makes the request. Its address may hold a secret, as chat services' do, and no error tells it.
func (d *Daemon) send(ctx context.Context, to mirror.Secret, n Notification) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.Reveal(), bytes.NewReader(body))
	if err != nil {
		return errors.New("notifications.url is no URL")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", d.connector.userAgent)
	if secret := d.config().Notifications.Secret; !secret.IsZero() {
		mac := hmac.New(sha256.New, []byte(secret.Reveal()))
		mac.Write(body)
		r.Header.Set("X-Hub-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	answer, err := d.notifications.client.Do(r)
	if err != nil {
		var told *url.Error
		if errors.As(err, &told) {
			err = told.Err
		}
		return fmt.Errorf("%s: %w", r.URL.Host, err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection can be used again
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %d", r.URL.Host, answer.StatusCode)
	}
	return nil
}
