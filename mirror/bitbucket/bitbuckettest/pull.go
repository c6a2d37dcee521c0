package bitbuckettest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// Pull request states.
const (
	PullOpen     = "OPEN"
	PullMerged   = "MERGED"
	PullDeclined = "DECLINED"
)

// PullRequest is a pull request as it is now. Its branches are of this repository:
// the stand-in has no forks.
type PullRequest struct {
	ID                          int64
	Title, Description          string
	State                       string
	Source, Destination         string
	SourceHash, DestinationHash mirror.Hash // when it was closed, once it is
	MergeCommit                 mirror.Hash
	Reviewers                   []string // uuids
	CloseSource, Draft          bool
	Created, Updated            time.Time
	Comments                    []Comment
}

type pull struct {
	PullRequest
	by, closedBy *principal
	version      int // Data Center's
	lastComment  int64
}

// Why a pull request is not made or not changed.
var (
	errNoSource      = errors.New("source: branch not found")
	errNoDestination = errors.New("destination: branch not found")
	errNoChanges     = errors.New("there are no changes to be pulled")
	errClosed        = errors.New("this pull request is not open")
	errAbsent        = errors.New("no such pull request")
)

// PullRequests are all of them, oldest first.
func (r *Repo) PullRequests() []PullRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]PullRequest, len(r.pulls))
	for i, p := range r.pulls {
		all[i] = p.snapshot()
	}
	return all
}

// PullRequest is the one with an id; the zero value when there is none.
func (r *Repo) PullRequest(id int64) PullRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.pullLocked(id); p != nil {
		return p.snapshot()
	}
	return PullRequest{}
}

func (p *pull) snapshot() PullRequest {
	s := p.PullRequest
	s.Reviewers = slices.Clone(p.Reviewers)
	s.Comments = slices.Clone(p.Comments)
	return s
}

