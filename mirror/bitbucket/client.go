package bitbucket

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// Target is a repository, and where its REST interface is.
type Target struct {
	Workspace, Slug string
	// URL is the interface's base; "" is mirror.DefaultAPIURL. (A plain git host has no
	// such interface, and so no Client.)
	URL string
	// HTTP makes the requests; nil is a client with sane timeouts. Its redirect
	// policy is replaced.
	HTTP *http.Client
	// UserAgent is sent, as "confmirror/1.2.3"; "" is "confmirror".
	UserAgent string
}

// Client reads one repository's facts. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	target    Target
	tokens    Tokens
	http      *http.Client
	userAgent string
}

var _ mirror.Host = (*Client)(nil)

// NewClient checks the target. It makes no request.
func NewClient(t Target, tokens Tokens) (*Client, error) {
	base, err := checkURL("api_url", cmp.Or(t.URL, mirror.DefaultAPIURL))
	if err != nil {
		return nil, err
	}
	if err := checkName(t.Workspace, t.Slug); err != nil {
		return nil, err
	}
	return &Client{
		base: base, target: t, tokens: tokens,
		http: sameOrigin(t.HTTP), userAgent: cmp.Or(t.UserAgent, defaultUserAgent),
	}, nil
}

// maxAnswer bounds what is read of any answer.
const maxAnswer = 4 << 20

// get reads a JSON resource; segments are escaped. A refused token is renewed once.
func (c *Client) get(ctx context.Context, into any, segments ...string) error {
	token, err := c.tokens.Token(ctx, mirror.Secret{})
	if err != nil {
		return err
	}
	apiErr, err := c.try(ctx, into, token, segments)
	if err != nil || apiErr == nil {
		return err
	}
	if apiErr.Status == http.StatusUnauthorized {
		fresh, err := c.tokens.Token(ctx, token)
		if err != nil {
			return err
		}
		if fresh != token {
			apiErr, err = c.try(ctx, into, fresh, segments)
			if err != nil || apiErr == nil {
				return err
			}
		}
	}
	return c.fault(apiErr)
}

// try makes one request. A refusal is an *APIError, anything else a fault.
func (c *Client) try(ctx context.Context, into any, token mirror.Secret, segments []string) (*APIError, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.address(segments), nil)
	if err != nil {
		return nil, unreachable("Bitbucket's address is not usable.", nil)
	}
	// Only in the header: tokens in the address are refused since CHANGE-3052.
	r.Header.Set("Authorization", "Bearer "+token.Reveal())
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", c.userAgent)
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, transportFault("Bitbucket's REST interface", r.URL, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, transportFault("Bitbucket's REST interface", r.URL, err)
	}
	if answer.StatusCode != http.StatusOK {
		return decodeError(answer, body, time.Now(), token.Reveal()), nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		// For instance the page of a proxy that wants a login.
		return nil, unreachable("Bitbucket's REST interface answered with something unexpected.",
			fmt.Errorf("%s: %w", r.URL.Host, err))
	}
	return nil, nil
}

func (c *Client) address(segments []string) string {
	escaped := make([]string, len(segments))
	for i, s := range segments {
		escaped[i] = url.PathEscape(s)
	}
	return strings.TrimSuffix(c.base.String(), "/") + "/" + strings.Join(escaped, "/")
}
