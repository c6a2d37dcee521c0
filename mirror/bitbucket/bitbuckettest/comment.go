package bitbuckettest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// Comment is a comment on a pull request.
type Comment struct {
	ID      int64
	Text    string
	Author  string // display name
	Deleted bool
	Created time.Time

	version int // Data Center's
}

// Comment adds a comment as the first person.
func (r *Repo) Comment(pullRequest int64, text string) (Comment, error) {
	return r.addComment(r.server.somebody(mirror.Signature{}), pullRequest, text)
}

func (r *Repo) addComment(by *principal, pullRequest int64, text string) (Comment, error) {
	r.mu.Lock()
	p := r.pullLocked(pullRequest)
	if p == nil {
		r.mu.Unlock()
		return Comment{}, errAbsent
	}
	p.lastComment++
	c := Comment{ID: pullRequest*1000 + p.lastComment, Text: text, Author: by.name, Created: r.server.options.Now()}
	p.Comments = append(p.Comments, c)
	r.mu.Unlock()
	return c, r.tellPull(pullCommented, by, pullRequest, &c)
}

// DeleteComment deletes a comment, as the first person.
func (r *Repo) DeleteComment(pullRequest, comment int64) error {
	_, err := r.editComment(r.server.somebody(mirror.Signature{}), pullSilenced, pullRequest, comment, func(c *Comment) {
		c.Text, c.Deleted = "", true
	})
	return err
}

func (r *Repo) editComment(by *principal, event pullEvent, pullRequest, comment int64, edit func(*Comment)) (Comment, error) {
	r.mu.Lock()
	var found *Comment
	if p := r.pullLocked(pullRequest); p != nil {
		for i := range p.Comments {
			if p.Comments[i].ID == comment && !p.Comments[i].Deleted {
				found = &p.Comments[i]
			}
		}
	}
	if found == nil {
		r.mu.Unlock()
		return Comment{}, errAbsent
	}
	edit(found)
	found.version++
	c := *found
	r.mu.Unlock()
	return c, r.tellPull(event, by, pullRequest, &c)
}

func (r *Repo) describeComment(pullRequest int64, c Comment) object {
	return object{
		"type": "pullrequest_comment", "id": c.ID, "deleted": c.Deleted, "pending": false,
		"content": object{"type": "rendered", "raw": c.Text, "markup": "markdown", "html": ""},
		"user":    object{"type": "user", "display_name": c.Author, "links": object{}},
		"links": object{
			"self": object{"href": fmt.Sprintf("%s/pullrequests/%d/comments/%d", r.apiURL(), pullRequest, c.ID)},
			"html": object{"href": fmt.Sprintf("%s/pull-requests/%d/_/diff#comment-%d", r.htmlURL(), pullRequest, c.ID)},
		},
		"created_on": isoTime(c.Created), "updated_on": isoTime(c.Created),
	}
}

// listComments lists the oldest first, deleted ones too.
func (c *restCall) listComments() {
	id := c.pullID()
	if id == 0 {
		return
	}
	var values []object
	for _, v := range c.repo.PullRequest(id).Comments {
		values = append(values, c.repo.describeComment(id, v))
	}
	c.page(values, 100)
}

// commentText reads what is written; it answers 400 itself when it returns "".
func (c *restCall) commentText() string {
	var in struct {
		Content struct {
			Raw string `json:"raw"`
		} `json:"content"`
	}
	if !c.body(&in) {
		return ""
	}
	if in.Content.Raw == "" {
		c.refuse(http.StatusBadRequest, "Bad request", object{"content": []string{"This field is required."}})
	}
	return in.Content.Raw
}

func (c *restCall) postComment() {
	id := c.pullID()
	if id == 0 {
		return
	}
	text := c.commentText()
	if text == "" {
		return
	}
	made, err := c.repo.addComment(c.by, id, text)
	if err != nil {
		c.fail(err)
		return
	}
	writeJSON(c.w, http.StatusCreated, c.repo.describeComment(id, made))
}

func (c *restCall) putComment() {
	if text := c.commentText(); text != "" {
		c.commentEdited(pullReworded, func(v *Comment) { v.Text = text })
	}
}

func (c *restCall) deleteComment() {
	c.commentEdited(pullSilenced, func(v *Comment) { v.Text, v.Deleted = "", true })
}

func (c *restCall) commentEdited(event pullEvent, edit func(*Comment)) {
	id := c.pullID()
	if id == 0 {
		return
	}
	comment, _ := strconv.ParseInt(c.PathValue("comment"), 10, 64)
	now, err := c.repo.editComment(c.by, event, id, comment, edit)
	switch {
	case err != nil:
		c.missing()
	case now.Deleted:
		c.w.WriteHeader(http.StatusNoContent)
	default:
		c.ok(c.repo.describeComment(id, now))
	}
}
