package bitbucket

import (
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// Bounds of a build status: the key's is documented, the others fit into what people see.
const (
	maxStatusKey  = 40
	maxStatusText = 255
)

// buildStatus is what both hosts take, but for the branch
// (https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses/).
type buildStatus struct {
	Key         string `json:"key"`
	State       string `json:"state"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	URL         string `json:"url"`
	RefName     string `json:"refname,omitempty"` // the Cloud's
	Ref         string `json:"ref,omitempty"`     // Data Center's
}

var statusStates = map[mirror.StatusState]string{
	mirror.StatusSuccessful: "SUCCESSFUL", mirror.StatusFailed: "FAILED", mirror.StatusInProgress: "INPROGRESS",
}

func newBuildStatus(s mirror.Status) buildStatus {
	return buildStatus{
		Key: statusKey(cmp.Or(s.Key, mirror.StatusKey)), State: statusStates[s.State],
		Name: cut(cleanText(s.Name), maxStatusText), Description: cut(cleanText(s.Description), maxStatusText),
		URL: s.URL,
	}
}

// statusKey keeps a key short by its digest.
func statusKey(key string) string {
	if len(key) <= maxStatusKey {
		return key
	}
	sum := sha1.Sum([]byte(key))
	return hex.EncodeToString(sum[:])
}

// literal escapes the braces of an address: the Cloud takes it for a template, and puts
// parts of the repository and the commit in their places.
var literal = strings.NewReplacer("{", "%7B", "}", "%7D")

// SetStatus implements [mirror.Statuses]. The same key overwrites.
func (c *Client) SetStatus(ctx context.Context, commit mirror.Hash, s mirror.Status) error {
	body := newBuildStatus(s)
	body.URL, body.RefName = literal.Replace(body.URL), s.Branch
	err := c.send(ctx, request{
		method: http.MethodPost, address: c.repository("commit", string(commit), "statuses", "build"),
		scope: scopeRepository, body: body,
	}, nil)
	return gone(err, fmt.Sprintf("the commit %.12s", commit))
}
