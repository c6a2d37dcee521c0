package bitbuckettest

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/confmirror/confmirror/mirror"
)

// hookInput is what is sent of a webhook. No secret keeps the one that is there; null
// or "" removes it.
type hookInput struct {
	URL         string            `json:"url"`
	Description string            `json:"description"`
	Active      bool              `json:"active"`
	Events      []string          `json:"events"`
	Secret      optional[*string] `json:"secret"`
}

// knownEvent reports whether an event can be subscribed to. Some of either host are known.
func (s *Server) knownEvent(name string) bool {
	if s.options.DataCenter {
		return name == "repo:refs_changed" || name == "repo:modified" || name == "pr:deleted" ||
			slices.ContainsFunc(pullEvents, func(e pullEvent) bool { return e.dataCenter == name })
	}
	return slices.Contains([]string{"repo:push", "repo:updated", "repo:commit_status_created", "repo:commit_status_updated"}, name) ||
		slices.ContainsFunc(pullEvents, func(e pullEvent) bool { return e.cloud == name })
}

func (c *restCall) describeHook(h *Hook) object {
	h.mu.Lock()
	defer h.mu.Unlock()
	return object{
		"type": "webhook_subscription", "uuid": "{" + h.id + "}", "url": h.url, "description": h.description,
		"active": !h.paused, "events": h.events, "secret_set": !h.secret.IsZero(), "source": nil, "read_only": nil,
		"history_enabled": false, "skip_cert_verification": false, "created_at": "2026-01-02T03:04:05.678901Z",
		"subject_type": "repository", "subject": c.repo.summary(), "links": object{},
	}
}

func (c *restCall) listHooks() {
	var values []object
	for _, h := range c.repo.Hooks() {
		values = append(values, c.describeHook(h))
	}
	c.page(values, 100)
}

// hook answers 404 itself when it returns nil.
func (c *restCall) hook() *Hook {
	for _, h := range c.repo.Hooks() {
		if "{"+h.id+"}" == c.PathValue("hook") {
			return h
		}
	}
	c.missing()
	return nil
}

// hookInput checks what is sent; it answers 400 itself when it returns false.
func (c *restCall) hookInput() (in hookInput, ok bool) {
	if !c.body(&in) {
		return in, false
	}
	var wrong []string
	if u, err := url.Parse(in.URL); err != nil || u.Host == "" {
		wrong = append(wrong, "Url: Enter a valid URL.")
	}
	if in.Secret.value != nil && len(*in.Secret.value) > 128 {
		wrong = append(wrong, "Secret: Ensure this value has at most 128 characters.")
	}
	if unknown := slices.IndexFunc(in.Events, func(e string) bool { return !c.repo.server.knownEvent(e) }); unknown >= 0 {
		wrong = append(wrong, "Events: Unknown event "+in.Events[unknown])
	}
	if len(in.Events) == 0 {
		wrong = append(wrong, "Events: This field is required.")
	}
	if len(wrong) > 0 {
		c.refuse(http.StatusBadRequest, "Bad request", wrong)
	}
	return in, len(wrong) == 0
}

func (in *hookInput) settings(secret mirror.Secret) hookSettings {
	if in.Secret.set {
		secret = mirror.Secret{}
		if in.Secret.value != nil {
			secret = mirror.NewSecret(*in.Secret.value)
		}
	}
	return hookSettings{url: in.URL, description: in.Description, events: in.Events, paused: !in.Active, secret: secret}
}

// postHook does not mind a webhook with the same address.
func (c *restCall) postHook() {
	in, ok := c.hookInput()
	if !ok {
		return
	}
	h := c.repo.addHook(in.settings(mirror.Secret{}))
	c.w.Header().Set("Location", c.repo.apiURL()+"/hooks/"+url.PathEscape("{"+h.id+"}"))
	writeJSON(c.w, http.StatusCreated, c.describeHook(h))
}

func (c *restCall) getHook() {
	if h := c.hook(); h != nil {
		c.ok(c.describeHook(h))
	}
}

func (c *restCall) putHook() {
	h := c.hook()
	if h == nil {
		return
	}
	in, ok := c.hookInput()
	if !ok {
		return
	}
	h.mu.Lock()
	h.hookSettings = in.settings(h.secret)
	h.mu.Unlock()
	c.ok(c.describeHook(h))
}

func (c *restCall) deleteHook() {
	if h := c.hook(); h != nil {
		c.repo.RemoveHook(h)
		c.w.WriteHeader(http.StatusNoContent)
	}
}

// listRestrictions lists what Restrict made; kind= and pattern= limit it.
func (c *restCall) listRestrictions() {
	q := c.URL.Query()
	c.repo.mu.Lock()
	restrictions := slices.Clone(c.repo.rules.restrictions)
	c.repo.mu.Unlock()
	var values []object
	for i, x := range restrictions {
		if kind := q.Get("kind"); kind != "" && kind != "push" || q.Has("pattern") && q.Get("pattern") != x.pattern {
			continue
		}
		users := []object{}
		for _, name := range x.allowed {
			users = append(users, object{"type": "user", "uuid": c.repo.server.AccountUUID(name), "nickname": name, "links": object{}})
		}
		values = append(values, object{
			"type": "branchrestriction", "id": i + 1, "kind": "push", "branch_match_kind": "glob",
			"pattern": x.pattern, "users": users, "groups": []object{}, "value": nil, "links": object{},
		})
	}
	c.page(values, 100)
}

// HasSecret reports whether deliveries are signed with this secret.
func (h *Hook) HasSecret(secret string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return secret != "" && h.secret.Reveal() == secret
}
