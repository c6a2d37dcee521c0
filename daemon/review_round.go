package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// Bounds of a look.
const (
	mostPullRequests = 50
	// freshClone is how many looks a clone serves: nothing is ever removed from it.
	freshClone = 200
)

// reviewRound is one look at a mirror's pull requests.
type reviewRound struct {
	d     *Daemon
	known reviewed
	log   *slog.Logger

	mirror *mirror.Mirror
	remote remote
	last   db.Reviews
	// list: the host is to be asked for the open ones. listed: it was.
	list, listed bool
	// doubt: something is not as it was when the host was last asked.
	doubt bool
}

// run looks once. What was said before an error is remembered.
func (r *reviewRound) run(ctx context.Context, organizationID string) error {
	m, err := r.d.db.Mirror(ctx, organizationID)
	switch {
	case errors.Is(err, mirror.ErrNoMirror):
		r.d.reviews.forget(organizationID)
		return nil
	case err != nil:
		return err
	}
	r.mirror, r.log = m, r.log.With("organization", m.Organization)
	if r.last, err = r.d.db.Reviews(ctx, m); err != nil {
		return err
	}
	if r.remote, err = r.d.connector.remote(m.Settings); err != nil {
		return err
	}
	if r.remote.host == nil || m.Paused || m.Identity.IsZero() {
		return nil
	}
	if err := r.refreshPermissions(); err != nil {
		return err
	}
	if err := r.ask(ctx); err != nil {
		return err
	}
	if len(r.last.Reviews) == 0 {
		r.known.clones = 0
		return os.RemoveAll(r.cloneDir())
	}
	if !r.listed && r.known.head == r.last.Head {
		return nil
	}
	err = r.reviewAll(ctx)
	if len(r.last.Reviews) > 0 && ctx.Err() == nil {
		err = errors.Join(err, r.record(ctx))
	}
	return err
}

// ask asks the host for the open pull requests, if it is time to.
func (r *reviewRound) ask(ctx context.Context) error {
	now := r.d.now()
	r.known.listedAt, r.known.heardAt = r.last.ListedAt, r.last.HeardAt
	told := r.known.asked || r.last.HeardAt.After(r.last.ListedAt)
	if r.list = told || !r.known.listDue().After(now); !r.list {
		return nil
	}
	if budget := r.remote.host.Budget(); !told && budget.Limit > 0 && budget.Used > budget.Limit/2 {
		r.list = false
		return nil
	}
	var open []mirror.PullRequest
	done, err := r.may(cannotList, func() (err error) {
		open, err = r.remote.host.PullRequestsInto(ctx, r.mirror.Branch())
		return err
	})
	if err != nil {
		return err
	}
	if r.last.ListedAt = now; !done {
		return r.record(ctx)
	}
	if len(open) > mostPullRequests {
		r.log.Info("not all open pull requests are reviewed, only the latest ones", "open", len(open), "reviewed", mostPullRequests)
		open = open[:mostPullRequests]
	}
	before := map[int64]db.Review{}
	for _, was := range r.last.Reviews {
		before[was.PullRequest] = was
	}
	r.last.Reviews = nil
	for _, p := range open {
		review := before[p.ID]
		if review.Branch != p.Source.Branch || review.Fork != p.Fork {
			review.Source, review.Destination = "", ""
		}
		review.PullRequest, review.Branch, review.Fork = p.ID, p.Source.Branch, p.Fork
		r.last.Reviews = append(r.last.Reviews, review)
	}
	r.listed = true
	if err := r.record(ctx); err != nil {
		return err
	}
	for _, review := range r.last.Reviews {
		if review != before[review.PullRequest] {
			if err := r.d.db.RecordReview(ctx, r.mirror, review); err != nil {
				return err
			}
		}
	}
	return nil
}

// record remembers the look; reviews are remembered as they are made.
func (r *reviewRound) record(ctx context.Context) error {
	ids := make([]int64, len(r.last.Reviews))
	for i, review := range r.last.Reviews {
		ids[i] = review.PullRequest
	}
	return r.d.db.RecordReviewRound(ctx, r.mirror, r.last.ReviewRound, ids)
}

func (r *reviewRound) cloneDir() string {
	return filepath.Join(r.d.config().DataDir, "reviews", r.mirror.Organization)
}

// reviewAll reviews what is not as it was when it was reviewed last. A clone that does not
// do is made anew once: it holds nothing of anybody's.
func (r *reviewRound) reviewAll(ctx context.Context) error {
	if r.known.clones == 0 || r.known.clones >= freshClone {
		r.known.clones = 0
		if err := os.RemoveAll(r.cloneDir()); err != nil {
			return err
		}
	}
	err := r.reviewIn(ctx)
	if errors.Is(err, mirror.ErrDamaged) || mirror.AsFault(err).Code == mirror.CodeCloneFailed && err != nil {
		r.log.Info("the clone for reviews is made anew", "error", err)
		if err := os.RemoveAll(r.cloneDir()); err != nil {
			return err
		}
		err = r.reviewIn(ctx)
	}
	return err
}

