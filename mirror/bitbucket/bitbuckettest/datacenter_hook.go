package bitbuckettest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// serverHook is a webhook's JSON. A PUT replaces all of it: a secret that is left out is gone.
type serverHook struct {
	ID            int      `json:"id"`
	Name          string   `json:"name"`
	URL           string   `json:"url"`
	Active        bool     `json:"active"`
	Events        []string `json:"events"`
	Configuration struct {
		Secret string `json:"secret,omitempty"`
	} `json:"configuration"`
}

// describeServerHook numbers webhooks by their place, which is good until one is removed.
func (c *restCall) describeServerHook(id int, h *Hook) serverHook {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := serverHook{ID: id, Name: h.description, URL: h.url, Active: !h.paused, Events: h.events}
	o.Configuration.Secret = h.secret.Reveal()
	return o
}

func (in serverHook) settings() hookSettings {
	return hookSettings{
		url: in.URL, description: in.Name, events: in.Events, paused: !in.Active,
		secret: mirror.NewSecret(in.Configuration.Secret),
	}
}

func (c *restCall) serverListHooks() {
	values := []object{}
	for i, h := range c.repo.Hooks() {
		d := c.describeServerHook(i+1, h)
		values = append(values, object{
			"id": d.ID, "name": d.Name, "url": d.URL, "active": d.Active, "events": d.Events, "configuration": d.Configuration,
		})
	}
	c.serverPage(values)
}

// serverHookInput answers 400 itself when it returns false.
func (c *restCall) serverHookInput() (in serverHook, ok bool) {
	if !c.body(&in) {
		return in, false
	}
	u, err := url.Parse(in.URL)
	unknown := slices.ContainsFunc(in.Events, func(e string) bool { return !c.repo.server.knownEvent(e) })
	if err != nil || u.Host == "" || in.Name == "" || unknown || len(in.Events) == 0 {
		c.reject(http.StatusBadRequest, "validation.ArgumentValidationException", "A webhook has a name, a URL and known events.")
		return in, false
	}
	return in, true
}

func (c *restCall) serverPostHook() {
	if in, ok := c.serverHookInput(); ok {
		h := c.repo.addHook(in.settings())
		writeJSON(c.w, http.StatusCreated, c.describeServerHook(len(c.repo.Hooks()), h))
	}
}

func (c *restCall) serverPutHook() {
	id, err := strconv.Atoi(c.PathValue("hook"))
	hooks := c.repo.Hooks()
	if err != nil || id < 1 || id > len(hooks) {
		c.reject(http.StatusNotFound, "webhook.NoSuchWebhookException", "No such webhook.")
		return
	}
	if in, ok := c.serverHookInput(); ok {
		h := hooks[id-1]
		h.mu.Lock()
		h.hookSettings = in.settings()
		h.mu.Unlock()
		c.ok(c.describeServerHook(id, h))
	}
}

// zeroHash stands for no commit.
var zeroHash = strings.Repeat("0", 40)

const serverDate = "2006-01-02T15:04:05-0700" // without a colon

// serverActor is who did it.
func serverActor(by *principal) object {
	return object{"name": by.name, "slug": by.name, "displayName": by.name, "id": 1, "active": true, "type": "NORMAL"}
}

// refsChangedBodies builds the repo:refs_changed body
// (https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html): only hashes.
func (r *Repo) refsChangedBodies(by *principal, changes []refChange, _ map[string]string) (pushBodies, error) {
	list := []object{}
	for _, c := range changes {
		kind, name := "BRANCH", strings.TrimPrefix(c.ref, "refs/heads/")
		if tag, ok := strings.CutPrefix(c.ref, "refs/tags/"); ok {
			kind, name = "TAG", tag
		}
		o := object{
			"ref":   object{"id": c.ref, "displayId": name, "type": kind},
			"refId": c.ref, "fromHash": c.old, "toHash": c.new, "type": "UPDATE",
		}
		if c.old == "" {
			o["fromHash"], o["type"] = zeroHash, "ADD"
		}
		if c.new == "" {
			o["toHash"], o["type"] = zeroHash, "DELETE"
		}
		list = append(list, o)
	}
	body := r.serverBody(r.server.pushEvent(), by)
	body["repository"] = r.serverSummary()
	body["changes"] = list
	full, err := json.Marshal(body)
	if err != nil {
		return pushBodies{}, err
	}
	body["changes"] = []object{}
	empty, err := json.Marshal(body)
	return pushBodies{full, empty}, err
}

func (r *Repo) serverBody(event string, by *principal) object {
	return object{"eventKey": event, "date": r.server.options.Now().UTC().Format(serverDate), "actor": serverActor(by)}
}

// serverPullBody names the repository within the pull request only.
func (r *Repo) serverPullBody(event string, by *principal, id int64, comment *Comment) object {
	body := r.serverBody(event, by)
	body["pullRequest"] = r.describeServerPull(id)
	if comment != nil {
		body["comment"] = r.describeServerComment(*comment)
	}
	return body
}

// Ping sends what "Test connection" sends. Some versions do not sign it.
func (h *Hook) Ping() { h.deliver("diagnostics:ping", []byte(`{"test": true}`)) }
