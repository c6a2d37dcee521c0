package daemon_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// What the reference model does not know: it is judged by what must hold whatever happened.

// oddities are edits that leave the beaten track.
func (h *history) oddities() actions {
	return actions{
		"spoil a row": h.spoilRow, "delete the branch": h.deleteBranch, "make the branch again": h.makeBranch,
		"merge an old branch": h.mergeOld, "discard what is held": func() { h.decide(mirror.Discarded) },
		"approve what is held":     func() { h.decide(mirror.Approved) },
		"edit while a run goes on": h.editMeanwhile, "run beside an open transaction": h.runBeside,
	}
}

// spoilRow makes a row what no file may be.
func (h *history) spoilRow() {
	k := h.kind()
	r := pick(h, "row", h.rowsThat(k, (*row).live))
	if r == nil {
		return
	}
	h.done.overwritten(r.doc, nil)
	h.done.forget(h.done.inRow, r.id)
	switch k {
	case wholeSkills:
		h.exec("DELETE FROM skill_files WHERE skill_id = '%s' AND path = 'SKILL.md'", r.id)
		h.say("db: skill %s loses its SKILL.md", r.id)
	case wholeCommands:
		h.set(k, r, "prompt = NULL")
	default:
		h.set(k, r, "slug = "+quote("No Slug "+h.mark("odd")))
	}
}

func (h *history) deleteBranch() {
	if head := h.head(); head != "" && !h.batch {
		h.lastHead = head
		h.must(h.repo.DeleteBranch("main"))
		h.say("git: the branch is deleted")
		h.rewritten()
	}
}

// makeBranch brings a deleted branch back.
func (h *history) makeBranch() {
	if h.head() == "" && h.lastHead != "" && !h.batch {
		h.must(h.repo.ForcePush("main", string(h.lastHead)))
		h.tree = nil
		h.say("git: the branch is made again at %.7s", h.lastHead)
	}
}

// mergeOld merges a branch that began some commits ago.
func (h *history) mergeOld() {
	back := h.between("commits back", 1, 4)
	k, slug, d := h.kind(), h.slug(), doc(nil)
	from, err := h.repo.Git("rev-parse", "-q", "--verify", fmt.Sprintf("main~%d", back))
	if err != nil || h.batch || h.files(k)[slug] != nil {
		return
	}
	d = h.newDoc(k, "git", slug)
	h.must(h.repo.ForcePush("old", strings.TrimSpace(from)))
	_, err = h.repo.Commit("old", ada, "By hand, on a branch", append([]bitbuckettest.Change{bitbuckettest.Remove(k.path(slug))}, h.put(k, nil, d)...)...)
	h.must(err)
	merged, err := h.repo.Git("merge-tree", "--write-tree", "main", "old")
	if err != nil {
		h.done.forget(h.done.inFile, k.path(slug))
		return // they do not merge
	}
	commit, err := h.repo.Git("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit-tree", strings.Fields(merged)[0], "-p", "main", "-p", "old", "-m", "Merge")
	h.must(err)
	h.must(h.repo.ForcePush("main", strings.TrimSpace(commit)))
	h.tree = nil
	h.say("git: %s is added on top of main~%d, and merged: %v", k.path(slug), back, d)
}

// decide answers the brake.
func (h *history) decide(verdict mirror.Verdict) {
	if held, err := h.db.Hold(context.Background(), h.org.ID); err == nil {
		h.must(h.db.DecideHold(context.Background(), h.org.ID, held.ID, verdict))
		h.say("%s: %+v", verdict, held.Items)
	}
}

// runBeside makes a run while somebody's transaction holds rows. SQLite has one writer at
// a time, which waits for the other.
func (h *history) runBeside() {
	edits := h.edits()
	h.atOnce(func() {
		h.say("db: begin")
		h.play(edits)
		if h.target.Dialect == "postgres" {
			h.run()
		}
	})
	h.say("db: commit")
}

// editMeanwhile edits at a boundary of a run.
func (h *history) editMeanwhile() {
	edits := h.edits()
	at := h.boundary(nil, func() {
		h.tree = nil
		h.play(edits)
		h.tree = nil
	})
	if h.oneIn(2, "at a read") {
		at.step, at.read = -1, h.between("read", 1, 4)
	}
	_, err := h.attempt("edit meanwhile", h.request(), at)
	h.tolerate(err)
}
