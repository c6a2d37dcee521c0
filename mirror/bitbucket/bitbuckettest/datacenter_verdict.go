package bitbuckettest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

func (r *Repo) describeServerComment(c Comment) object {
	return object{
		"id": c.ID, "version": c.version, "text": c.Text, "author": object{"name": c.Author}, "comments": []object{},
		"createdDate": c.Created.UnixMilli(), "updatedDate": c.Created.UnixMilli(), "severity": "NORMAL", "state": "OPEN",
	}
}

// serverActivities lists what happened to a pull request, the latest first.
func (c *restCall) serverActivities() {
	id := c.serverPullID()
	if id == 0 {
		return
	}
	var values []object
	for _, v := range slices.Backward(c.repo.PullRequest(id).Comments) {
		if !v.Deleted {
			values = append(values, object{
				"id": v.ID, "action": "COMMENTED", "commentAction": "ADDED", "comment": c.repo.describeServerComment(v),
			})
		}
	}
	c.serverPage(append(values, object{"id": 1, "action": "OPENED"}))
}

func (c *restCall) serverPostComment() {
	id := c.serverPullID()
	var in struct{ Text string }
	if id == 0 || !c.body(&in) {
		return
	}
	made, err := c.repo.addComment(c.by, id, in.Text)
	if err != nil {
		c.reject(http.StatusInternalServerError, "ServerException", err.Error())
		return
	}
	writeJSON(c.w, http.StatusCreated, c.repo.describeServerComment(made))
}

// serverComment answers 404 itself when it returns false.
func (c *restCall) serverComment() (pullRequest int64, _ Comment, ok bool) {
	id := c.serverPullID()
	if id == 0 {
		return 0, Comment{}, false
	}
	for _, v := range c.repo.PullRequest(id).Comments {
		if strconv.FormatInt(v.ID, 10) == c.PathValue("comment") && !v.Deleted {
			return id, v, true
		}
	}
	c.reject(http.StatusNotFound, "comment.NoSuchCommentException", "Comment "+c.PathValue("comment")+" does not exist.")
	return 0, Comment{}, false
}

func (c *restCall) serverGetComment() {
	if _, v, ok := c.serverComment(); ok {
		c.ok(c.repo.describeServerComment(v))
	}
}

func (c *restCall) serverPutComment() {
	id, v, ok := c.serverComment()
	var in struct {
		Version int
		Text    string
	}
	if !ok || !c.body(&in) {
		return
	}
	if in.Version != v.version {
		c.reject(http.StatusConflict, "comment.CommentOutOfDateException",
			"You are attempting to modify a comment based on out-of-date information.")
		return
	}
	now, err := c.repo.editComment(c.by, pullReworded, id, v.ID, func(v *Comment) { v.Text = in.Text })
	if err != nil {
		c.reject(http.StatusInternalServerError, "ServerException", err.Error())
		return
	}
	c.ok(c.repo.describeServerComment(now))
}

func (c *restCall) serverPostBuild() {
	name := c.PathValue("commit")
	hash, err := c.repo.git(nil, "rev-parse", "--verify", "--quiet", name+"^{commit}")
	if strings.Trim(name, "0123456789abcdef") != "" || err != nil {
		_, slug := c.repo.name()
		c.reject(http.StatusNotFound, "commit.NoSuchCommitException", "Commit '"+name+"' does not exist in repository '"+slug+"'.")
		return
	}
	var in struct {
		Status
		Ref string `json:"ref"`
	}
	if !c.body(&in) {
		return
	}
	if in.Key == "" || in.URL == "" || !slices.Contains(statusStates, in.State) {
		c.reject(http.StatusBadRequest, "validation.ArgumentValidationException", "A build has a key, a state and a URL.")
		return
	}
	in.RefName = in.Ref
	c.repo.setStatus(mirror.Hash(strings.TrimSpace(hash)), in.Status)
	c.w.WriteHeader(http.StatusNoContent)
}
