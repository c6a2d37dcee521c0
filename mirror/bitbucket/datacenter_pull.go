package bitbucket

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

const headsPrefix = "refs/heads/"

// serverPull is a pull request as Data Center writes it. Who changes one names the
// version that was read.
type serverPull struct {
	ID          int64            `json:"id"`
	Version     int              `json:"version"`
	Title       string           `json:"title"`
	Description string           `json:"description"`
	State       string           `json:"state"`
	Draft       bool             `json:"draft"`
	UpdatedDate int64            `json:"updatedDate"` // milliseconds
	From        serverRef        `json:"fromRef"`
	To          serverRef        `json:"toRef"`
	Reviewers   []serverReviewer `json:"reviewers"`
	Properties  struct {
		MergeCommit struct {
			ID string `json:"id"`
		} `json:"mergeCommit"`
	} `json:"properties"`
	Links serverLinks `json:"links"`
}

type serverRef struct {
	ID           string           `json:"id"`
	LatestCommit string           `json:"latestCommit,omitempty"`
	Repository   serverRepository `json:"repository"`
}

type serverReviewer struct {
	User serverUser `json:"user"`
}

type serverUser struct {
	Name string `json:"name"`
}

func (r serverRef) tip() mirror.Tip {
	return mirror.Tip{Branch: strings.TrimPrefix(r.ID, headsPrefix), Commit: mirror.ShortHash(r.LatestCommit)}
}

func (p *serverPull) read() (mirror.PullRequest, error) {
	state, ok := pullStates[p.State]
	if !ok || p.ID == 0 {
		return mirror.PullRequest{}, unexpected(fmt.Errorf("pull request %d: state %q", p.ID, cleanText(p.State)))
	}
	r := mirror.PullRequest{
		ID: p.ID, Title: p.Title, Description: p.Description, State: state, URL: p.Links.first(),
		Source: p.From.tip(), Destination: p.To.tip(), UpdatedAt: time.UnixMilli(p.UpdatedDate),
	}
	if from := p.From.Repository.fullName(); !strings.EqualFold(from, p.To.Repository.fullName()) {
		r.Fork = from
	}
	if state == mirror.PullRequestMerged {
		r.MergeCommit = mirror.ShortHash(p.Properties.MergeCommit.ID)
	}
	for _, x := range p.Reviewers {
		r.Reviewers = append(r.Reviewers, x.User.Name)
	}
	return r, nil
}

// FindPullRequest implements [mirror.PullRequests].
func (d *DataCenter) FindPullRequest(ctx context.Context, source, destination string) (*mirror.PullRequest, error) {
	found, err := d.openPulls(ctx, "OUTGOING", source)
	if err != nil {
		return nil, err
	}
	for i := range found {
		if p := &found[i]; p.Fork == "" && p.Source.Branch == source && p.Destination.Branch == destination {
			return p, nil
		}
	}
	return nil, nil
}

// PullRequestsInto implements [mirror.PullRequests].
func (d *DataCenter) PullRequestsInto(ctx context.Context, destination string) ([]mirror.PullRequest, error) {
	found, err := d.openPulls(ctx, "INCOMING", destination)
	found = slices.DeleteFunc(found, func(p mirror.PullRequest) bool { return p.Destination.Branch != destination })
	slices.SortStableFunc(found, func(a, b mirror.PullRequest) int { return b.UpdatedAt.Compare(a.UpdatedAt) })
	return found, err
}

func (d *DataCenter) openPulls(ctx context.Context, direction, branch string) ([]mirror.PullRequest, error) {
	var found []mirror.PullRequest
	var broken error
	r := request{address: d.repository("pull-requests"), scope: repoRead, query: url.Values{
		"state": {"OPEN"}, "direction": {direction}, "at": {headsPrefix + branch},
	}}
	err := listServer(ctx, d, r, func(p serverPull) bool {
		read, err := p.read()
		if err != nil {
			broken = err
			return false
		}
		if read.State == mirror.PullRequestOpen {
			found = append(found, read)
		}
		return true
	})
	if _, e := refusal(err); e != nil && e.Exception == "NoSuchBranchException" {
		return nil, nil // and so no pull request
	}
	if err == nil {
		err = broken
	}
	return found, err
}

