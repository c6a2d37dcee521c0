package daemon_test

import (
	"maps"
	"slices"
	"strings"
)

// judge asks what must hold at rest, whatever happened.
func (h *history) judge() {
	h.atRest()
	h.bothSides()
	h.nothingLost()
	h.noSecretTold()
	h.commitsInOrder()
}

// nothingLost: each last edit of the database is in a row, on the remote or in a
// conflict; each of git that was on the branch is in its history or in a conflict.
func (h *history) nothingLost() {
	var rows strings.Builder
	for _, k := range h.kinds {
		rows.WriteString(h.dump("SELECT %s FROM %s WHERE organization_id = '%s'", strings.Join(k.columns(), ", "), k.table, h.org.ID))
	}
	here := rows.String() + h.dump("SELECT base, database, git FROM conflicts WHERE organization_id = '%s'", h.org.ID)
	everywhere := here + h.objects("--batch-all-objects")
	for _, place := range slices.Sorted(maps.Keys(h.done.inRow)) {
		if text := strings.TrimPrefix(h.done.inRow[place], "="); !strings.Contains(everywhere, text) {
			h.rt.Errorf("lost: %s of row %s", h.legible(text), place)
		}
	}
}

// objects is the content of objects of the remote: git cat-file's options say which.
func (h *history) objects(options ...string) string {
	all, err := h.repo.Git(append([]string{"cat-file", "--batch", "--buffer"}, options...)...)
	h.must(err)
	return all
}

// noSecretTold: no secret value left the rows.
func (h *history) noSecretTold() {
	var told strings.Builder
	told.WriteString(h.objects("--batch-all-objects"))
	for _, table := range []string{"conflicts", "rejected_files", "sync_runs", "mirror_events", "mirror_unsettled", "mirror_intents", "mirror_bases"} {
		told.WriteString(h.dump("SELECT * FROM %s WHERE organization_id = '%s'", table, h.org.ID))
	}
	told.WriteString(h.log.String())
	if i := strings.Index(told.String(), "secret-value"); i >= 0 {
		h.rt.Errorf("a secret was told: ...%s", told.String()[max(0, i-200):min(told.Len(), i+100)])
	}
}

// commitsInOrder: no empty commit, none that repeats the one before, no damage.
func (h *history) commitsInOrder() {
	if head, err := h.repo.Head("main"); err != nil || head == "" {
		return // nothing was ever pushed
	}
	log, err := h.repo.Log("main")
	h.must(err)
	runs := map[string]map[string]bool{}
	for _, c := range log {
		for _, parent := range c.Parents {
			trees, err := h.repo.Git("rev-parse", string(c.Hash)+"^{tree}", string(parent)+"^{tree}")
			h.must(err)
			if t := strings.Fields(trees); t[0] == t[1] && c.Committer.Name == modelCommitter.Name {
				h.rt.Errorf("empty commit %s %q", c.Hash, c.Subject())
			}
		}
		_, run, ours := strings.Cut(c.Message, "Confmirror-Run: ")
		if !ours {
			continue
		}
		if runs[run] == nil {
			runs[run] = map[string]bool{}
		}
		if runs[run][c.Message] {
			h.rt.Errorf("a commit twice: %q", c.Message)
		}
		runs[run][c.Message] = true
	}
	if out, err := h.repo.Git("fsck", "--strict", "--no-dangling"); err != nil {
		h.rt.Errorf("fsck: %v %s", err, out)
	}
}
