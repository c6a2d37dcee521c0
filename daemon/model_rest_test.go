package daemon_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/confmirror/confmirror/mirror"
)

// What holds at rest, whatever happened before.

// keptDoc reads a document of a conflict.
func (h *history) keptDoc(text string) doc {
	if text == "" {
		return nil
	}
	var top map[string]any
	h.must(json.Unmarshal([]byte(text), &top))
	return flatten(top, nil)
}

// remembered is all that a run could change, in lines.
func (h *history) remembered() []string {
	head, err := h.repo.Head("main")
	h.must(err)
	lines := []string{"head " + string(head)}
	add := func(table, columns, order string) {
		for _, line := range h.read("SELECT %s FROM %s WHERE organization_id = '%s' ORDER BY %s", columns, table, h.org.ID, order) {
			lines = append(lines, table+": "+strings.Join(line, "\t"))
		}
	}
	for _, k := range h.kinds {
		add(k.table, "id, deleted_at, updated_at, git_integration, "+strings.Join(k.columns(), ", "), "id")
	}
	for _, table := range []string{"mirror_bases", "mirror_unsettled"} {
		add(table, "*", "kind, path")
	}
	add("rejected_files", "kind, path, git_id", "kind, path")
	add("conflicts", "*", "id")
	add("mirror_changes", "*", "id")
	return lines
}

// atRest: one more run, even one that compares everything, changes nothing at all.
func (h *history) atRest() {
	before := h.remembered()
	if rapid.IntRange(0, 3).Draw(h.rt, "lose the clone at rest") == 3 {
		h.loseClone()
	}
	report, err := h.attempt("full run at rest", mirror.Request{Look: true, Full: true}, nil)
	h.must(err)
	after := h.remembered()
	for _, line := range before {
		if !slices.Contains(after, line) {
			h.rt.Errorf("a run at rest changed: %s", h.legible(line))
		}
	}
	for _, line := range after {
		switch {
		case strings.HasPrefix(line, "mirror_changes"):
			h.rt.Errorf("left at rest: %s", h.legible(line))
		case !slices.Contains(before, line):
			h.rt.Errorf("a run at rest wrote: %s", h.legible(line))
		}
	}
	if wrote(report) {
		h.rt.Errorf("a run at rest did something")
	}
}

// bothSides: what is live and what is on the branch are the same, but for what has an error
// and what "deletions: keep" left on one side.
func (h *history) bothSides() {
	for _, k := range h.kinds {
		files, live := h.files(k), map[string]*row{}
		for _, r := range h.rowsThat(k, (*row).live) {
			live[r.slug] = r
			switch f := files[r.slug]; {
			case r.said.Error != nil:
			case f == nil && h.rules.KeepDeleted:
			case !f.valid():
				h.rt.Errorf("%s: the row has no valid file and no error: %s", k.path(r.slug), h.legible(r.String()))
			case !f.doc.equal(r.doc):
				h.rt.Errorf("%s:\n  file %s\n  row  %s", k.path(r.slug), h.legible(f.doc.String()), h.legible(r.String()))
			}
		}
		for _, slug := range slices.Sorted(maps.Keys(files)) {
			if live[slug] == nil && files[slug].valid() && !h.rules.KeepDeleted {
				h.rt.Errorf("%s: a valid file without a row: %s", k.path(slug), h.legible(files[slug].text))
			}
		}
	}
}
