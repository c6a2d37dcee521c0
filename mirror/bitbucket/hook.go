package bitbucket

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// hook is a webhook of a repository
// (https://developer.atlassian.com/cloud/bitbucket/rest/api-group-repositories/#api-repositories-workspace-repo-slug-hooks-get).
type hook struct {
	UUID        string   `json:"uuid"`
	URL         string   `json:"url"`
	Description string   `json:"description"`
	Active      bool     `json:"active"`
	Events      []string `json:"events"`
	SecretSet   bool     `json:"secret_set"`
}

// hookWrite leaves the secret out to keep it; an empty one would remove it.
type hookWrite struct {
	URL         string   `json:"url"`
	Description string   `json:"description"`
	Active      bool     `json:"active"`
	Events      []string `json:"events"`
	Secret      string   `json:"secret,omitempty"`
}

func (h hook) read() mirror.Hook {
	return mirror.Hook{
		ID: h.UUID, URL: h.URL, Description: h.Description, Events: h.Events,
		Active: h.Active, Signed: h.SecretSet, Complete: covers(h.Events, cloudEvents),
	}
}

// Hooks implements [mirror.Hooks].
func (c *Client) Hooks(ctx context.Context) ([]mirror.Hook, error) {
	var hooks []mirror.Hook
	r := request{address: c.repository("hooks"), scope: scopeWebhook, query: url.Values{"pagelen": {"100"}}}
	err := list(ctx, c, r, func(h hook) bool {
		hooks = append(hooks, h.read())
		return true
	})
	return hooks, err
}

// HookEvents implements [mirror.Hooks].
func (c *Client) HookEvents() []string { return slices.Clone(cloudEvents) }

// EnsureHook implements [mirror.Hooks]. Bitbucket would make a second webhook with the
// same URL, so the list is read first.
func (c *Client) EnsureHook(ctx context.Context, want mirror.HookSettings) (mirror.Hook, mirror.HookChange, error) {
	hooks, err := c.Hooks(ctx)
	if err != nil {
		return mirror.Hook{}, "", err
	}
	write := hookWrite{URL: want.URL, Description: want.Description, Active: true, Events: cloudEvents, Secret: secretText(want.Secret)}
	var made hook
	old := hookWith(want.URL, hooks)
	if old == nil {
		err := c.send(ctx, request{method: http.MethodPost, address: c.repository("hooks"), scope: scopeWebhook, body: write, secret: want.Secret}, &made)
		return made.read(), mirror.HookCreated, err
	}
	unsigned := !want.Secret.IsZero() && !old.Signed
	if old.Active && old.Complete && !unsigned && !want.RenewSecret {
		return *old, mirror.HookKept, nil
	}
	write.URL, write.Events, write.Description = old.URL, union(old.Events, cloudEvents), cmp.Or(old.Description, want.Description)
	if !unsigned && !want.RenewSecret {
		write.Secret = "" // as it is
	}
	err = c.send(ctx, request{method: http.MethodPut, address: c.repository("hooks", old.ID), scope: scopeWebhook, body: write, secret: want.Secret}, &made)
	return made.read(), mirror.HookUpdated, gone(err, "the webhook "+old.ID)
}

// secretText is a secret as it is typed into a form: that of a mounted file ends in a newline.
func secretText(s mirror.Secret) string { return strings.TrimRight(s.Reveal(), "\r\n") }

// hookWith finds the webhook with an address.
func hookWith(address string, hooks []mirror.Hook) *mirror.Hook {
	for i := range hooks {
		if plainURL(hooks[i].URL) == plainURL(address) {
			return &hooks[i]
		}
	}
	return nil
}

// plainURL is an address in the form that equal ones share.
func plainURL(raw string) string {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return raw
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if host, port, err := net.SplitHostPort(u.Host); err == nil && (u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80") {
		u.Host = host
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u.String()
}

func covers(have, want []string) bool {
	return !slices.ContainsFunc(want, func(e string) bool { return !slices.Contains(have, e) })
}

func union(have, more []string) []string {
	all := slices.Clone(have)
	for _, e := range more {
		if !slices.Contains(all, e) {
			all = append(all, e)
		}
	}
	return all
}
