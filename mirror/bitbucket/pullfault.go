package bitbucket

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// proposalFault tells why a pull request was not made.
//
//	"There are no changes to be pulled"           ErrNothingToPull
//	"branch not found: ..."                       ErrNoBranch
//	a field "reviewers"                           ErrReviewers
//	anything else                                 as any refusal, text shown
func proposalFault(err error, p mirror.Proposal) error {
	f, e := refusal(err)
	if f == nil || f.Code != mirror.CodeRequestRefused {
		return err
	}
	switch {
	case e.says("no changes to be pulled") || e.Exception == "EmptyPullRequestException":
		return because(f, mirror.ErrNothingToPull,
			"The branch "+p.Source+" has nothing that "+p.Destination+" has not: there is nothing to propose.",
			"Nothing needs to be done.")
	case e.says("branch not found") || e.Exception == "NoSuchBranchException":
		return because(f, mirror.ErrNoBranch,
			"Bitbucket does not find a branch of the pull request: "+e.words(),
			"Check that "+p.Destination+" exists; "+p.Source+" is pushed again by the next run.")
	}
	return reviewersFault(err)
}

// reviewersFault tells of people who cannot be reviewers (any more).
func reviewersFault(err error) error {
	f, e := refusal(err)
	if f == nil || f.Code != mirror.CodeRequestRefused || !e.field("reviewers") && e.Exception != "InvalidPullRequestReviewersException" {
		return err
	}
	return because(f, mirror.ErrReviewers,
		"Bitbucket does not take the pull request's reviewers: "+e.words(),
		"Take those who left off the pull request's reviewers, or off the repository's default reviewers.")
}

// withoutRefused takes those off a pull request's reviewers whom a refusal names, by id or by
// name: somebody who left the workspace would keep the text from ever being changed again.
// Who shares a name with another reviewer stays, for it may be the wrong one.
func withoutRefused(reviewers []reviewer, texts []string) []reviewer {
	left := slices.Clone(reviewers)
	for _, text := range texts {
		named := func(r reviewer) bool {
			return r.UUID != "" && strings.HasPrefix(text, r.UUID+" is ") || r.Name != "" && strings.HasPrefix(text, r.Name+" is ")
		}
		if i := slices.IndexFunc(left, named); i >= 0 && !slices.ContainsFunc(left[i+1:], named) {
			left = slices.Delete(left, i, i+1)
		}
	}
	return left
}

// gone tells of something below a repository that is not there. A 404 that speaks of
// the repository is about the repository.
func gone(err error, what string) error {
	f, e := refusal(err)
	aboutRepository := f != nil && e.Exception == "" && (e.says("workspace with identifier") || e.says("repository"))
	if f == nil || e.Status != http.StatusNotFound || aboutRepository || f.Code == mirror.CodeRepositoryNotFound && e.Exception != "" {
		return err
	}
	f = because(f, mirror.ErrGone, "Bitbucket does not have "+what+" (any more).", "Nothing needs to be done: it will be made again where it is needed.")
	f.Code = mirror.CodeRequestRefused
	return f
}

func closed(id int64) *mirror.Fault {
	return &mirror.Fault{
		Code:    mirror.CodeRequestRefused,
		Message: fmt.Sprintf("Pull request %d is merged or declined, and cannot be changed.", id),
		Remedy:  "Nothing needs to be done: the next proposal is a new pull request.",
		Class:   mirror.Permanent, Err: mirror.ErrClosed,
	}
}

// cut bounds a text at a line's end if one is near, so that Markdown stays whole.
func cut(text string, bound int) string {
	if len(text) <= bound {
		return text
	}
	const more = "…"
	head := strings.ToValidUTF8(text[:bound-len(more)-1], "")
	if i := strings.LastIndexByte(head, '\n'); i > bound/2 {
		return head[:i+1] + more
	}
	return head + more
}

// sameText compares what is written with what is read: an editor on the web changes
// line ends, and hosts trim.
func sameText(a, b string) bool {
	plain := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return plain(a) == plain(b)
}
