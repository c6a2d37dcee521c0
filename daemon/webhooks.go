package daemon

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Bounds of the attempts to have a webhook made.
const (
	webhookTimeout = 20 * time.Second
	webhookPause   = time.Minute // before another attempt; it doubles
	webhookRest    = time.Hour   // the longest pause
	// What the host refused may be allowed one day, though no setting changed.
	webhookAnew = 24 * time.Hour
)

// webhooks are the mirrors' webhooks as this daemon knows them. They are made and mended
// beside the runs, which wait for nothing of it; what came of that is in the database, so
// that a restart asks the host for nothing.
//
//	wished for ---- tried, and its host made it ---------------> made
//	wished for ---- tried, and refused for good ---------------> by hand: said once, tried again daily
//	made ---------- another URL, secret or credential ---------> wished for
//	made, by hand - silent, or seen to be gone by a check -----> wished for
//
// Deliveries prove that a webhook works, whoever made it: see heed and mayRest.
type webhooks struct {
	mu      sync.Mutex
	mirrors map[string]*webhook // by organization's id
	port    string              // where this daemon listens; "" while it does not
	more    chan struct{}       // of capacity 1
}

// webhook is one mirror's.
type webhook struct {
	// heeded: deliveries can come, and are signed.
	heeded bool
	// wish is the digest of all that the webhook depends on; "": none can be made.
	wish  string
	known db.Webhook // as the database last had it
	// attempt is under way, or waits for its time.
	attempt *attempt
	// looked is when this daemon last looked at the branch; zero: not since it has the mirror,
	// or since its last run failed.
	looked time.Time
	// owed is a push of which no delivery has told yet.
	owed *owed
}

// attempt is a webhook to be made.
type attempt struct {
	mirror *mirror.Mirror
	host   mirror.Hooks
	wish   string
	tries  int
	due    time.Time
}

func newWebhooks() *webhooks {
	return &webhooks{mirrors: map[string]*webhook{}, more: make(chan struct{}, 1)}
}

// forget drops what was known of a mirror that this daemon runs no more.
func (w *webhooks) forget(organizationID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.mirrors, organizationID)
}

// stumbled: a mirror's run failed, so that its next poll is not left out.
func (w *webhooks) stumbled(organizationID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if hook := w.mirrors[organizationID]; hook != nil {
		hook.looked = time.Time{}
	}
}

// afterRun follows a mirror's webhook after a run that has read the branch. host is nil
// where there is no REST interface.
func (d *Daemon) afterRun(ctx context.Context, m *mirror.Mirror, host mirror.Hooks, run seen) {
	d.webhooks.mu.Lock()
	serving := d.webhooks.port != ""
	w := d.webhooks.mirrors[m.OrganizationID]
	d.webhooks.mu.Unlock()
	if !serving {
		return // a command that ends has no use for a webhook
	}
	if w == nil {
		known, err := d.db.Webhook(ctx, m.OrganizationID)
		if err != nil {
			return // the next run asks again
		}
		w = &webhook{known: known}
	}
	wish, err := d.wish(m, host)
	if err != nil {
		d.log.Warn("the webhook cannot be looked after", "organization", m.Organization, "error", err)
	}
	d.webhooks.mu.Lock()
	d.webhooks.mirrors[m.OrganizationID] = w
	w.heeded, w.wish = d.heeded(m), wish
	inVain := !w.heeded && w.known.Unheard > 0
	d.webhooks.mu.Unlock()
	if inVain { // nobody waits for deliveries any more
		d.recordUnheard(ctx, m.OrganizationID, w, 0, time.Time{})
	}
	d.heed(ctx, m.OrganizationID, w, run)
	d.webhooks.mu.Lock()
	defer d.webhooks.mu.Unlock()
	if w.attempt != nil && w.attempt.wish != wish {
		w.attempt = nil // of settings that are no more
	}
	if now := d.now(); wish != "" && w.attempt == nil && !tried(w.known, wish, now) {
		copied := *m
		w.attempt = &attempt{mirror: &copied, host: host, wish: wish, due: now}
	}
	if w.attempt == nil {
		return
	}
	select {
	case d.webhooks.more <- struct{}{}:
	default:
	}
}

// renew has a mirror's webhook made again, as if it never had been.
func (w *webhooks) renew(organizationID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if hook := w.mirrors[organizationID]; hook != nil {
		hook.known.Tried, hook.known.Given = "", ""
	}
}

// tried reports whether there is nothing to ask the host for.
func tried(known db.Webhook, wish string, now time.Time) bool {
	return known.Tried == wish && (known.Problem == nil || now.Sub(known.TriedAt) < webhookAnew)
}

// webhookURL is the address that all mirrors share.
func (d *Daemon) webhookURL() string { return web.WebhookURL(d.config().HTTP.PublicURL) }

// heeded reports whether signed deliveries of a mirror can come to this daemon.
func (d *Daemon) heeded(m *mirror.Mirror) bool {
	address := d.webhookURL()
	if m.Settings.WebhookSecret.IsZero() || undeliverable(address, m.Settings) != "" {
		return false
	}
	// Of this machine's own addresses only the listener's leads here: the default of
	// http.public_url may be anybody's.
	to, err := url.Parse(address)
	return err == nil && (!document.Loopback(to.Hostname()) || to.Port() == d.webhooks.port)
}

// wish is the digest of all that a mirror's webhook depends on; "" where none can be made.
func (d *Daemon) wish(m *mirror.Mirror, host mirror.Hooks) (string, error) {
	if host == nil || !d.heeded(m) {
		return "", nil
	}
	s := m.Settings
	return d.db.Digest("webhook wished for", append([]string{
		m.Identity.Repository, s.APIURL, s.Workspace, s.Repository, d.webhookURL(), s.WebhookSecret.Reveal(),
		s.ClientID, s.ClientSecret.Reveal(), s.AccessToken.Reveal(),
	}, host.HookEvents()...)...)
}