// OpenPullRequest implements [mirror.PullRequests]. One that is there already comes with
// the refusal to make another, should somebody be faster.
func (d *DataCenter) OpenPullRequest(ctx context.Context, p mirror.Proposal) (mirror.PullRequest, bool, error) {
	if found, err := d.FindPullRequest(ctx, p.Source, p.Destination); err != nil {
		return mirror.PullRequest{}, false, err
	} else if found != nil {
		return *found, false, nil
	}
	body := struct {
		Title       string    `json:"title"`
		Description string    `json:"description"`
		From        serverRef `json:"fromRef"`
		To          serverRef `json:"toRef"`
	}{
		cut(p.Title, maxTitle), cut(p.Description, maxDescription),
		serverRef{ID: headsPrefix + p.Source, Repository: d.self()}, serverRef{ID: headsPrefix + p.Destination, Repository: d.self()},
	}
	var made serverPull
	err := d.send(ctx, request{method: http.MethodPost, address: d.repository("pull-requests"), scope: repoRead, body: body}, &made)
	created := err == nil
	if _, e := refusal(err); e != nil && e.Exception == "DuplicatePullRequestException" && json.Unmarshal(e.Data, &made) == nil {
		err = nil
	}
	if err != nil {
		return mirror.PullRequest{}, false, proposalFault(err, p)
	}
	read, err := made.read()
	return read, created, err
}

func (d *DataCenter) pull(ctx context.Context, id int64) (serverPull, error) {
	var p serverPull
	err := d.send(ctx, request{address: d.repository("pull-requests", decimal(id)), scope: repoRead}, &p)
	return p, gone(err, fmt.Sprintf("pull request %d", id))
}

// PullRequest implements [mirror.PullRequests].
func (d *DataCenter) PullRequest(ctx context.Context, id int64) (mirror.PullRequest, error) {
	p, err := d.pull(ctx, id)
	if err != nil {
		return mirror.PullRequest{}, err
	}
	return p.read()
}

// change reads a pull request and, if it is open, makes a request about its version.
func (d *DataCenter) change(ctx context.Context, id int64, build func(serverPull) *request) (mirror.PullRequest, error) {
	var read mirror.PullRequest
	err := upToDate(func() error {
		p, err := d.pull(ctx, id)
		if err != nil {
			return err
		}
		if read, err = p.read(); err != nil {
			return err
		}
		if read.State != mirror.PullRequestOpen {
			return closed(id)
		}
		r := build(p)
		if r == nil {
			return nil
		}
		var now serverPull
		if err := d.send(ctx, *r, &now); err != nil {
			return err
		}
		read, err = now.read()
		return err
	})
	if _, e := refusal(err); e != nil && e.Exception == "IllegalPullRequestStateException" {
		err = closed(id) // meanwhile
	}
	return read, gone(reviewersFault(err), fmt.Sprintf("pull request %d", id))
}

// DescribePullRequest implements [mirror.PullRequests].
func (d *DataCenter) DescribePullRequest(ctx context.Context, id int64, title, description string) (mirror.PullRequest, error) {
	title, description = cut(title, maxTitle), cut(description, maxDescription)
	return d.change(ctx, id, func(p serverPull) *request {
		if p.Title == title && sameText(p.Description, description) {
			return nil
		}
		return &request{
			method: http.MethodPut, address: d.repository("pull-requests", decimal(id)), scope: repoWrite,
			body: struct {
				Version     int              `json:"version"`
				Title       string           `json:"title"`
				Description string           `json:"description"`
				Draft       bool             `json:"draft,omitempty"`
				Reviewers   []serverReviewer `json:"reviewers"`
			}{p.Version, title, description, p.Draft, p.Reviewers},
		}
	})
}

// DeclinePullRequest implements [mirror.PullRequests].
func (d *DataCenter) DeclinePullRequest(ctx context.Context, id int64) (mirror.PullRequest, error) {
	return d.change(ctx, id, func(p serverPull) *request {
		return &request{
			method: http.MethodPost, address: d.repository("pull-requests", decimal(id), "decline"), scope: repoWrite,
			query: url.Values{"version": {decimal(int64(p.Version))}}, body: struct{}{},
		}
	})
}
