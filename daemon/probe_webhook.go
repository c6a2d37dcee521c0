package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// registered looks for the repository's webhook to an address, or one organization's below it.
// Without one polling does the work, so nothing here is a failure.
func (p *probe) registered(ctx context.Context, host mirror.Hooks, address string) web.TestStep {
	enter := fmt.Sprintf("Enter it in the repository's settings with the URL %s, the connection's webhook secret and the events %s.", address, strings.Join(host.HookEvents(), ", "))
	hooks, err := host.Hooks(ctx)
	if err != nil {
		if _, denied := errors.AsType[*mirror.ScopeError](err); denied {
			return said("These credentials may not see webhooks, so that one has to be entered by hand: %s", address)
		}
		return said("Whether there is a webhook to %s could not be asked. %s", address, mirror.AsFault(err).Message)
	}
	i := slices.IndexFunc(hooks, func(h mirror.Hook) bool { return h.URL == address || strings.HasPrefix(h.URL, address+"/") })
	switch {
	case i < 0:
		return remark("The repository has no webhook to "+address+".", enter)
	case !hooks[i].Active:
		return remark("The repository's webhook is switched off.", "Switch it on in the repository's settings.")
	case !hooks[i].Signed && !p.settings.WebhookSecret.IsZero():
		return remark("The repository's webhook has no secret, so that its deliveries are refused.", "Enter the connection's webhook secret at the webhook in the repository's settings.")
	case !hooks[i].Complete:
		return remark("The repository's webhook does not tell of everything.", "Let it tell of "+strings.Join(host.HookEvents(), ", ")+".")
	}
	return said("The repository has a webhook to %s.", hooks[i].URL)
}

// deliverable sends a ping, as Data Center does when somebody tests a webhook, to where the
// repository's host is to deliver. It finds out what can be found out from this machine; a
// mirror works without webhooks, too, so nothing here is a failure.
func (p *probe) deliverable(ctx context.Context, address string) web.TestStep {
	to, err := url.Parse(address)
	if err != nil || to.Host == "" {
		return remark("There is no address to deliver webhooks to.", "Set http.public_url.")
	}
	git, err := url.Parse(p.settings.GitURL)
	if document.Loopback(to.Hostname()) && (err != nil || !document.Loopback(git.Hostname())) {
		return remark(address+" is an address of this machine itself, where no host can deliver webhooks.",
			"Set http.public_url to where the repository's host reaches this daemon, or rely on polling (sync.poll).")
	}
	if why := p.ping(ctx, to); why != "" {
		return remark("No webhook can be delivered to "+address+": "+why,
			"Start the daemon, and let http.public_url lead to it from outside, through firewalls and proxies. Until then polling (sync.poll) does the work.")
	}
	return said("Webhooks can be delivered to %s, as far as this machine can tell.", address)
}

// remark is a success with something to mend.
func remark(message, remedy string) web.TestStep {
	return web.TestStep{Message: message, Remedy: remedy}
}

// ping is why a delivery does not arrive, "" if it does.
func (p *probe) ping(ctx context.Context, to *url.URL) string {
	door := &place{settings: []string{"http.public_url"}, url: &url.URL{Scheme: to.Scheme, Host: to.Host, Path: "/"}}
	if door.reach(ctx, probing(p.connector.git), p.connector.userAgent); door.step != "" {
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
