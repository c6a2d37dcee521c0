package bitbucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// Bounds of what people read. What Bitbucket takes at most is not documented for the
// Cloud; Data Center says 255 and 32,768 characters.
const (
	maxTitle       = 255
	maxDescription = 32_000
)

// pull is a pull request as the Cloud writes it
// (https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests/).
type pull struct {
	ID          int64      `json:"id"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	State       string     `json:"state"`
	Draft       bool       `json:"draft"`
	CloseSource bool       `json:"close_source_branch"`
	Source      pullEnd    `json:"source"`
	Destination pullEnd    `json:"destination"`
	MergeCommit *commitRef `json:"merge_commit"`
	Reviewers   []reviewer `json:"reviewers"`
	UpdatedOn   time.Time  `json:"updated_on"`
	Links       htmlLinks  `json:"links"`
}

type pullEnd struct {
	Branch     branchRef `json:"branch"`
	Commit     commitRef `json:"commit"`
	Repository *struct {
		FullName string `json:"full_name"`
	} `json:"repository"` // null when a fork is gone
}

type (
	branchRef struct {
		Name string `json:"name"`
	}
	commitRef struct {
		Hash string `json:"hash"`
	}
	account struct {
		UUID string `json:"uuid"`
	}
	reviewer struct {
		account
		Name string `json:"display_name"`
	}
	htmlLinks struct {
		HTML struct {
			Href string `json:"href"`
		} `json:"html"`
	}
)

// pullStates are what the Cloud's and Data Center's states mean.
var pullStates = map[string]mirror.PullRequestState{
	"OPEN": mirror.PullRequestOpen, "MERGED": mirror.PullRequestMerged,
	"DECLINED": mirror.PullRequestDeclined, "SUPERSEDED": mirror.PullRequestDeclined,
}

func (p *pull) read() (mirror.PullRequest, error) {
	state, ok := pullStates[p.State]
	if !ok || p.ID == 0 {
		return mirror.PullRequest{}, unexpected(fmt.Errorf("pull request %d: state %q", p.ID, cleanText(p.State)))
	}
	r := mirror.PullRequest{
		ID: p.ID, Title: p.Title, Description: p.Description, State: state, URL: webLink(p.Links.HTML.Href),
		Source:      mirror.Tip{Branch: p.Source.Branch.Name, Commit: mirror.ShortHash(p.Source.Commit.Hash)},
		Destination: mirror.Tip{Branch: p.Destination.Branch.Name, Commit: mirror.ShortHash(p.Destination.Commit.Hash)},
		Fork:        p.fork(), UpdatedAt: p.UpdatedOn,
	}
	if p.MergeCommit != nil && state == mirror.PullRequestMerged {
		r.MergeCommit = mirror.ShortHash(p.MergeCommit.Hash)
	}
	for _, a := range p.Reviewers {
		r.Reviewers = append(r.Reviewers, a.UUID)
	}
	return r, nil
}

// fork names the repository of the source when it is not the destination's.
func (p *pull) fork() string {
	switch ours, theirs := p.Destination.Repository, p.Source.Repository; {
	case ours == nil:
		return "" // nothing is said
	case theirs == nil:
		return "a fork that is gone"
	case !strings.EqualFold(ours.FullName, theirs.FullName):
		return theirs.FullName
	}
	return ""
}

// FindPullRequest implements [mirror.PullRequests].
func (c *Client) FindPullRequest(ctx context.Context, source, destination string) (*mirror.PullRequest, error) {
	r := c.openPulls("source.branch.name=" + quote(source) + " AND destination.branch.name=" + quote(destination))
	found, err := c.listPulls(ctx, r, func(p mirror.PullRequest) (take, more bool) {
		ours := p.Fork == "" && p.Source.Branch == source && p.Destination.Branch == destination
		return ours, !ours
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// PullRequestsInto implements [mirror.PullRequests].
func (c *Client) PullRequestsInto(ctx context.Context, destination string) ([]mirror.PullRequest, error) {
	r := c.openPulls("destination.branch.name=" + quote(destination))
	return c.listPulls(ctx, r, func(p mirror.PullRequest) (take, more bool) {
		return p.Destination.Branch == destination, true
	})
}

func (c *Client) openPulls(q string) request {
	return request{address: c.repository("pullrequests"), scope: scopePullRequest, query: url.Values{
		"q": {q + ` AND state="OPEN"`}, "sort": {"-updated_on"}, "pagelen": {"50"}, // more are not given
	}}
}

// listPulls reads open pull requests and keeps what is taken: a filter may be
// misunderstood, so nothing is believed because it was asked for.
func (c *Client) listPulls(ctx context.Context, r request, choose func(mirror.PullRequest) (take, more bool)) ([]mirror.PullRequest, error) {
	var found []mirror.PullRequest
	var broken error
	err := list(ctx, c, r, func(p pull) bool {
		read, err := p.read()
		if err != nil {
			broken = err
			return false
		}
		if read.State != mirror.PullRequestOpen {
			return true
		}
		take, more := choose(read)
		if take {
			found = append(found, read)
		}
		return more
	})
	if err = errors.Join(err, broken); err != nil {
		return nil, err
	}
	return found, nil
}

// pullWrite is what is sent. What is left out of an update is reset: reviewers are, so
// all that can be is sent back.
type pullWrite struct {
	Title       string    `json:"title"`
	Description string    `json:"description"`
	Source      *sendEnd  `json:"source,omitempty"`
	Destination *sendEnd  `json:"destination,omitempty"`
	CloseSource bool      `json:"close_source_branch"`
	Draft       bool      `json:"draft"`
	Reviewers   []account `json:"reviewers,omitempty"`
}

type sendEnd struct {
	Branch branchRef `json:"branch"`
}

// OpenPullRequest implements [mirror.PullRequests]. It looks before it writes: Bitbucket
// answers a second request for the same branches with the first, and no document says
// what becomes of its text.
func (c *Client) OpenPullRequest(ctx context.Context, p mirror.Proposal) (mirror.PullRequest, bool, error) {
	if found, err := c.FindPullRequest(ctx, p.Source, p.Destination); err != nil {
		return mirror.PullRequest{}, false, err
	} else if found != nil {
		return *found, false, nil
	}
	var made pull
	status, err := c.do(ctx, request{
		method: http.MethodPost, address: c.repository("pullrequests"), scope: scopePullWrite,
		body: pullWrite{
			Title: cut(p.Title, maxTitle), Description: cut(p.Description, maxDescription), CloseSource: p.CloseSource,
			Source: &sendEnd{branchRef{p.Source}}, Destination: &sendEnd{branchRef{p.Destination}},
		},
	}, &made)
	if err != nil {
		return mirror.PullRequest{}, false, proposalFault(err, p)
	}
	read, err := made.read()
	return read, status == http.StatusCreated, err
}

func (c *Client) pull(ctx context.Context, id int64) (pull, error) {
	var p pull
	err := c.send(ctx, request{address: c.repository("pullrequests", decimal(id)), scope: scopePullRequest}, &p)
	return p, gone(err, fmt.Sprintf("pull request %d", id))
}

// PullRequest implements [mirror.PullRequests].
func (c *Client) PullRequest(ctx context.Context, id int64) (mirror.PullRequest, error) {
	p, err := c.pull(ctx, id)
	if err != nil {
		return mirror.PullRequest{}, err
	}
	return p.read()
}

// DescribePullRequest implements [mirror.PullRequests].
func (c *Client) DescribePullRequest(ctx context.Context, id int64, title, description string) (mirror.PullRequest, error) {
	p, err := c.pull(ctx, id)
	if err != nil {
		return mirror.PullRequest{}, err
	}
	read, err := p.read()
	if err != nil {
		return read, err
	}
	title, description = cut(title, maxTitle), cut(description, maxDescription)
	switch {
	case read.State != mirror.PullRequestOpen:
		return read, closed(id)
	case p.Title == title && sameText(p.Description, description):
		return read, nil
	}
	write := pullWrite{Title: title, Description: description, CloseSource: p.CloseSource, Draft: p.Draft}
	reviewers := p.Reviewers
	send := func() error {
		write.Reviewers = nil
		for _, r := range reviewers {
			write.Reviewers = append(write.Reviewers, r.account)
		}
		return c.send(ctx, request{
			method: http.MethodPut, address: c.repository("pullrequests", decimal(id)), scope: scopePullWrite, body: write,
		}, &p)
	}
	err = send()
	if _, e := refusal(err); e != nil {
		if left := withoutRefused(reviewers, e.fieldTexts("reviewers")); len(left) < len(reviewers) {
			reviewers = left
			err = send()
		}
	}
	if err != nil {
		return read, gone(reviewersFault(err), fmt.Sprintf("pull request %d", id))
	}
	return p.read()
}

// DeclinePullRequest implements [mirror.PullRequests].
func (c *Client) DeclinePullRequest(ctx context.Context, id int64) (mirror.PullRequest, error) {
	var p pull
	err := c.send(ctx, request{
		method: http.MethodPost, address: c.repository("pullrequests", decimal(id), "decline"), scope: scopePullWrite,
	}, &p)
	if err == nil {
		return p.read()
	}
	if f, _ := refusal(err); f != nil && f.Code == mirror.CodeRequestRefused {
		// What is said of one that is closed is not documented: see what it is.
		if now, look := c.PullRequest(ctx, id); look == nil && now.State != mirror.PullRequestOpen {
			return now, closed(id)
		}
	}
	return mirror.PullRequest{}, gone(err, fmt.Sprintf("pull request %d", id))
}

func decimal(id int64) string { return strconv.FormatInt(id, 10) }
