package daemon_test

import (
	"encoding/base64"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// judge asks what must hold at rest, whatever happened.
func (h *history) judge() {
	h.atRest()
	h.bothSides()
	h.nothingLost()
	h.noSecretTold()
	h.commitsInOrder()
}

// inRows are the texts of all rows.
func (h *history) inRows() string {
	var rows strings.Builder
	for _, k := range h.kinds {
		rows.WriteString(h.dump("SELECT %s FROM %s WHERE organization_id = '%s'", strings.Join(k.columns(), ", "), k.table, h.org.ID))
	}
	for _, d := range h.skillDocs() {
		rows.WriteString(d.String())
	}
	return rows.String()
}

var encodedContent = regexp.MustCompile(`"content_base64":"([^"]*)"`)

// inConflicts are the texts of all conflicts.
func (h *history) inConflicts() string {
	text := h.dump("SELECT base, database, git FROM conflicts WHERE organization_id = '%s'", h.org.ID)
	for _, m := range encodedContent.FindAllStringSubmatch(strings.ReplaceAll(text, `": "`, `":"`), -1) {
		content, err := base64.StdEncoding.DecodeString(m[1])
		h.must(err)
		text += string(content)
	}
	return text
}

// inObjects are the texts of all objects of the remote, reachable or not.
func (h *history) inObjects() string {
	all, err := h.repo.Git("cat-file", "--batch", "--buffer", "--batch-all-objects")
	h.must(err)
	return all
}

// inHistory are the texts of all that was ever on the branch as it is now.
func (h *history) inHistory() string {
	if h.head() == "" {
		return ""
	}
	all, err := h.repo.Git("log", "--text", "-p", "-m", "--no-renames", "main")
	h.must(err)
	return all
}

// nothingLost: each last edit of the database is in a row, on the remote or in a conflict;
// each one of git in a row, in the branch's history or in a conflict.
func (h *history) nothingLost() {
	kept := h.inRows() + h.inConflicts()
	for from, of := range map[string]map[string]string{h.inObjects(): h.done.inRow, h.inHistory(): h.done.inFile} {
		for _, place := range slices.Sorted(maps.Keys(of)) {
			if !strings.Contains(kept, of[place]) && !strings.Contains(from, of[place]) {
				h.wrong("an edit is lost", "%s of %s", of[place], place)
			}
		}
	}
}

// noSecretTold: no secret value left the rows, and none got into another one.
func (h *history) noSecretTold() {
	told := h.inObjects() + h.log.String()
	for _, table := range []string{"conflicts", "rejected_files", "sync_runs", "mirror_events", "mirror_unsettled", "mirror_intents", "mirror_bases"} {
		told += h.dump("SELECT * FROM %s WHERE organization_id = '%s'", table, h.org.ID)
	}
	if i := strings.Index(told, "secret-value"); i >= 0 {
		h.wrong("a secret was told", "...%s", told[max(0, i-200):min(len(told), i+100)])
	}
	for _, k := range h.kinds {
		for _, r := range h.rows(k) {
			for name, value := range r.secrets {
				if strings.HasPrefix(value, "secret-value") && value != h.done.secret[r.id+" "+name] {
					h.wrong("a secret is another one", "%s of row %s is %s, want %s", name, r.id, value, h.done.secret[r.id+" "+name])
				}
			}
		}
	}
}

// commitsInOrder: no empty commit, none twice, no damage.
func (h *history) commitsInOrder() {
	if h.head() == "" {
		return // nothing was ever pushed
	}
	log, err := h.repo.Git("log", "--format=%T %P%x00%cn%x00%B%x01", "--reverse", "--first-parent", "main")
	h.must(err)
	before, messages := "", map[string]bool{}
	for c := range strings.SplitSeq(strings.TrimSuffix(log, "\x01\n"), "\x01\n") {
		facts, message, _ := strings.Cut(c, "\x00")
		tree, parents, _ := strings.Cut(facts, " ")
		by, message, _ := strings.Cut(message, "\x00")
		_, merged, merge := strings.Cut(parents, " ")
		message += merged // a run may bring in what came meanwhile more than once
		if h.push == mirror.PushPullRequest {
			message += tree // or propose an entity once more that was edited meanwhile
			if merge {
				clear(messages) // or delete it once more: what came had brought it back
			}
		}
		if by == modelCommitter.Name {
			if tree == before && !merge {
				h.wrong("an empty commit", "%q", message)
			}
			if messages[message] { // it has the run's id, and names what it changes
				h.wrong("a commit twice", "%q", message)
			}
			messages[message] = true
		}
		before = tree
	}
	if out, err := h.repo.Git("fsck", "--strict", "--no-dangling"); err != nil {
		h.wrong("git fsck", "%v %s", err, out)
	}
	h.inClone("fsck", "--strict", "--no-dangling")
}
