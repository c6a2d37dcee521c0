package bitbucket

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/confmirror/confmirror/mirror"
)

// maxComment is Data Center's bound; the Cloud's is not documented.
const maxComment = 32_000

// comment is one on a pull request.
type comment struct {
	ID      int64     `json:"id"`
	Content content   `json:"content"`
	Deleted bool      `json:"deleted"`
	Links   htmlLinks `json:"links"`
}

type content struct {
	Raw string `json:"raw"`
}

func (c comment) read() mirror.Comment {
	return mirror.Comment{ID: c.ID, Text: c.Content.Raw, URL: webLink(c.Links.HTML.Href)}
}

func (c *Client) comments(pullRequest int64, more ...string) string {
	return c.repository(append([]string{"pullrequests", decimal(pullRequest), "comments"}, more...)...)
}

// FindComment implements [mirror.Comments]. Lists begin with the oldest.
func (c *Client) FindComment(ctx context.Context, pullRequest int64, marker string) (*mirror.Comment, error) {
	var found *mirror.Comment
	r := request{address: c.comments(pullRequest), scope: scopePullRequest, query: url.Values{"pagelen": {"100"}}}
	err := list(ctx, c, r, func(v comment) bool {
		if !v.Deleted && mirror.HasMarker(v.Content.Raw, marker) {
			ours := v.read()
			found = &ours
		}
		return found == nil
	})
	return found, gone(err, fmt.Sprintf("pull request %d", pullRequest))
}

// CreateComment implements [mirror.Comments].
func (c *Client) CreateComment(ctx context.Context, pullRequest int64, text string) (mirror.Comment, error) {
	var made comment
	err := c.send(ctx, request{
		method: http.MethodPost, address: c.comments(pullRequest), scope: scopePullRequest, body: newComment(text),
	}, &made)
	return made.read(), gone(err, fmt.Sprintf("pull request %d", pullRequest))
}

// UpdateComment implements [mirror.Comments].
func (c *Client) UpdateComment(ctx context.Context, pullRequest, id int64, text string) (mirror.Comment, error) {
	var made comment
	err := c.send(ctx, request{
		method: http.MethodPut, address: c.comments(pullRequest, decimal(id)), scope: scopePullRequest, body: newComment(text),
	}, &made)
	return made.read(), gone(err, fmt.Sprintf("comment %d of pull request %d", id, pullRequest))
}

func newComment(text string) any {
	return struct {
		Content content `json:"content"`
	}{content{cut(text, maxComment)}}
}
