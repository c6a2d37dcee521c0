package bitbuckettest

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
)

const textBadToken = "Token is invalid, expired, or not supported for this endpoint."

// authenticateREST answers 401, or 429, itself when it returns nil.
func (s *Server) authenticateREST(w http.ResponseWriter, r *http.Request) *principal {
	if r.Header.Get("Authorization") == "" && !r.URL.Query().Has("access_token") {
		w.Header().Set("WWW-Authenticate", realm)
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	// A token in the address is refused even when it is good (CHANGE-3052).
	p := s.restPrincipal(r)
	if p == nil || r.URL.Query().Has("access_token") {
		restError(w, http.StatusUnauthorized, textBadToken, nil)
		return nil
	}
	if !s.limits.take(p.account, s.options.Now()) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, textRateLimit)
		return nil
	}
	return p
}

// hasWorkspace: workspaces exist by what is in them.
func (s *Server) hasWorkspace(workspace string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.repos {
		if w, _ := r.name(); strings.EqualFold(w, workspace) {
			return true
		}
	}
	for _, c := range s.consumers {
		if strings.EqualFold(c.Workspace, workspace) {
			return true
		}
	}
	return false
}

// describe is the body of GET /2.0/repositories/{workspace}/{slug}.
func (r *Repo) describe() object {
	r.mu.Lock()
	mainBranch, signed := r.mainBranch, r.rules.signed
	r.mu.Unlock()
	api, html := r.apiURL(), r.htmlURL()
	link := func(href string) object { return object{"href": href} }
	// Clone links carry a user's name.
	clone, _ := url.Parse(r.URL())
	clone.User = url.User(r.server.people[0].Username)

	o := r.summary()
	o["links"] = object{
		"self": link(api), "html": link(html), "avatar": link(html + "/avatar/32"),
		"pullrequests": link(api + "/pullrequests"), "commits": link(api + "/commits"),
		"forks": link(api + "/forks"), "watchers": link(api + "/watchers"),
		"branches": link(api + "/refs/branches"), "tags": link(api + "/refs/tags"),
		"downloads": link(api + "/downloads"), "source": link(api + "/src"), "hooks": link(api + "/hooks"),
		"clone": []object{
			{"name": "https", "href": clone.String()},
			{"name": "ssh", "href": "git@bitbucket.org:" + r.FullName() + ".git"},
		},
	}
	_, slug := r.name()
	o["slug"] = strings.ToLower(slug)
	o["description"] = ""
	o["language"] = ""
	o["fork_policy"] = "no_public_forks"
	o["created_on"] = "2026-01-02T03:04:05.678901+00:00"
	o["updated_on"] = r.server.options.Now().UTC().Format("2006-01-02T15:04:05.000000-07:00")
	o["size"] = 0
	o["has_issues"], o["has_wiki"] = false, false
	o["override_settings"] = object{"default_merge_strategy": false, "branching_model": false}
	o["enforced_signed_commits"] = nil
	o["mainbranch"] = nil
	if signed {
		o["enforced_signed_commits"] = true
	}
	if mainBranch != "" {
		o["mainbranch"] = object{"name": mainBranch, "type": "branch"}
		o["size"] = diskSize(r.dir)
	}
	return o
}

// summary is the repository as webhooks show it.
func (r *Repo) summary() object {
	workspace, slug := r.name()
	id := stableUUID("workspace/" + strings.ToLower(workspace))
	return object{
		"type": "repository", "full_name": r.FullName(), "name": slug, "uuid": r.uuid,
		"scm": "git", "website": nil, "is_private": true, "parent": nil,
		"owner": object{
			"type": "team", "username": workspace, "display_name": workspace, "uuid": id, "links": object{},
		},
		"workspace": object{
			"type": "workspace", "slug": workspace, "name": workspace, "uuid": id, "links": object{},
		},
		"project": object{
			"type": "project", "key": "CONF", "name": "Configuration",
			"uuid": stableUUID("project/" + strings.ToLower(workspace)), "links": object{},
		},
		"links": object{
			"self": object{"href": r.apiURL()}, "html": object{"href": r.htmlURL()},
			"avatar": object{"href": r.htmlURL() + "/avatar/32"},
		},
	}
}

func (r *Repo) apiURL() string  { return r.server.APIURL() + "/repositories/" + r.FullName() }
func (r *Repo) htmlURL() string { return r.server.URL() + "/" + r.FullName() }

func diskSize(dir string) int64 {
	var size int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // gone while walking
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}
