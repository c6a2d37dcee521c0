package daemon_test

import (
	"maps"
	"slices"
)

// actions are what a history is made of, by name.
type actions map[string]func()

// play draws one of them.
func (h *history) play(from actions) {
	h.steps++
	from[pick(h, "action", slices.Sorted(maps.Keys(from)))]()
}

// furnish gives both sides something to begin with.
func (h *history) furnish() {
	h.inOneCommit(func() {
		for _, k := range h.kinds {
			for _, slug := range modelSlugs {
				switch h.below("begin with", 4) {
				case 1, 2:
					h.addAt(k, slug)
				case 3:
					h.insertAt(k, slug)
				}
			}
		}
	})
}

// edits of both sides; several may be one transaction or one commit.
func (h *history) edits() actions {
	all := actions{
		"edit a row": h.editRow, "save a row as it is": h.touchRow, "insert a row": h.insertRow,
		"delete a row": h.deleteRow, "restore a row": h.restoreRow, "make a row private": h.makePrivate,
		"make a row public": h.makePublic, "rename a row": h.renameRow, "swap two rows": h.swapRows,
		"edit a file": h.editFile, "reformat a file": h.reformatFile, "add a file": h.addFile, "remove a file": h.removeFile,
		"rename a file": h.renameFile, "swap two files": h.swapFiles, "move a file": h.moveFile,
		"break a file": h.breakFile, "mend a file": h.mendFile, "rewrite the branch": h.rewrite,
		"edit both sides alike": h.editAlike,
	}
	several := func() {
		for range h.between("edits", 2, 4) {
			h.play(all)
		}
	}
	with := maps.Clone(all)
	with["edit in one transaction"] = func() { h.say("db: begin"); h.atOnce(several); h.say("db: commit") }
	with["edit in one commit"] = func() { h.inOneCommit(several) }
	return with
}

// faults are runs with bad luck, and runs. race is what somebody does while a push is
// on its way.
func (h *history) faults(race func()) actions {
	return actions{
		"run": h.run, "crash": h.crash, "fail": h.fail, "lose the clone": h.loseClone, "lose a push's answer": h.loseAnswer,
		"merge a pull request": func() { h.mergeProposal() }, "be raced": func() { h.beRaced(race) }, "be overtaken": h.beOvertaken, "be stale": h.beStale,
	}
}