func (r *reviewRound) reviewIn(ctx context.Context) error {
	opened, err := r.d.sessions.openClone(ctx, r.mirror, r.remote, r.cloneDir(), r.d.config().Rules().Limits)
	if err != nil {
		return err
	}
	defer opened.clone.Close()
	r.known.clones++
	var branches []string
	for _, review := range r.last.Reviews {
		if review.Fork == "" && !slices.Contains(branches, review.Branch) && mirror.CheckBranch(review.Branch) == nil {
			branches = append(branches, review.Branch)
		}
	}
	head, err := opened.clone.Remote(ctx, branches...)
	if err != nil || head.Hash == "" {
		return err
	}
	var failed []error
	for i := range r.last.Reviews {
		review := &r.last.Reviews[i]
		source := head.Others[review.Branch]
		if review.Fork != "" { // whose commits are not in this repository
			source = mirror.Hash(review.Fork)
		}
		if source == "" { // it is closed, or will be
			r.doubt = r.doubt || !r.listed
			continue
		}
		if review.Source == source && review.Destination == head.Hash {
			continue
		}
		err := r.reviewOne(ctx, opened.clone, review, head.Hash, source)
		if limit := new(*mirror.LimitError); errors.Is(err, mirror.ErrDamaged) || errors.As(err, limit) || ctx.Err() != nil {
			return err
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("pull request %d: %w", review.PullRequest, err))
		}
	}
	if len(failed) == 0 {
		r.last.Head = head.Hash
	}
	return errors.Join(failed...)
}

// reviewOne reviews one pull request and says what came of it.
func (r *reviewRound) reviewOne(ctx context.Context, c mirror.Clone, review *db.Review, head, source mirror.Hash) error {
	said, err := r.judge(ctx, c, review, head, source)
	if err != nil {
		return err
	}
	err = r.publish(ctx, review, said)
	if err == nil {
		review.Source, review.Destination = source, head
	}
	// What was said before an error is not said again.
	return errors.Join(err, r.d.db.RecordReview(context.WithoutCancel(ctx), r.mirror, *review))
}

// judge finds what there is to say of a pull request.
func (r *reviewRound) judge(ctx context.Context, c mirror.Clone, review *db.Review, head, source mirror.Hash) (reviewSaid, error) {
	if review.Fork != "" {
		return reviewSaid{text: forkText(r.mirror, review.Fork), worth: true}, nil
	}
	if !c.Has(ctx, head) {
		if err := c.Fetch(ctx, head); err != nil {
			return reviewSaid{}, err
		}
	}
	if !c.Has(ctx, source) {
		if err := c.FetchBranch(ctx, review.Branch, source); err != nil {
			return reviewSaid{}, err
		}
	}
	found, err := r.d.runner(r.d.config()).Review(ctx, r.mirror, c, head, source)
	if err != nil || found.Contained { // merged, most likely
		r.doubt = r.doubt || err == nil && !r.listed
		return reviewSaid{}, err
	}
	said := reviewSaid{status: reviewStatus(found, r.mirror), commit: source}
	said.status.URL, said.status.Branch = r.d.pageOf(r.mirror, source), review.Branch
	if !strings.HasPrefix(review.Branch, mirror.ProposalBranch) { // whose description lists what it brings
		said.text, said.worth = reviewText(found, r.mirror)
	}
	return said, nil
}

// unableFor is how long what the credentials lack the permission for is not tried again.
const unableFor = 24 * time.Hour

// refreshPermissions lets everything be said anew that could not be said before, when the
// credentials are other ones, and once a day.
func (r *reviewRound) refreshPermissions() error {
	s := r.mirror.Settings
	credentials, err := r.d.db.Digest("reviews", s.APIURL, s.Workspace, s.Repository, s.ClientID, s.ClientSecret.Reveal(), s.AccessToken.Reveal())
	if err != nil {
		return err
	}
	due := credentials != r.last.Credentials
	for _, at := range r.last.Unable {
		due = due || r.d.now().Sub(at) >= unableFor
	}
	if len(r.last.Unable) > 0 && due {
		r.last.Head = ""
		for i := range r.last.Reviews {
			r.last.Reviews[i].Source = ""
		}
	}
	if credentials != r.last.Credentials || r.last.Unable == nil {
		r.last.Credentials, r.last.Unable = credentials, map[string]time.Time{}
	}
	return nil
}

// What credentials may lack the permission for, as it is said and remembered.
const (
	cannotList = "pull requests cannot be listed"
	noStatuses = "pull requests get no build status"
	noComments = "pull requests get no comment"
)

// may does what takes a permission, unless it is known to lack; that it lacks is said once.
// An error is worth another attempt.
func (r *reviewRound) may(what string, do func() error) (done bool, err error) {
	now := r.d.now()
	since, lacking := r.last.Unable[what]
	if lacking && now.Sub(since) < unableFor {
		return false, nil
	}
	err = do()
	f := mirror.AsFault(err)
	denied, scope := errors.AsType[*mirror.ScopeError](err)
	switch {
	case err == nil:
		delete(r.last.Unable, what)
		return true, nil
	case scope:
		if r.last.Unable[what] = now; !lacking {
			r.log.Warn(what+": the credentials lack a permission; everything else works", "needed", denied.Required, "code", f.Code, "remedy", f.Remedy)
		}
	case f.Class == mirror.Transient:
		return false, err
	default:
		r.log.Info("a pull request is left out: "+what, "code", f.Code, "message", f.Message, "error", err)
	}
	return false, nil
}
