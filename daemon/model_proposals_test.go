package daemon_test

import (
	"fmt"
	"strings"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// openProposal is the number of the mirror's pull request, 0 if none is open.
func (h *history) openProposal() int64 {
	for _, pr := range h.repo.PullRequests() {
		if pr.State == bitbuckettest.PullOpen {
			return pr.ID
		}
	}
	return 0
}

// mergeProposal merges what waits, in one way or another; false if nothing does, or if
// there is nobody who could.
func (h *history) mergeProposal() bool {
	id := h.openProposal()
	if id == 0 || h.batch {
		return false
	}
	strategy := pick(h, "strategy", []bitbuckettest.MergeStrategy{bitbuckettest.MergeCommit, bitbuckettest.Squash, bitbuckettest.FastForward})
	head, err := h.repo.Merge(id, strategy)
	if err != nil {
		h.say("git: pull request %d cannot be merged: %v", id, err)
		return h.reviewed && h.mergeByHand()
	}
	h.tree = nil
	h.say("git: pull request %d is merged (%s), main is %.7s", id, strategy, head)
	return true
}

// mergeByHand ends the conflicts of a reviewer's fix with the branch, in the branch's favour.
func (h *history) mergeByHand() bool {
	files, err := h.repo.Files("main")
	if err != nil {
		return false
	}
	// It fails where there are conflicts, and its error ends in what it printed: a tree,
	// then a line for each of up to three versions of each path.
	_, err = h.repo.Git("merge-tree", "--write-tree", "--no-messages", "main", mirror.ProposalBranch)
	if err == nil {
		return false
	}
	there, err2 := h.repo.Files(mirror.ProposalBranch)
	h.must(err2)
	var changes []bitbuckettest.Change
	done := map[string]bool{}
	for line := range strings.Lines(err.Error()) {
		_, path, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || done[path] {
			continue
		}
		done[path] = true
		if text, ok := files[path]; ok {
			changes = append(changes, bitbuckettest.Write(path, text))
		} else if _, ok := there[path]; ok {
			changes = append(changes, bitbuckettest.Remove(path))
		}
	}
	if len(changes) == 0 {
		return false
	}
	_, err = h.repo.Commit(mirror.ProposalBranch, ada, "Resolve", changes...)
	h.must(err)
	h.say("git: a reviewer resolves %d conflicts", len(changes))
	return true
}

// fixProposal is a reviewer's commit on the proposal branch.
func (h *history) fixProposal() {
	files, err := h.repo.Files(mirror.ProposalBranch)
	if err != nil || h.openProposal() == 0 || h.batch {
		return
	}
	k, slug := h.kind(), h.slug()
	text, there := files[k.path(slug)]
	if !there || !strings.HasSuffix(strings.TrimSpace(text), "}") {
		return
	}
	mark := h.mark("review")
	text = fmt.Sprintf("%s,\n  \"x-review-%d\": \"%s\"\n}\n", strings.TrimSuffix(strings.TrimSpace(text), "}"), h.serial, mark)
	_, err = h.repo.Commit(mirror.ProposalBranch, ada, "Fix", bitbuckettest.Write(k.path(slug), text))
	h.must(err)
	h.reviewed = true
	h.say("git: a reviewer fixes %s on the proposal branch: %s", k.path(slug), mark)
}
