package bitbuckettest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// Status is a build status of a commit.
type Status struct {
	Key         string `json:"key"`
	State       string `json:"state"`
	Name        string `json:"name"`
	Description string `json:"description"`
	URL         string `json:"url"` // as it is shown: what is in braces has been replaced
	RefName     string `json:"refname"`
	Writes      int    `json:"-"` // how often it was set
}

// Statuses are a commit's, in the order in which their keys came.
func (r *Repo) Statuses(commit mirror.Hash) []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Status
	for _, s := range r.statuses[commit] {
		all = append(all, *s)
	}
	return all
}

// setStatus puts a status; the same key overwrites.
func (r *Repo) setStatus(commit mirror.Hash, in Status) (_ Status, fresh bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.statuses == nil {
		r.statuses = make(map[mirror.Hash][]*Status)
	}
	for _, s := range r.statuses[commit] {
		if s.Key == in.Key {
			in.Writes = s.Writes + 1
			*s = in
			return in, false
		}
	}
	in.Writes = 1
	r.statuses[commit] = append(r.statuses[commit], &in)
	return in, true
}

// commitHash answers 404 itself when it returns "".
func (c *restCall) commitHash() mirror.Hash {
	name := c.PathValue("commit")
	if strings.Trim(name, "0123456789abcdef") == "" {
		if hash, err := c.repo.git(nil, "rev-parse", "--verify", "--quiet", name+"^{commit}"); err == nil {
			return mirror.Hash(strings.TrimSpace(hash))
		}
	}
	c.refuse(http.StatusNotFound, "Commit not found", nil)
	return ""
}

func (c *restCall) listStatuses() {
	hash := c.commitHash()
	if hash == "" {
		return
	}
	var values []object
	for _, s := range c.repo.Statuses(hash) {
		values = append(values, c.describeStatus(hash, s))
	}
	c.page(values, 100)
}

func (c *restCall) describeStatus(hash mirror.Hash, s Status) object {
	return object{
		"type": "build", "key": s.Key, "state": s.State, "name": s.Name, "description": s.Description,
		"url": s.URL, "refname": s.RefName, "uuid": stableUUID("status/" + string(hash) + s.Key),
		"commit": object{"type": "commit", "hash": hash, "links": object{}}, "links": object{},
	}
}

var statusStates = []string{"SUCCESSFUL", "FAILED", "INPROGRESS", "STOPPED"}

// postStatus serves the PUT of a key as well.
func (c *restCall) postStatus() {
	hash := c.commitHash()
	var in Status
	if hash == "" || !c.body(&in) {
		return
	}
	if key := c.PathValue("key"); key != "" {
		in.Key = key
	}
	var wrong []string
	if in.Key == "" || len(in.Key) > 40 {
		wrong = append(wrong, "key: between 1 and 40 characters")
	}
	if !slices.Contains(statusStates, in.State) {
		wrong = append(wrong, "state: one of "+strings.Join(statusStates, ", "))
	}
	in.URL = c.expand(in.URL, hash)
	if u, err := url.Parse(in.URL); err != nil || u.Host == "" {
		wrong = append(wrong, "url: enter a valid URL")
	}
	if len(wrong) > 0 {
		c.refuse(http.StatusBadRequest, "Bad request", wrong)
		return
	}
	s, fresh := c.repo.setStatus(hash, in)
	status, event := http.StatusOK, "repo:commit_status_updated"
	if fresh {
		status, event = http.StatusCreated, "repo:commit_status_created"
	}
	described := c.describeStatus(hash, s)
	body, err := json.Marshal(object{"commit_status": described, "repository": c.repo.summary(), "actor": c.by.actor()})
	if err != nil {
		c.fail(err)
		return
	}
	for _, h := range c.repo.subscribed(event) {
		h.deliver(event, body)
	}
	writeJSON(c.w, status, described)
}

// expand fills the template that a status's address is.
func (c *restCall) expand(template string, commit mirror.Hash) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(template, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		switch name {
		case "repository.full_name":
			b.WriteString(c.repo.FullName())
		case "commit.hash":
			b.WriteString(string(commit))
		}
		template = after
	}
}
