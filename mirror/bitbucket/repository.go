package bitbucket

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/confmirror/confmirror/mirror"
)

// Repository implements [mirror.Host]: GET /repositories/{workspace}/{slug}
// (https://developer.atlassian.com/cloud/bitbucket/rest/api-group-repositories/).
func (c *Client) Repository(ctx context.Context) (mirror.Repository, error) {
	var b struct {
		UUID       string `json:"uuid"`
		FullName   string `json:"full_name"`
		MainBranch *struct {
			Name string `json:"name"`
		} `json:"mainbranch"` // null while empty
		// EnforcedSignedCommits is new and undocumented; null everywhere it was seen.
		EnforcedSignedCommits json.RawMessage `json:"enforced_signed_commits"`
		Links                 struct {
			HTML struct {
				Href string `json:"href"`
			} `json:"html"`
		} `json:"links"`
	}
	if err := c.send(ctx, request{address: c.repository(), scope: scopeRepository}, &b); err != nil {
		return mirror.Repository{}, err
	}
	if b.UUID == "" && b.FullName == "" {
		return mirror.Repository{}, unexpected(nil)
	}
	r := mirror.Repository{
		UUID: b.UUID, FullName: b.FullName, URL: webLink(b.Links.HTML.Href),
		SignedCommitsRequired: isSet(b.EnforcedSignedCommits),
	}
	if b.MainBranch != nil {
		r.MainBranch = b.MainBranch.Name
	}
	return r, nil
}

// isSet: anything but null, false and emptiness.
func isSet(raw json.RawMessage) bool {
	switch string(raw) {
	case "", "null", "false", `""`, "0", "[]", "{}":
		return false
	}
	return true
}

// webLink makes a remote's link fit to be shown: a web address without the user
// name that Bitbucket puts into some of its links, or "".
func webLink(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	u.User = nil
	return u.String()
}
