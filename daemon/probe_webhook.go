package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/document"
)

// Webhook is where a repository's host is to deliver, and what is known of that.
type Webhook struct {
	// URL is the address that all mirrors of a daemon share.
	URL string
	// Organization is the mirror's; "" where it is not known.
	Organization string
	Known        db.Webhook
	// Gone, if set, hears that the webhook which was made is not there any more.
	Gone func()
}

// isTo reports whether an address is the shared one, or the organization's own below it.
func (w Webhook) isTo(address string) bool {
	own, below := strings.CutPrefix(address, w.URL+"/")
	return address == w.URL || below && (w.Organization == "" || own == w.Organization)
}

// elsewhere reports whether an address is one of another confmirror, or of this one's before.
func (w Webhook) elsewhere(address string) bool {
	base, _, ours := strings.Cut(address, web.WebhookURL(""))
	return ours && !strings.HasPrefix(address, w.URL) && base != ""
}

// registered looks for the repository's webhook to this daemon. Without one polling does the
// work, so nothing here is a failure.
func (p *probe) registered(ctx context.Context, host mirror.Hooks) web.TestStep {
	w := p.webhook
	address := cmp.Or(w.Known.URL, w.URL)
	enter := enterWebhook(address, host.HookEvents())
	hooks, err := host.Hooks(ctx)
	if err != nil {
		if _, denied := errors.AsType[*mirror.ScopeError](err); denied && w.Known.DeliveredAt.After(w.Known.RefusedAt) {
			return said("These credentials may not see webhooks; there is one, for deliveries arrive.")
		} else if denied {
			return said("These credentials may not see or make webhooks, so that a person has to. %s", enter)
		}
		return said("Whether there is a webhook to %s could not be asked. %s", address, mirror.AsFault(err).Message)
	}
	i := slices.IndexFunc(hooks, func(h mirror.Hook) bool { return h.URL == address })
	if i < 0 {
		i = slices.IndexFunc(hooks, func(h mirror.Hook) bool { return w.isTo(h.URL) })
	}
	switch {
	case i < 0 && w.Known.Given != "":
		if w.Gone != nil {
			w.Gone()
		}
		return remark("The webhook to "+address+" that the daemon made is gone from the repository.", "The daemon makes it again with its next look at the repository.")
	case i < 0 && !p.settings.WebhookSecret.IsZero() && undeliverable(address, p.settings) == "":
		return remark("The repository has no webhook to "+address+".", "A running daemon makes it by itself. To do it by hand: "+enter)
	case i < 0:
		return remark("The repository has no webhook to "+address+".", enter)
	case !hooks[i].Active:
		return remark("The repository's webhook is switched off.", "Switch it on in the repository's settings.")
	case !hooks[i].Signed && !p.settings.WebhookSecret.IsZero():
		return remark("The repository's webhook has no secret, so that its deliveries are refused.", "Enter the connection's webhook secret at the webhook in the repository's settings.")
	case !hooks[i].Complete:
		return remark("The repository's webhook does not tell of everything.", "Tick these triggers, too, in the repository's settings: "+bitbucket.TriggerNames(host.HookEvents())+".")
	}
	if other := slices.IndexFunc(hooks, func(h mirror.Hook) bool { return h.Active && w.elsewhere(h.URL) }); other >= 0 {
		return remark("The repository has a webhook to "+hooks[i].URL+", and one to another confmirror: "+hooks[other].URL+".", forsaken)
	}
	return said("The repository has a webhook to %s.", hooks[i].URL)
}

// forsaken is what to do about a webhook that may be one of http.public_url as it was.
const forsaken = "If no confmirror listens there any more, as after a change of http.public_url, delete that webhook in the repository's settings."

// enterWebhook is what a person does where the daemon cannot make the webhook.
func enterWebhook(address string, events []string) string {
	return fmt.Sprintf("Enter it in the repository's settings, under Webhooks, with the URL %s, the connection's webhook secret and the triggers %s.", address, bitbucket.TriggerNames(events))
}

