package daemon_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// model is a history beside its reference.
type model struct {
	*history
	refs   map[*modelKind]*reference
	cursor mirror.Hash     // the head at the last rest
	seen   map[string]bool // conflicts of earlier phases
	judged int
	loose  int
}

func newModel(h *history) *model {
	m := &model{history: h, refs: map[*modelKind]*reference{}, seen: map[string]bool{}}
	for _, k := range h.kinds {
		m.refs[k] = newReference(k, h.policy, h.rules.KeepDeleted)
	}
	return m
}

// phase plays edits, faults and rest, and judges. It ends the history by false.
func (m *model) phase(edit func()) bool {
	edit()
	head, err := m.repo.Head("main")
	m.must(err)
	rewritten := false
	if m.cursor != "" {
		_, err := m.repo.Git("merge-base", "--is-ancestor", string(m.cursor), string(head))
		rewritten = err != nil
	}
	loose := ""
	for _, k := range m.kinds {
		ref := m.refs[k]
		rows, stray := m.rows(k), ""
		for _, r := range rows {
			if r.live() && r.doc["slug"] != r.slug && !ref.hasBase(r.id) {
				stray = "a skill without base has another name in its SKILL.md"
			}
			r.doc = r.doc.with("slug", r.slug) // else SKILL.md follows
		}
		ref.settle(rows, m.files(k), m.done.touched, rewritten)
		loose = cmp.Or(loose, stray)
		loose = cmp.Or(loose, ref.loose)
	}
	m.say("expected from here (rewritten %v)%s", rewritten, strings.Repeat(": not certain, "+loose, min(1, len(loose))))
	faults := m.faults(m.editReadme)
	m.repeat("faults", 0, 2, 6, func() bool { m.play(faults); return true })
	if !m.rest() {
		m.rt.Fatalf("the branch is gone")
	}
	m.atRest()
	m.bothSides()
	m.done.touched = map[string]bool{}
	if loose != "" {
		m.loose++
		return false
	}
	m.judged++
	for _, k := range m.kinds {
		m.judge(k, m.refs[k])
	}
	m.judgeConflicts()
	m.cursor, err = m.repo.Head("main")
	m.must(err)
	return !m.rt.Failed()
}

// judge compares a kind's rows and files with what the reference expects.
func (m *model) judge(k *modelKind, ref *reference) {
	rows := map[string]*row{}
	for _, r := range m.rows(k) {
		rows[r.id] = r
	}
	m.bindNew(ref, rows)
	for _, id := range slices.Sorted(maps.Keys(ref.rows)) {
		want, got := ref.rows[id], rows[id]
		switch {
		case got == nil:
			m.wrong("a row", "%s: there is no %v", k.table, want)
			continue
		case got.deleted != want.deleted, got.private != want.private, got.slug != want.slug, !maps.Equal(got.secrets, want.secrets),
			got.live() && !ref.errors[id] && !got.doc.equal(want.doc), !got.doc.with("slug", "").equal(want.doc.with("slug", "")):
			m.wrong("a row", "%s\n  %v\nwant\n  %v", k.table, got, want)
		case got.live() && (got.said.Error != nil) != ref.errors[id]:
			m.wrong("a row's error", "%s: %v has error %v, want one: %v", k.table, got, got.said.Error, ref.errors[id])
		case got.live() && ref.files[got.slug].valid() && ref.bases[got.slug] != nil && ref.bases[got.slug].row == id && got.said.Path != k.path(got.slug):
			m.wrong("a row's path", "%s: %v says that its file is %q", k.table, got, got.said.Path)
		}
	}
	for id, r := range rows {
		if ref.rows[id] == nil {
			m.wrong("a row", "%s: %v is not expected", k.table, r)
		}
	}
	files := m.files(k)
	for _, slug := range modelSlugs {
		got, want := files[slug], ref.files[slug]
		switch {
		case (got == nil) != (want == nil):
			m.wrong("a file", "%s is there: %v, want %v", k.path(slug), got != nil, want != nil)
		case got == nil:
		case want.bad && got.text != want.text, !want.bad && !got.doc.equal(want.doc):
			m.wrong("a file", "%s is %s, want %v %s", k.path(slug), got.text, want.doc, want.text)
		}
	}
	rejected := map[string]bool{}
	for _, line := range m.read("SELECT slug FROM rejected_files WHERE organization_id = '%s' AND kind = '%s'", m.org.ID, k.kind) {
		rejected[line[0]] = true
	}
	if !maps.Equal(rejected, ref.rejected) {
		m.wrong("rejected files", "%s: %v, want %v", k.table, rejected, ref.rejected)
	}
}

// bindNew finds the rows that were made by imports: each has the slug that it was made for.
func (m *model) bindNew(ref *reference, rows map[string]*row) {
	for _, id := range slices.Sorted(maps.Keys(ref.rows)) {
		slug, isNew := strings.CutPrefix(id, "new ")
		if !isNew {
			continue
		}
		for _, r := range rows {
			if r.live() && r.slug == slug && ref.rows[r.id] == nil {
				ref.rows[r.id] = ref.rows[id]
				ref.rows[r.id].id = r.id
				delete(ref.rows, id)
				for _, base := range ref.bases {
					if base.row == id {
						base.row = r.id
					}
				}
				break
			}
		}
	}
}

// judgeConflicts compares the conflicts of this phase with the expected ones.
func (m *model) judgeConflicts() {
	got, want, maybe := map[string]int{}, map[string]int{}, map[string]int{}
	for _, line := range m.read("SELECT id, kind, reason, decided, database, git FROM conflicts WHERE organization_id = '%s'", m.org.ID) {
		if m.seen[line[0]] {
			continue
		}
		m.seen[line[0]] = true
		got[fmt.Sprintln(line[1], line[2], line[3], keptDoc(line[1], line[4]), keptDoc(line[1], line[5]))]++
	}
	for k, ref := range m.refs {
		for _, c := range ref.conflicts {
			text := fmt.Sprintln(k.kind, c.reason, c.decided, c.database, c.git)
			if c.maybe {
				maybe[text]++
			} else {
				want[text]++
			}
		}
	}
	for text, n := range got {
		if n < want[text] || n > want[text]+maybe[text] {
			m.wrong("a conflict", "%d times, want %d: %s", n, want[text], text)
		}
	}
	for text, n := range want {
		if got[text] == 0 {
			m.wrong("a conflict", "not there, want %d: %s", n, text)
		}
	}
}

// keptDoc reads a document of a conflict.
func keptDoc(kind, text string) doc {
	var top map[string]any
	if json.Unmarshal([]byte(text), &top) != nil {
		return nil
	}
	if kind != string(document.Skills) {
		return flatten(top, nil)
	}
	d := doc{}
	for _, f := range top["files"].([]any) {
		f := f.(map[string]any)
		content, _ := f["content"].(string)
		if encoded, ok := f["content_base64"].(string); ok {
			decoded, _ := base64.StdEncoding.DecodeString(encoded)
			content = string(decoded)
		}
		d.addSkillFile(f["path"].(string), treeFile{content, f["executable"] == true})
	}
	return d
}
