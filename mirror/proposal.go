package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ProposalBranch is where changes of the database wait for people to merge them, for a
// mirror of the repository's main branch.
const ProposalBranch = "confmirror/sync"

const (
	// directAgain: a branch that refused a push is tried again after so long.
	directAgain = 24 * time.Hour
	// askAgain: a pull request is looked at again after so long, though nothing tells
	// that something became of it.
	askAgain = 5 * time.Minute
)

// Proposed is what a mirror remembers of its proposal: commits on a branch of their own,
// and a pull request for them. What is on that branch is in the intents for it.
type Proposed struct {
	// Branch is where it is, "" while there is none; Head is its last known commit.
	Branch string `json:"branch,omitempty"`
	Head   Hash   `json:"head,omitempty"`
	// Base is the head of the mirrored branch that it started at, or was merged with last.
	Base Hash `json:"base,omitempty"`
	// Entities counts what waits.
	Entities int `json:"entities,omitempty"`
	// PullRequest is its number, 0 while there is none. Described is the commit that its
	// text is about.
	PullRequest int64  `json:"pull_request,omitempty"`
	URL         string `json:"url,omitempty"`
	Described   Hash   `json:"described,omitempty"`
	// Asked is when the host was last asked about it, or told of it in vain: Trouble says
	// why, and Mend what to do about it.
	Asked   time.Time `json:"asked,omitzero"`
	Trouble string    `json:"trouble,omitempty"`
	Mend    string    `json:"mend,omitempty"`
	// Unmerged names files that people changed there and on the mirrored branch, so that
	// they have to merge it; "" if there are none.
	Unmerged string `json:"unmerged,omitempty"`
	// Refused is when the branch itself refused a push of the connection RefusedAs.
	Refused   time.Time `json:"refused,omitzero"`
	RefusedAs string    `json:"refused_as,omitempty"`
}

// ended is what is remembered once nothing waits any more.
func (p Proposed) ended() Proposed { return Proposed{Refused: p.Refused, RefusedAs: p.RefusedAs} }

// proposalBranch is the name of the mirror's proposal branch; main is the repository's main
// branch, as far as known. Mirrors of several branches or prefixes of one repository have
// one each: what is merged or declined is one mirror's.
func proposalBranch(m *Mirror, main string) string {
	switch {
	case m.Proposed.Branch != "":
		return m.Proposed.Branch
	case m.Settings.Branch == "" || main == "" || main == m.Branch():
		return named(m.Identity.Prefix)
	}
	return named(m.Branch(), m.Identity.Prefix)
}

// named is ProposalBranch with what tells mirrors apart.
func named(parts ...string) string {
	name := ProposalBranch
	for _, part := range parts {
		if part != "" {
			name += "-" + part
		}
	}
	return ProposalBranch + strings.TrimRight(strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, name[len(ProposalBranch):]), "-")
}

// proposalBranches are the names that it may have: none where nothing is proposed.
func proposalBranches(m *Mirror) []string {
	switch {
	case m.Proposed.Branch != "":
		return []string{m.Proposed.Branch}
	case m.Settings.Push == PushPullRequest, m.Settings.Push == PushAuto:
		return slices.Compact([]string{named(m.Identity.Prefix), named(m.Branch(), m.Identity.Prefix)})
	}
	return nil
}

func refOf(branch string) string { return "refs/heads/" + branch }

// fate is what became of the proposal since the last run.
type fate int

const (
	stillOpen fate = iota // or there is none
	merged
	declined
	withdrawn // pushes go to the branch itself again
)

// proposal is the proposal branch as a round of a run observes it.
type proposal struct {
	branch string
	head   Hash // "" where there is none
	fate   fate
	// mergedTip is what was merged, where nothing in the branch's history tells; "" with
	// mergedAll: all that there was.
	mergedTip Hash
	mergedAll bool
	// declinedTip is what was declined, where its branch is gone.
	declinedTip Hash
	// all: everything proposed is planned again.
	all     bool
	askedAt time.Time
	// gone: the host does not know the pull request any more; closed: it is not open.
	gone, closed bool
}