// deliverable tells how deliveries came lately. Beside that it sends a ping, as Data Center
// does when somebody tests a webhook, to where the repository's host is to deliver. It finds
// out what can be found out from this machine; a mirror works without webhooks, too, so
// nothing here is a failure.
func (p *probe) deliverable(ctx context.Context) web.TestStep {
	known, address, now := p.webhook.Known, cmp.Or(p.webhook.Known.URL, p.webhook.URL), time.Now()
	if why := undeliverable(address, p.settings); why != "" {
		return remark(why, "Set http.public_url to where the repository's host reaches this daemon, or rely on polling (sync.poll).")
	}
	if known.RefusedAt.After(known.DeliveredAt) {
		return remark(fmt.Sprintf("A delivery was refused %s%s: %s.", ago(now.Sub(known.RefusedAt)), inBrackets(known.RefusedEvent), refusals[known.RefusedWhy]),
			"Enter the connection's webhook secret at the webhook in the repository's settings.")
	}
	if silent := known.Condition(); silent != nil {
		return remark(silent.Message, silent.Remedy)
	}
	last := ""
	if !known.DeliveredAt.IsZero() {
		last = fmt.Sprintf(" Last delivery: %s%s.", ago(now.Sub(known.DeliveredAt)), inBrackets(known.DeliveredEvent))
	}
	to, err := url.Parse(address)
	if err != nil {
		return remark("There is no address to deliver webhooks to.", "Set http.public_url.")
	}
	switch why := p.ping(ctx, to); {
	case why == "":
		return said("Webhooks can be delivered to %s, as far as this machine can tell.%s", address, last)
	case now.Sub(known.DeliveredAt) < 24*time.Hour: // by another way than this machine's
		return said("Webhooks are delivered to %s, though this machine does not get there.%s", address, last)
	default:
		return remark("No webhook can be delivered to "+address+": "+why+last,
			"Start the daemon, and let http.public_url lead to it from outside, through firewalls and proxies. Until then polling (sync.poll) does the work.")
	}
}

var refusals = map[db.Refusal]string{
	db.RefusedUnsigned:  "it is not signed, so that the webhook has no secret",
	db.RefusedSignature: "the signature does not fit, so that the webhook's secret is another one",
}

// undeliverable is why no host can deliver to an address, as far as the address tells; ""
// if it may be able to.
func undeliverable(address string, s mirror.Settings) string {
	to, err := url.Parse(address)
	if err != nil || to.Host == "" {
		return "There is no address to deliver webhooks to."
	}
	git, err := url.Parse(s.GitURL)
	if err != nil {
		return "" // said elsewhere
	}
	switch {
	case document.Loopback(to.Hostname()) && !document.Loopback(git.Hostname()):
		return address + " is an address of this machine itself, where no host can deliver webhooks."
	case private(to.Hostname()) && !private(git.Hostname()) && !document.Loopback(git.Hostname()) && !bitbucket.IsDataCenter(s.APIURL):
		return address + " is an address of a private network, where " + git.Hostname() + " cannot deliver webhooks."
	}
	return ""
}

// private reports whether a host is an address, or has a name, that means something in its
// own network only.
func private(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		return ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return !strings.Contains(host, ".") || slices.ContainsFunc([]string{".local", ".internal", ".lan", ".home.arpa"}, func(end string) bool { return strings.HasSuffix(host, end) })
}

// ago is how long something is past, as people say it.
func ago(past time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int(past / unit.length); n == 1 {
			return "1 " + unit.name + " ago"
		} else if n > 1 {
			return fmt.Sprintf("%d %ss ago", n, unit.name)
		}
	}
	return "a moment ago"
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// remark is a success with something to mend.
func remark(message, remedy string) web.TestStep {
	return web.TestStep{Message: message, Remedy: remedy}
}

// ping is why a delivery does not arrive, "" if it does.
func (p *probe) ping(ctx context.Context, to *url.URL) string {
	door := &place{settings: []string{"http.public_url"}, url: &url.URL{Scheme: to.Scheme, Host: to.Host, Path: "/"}}
	if door.reach(ctx, probing(p.connector.transport), p.connector.userAgent); door.step != "" {
		return door.fault().Message
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(`{"test": true}`))
	if err != nil {
		return "it is no address."
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Event-Key", "diagnostics:ping")
	request.Header.Set("User-Agent", p.connector.userAgent)
	answer, err := p.connector.rest.Do(request)
	if err != nil {
		return innermost(err) + "."
	}
	defer answer.Body.Close()
	var body struct {
		Status string `json:"status"`
	}
	err = json.NewDecoder(io.LimitReader(answer.Body, 1<<10)).Decode(&body)
	if answer.StatusCode != http.StatusOK || err != nil || body.Status == "" {
		return "somebody else answers there (" + answer.Status + ")."
	}
	return ""
}
