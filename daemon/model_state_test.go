package daemon_test

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// row is an entity as the database has it.
type row struct {
	id      string
	slug    string
	doc     doc
	secrets map[string]string // values of the secret entries of env
	private bool
	deleted bool
	when    time.Time // of the deletion
	said    mirror.GitIntegration
}

// live reports whether the row is an organization-level one.
func (r *row) live() bool { return r != nil && !r.deleted && !r.private }

func (r *row) clone() *row {
	c := *r
	c.doc, c.secrets = r.doc.clone(), maps.Clone(r.secrets)
	return &c
}

func (r *row) String() string {
	state := ""
	if r.private {
		state += " private"
	}
	if r.deleted {
		state += " deleted"
	}
	return fmt.Sprintf("%s%s %s %v %v", r.id, state, r.slug, r.doc, r.secrets)
}

// file is what the branch has at a path.
type file struct {
	text string
	doc  doc // what it says; nil for what is no JSON
	bad  bool
}

// valid reports whether the file can be imported.
func (f *file) valid() bool { return f != nil && !f.bad }

// readFile judges a file of the kind.
func (k *modelKind) readFile(path, text string) *file {
	f := &file{text: text}
	var top map[string]any
	if json.Unmarshal([]byte(text), &top) != nil {
		f.bad = true
		return f
	}
	f.doc = flatten(top, nil)
	slug, _ := k.slugOf(path)
	f.bad = f.doc["slug"] != slug
	return f
}

// read reads lines of texts, NULL as "".
func (h *history) read(format string, args ...any) [][]string {
	text := fmt.Sprintf(format, args...)
	query := h.sql.Query
	if h.tx != nil {
		query = h.tx.Query
	}
	rows, err := query(text)
	if err != nil {
		h.rt.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	h.must(err)
	var lines [][]string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		h.must(rows.Scan(into...))
		line := make([]string, len(columns))
		for i, v := range values {
			line[i] = v.String
		}
		lines = append(lines, line)
	}
	h.must(rows.Err())
	return lines
}

// dump is all of a query's texts, to look for something in them.
func (h *history) dump(format string, args ...any) string {
	var b strings.Builder
	for _, line := range h.read(format, args...) {
		b.WriteString(strings.Join(line, "\t") + "\n")
	}
	return b.String()
}

// exec writes as another program does.
func (h *history) exec(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	exec := h.sql.Exec
	if h.tx != nil {
		exec = h.tx.Exec
	}
	if _, err := exec(text); err != nil {
		h.rt.Fatalf("%s: %v", text, err)
	}
}

// rows reads a kind's rows, sorted so that a history can be played again.
func (h *history) rows(k *modelKind) []*row {
	columns := k.columns()
	skills := map[string]doc{}
	if k.skills() {
		skills = h.skillDocs()
	}
	var rows []*row
	for _, line := range h.read("SELECT id, owner_id, deleted_at, git_integration, %s FROM %s WHERE organization_id = '%s'", strings.Join(columns, ", "), k.table, h.org.ID) {
		r := &row{id: line[0], private: line[1] != "", deleted: line[2] != "", secrets: map[string]string{}}
		if r.deleted {
			var err error
			r.when, err = time.Parse(time.RFC3339Nano, line[2])
			h.must(err)
		}
		if line[3] != "" {
			h.must(json.Unmarshal([]byte(line[3]), &r.said))
		}
		top := map[string]any{}
		for i, column := range columns {
			text := line[4+i]
			switch {
			case text == "":
			case column == "extra":
				h.must(json.Unmarshal([]byte(text), &top))
			case k.isJSON(column):
				var value any
				h.must(json.Unmarshal([]byte(text), &value))
				top[column] = value
			default:
				top[column] = text
			}
		}
		r.doc = flatten(top, r.secrets)
		r.slug = r.doc["slug"]
		if k.skills() {
			r.doc = skills[r.id]
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b *row) int {
		return cmp.Or(strings.Compare(a.slug, b.slug), a.when.Compare(b.when), strings.Compare(a.id, b.id))
	})
	return rows
}

// rowsThat filters a kind's rows.
func (h *history) rowsThat(k *modelKind, is func(*row) bool) []*row {
	return slices.DeleteFunc(h.rows(k), func(r *row) bool { return !is(r) })
}

// branch is the branch's files by path, with what is staged.
func (h *history) branch() map[string]treeFile {
	if h.tree == nil {
		h.tree = map[string]treeFile{}
		if h.head() != "" {
			files, err := h.repo.Tree("main")
			h.must(err)
			for _, f := range files {
				h.tree[f.Path] = treeFile{string(f.Content), f.Mode == bitbuckettest.ModeExecutable}
			}
		}
	}
	return h.tree
}

// treeFile is one path of the branch.
type treeFile struct {
	text       string
	executable bool
}

// head is the branch's commit, "" without a branch.
func (h *history) head() mirror.Hash {
	head, err := h.repo.Head("main")
	h.must(err)
	return head
}

// files reads a kind's files on the branch (for skills: directories), by slug.
func (h *history) files(k *modelKind) map[string]*file {
	if k.skills() {
		return h.skillDirectories()
	}
	files := map[string]*file{}
	for path, f := range h.branch() {
		if slug, ok := k.slugOf(path); ok {
			files[slug] = k.readFile(path, f.text)
		}
	}
	return files
}
