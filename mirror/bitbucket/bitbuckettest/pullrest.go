package bitbuckettest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// pullInput is what is sent of a pull request. What an update leaves out of it is
// reset, reviewers too; title and branches are not.
type pullInput struct {
	Title       *string  `json:"title"`
	Description *string  `json:"description"`
	Source      pullSide `json:"source"`
	Destination pullSide `json:"destination"`
	CloseSource bool     `json:"close_source_branch"`
	Draft       bool     `json:"draft"`
	Reviewers   []struct {
		UUID string `json:"uuid"`
	} `json:"reviewers"`
}

type pullSide struct {
	Branch struct {
		Name string `json:"name"`
	} `json:"branch"`
}

func (in *pullInput) apply(p *PullRequest) {
	if in.Title != nil {
		p.Title = *in.Title
	}
	if in.Description != nil {
		p.Description = *in.Description
	}
	if in.Destination.Branch.Name != "" {
		p.Destination = in.Destination.Branch.Name
	}
	p.CloseSource, p.Draft, p.Reviewers = in.CloseSource, in.Draft, nil
	for _, a := range in.Reviewers {
		p.Reviewers = append(p.Reviewers, a.UUID)
	}
}

// badReviewer is what Bitbucket says of reviewers that it does not take; "" of good ones.
// Members of the workspace are who AccountUUID names.
func (c *restCall) badReviewer(in pullInput) string {
	var members []string
	for i := range c.repo.server.people {
		members = append(members, c.repo.server.AccountUUID(c.repo.server.people[i].Username))
	}
	for _, a := range in.Reviewers {
		switch {
		case !strings.HasPrefix(a.UUID, "{"):
			return "Malformed reviewers list"
		case a.UUID == c.by.actor()["uuid"]:
			return a.UUID + " is the author and cannot be included as a reviewer."
		case !slices.Contains(members, a.UUID):
			return a.UUID + " is not a member of this workspace and cannot be added to this pull request"
		}
	}
	return ""
}

// AccountUUID is a person's uuid, for reviewers.
func (s *Server) AccountUUID(username string) string { return stableUUID("account/" + username) }

// listPulls: without q and state only open ones are listed.
func (c *restCall) listPulls() {
	q := c.URL.Query()
	states := q["state"]
	if len(states) == 0 && !q.Has("q") {
		states = []string{PullOpen}
	}
	pulls := c.repo.PullRequests()
	slices.SortStableFunc(pulls, func(a, b PullRequest) int {
		switch q.Get("sort") {
		case "-updated_on":
			return b.Updated.Compare(a.Updated)
		case "updated_on":
			return a.Updated.Compare(b.Updated)
		}
		return int(b.ID - a.ID)
	})
	var values []object
	for _, p := range pulls {
		if len(states) == 0 || slices.Contains(states, p.State) {
			values = append(values, c.repo.describePull(p.ID, false))
		}
	}
	values, err := filter(values, q.Get("q"))
	if err != nil {
		c.refuse(http.StatusBadRequest, err.Error(), nil)
		return
	}
	c.page(values, 50)
}

func (c *restCall) postPull() {
	var in pullInput
	if !c.body(&in) {
		return
	}
	if in.Title == nil || *in.Title == "" {
		c.refuse(http.StatusBadRequest, "Bad request", object{"title": []string{"This field is required."}})
		return
	}
	if bad := c.badReviewer(in); bad != "" {
		c.refuse(http.StatusBadRequest, "Bad request", object{"reviewers": []string{bad}})
		return
	}
	want := PullRequest{Source: in.Source.Branch.Name, Destination: c.repo.MainBranch()}
	in.apply(&want)
	p, made, err := c.repo.openPull(c.by, want)
	switch {
	case errors.Is(err, errNoSource):
		c.refuse(http.StatusBadRequest, err.Error()+": "+want.Source, nil)
	case errors.Is(err, errNoDestination):
		c.refuse(http.StatusBadRequest, err.Error()+": "+want.Destination, nil)
	case errors.Is(err, errNoChanges):
		c.refuse(http.StatusBadRequest, "There are no changes to be pulled", nil)
	case err != nil:
		c.fail(err)
	case !made: // nothing public tells the status
		c.ok(c.repo.describePull(p.ID, true))
	default:
		c.w.Header().Set("Location", fmt.Sprintf("%s/pullrequests/%d", c.repo.apiURL(), p.ID))
		writeJSON(c.w, http.StatusCreated, c.repo.describePull(p.ID, true))
	}
}

// pullID is 0 when there is no such pull request: then 404 is answered.
func (c *restCall) pullID() int64 {
	id, err := strconv.ParseInt(c.PathValue("id"), 10, 64)
	if err != nil || c.repo.PullRequest(id).ID == 0 {
		c.missing()
		return 0
	}
	return id
}

func (c *restCall) getPull() {
	if id := c.pullID(); id != 0 {
		c.ok(c.repo.describePull(id, true))
	}
}

// changed answers with the pull request after a change.
func (c *restCall) changed(id int64, err error) {
	switch {
	case errors.Is(err, errClosed):
		c.refuse(http.StatusBadRequest, "This pull request is already closed.", nil)
	case err != nil:
		c.fail(err)
	default:
		c.ok(c.repo.describePull(id, true))
	}
}

func (c *restCall) putPull() {
	var in pullInput
	id := c.pullID()
	if id == 0 || !c.body(&in) {
		return
	}
	if bad := c.badReviewer(in); bad != "" {
		c.refuse(http.StatusBadRequest, "Bad request", object{"reviewers": []string{bad}})
		return
	}
	c.changed(id, c.repo.editPull(c.by, id, in.apply))
}

func (c *restCall) declinePull() {
	if id := c.pullID(); id != 0 {
		c.changed(id, c.repo.declinePull(c.by, id))
	}
}

func (c *restCall) mergePull() {
	id := c.pullID()
	if id == 0 {
		return
	}
	in := struct {
		Message     string        `json:"message"`
		CloseSource *bool         `json:"close_source_branch"`
		Strategy    MergeStrategy `json:"merge_strategy"`
	}{Strategy: MergeCommit}
	if c.ContentLength != 0 && !c.body(&in) {
		return
	}
	if in.CloseSource != nil {
		if err := c.repo.editPull(c.by, id, func(p *PullRequest) { p.CloseSource = *in.CloseSource }); err != nil {
			c.changed(id, err)
			return
		}
	}
	_, err := c.repo.mergePull(c.by, id, in.Strategy, in.Message)
	if err != nil && !errors.Is(err, errClosed) {
		c.refuse(http.StatusConflict, err.Error(), nil)
		return
	}
	c.changed(id, err)
}
