package mirror

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
)

// mostListed bounds the entities that a pull request's text lists.
const mostListed = 100

// undescribed reports whether there is something to say to the host about the proposal.
func (r *run) undescribed() bool {
	p := &r.mirror.Proposed
	return r.req.PullRequests != nil && p.Head != "" && p.Entities > 0 && (p.PullRequest == 0 || p.Described != p.Head) && r.mayOffer()
}

// mayOffer reports whether the host may be told, after it was in vain.
func (r *run) mayOffer() bool {
	p := &r.mirror.Proposed
	return p.Trouble == "" || r.byHand() || r.Now().Sub(p.Asked) >= askAgain
}

// offer opens the pull request for what is proposed, or brings its text up to date. It may
// fail: the branch is there, and it is tried again.
func (a *apply) offer(ctx context.Context) {
	p, host := &a.s.Proposed, a.req.PullRequests
	switch {
	case host == nil || a.proposed == nil || p.Head == "" || p.Entities == 0 || a.more():
		return
	case p.PullRequest != 0 && p.Described == p.Head:
		return
	case p.Head == a.mirror.Proposed.Head && !a.mayOffer():
		return
	}
	title, text := a.proposalText()
	pr, created, err := PullRequest{ID: p.PullRequest}, false, error(nil)
	if p.PullRequest == 0 {
		pr, created, err = host.OpenPullRequest(ctx, Proposal{
			Source: p.Branch, Destination: a.mirror.Branch(), Title: title, Description: text, CloseSource: true,
		})
	}
	if err == nil && !created {
		pr, err = host.DescribePullRequest(ctx, pr.ID, title, text)
	}
	p.Asked, p.Trouble, p.Mend = a.Now().UTC(), "", ""
	switch {
	case err == nil:
		p.PullRequest, p.URL, p.Described = pr.ID, pr.URL, p.Head
		a.log.Info("proposed to people", "pull_request", pr.ID, "url", pr.URL, "entities", p.Entities)
	case errors.Is(err, ErrGone):
		p.PullRequest, p.URL, p.Described = 0, "", "" // the next run opens another one
	case errors.Is(err, ErrClosed):
		p.Asked = p.Asked.Add(-askAgain) // the next run finds out what became of it
	case errors.Is(err, ErrReviewers) && p.PullRequest != 0:
		p.Described = p.Head // its text stays as it is
		a.log.Warn("the pull request's text stays as it was", "pull_request", p.PullRequest, "error", err)
	default:
		f := AsFault(err)
		p.Trouble, p.Mend = f.Message, f.Remedy
		a.log.Warn("the pull request is not up to date; it is tried again", "branch", p.Branch, "error", err, "remedy", f.Remedy)
	}
}

// proposalText is what a pull request says. Everything that it is about is part of the plan.
func (a *apply) proposalText() (title, text string) {
	all := make([]*export, 0, len(a.proposed))
	for d := range a.proposed {
		e := &export{Decision: d, verb: d.verb(a.layout, ToGit), path: d.Path(a.layout)}
		if f := d.file(); d.Effect == Converge && f.Exists() && f.Path != e.path {
			e.from = f.Path
		}
		all = append(all, e)
	}
	sort.Slice(all, func(i, j int) bool {
		x, y := all[i], all[j]
		if x.Kind != y.Kind {
			return x.Kind.Order() < y.Kind.Order()
		}
		return x.path < y.path
	})
	if title = summary(all); len(all) == 1 {
		title = line(all[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Changes that were made in the database of the organization `%s`:\n\n", a.mirror.Organization)
	for i, e := range all {
		if i == mostListed {
			fmt.Fprintf(&b, "- and %d more\n", len(all)-mostListed)
			break
		}
		fmt.Fprintf(&b, "- %s: `%s`\n", line(e), e.path)
	}
	b.WriteString("\nMerge it by any strategy, or push to its branch what should be different: that counts. " +
		"Further edits in the database come to this branch. If it is declined, the changes are held in the database until somebody decides.\n")
	return title, b.String()
}
