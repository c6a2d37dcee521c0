package bitbucket

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// Target is a repository, and where its REST interface is.
type Target struct {
	Workspace, Slug string // of Data Center: the project's key, the repository's slug
	// URL is the interface's base; "" is mirror.DefaultAPIURL. (A plain git host has no
	// such interface, and so no Client.)
	URL string
	// HTTP makes the requests; nil is a client with sane timeouts. Its redirect
	// policy is replaced.
	HTTP *http.Client
	// UserAgent is sent, as "confmirror/1.2.3"; "" is "confmirror".
	UserAgent string
	// Paces share a consumer's hourly budget among its clients; nil: no pacing.
	Paces *Paces
}

// Client is one repository on Bitbucket Cloud. It is safe for concurrent use.
type Client struct{ wire }

var _ mirror.Forge = (*Client)(nil)

// NewClient checks the target. It makes no request.
func NewClient(t Target, tokens Tokens) (*Client, error) {
	t.URL = cmp.Or(t.URL, mirror.DefaultAPIURL)
	w, err := newWire(t, tokens, cloudHourly)
	if err != nil {
		return nil, err
	}
	c := &Client{w}
	c.explain = c.fault
	return c, nil
}

// repository is a path below the repository's resource.
func (c *Client) repository(segments ...string) string {
	return c.address(append([]string{"repositories", c.target.Workspace, c.target.Slug}, segments...)...)
}

// send makes a request of the repository; scope is what it needs, for those who lack it.
func (c *Client) send(ctx context.Context, r request, into any) error {
	_, err := c.do(ctx, r, into)
	return err
}

// quote writes a text in the language of q=.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