// proposes reports whether exports go to the proposal branch.
func (r *run) proposes() bool {
	p := &r.mirror.Proposed
	switch r.mirror.Settings.Push {
	case PushPullRequest:
		return true
	case PushAuto:
		by := r.byHand() && r.refusedNow.IsZero()
		at := p.Refused
		if !r.refusedNow.IsZero() {
			return true
		}
		return !by && p.RefusedAs == r.mirror.Settings.pusher() && r.Now().Sub(at) < directAgain
	}
	return false
}

// byHand reports whether a person asked for the run, who may have mended what was in the way.
func (r *run) byHand() bool { return r.req.Person || r.mirror.Requested > r.mirror.Covered }

// proposing reports whether there may be a proposal branch that counts.
func (r *run) proposing() bool { return r.mirror.Proposed.Head != "" || r.proposes() }

// pusher names whose pushes a branch refuses or takes.
func (s Settings) pusher() string {
	return strings.Join([]string{string(s.Push), s.GitURL, s.Workspace, s.Repository, s.ClientID}, " ")
}

// observeProposal looks at the proposal branch, and finds out what became of it.
func (r *run) observeProposal(ctx context.Context, v *view) error {
	p, m := &v.proposal, r.mirror
	if !v.looked || p.branch == "" || !r.proposing() {
		return nil
	}
	if p.head != "" && !r.clone.Has(ctx, p.head) {
		if err := r.clone.FetchBranch(ctx, p.branch, p.head); err != nil {
			return err
		}
	}
	known := m.Proposed
	p.all = r.req.Full || r.undescribed() || v.head != m.RemoteSeen || p.head != known.Head
	if known.Head == "" {
		return nil
	}
	in, err := contains(ctx, r.clone, v.head, known.Head)
	if err != nil {
		return err
	}
	switch {
	case in:
		p.fate = merged
	case !r.proposes():
		p.fate = withdrawn
	default:
		r.askHost(ctx, v)
		if p.fate == stillOpen && p.head == "" {
			p.fate = declined // nobody can merge it any more
		}
	}
	if p.fate == declined && p.head == "" {
		p.declinedTip = known.Head
	}
	p.all = p.all || p.fate != stillOpen
	return nil
}

// askHost asks what became of the pull request, if something may have.
func (r *run) askHost(ctx context.Context, v *view) {
	p, known := &v.proposal, r.mirror.Proposed
	if r.req.PullRequests == nil || known.PullRequest == 0 {
		return
	}
	moved := v.head != r.mirror.RemoteSeen || p.head != known.Head
	if !moved && !r.req.LookAtPullRequest && r.Now().Sub(known.Asked) < askAgain {
		return
	}
	p.askedAt = r.Now().UTC()
	pr, err := r.req.PullRequests.PullRequest(ctx, known.PullRequest)
	p.closed = err == nil && pr.State != PullRequestOpen
	switch {
	case errors.Is(err, ErrGone):
		p.gone = true
	case err != nil:
		r.log.Warn("the pull request could not be looked at", "pull_request", known.PullRequest, "error", err)
	case pr.State == PullRequestMerged:
		p.fate = merged
		for _, tip := range []Hash{p.head, known.Head} {
			if tip != "" && pr.Source.Commit.Abbreviates(tip) {
				p.mergedTip = tip
				return
			}
		}
		p.mergedAll = p.head == "" // else what was merged is in the history of what is there, or does not matter
	case pr.State == PullRequestDeclined:
		p.fate = declined
	}
}

// judge tells of a commit that an intent names whether it was merged, and whether it
// waits on the proposal branch.
func (p *proposal) judge(ctx context.Context, c Clone, commit Hash) (landed, waiting bool, err error) {
	if p.fate == merged {
		if landed, err = contains(ctx, c, p.mergedTip, commit); landed || err != nil {
			return landed, false, err
		}
		if p.mergedAll {
			return true, false, nil
		}
	}
	waiting, err = contains(ctx, c, cmp.Or(p.head, p.declinedTip), commit)
	return false, waiting, err
}