func (r *Repo) pullLocked(id int64) *pull {
	for _, p := range r.pulls {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// OpenPullRequest makes a pull request as the first person. The one that is open between
// the two branches already is given instead.
func (r *Repo) OpenPullRequest(source, destination, title string) (PullRequest, error) {
	p, _, err := r.openPull(r.server.somebody(mirror.Signature{}), PullRequest{Source: source, Destination: destination, Title: title})
	return p, err
}

func (r *Repo) openPull(by *principal, want PullRequest) (_ PullRequest, made bool, err error) {
	r.refs.Lock()
	defer r.refs.Unlock()
	heads, err := r.Branches()
	if err != nil {
		return PullRequest{}, false, err
	}
	want.SourceHash, want.DestinationHash = heads[want.Source], heads[want.Destination]
	switch {
	case want.SourceHash == "":
		return PullRequest{}, false, errNoSource
	case want.DestinationHash == "":
		return PullRequest{}, false, errNoDestination
	}
	if news, err := r.git(nil, "rev-list", "--max-count=1", string(want.SourceHash), "--not", string(want.DestinationHash)); err != nil {
		return PullRequest{}, false, err
	} else if news == "" {
		return PullRequest{}, false, errNoChanges
	}
	r.mu.Lock()
	for _, p := range r.pulls {
		if p.State == PullOpen && p.Source == want.Source && p.Destination == want.Destination {
			defer r.mu.Unlock()
			return p.snapshot(), false, nil
		}
	}
	p := &pull{PullRequest: want, by: by}
	p.ID, p.State = int64(len(r.pulls)+1), PullOpen
	p.Created = r.server.options.Now()
	p.Updated = p.Created
	r.pulls = append(r.pulls, p)
	snapshot := p.snapshot()
	r.mu.Unlock()
	return snapshot, true, r.tellPull(pullCreated, by, p.ID, nil)
}

// EditPullRequest changes a pull request as a person does on the web.
func (r *Repo) EditPullRequest(id int64, edit func(*PullRequest)) error {
	return r.editPull(r.server.somebody(mirror.Signature{}), id, edit)
}

func (r *Repo) editPull(by *principal, id int64, edit func(*PullRequest)) error {
	r.mu.Lock()
	p := r.pullLocked(id)
	switch {
	case p == nil:
		r.mu.Unlock()
		return errAbsent
	case p.State != PullOpen:
		r.mu.Unlock()
		return errClosed
	}
	edit(&p.PullRequest)
	p.touch(r.server.options.Now())
	r.mu.Unlock()
	return r.tellPull(pullUpdated, by, id, nil)
}

// touch notes a change; its caller holds the repository's mu. Times do not stand still,
// so that lists have an order.
func (p *pull) touch(now time.Time) {
	p.version++
	if next := p.Updated.Add(time.Microsecond); now.Before(next) {
		now = next
	}
	p.Updated = now
}

// Decline closes a pull request for good, as the first person.
func (r *Repo) Decline(id int64) error {
	return r.declinePull(r.server.somebody(mirror.Signature{}), id)
}

func (r *Repo) declinePull(by *principal, id int64) error {
	r.refs.Lock()
	defer r.refs.Unlock()
	if err := r.closePull(id, PullDeclined, by, ""); err != nil {
		return err
	}
	return r.tellPull(pullRejected, by, id, nil)
}

func (r *Repo) closePull(id int64, state string, by *principal, merge mirror.Hash) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pullLocked(id)
	switch {
	case p == nil:
		return errAbsent
	case p.State != PullOpen:
		return errClosed
	}
	p.State, p.closedBy, p.MergeCommit = state, by, merge
	p.touch(r.server.options.Now())
	return nil
}

// followPulls notes where the branches of open pull requests stand now. One whose
// commits reached the destination by a push is merged. Its caller holds r.refs.
func (r *Repo) followPulls(by *principal, changes []refChange) error {
	for _, p := range r.PullRequests() {
		if p.State != PullOpen {
			continue
		}
		source, moved := headAfter(changes, p.Source, p.SourceHash)
		destination, grown := headAfter(changes, p.Destination, p.DestinationHash)
		if !moved && !grown {
			continue
		}
		r.mu.Lock()
		live := r.pullLocked(p.ID)
		live.SourceHash, live.DestinationHash = source, destination
		live.touch(r.server.options.Now())
		r.mu.Unlock()
		event := pullPushed
		if grown {
			left, err := r.git(nil, "rev-list", "--max-count=1", string(source), "--not", string(destination))
			if err != nil {
				return err
			}
			if left == "" {
				event = pullMerged
				if err := r.closePull(p.ID, PullMerged, by, destination); err != nil {
					return err
				}
			} else if !moved {
				continue // nobody is told that the destination moved
			}
		}
		if err := r.tellPull(event, by, p.ID, nil); err != nil {
			return err
		}
	}
	return nil
}

// headAfter is where a branch stands after changes; one that was deleted stays where it was.
func headAfter(changes []refChange, branch string, before mirror.Hash) (mirror.Hash, bool) {
	for _, c := range changes {
		if c.ref == "refs/heads/"+branch && c.new != "" {
			return mirror.Hash(c.new), true
		}
	}
	return before, false
}

// MergeStrategy is how a pull request becomes commits.
type MergeStrategy string

// The strategies (https://support.atlassian.com/bitbucket-cloud/docs/merge-a-pull-request/).
const (
	MergeCommit MergeStrategy = "merge_commit" // always a commit with two parents
	Squash      MergeStrategy = "squash"       // one commit of all, without a link to the source
	FastForward MergeStrategy = "fast_forward" // the source's own commits; a merge commit where that cannot be
)

// Merge merges a pull request, as the first person: no rule holds it up.
func (r *Repo) Merge(id int64, strategy MergeStrategy) (mirror.Hash, error) {
	return r.mergePull(r.server.somebody(mirror.Signature{}), id, strategy, "")
}

func (r *Repo) mergePull(by *principal, id int64, strategy MergeStrategy, message string) (mirror.Hash, error) {
	var made mirror.Hash
	err := r.update(by, func() error {
		p := r.PullRequest(id)
		switch p.State {
		case "":
			return errAbsent
		case PullOpen:
		default:
			return errClosed
		}
		var err error
		if made, err = r.mergedHead(by, p, strategy, message); err != nil {
			return err
		}
		if _, err = r.git(nil, "update-ref", "refs/heads/"+p.Destination, string(made), string(p.DestinationHash)); err != nil {
			return err
		}
		return r.closePull(id, PullMerged, by, made)
	})
	if err != nil {
		return "", err
	}
	if err := r.tellPull(pullMerged, by, id, nil); err != nil {
		return "", err
	}
	p := r.PullRequest(id)
	if !p.CloseSource {
		return made, nil
	}
	return made, r.update(by, func() error {
		_, err := r.git(nil, "update-ref", "-d", "refs/heads/"+p.Source, string(p.SourceHash))
		return err
	})
}

// mergedHead makes the commit that the destination moves to.
func (r *Repo) mergedHead(by *principal, p PullRequest, strategy MergeStrategy, message string) (mirror.Hash, error) {
	source, destination := string(p.SourceHash), string(p.DestinationHash)
	if strategy == FastForward {
		if lost, err := r.git(nil, "rev-list", "--max-count=1", destination, "--not", source); err != nil || lost == "" {
			return p.SourceHash, err
		}
	}
	tree, err := r.git(nil, "merge-tree", "--write-tree", destination, source)
	if err != nil {
		return "", fmt.Errorf("bitbuckettest: pull request %d has conflicts: %w", p.ID, err)
	}
	if message == "" {
		message = fmt.Sprintf("Merged in %s (pull request #%d)\n\n%s\n", p.Source, p.ID, p.Title)
	}
	args := []string{"commit-tree", strings.TrimSpace(tree), "-m", message, "-p", destination}
	if strategy != Squash {
		args = append(args, "-p", source)
	}
	when := fmt.Sprintf("%d +0000", r.server.options.Now().Unix())
	env := []string{"GIT_AUTHOR_DATE=" + when, "GIT_COMMITTER_DATE=" + when}
	if by.person != nil {
		env = append(env, "GIT_AUTHOR_NAME="+by.person.Name, "GIT_AUTHOR_EMAIL="+by.person.Email)
	}
	hash, err := r.server.git.runWith(r.server.ctx, env, r.dir, nil, args...)
	return mirror.Hash(strings.TrimSpace(hash)), err
}
