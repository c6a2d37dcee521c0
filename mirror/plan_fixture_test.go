package mirror

import (
	"slices"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

// state is one entity in its three states, each a document in JSON ("" is not
// there; a row that was there once is soft-deleted).
type state struct {
	kind                document.Kind
	base, database, git string
}

// subject makes the planner's subject of it. Where a side does not say its slug,
// it is testSlug.
func (st state) subject(t *testing.T) *Subject {
	t.Helper()
	s := &Subject{Kind: st.kind, File: fileAt(t, st.kind, testSlug, "")}
	if st.base != "" {
		f := fileAt(t, st.kind, slugIn(st.base), st.base)
		s.Base = newBase(&Decision{Subject: &Subject{Kind: st.kind}}, f.Path, f.GitID, f.Document, f.Content)
		s.Base.RowID = "row-1"
		s.File = fileAt(t, st.kind, s.Base.Slug, "")
	}
	if st.git != "" {
		s.File = fileAt(t, st.kind, s.File.Slug, st.git)
	}
	switch {
	case st.database != "":
		s.Row = &Row{Kind: st.kind, ID: "row-1", Slug: slugIn(st.database), Document: docOf(t, st.kind, slugIn(st.database), st.database)}
	case st.base != "":
		s.Row = &Row{Kind: st.kind, ID: "row-1", Slug: s.Base.Slug, Deleted: true, Document: docOf(t, st.kind, s.Base.Slug, st.base)}
	}
	return s
}

func slugIn(text string) string {
	if _, rest, said := strings.Cut(text, `"slug":"`); said {
		slug, _, _ := strings.Cut(rest, `"`)
		return slug
	}
	return testSlug
}

// docOf is a document, whatever rules it breaks.
func docOf(t *testing.T, k document.Kind, slug, text string) *document.Document {
	t.Helper()
	d, problem := document.UnmarshalDocument(k, []byte(text), document.Limits{})
	if problem != nil {
		t.Fatalf("%s: %v", text, problem)
	}
	d.Slug = slug
	return d.Normalize()
}

// fileAt is what stands on the branch: text is the file, or a skill as the API writes it.
func fileAt(t *testing.T, k document.Kind, slug, text string) *File {
	t.Helper()
	f := &File{Entry: Entry{Kind: k, Slug: slug, Path: document.Layout{}.Path(k, slug)}}
	if text == "" {
		return f
	}
	f.GitID = "id of " + text
	if k == document.Skills {
		f.Content = &Content{Files: docOf(t, k, slug, text).Files}
	} else {
		if !strings.Contains(text, `"slug"`) {
			text = strings.Replace(text, "{", `{"slug":"`+slug+`",`, 1)
		}
		f.Content = &Content{Bytes: []byte(text)}
	}
	f.Document, f.Problem = parse(k, slug, f.Content, document.DefaultLimits)
	return f
}

// skillJSON is a skill with a description and other files, given as path, content.
func skillJSON(slug, description string, files ...string) string {
	text := `{"slug":"` + slug + `","files":[{"path":"SKILL.md","content":"---\nname: ` + slug + `\ndescription: ` + description + `\n---\n"}`
	for i := 0; i < len(files); i += 2 {
		text += `,{"path":"` + files[i] + `","content":"` + files[i+1] + `"}`
	}
	return text + "]}"
}

// outcomes are those of all subjects, each with its slug, in the plan's order.
func outcomes(p *Plan) string {
	var all []string
	for _, d := range p.Decisions {
		all = append(all, d.Slug()+": "+strings.TrimSpace(outcome(d)))
	}
	return strings.Join(all, "; ")
}

// becomes compares a decision's document with one in JSON.
func becomes(t *testing.T, d *Decision, want string) {
	t.Helper()
	if d.Document == nil {
		t.Errorf("%s, want the document %s", outcome(d), want)
		return
	}
	if expected := docOf(t, d.Kind, d.Document.Slug, want); expected.Digest() != d.Document.Digest() {
		got, err := d.Document.MarshalJSON()
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

// places are the contested ones of all conflicts.
func places(d *Decision) []string {
	var all []string
	for _, c := range d.Conflicts {
		all = append(all, c.Places...)
	}
	slices.Sort(all)
	return all
}
