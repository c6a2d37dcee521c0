package bitbucket

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// serverComment is a comment on a pull request.
type serverComment struct {
	ID      int64  `json:"id"`
	Version int    `json:"version"`
	Text    string `json:"text"`
}

func (d *DataCenter) comment(pullRequest int64, c serverComment) mirror.Comment {
	return mirror.Comment{ID: c.ID, Text: c.Text, URL: fmt.Sprintf("%s://%s/projects/%s/repos/%s/pull-requests/%d/overview?commentId=%d",
		d.base.Scheme, d.base.Host+d.context(), d.target.Workspace, d.target.Slug, pullRequest, c.ID)}
}

// context is the path that the host is at, "" as a rule.
func (d *DataCenter) context() string {
	before, _, _ := strings.Cut(d.base.Path, "/rest/")
	return before
}

func (d *DataCenter) comments(pullRequest int64, more ...string) string {
	return d.repository(append([]string{"pull-requests", decimal(pullRequest), "comments"}, more...)...)
}

// FindComment implements [mirror.Comments]. Comments on the whole are listed among all
// that happened only, the latest first.
func (d *DataCenter) FindComment(ctx context.Context, pullRequest int64, marker string) (*mirror.Comment, error) {
	var found *mirror.Comment
	type activity struct {
		Comment *serverComment `json:"comment"`
	}
	r := request{address: d.repository("pull-requests", decimal(pullRequest), "activities"), scope: repoRead}
	err := listServer(ctx, d, r, func(a activity) bool {
		if a.Comment != nil && mirror.HasMarker(a.Comment.Text, marker) {
			ours := d.comment(pullRequest, *a.Comment)
			found = &ours
		}
		return found == nil
	})
	return found, gone(err, fmt.Sprintf("pull request %d", pullRequest))
}

// CreateComment implements [mirror.Comments].
func (d *DataCenter) CreateComment(ctx context.Context, pullRequest int64, text string) (mirror.Comment, error) {
	var made serverComment
	err := d.send(ctx, request{
		method: http.MethodPost, address: d.comments(pullRequest), scope: repoRead,
		body: map[string]string{"text": cut(text, maxComment)},
	}, &made)
	return d.comment(pullRequest, made), gone(err, fmt.Sprintf("pull request %d", pullRequest))
}

// UpdateComment implements [mirror.Comments].
func (d *DataCenter) UpdateComment(ctx context.Context, pullRequest, id int64, text string) (mirror.Comment, error) {
	var made serverComment
	address := d.comments(pullRequest, decimal(id))
	err := upToDate(func() error {
		var now serverComment
		if err := d.send(ctx, request{address: address, scope: repoRead}, &now); err != nil {
			return err
		}
		now.Text = cut(text, maxComment)
		return d.send(ctx, request{method: http.MethodPut, address: address, scope: repoRead, body: now}, &made)
	})
	return d.comment(pullRequest, made), gone(err, fmt.Sprintf("comment %d of pull request %d", id, pullRequest))
}

// SetStatus implements [mirror.Statuses].
func (d *DataCenter) SetStatus(ctx context.Context, commit mirror.Hash, s mirror.Status) error {
	body := newBuildStatus(s)
	if s.Branch != "" {
		body.Ref = headsPrefix + s.Branch
	}
	err := d.send(ctx, request{
		method: http.MethodPost, address: d.repository("commits", string(commit), "builds"), scope: repoRead, body: body,
	}, nil)
	return gone(err, fmt.Sprintf("the commit %.12s", commit))
}
