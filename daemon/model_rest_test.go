package daemon_test

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// What holds at rest, whatever happened before.

// remembered is all that a run could change, in lines.
func (h *history) remembered() []string {
	lines := []string{"head " + string(h.head())}
	add := func(table, columns, order string) {
		for _, line := range h.read("SELECT %s FROM %s WHERE organization_id = '%s' ORDER BY %s", columns, table, h.org.ID, order) {
			lines = append(lines, table+": "+strings.Join(line, "\t"))
		}
	}
	for _, k := range h.kinds {
		add(k.table, "id, deleted_at, updated_at, "+strings.Join(k.columns(), ", "), "id")
		for _, r := range h.rows(k) {
			said := fmt.Sprintf("%s %s %s", r.said.Path, r.said.GitID, r.said.Commit)
			if r.said.Error != nil {
				said += fmt.Sprintf(", %s: %s", r.said.Error.Code, r.said.Error.Message)
			}
			lines = append(lines, fmt.Sprintf("%s: %v, %s", k.table, r, said))
		}
	}
	add("mirror_bases", "*", "kind, path")
	add("rejected_files", "kind, path, slug, git_id", "kind, path")
	add("mirror_unsettled", "kind, path, row_id, slug, reason, digest, git_id, direction, verdict", "kind, path") // "due" is a hint
	add("conflicts", "*", "id")
	return lines
}

// atRest: one more run, even one that compares everything, changes nothing at all.
func (h *history) atRest() {
	before := h.remembered()
	if h.oneIn(4, "lose the clone at rest") {
		h.loseClone()
	}
	report, err := h.attempt("full run at rest", mirror.Request{Look: true, Full: true}, nil)
	h.must(err)
	after := h.remembered()
	for _, line := range before {
		if !slices.Contains(after, line) {
			h.wrong("a run at rest writes", "no longer there is %s", line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			h.wrong("a run at rest writes", "%s", line)
		}
	}
	refused := map[string]bool{}
	for _, k := range h.kinds {
		for _, r := range h.rows(k) {
			refused[r.id] = r.said.Error != nil
		}
	}
	for _, line := range h.read("SELECT kind, row_id, slug_before, slug_after FROM mirror_changes WHERE organization_id = '%s' ORDER BY id", h.org.ID) {
		if !refused[line[1]] { // one that is refused may wait
			h.wrong("changes are left at rest", "%v", line)
		}
	}
	if wrote(report) {
		h.wrong("a run at rest writes", "%+v", report)
	}
}

// bothSides: what is live and what is on the branch are the same, but for what has an error
// and what "deletions: keep" left on one side.
func (h *history) bothSides() {
	for _, k := range h.kinds {
		files, live, errors := h.files(k), map[string]bool{}, 0
		for _, r := range h.rowsThat(k, (*row).live) {
			live[r.slug] = true
			switch f := files[r.slug]; {
			case r.said.Error != nil:
				errors++
			case f == nil && h.rules.KeepDeleted:
			case !f.valid():
				h.wrong("a row without a valid file", "and without an error: %s %v", k.path(r.slug), r)
			case !f.doc.equal(r.doc):
				h.wrong("the sides differ", "%s\n  file %v\n  row  %v", k.path(r.slug), f.doc, r)
			}
		}
		rejected := h.dump("SELECT path FROM rejected_files WHERE organization_id = '%s'", h.org.ID)
		for _, slug := range slices.Sorted(maps.Keys(files)) {
			// A row with an error may have left its file behind.
			if !live[slug] && files[slug].valid() && !h.rules.KeepDeleted && errors == 0 && !strings.Contains(rejected, k.path(slug)+"\n") {
				h.wrong("a valid file without a row", "%s %v", k.path(slug), files[slug].doc)
			}
		}
	}
	h.cloneShows()
}

// cloneShows: the clone's working files are the branch's.
func (h *history) cloneShows() {
	if h.head() == "" {
		return
	}
	if head := h.inClone("rev-parse", "HEAD"); head != string(h.head()) {
		h.wrong("the clone is elsewhere", "at %s, the branch at %s", head, h.head())
	}
	if status := h.inClone("status", "--porcelain"); status != "" {
		h.wrong("git status in the clone", "%s", status)
	}
}

// inClone runs git as a person does who looks at the clone.
func (h *history) inClone(args ...string) string {
	out, err := exec.Command("git", append([]string{"-C", h.dir}, args...)...).CombinedOutput()
	if err != nil {
		h.wrong("git in the clone", "%v: %v %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}