// keepWebhooks makes webhooks until ctx ends, one after another: two that share an address
// would otherwise both find none.
func (d *Daemon) keepWebhooks(ctx context.Context) {
	again := time.NewTimer(webhookRest)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.webhooks.more:
		case <-again.C:
		}
		for {
			w, next, wait := d.webhooks.next(d.now())
			if next == nil {
				again.Reset(wait)
				break
			}
			d.tryFor(ctx, w, next)
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// next is an attempt whose time has come, or how long until there is one.
func (w *webhooks) next(now time.Time) (*webhook, *attempt, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wait := webhookRest
	for _, hook := range w.mirrors {
		if hook.attempt == nil {
			continue
		}
		if rest := hook.attempt.due.Sub(now); rest > 0 {
			wait = min(wait, rest)
			continue
		}
		return hook, hook.attempt, 0
	}
	return nil, nil, wait
}

// tryFor makes an attempt, and remembers what came of it.
func (d *Daemon) tryFor(ctx context.Context, w *webhook, a *attempt) {
	limited, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	known, err := d.makeWebhook(limited, a)
	d.webhooks.mu.Lock()
	defer d.webhooks.mu.Unlock()
	if err != nil {
		a.tries++
		pause := webhookRest
		if a.tries < 7 {
			pause = min(pause, webhookPause<<(a.tries-1))
		}
		f := mirror.AsFault(err)
		a.due = d.now().Add(max(pause, f.RetryAfter))
		d.log.Debug("the webhook is tried for again later", "organization", a.mirror.Organization, "code", f.Code, "error", err)
		return
	}
	w.known = known
	if w.attempt == a { // else the settings changed meanwhile
		w.attempt = nil
	}
}

// makeWebhook has the host make a mirror's webhook be as wanted, unless it is another
// mirror's to look after. An error is worth another attempt; what the host refused for good
// is a problem that the database keeps.
func (d *Daemon) makeWebhook(ctx context.Context, a *attempt) (db.Webhook, error) {
	m := a.mirror
	known, err := d.db.Webhook(ctx, m.OrganizationID)
	if _, held := d.leases.epoch(m.OrganizationID); err != nil || !held || tried(known, a.wish, d.now()) {
		return known, err
	}
	share, err := d.db.WebhookShare(ctx, m)
	if err != nil {
		return known, err
	}
	try := db.WebhookTry{Repository: m.Identity.Repository, URL: d.webhookURL(), Tried: a.wish}
	if share == db.WebhookOwn {
		try.URL += "/" + m.Organization
	}
	if share != db.WebhookShared {
		given, err := d.db.Digest("webhook given", try.Repository, m.Settings.APIURL, try.URL, m.Settings.WebhookSecret.Reveal())
		if err != nil {
			return known, err
		}
		_, change, err := a.host.EnsureHook(ctx, mirror.HookSettings{
			URL: try.URL, Description: "confmirror", Secret: m.Settings.WebhookSecret, RenewSecret: known.Given != given,
		})
		switch f := mirror.AsFault(err); {
		case err == nil:
			try.Given = given
			d.sayMade(m, known, try, change)
		case ctx.Err() != nil, f.Class == mirror.Transient:
			return known, err
		default:
			try.Problem = d.sayByHand(m, known, try, a.host.HookEvents(), f)
		}
	}
	if err := d.db.RecordWebhook(ctx, m.OrganizationID, try); err != nil {
		return known, err
	}
	return d.db.Webhook(ctx, m.OrganizationID)
}

var changes = map[mirror.HookChange]string{
	mirror.HookCreated: "the repository's webhook was made", mirror.HookUpdated: "the repository's webhook was brought up to date",
	mirror.HookKept: "the repository's webhook is as it should be",
}

func (d *Daemon) sayMade(m *mirror.Mirror, known db.Webhook, made db.WebhookTry, change mirror.HookChange) {
	d.log.Info(changes[change], "organization", m.Organization, "url", made.URL)
	if known.Given != "" && known.Repository == made.Repository && known.URL != made.URL {
		// A copy of this database, on another machine, would delete what the original needs.
		d.log.Warn("the repository still has the webhook of the address before, if nobody deleted it", "organization", m.Organization, "url", known.URL,
			"remedy", forsaken)
	}
}

// sayByHand tells what a person has to enter, once for each cause.
func (d *Daemon) sayByHand(m *mirror.Mirror, known db.Webhook, try db.WebhookTry, events []string, f *mirror.Fault) *mirror.Detail {
	problem := &mirror.Detail{
		Code: f.Code, Message: "The repository's webhook has to be entered by hand, because the daemon may not make it: " + f.Message,
		Remedy: enterWebhook(try.URL, events), Since: d.now().UTC(),
	}
	log := d.log.With("organization", m.Organization, "code", f.Code, "cause", f.Message)
	if denied, ok := errors.AsType[*mirror.ScopeError](f); ok {
		problem.Message = "The repository's webhook has to be entered by hand: the credentials lack the permission to make it."
		problem.Remedy += " Or give the credentials the permission for webhooks; it is tried again daily, and whenever the connection changes."
		log = log.With("needed", denied.Required)
	}
	if was := known.Problem; was != nil && was.Code == problem.Code && known.URL == try.URL {
		problem.Since = was.Since
		log.Debug("the webhook is still to be entered by hand")
		return problem
	}
	log.Warn("the repository's webhook has to be entered by hand, with the connection's webhook secret; everything else works", "remedy", problem.Remedy)
	return problem
}
