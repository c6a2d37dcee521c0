package bitbuckettest

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// describeServerPull is a pull request's JSON on Data Center: whole hashes, and a
// version that every change must name.
func (r *Repo) describeServerPull(id int64) object {
	r.mu.Lock()
	live := r.pullLocked(id)
	p, by, version := live.snapshot(), live.by, live.version
	r.mu.Unlock()
	end := func(branch string, hash any) object {
		return object{
			"id": "refs/heads/" + branch, "displayId": branch, "type": "BRANCH", "latestCommit": hash,
			"repository": r.serverSummary(),
		}
	}
	reviewers := []object{}
	for _, name := range p.Reviewers {
		reviewers = append(reviewers, object{"user": object{"name": name, "slug": name}, "role": "REVIEWER", "approved": false})
	}
	o := object{
		"id": id, "version": version, "title": p.Title, "description": p.Description, "state": p.State,
		"open": p.State == PullOpen, "closed": p.State != PullOpen, "draft": p.Draft, "locked": false,
		"createdDate": p.Created.UnixMilli(), "updatedDate": p.Updated.UnixMilli(),
		"fromRef": end(p.Source, p.SourceHash), "toRef": end(p.Destination, p.DestinationHash),
		"author": object{"user": object{"name": by.name, "slug": by.name}, "role": "AUTHOR"}, "reviewers": reviewers,
		"properties": object{"commentCount": len(p.Comments)},
		"links":      selfLink(r.serverURL() + "/pull-requests/" + strconv.FormatInt(id, 10)),
	}
	if p.MergeCommit != "" {
		o["properties"].(object)["mergeCommit"] = object{"id": p.MergeCommit, "displayId": shortHash(p.MergeCommit)[:11]}
	}
	return o
}

// serverListPulls lists those into a branch, or out of one with direction=OUTGOING; the newest first.
func (c *restCall) serverListPulls() {
	q := c.URL.Query()
	state, at := q.Get("state"), strings.TrimPrefix(q.Get("at"), "refs/heads/")
	if state == "" {
		state = PullOpen
	}
	var values []object
	for _, p := range slices.Backward(c.repo.PullRequests()) {
		branch := p.Destination
		if q.Get("direction") == "OUTGOING" {
			branch = p.Source
		}
		if (state == "ALL" || p.State == state) && (at == "" || at == branch) {
			values = append(values, c.repo.describeServerPull(p.ID))
		}
	}
	c.serverPage(values)
}

// serverPullInput is what is sent of a pull request.
type serverPullInput struct {
	Version     int       `json:"version"`
	Title       string    `json:"title"`
	Description string    `json:"description"`
	From        serverEnd `json:"fromRef"`
	To          serverEnd `json:"toRef"`
	Reviewers   []struct {
		User struct {
			Name string `json:"name"`
		} `json:"user"`
	} `json:"reviewers"`
}

type serverEnd struct {
	ID string `json:"id"`
}

func (c *restCall) serverPostPull() {
	var in serverPullInput
	if !c.body(&in) {
		return
	}
	want := PullRequest{
		Title: in.Title, Description: in.Description,
		Source: strings.TrimPrefix(in.From.ID, "refs/heads/"), Destination: strings.TrimPrefix(in.To.ID, "refs/heads/"),
	}
	p, made, err := c.repo.openPull(c.by, want)
	noBranch := func(name string) {
		c.reject(http.StatusNotFound, "repository.NoSuchBranchException", `Branch "refs/heads/`+name+`" does not exist in repository.`)
	}
	switch {
	case errors.Is(err, errNoSource):
		noBranch(want.Source)
	case errors.Is(err, errNoDestination):
		noBranch(want.Destination)
	case errors.Is(err, errNoChanges):
		c.reject(http.StatusConflict, "pull.EmptyPullRequestException", "This pull request contains no changes and cannot be created.")
	case err != nil:
		c.reject(http.StatusInternalServerError, "ServerException", err.Error())
	case !made:
		serverFault{http.StatusConflict, "pull.DuplicatePullRequestException",
			"Only one pull request may be open for a given source and target branch"}.write(c.w, object{
			"existingPullRequest": c.repo.describeServerPull(p.ID),
		})
	default:
		writeJSON(c.w, http.StatusCreated, c.repo.describeServerPull(p.ID))
	}
}

// serverPullID answers 404 itself when it returns 0.
func (c *restCall) serverPullID() int64 {
	id, err := strconv.ParseInt(c.PathValue("id"), 10, 64)
	if err != nil || c.repo.PullRequest(id).ID == 0 {
		c.reject(http.StatusNotFound, "pull.NoSuchPullRequestException",
			"Pull request "+c.PathValue("id")+" does not exist in "+c.repo.FullName()+".")
		return 0
	}
	return id
}

func (c *restCall) serverGetPull() {
	if id := c.serverPullID(); id != 0 {
		c.ok(c.repo.describeServerPull(id))
	}
}

// serverChange makes a change and answers a change; version is that which was sent.
func (c *restCall) serverChange(id int64, version int, change func() error) {
	c.repo.mu.Lock()
	now := c.repo.pullLocked(id).version
	c.repo.mu.Unlock()
	if now != version {
		c.reject(http.StatusConflict, "pull.PullRequestOutOfDateException",
			"You are attempting to modify a pull request based on out-of-date information.")
		return
	}
	switch err := change(); {
	case errors.Is(err, errClosed):
		c.reject(http.StatusConflict, "pull.IllegalPullRequestStateException", "This pull request has already been closed.")
	case err != nil:
		c.reject(http.StatusInternalServerError, "ServerException", err.Error())
	default:
		c.ok(c.repo.describeServerPull(id))
	}
}

func (c *restCall) serverPutPull() {
	var in serverPullInput
	id := c.serverPullID()
	if id == 0 || !c.body(&in) {
		return
	}
	var reviewers []string
	for _, x := range in.Reviewers {
		if !slices.ContainsFunc(c.repo.server.people, func(p Person) bool { return p.Username == x.User.Name }) {
			c.reject(http.StatusConflict, "pull.InvalidPullRequestReviewersException", x.User.Name+" is not a user.")
			return
		}
		reviewers = append(reviewers, x.User.Name)
	}
	c.serverChange(id, in.Version, func() error {
		return c.repo.editPull(c.by, id, func(p *PullRequest) {
			p.Title, p.Description, p.Reviewers = in.Title, in.Description, reviewers
		})
	})
}

func (c *restCall) serverDeclinePull() {
	id := c.serverPullID()
	if id == 0 {
		return
	}
	version, err := strconv.Atoi(c.URL.Query().Get("version"))
	if err != nil {
		version = -1
	}
	c.serverChange(id, version, func() error { return c.repo.declinePull(c.by, id) })
}