// endProposal closes what was merged, declined or withdrawn: the branch goes, unless
// people have put something on it that is nowhere else. The next proposal starts anew.
func (a *apply) endProposal(ctx context.Context) error {
	p := &a.view.proposal
	known := a.mirror.Proposed
	if p.fate == stillOpen {
		if p.gone {
			a.s.Proposed.PullRequest, a.s.Proposed.URL, a.s.Proposed.Described = 0, "", ""
		}
		return nil
	}
	a.log.Info("the proposal has ended", "outcome", p.fate.String(), "pull_request", known.PullRequest, "branch", p.branch)
	a.s.Proposed = known.ended()
	if p.head == "" {
		a.declineWithoutBranch(ctx)
		return nil
	}
	ours := p.head == known.Head || p.fate == declined // the host keeps what was declined
	if p.fate == merged && !ours {
		in, err := contains(ctx, a.clone, a.view.head, p.head)
		if err != nil {
			return err
		}
		ours = in || p.mergedTip == p.head
	}
	if !ours {
		if p.fate == merged { // what came after it waits on
			a.s.Proposed.Branch, a.s.Proposed.Head = p.branch, p.head
		}
		return nil
	}
	err := a.clone.DeleteBranch(ctx, p.branch, p.head)
	if errors.Is(err, ErrStale) {
		return err // somebody was faster: look again
	}
	if err != nil {
		a.log.Warn("the proposal branch could not be deleted; it is built on", "branch", p.branch, "error", err)
		return nil
	}
	p.head = ""
	if p.fate == withdrawn {
		a.declineWithoutBranch(ctx)
	}
	return nil
}

// declineWithoutBranch declines what nobody can merge any more. An earlier run may have
// died, or people deleted the branch.
func (a *apply) declineWithoutBranch(ctx context.Context) {
	p, id := &a.view.proposal, a.mirror.Proposed.PullRequest
	if a.req.PullRequests == nil || id == 0 || p.closed || p.fate == merged {
		return
	}
	if _, err := a.req.PullRequests.DeclinePullRequest(ctx, id); err != nil && !errors.Is(err, ErrClosed) {
		a.log.Warn("the pull request is open without its branch; decline it by hand", "pull_request", id, "error", err)
	}
}

func (f fate) String() string {
	return [...]string{"open", "merged", "declined", "withdrawn"}[f]
}

// proposedCondition tells people that something waits for them.
func (a *apply) proposedCondition(now time.Time) *Detail {
	p := &a.s.Proposed
	if p.Head == "" {
		return nil
	}
	d := &Detail{Code: CodePullRequestOpen, Since: now}
	what := fmt.Sprintf("%d changes of the database wait on the branch %s", p.Entities, p.Branch)
	if p.Entities == 1 {
		what = "1 change of the database waits on the branch " + p.Branch
	}
	switch {
	case p.PullRequest != 0:
		d.Message = fmt.Sprintf("%s in pull request %d: %s", what, p.PullRequest, p.URL)
		d.Remedy = "Review and merge it. Declining it holds the changes."
	case p.Trouble != "":
		d.Message = fmt.Sprintf("%s; the pull request could not be opened: %s", what, p.Trouble)
		d.Remedy = fmt.Sprintf("%s Or open a pull request from %s into %s by hand.", cmp.Or(p.Mend, "It is tried again."), p.Branch, a.mirror.Branch())
	default:
		d.Message = what + "."
		d.Remedy = fmt.Sprintf("Open a pull request from %s into %s, and merge it.", p.Branch, a.mirror.Branch())
	}
	if p.Unmerged != "" {
		d.Message += fmt.Sprintf(" It conflicts with %s in %s.", a.mirror.Branch(), p.Unmerged)
		d.Remedy = fmt.Sprintf("People changed the same there and on %s: merge that into %s by hand, or take the change back there. ", a.mirror.Branch(), p.Branch) + d.Remedy
	}
	if was := a.mirror.State.condition(d.Code); was != nil {
		d.Since = cmp.Or(was.Since, now)
	}
	return d
}
