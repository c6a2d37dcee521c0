package panel

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// commitsShown are the latest commits of an entity.
const commitsShown = 20

// gitBody is the part of an entity's page that tells what git has of it.
type gitBody struct {
	*mirror.Sight
	Remark      string // why there is nothing to show
	Busy        bool   // for a moment
	Unreadable  string // why the contents are not compared
	Equal       string
	Differences []difference
}

// difference is one file's.
type difference struct {
	File  string // of a skill
	Lines []diffLine
}

type diffLine struct{ Tone, Text string }

// Look is the address of what git has of the entity that a page is about.
func (f frame) Look() string {
	body := f.Body.(entityBody)
	return fmt.Sprintf("/organizations/%s/entities/%s/%s/git", f.Organization.Slug, body.Kind, url.PathEscape(body.Slug))
}

// git compares an entity with its file, and tells which commits changed that. It comes
// after the page: the clone may be at work.
func (p *Panel) git(v *visit) (*page, error) {
	at := mirror.Place{Kind: document.Kind(v.PathValue("kind")), Slug: v.PathValue("slug")}
	if !at.Kind.Valid() {
		return nil, errNoPage
	}
	shown := func(b gitBody) *page { return &page{name: "git", Title: at.Slug, Body: b} }
	sight, err := p.engine.Look(v.Context(), v.organization.ID, at, commitsShown)
	switch {
	case errors.Is(err, web.ErrCloneBusy):
		return shown(gitBody{Busy: true, Remark: "A run works with the clone; what git has is shown when it has ended."}), nil
	case errors.Is(err, web.ErrNoClone):
		return shown(gitBody{Remark: "What git has cannot be shown here: another daemon has the clone, or there was no run yet."}), nil
	case err != nil:
		return nil, err
	}
	row, err := p.db.GetEntity(v.Context(), v.organization.ID, at.Kind, at.Slug, "")
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return nil, err
	}
	body := gitBody{Sight: sight}
	body.compare(row)
	return shown(body), nil
}

// compare finds out how the file differs from the row; nil: there is none.
func (b *gitBody) compare(row *db.Entity) {
	if b.Problem != nil {
		b.Unreadable = b.Problem.Message
		return
	}
	if row == nil && b.Content == nil {
		b.Equal = "Neither has it."
		return
	}
	b.Equal = "Both say the same."
	var git, database []document.File
	var secrets map[string]bool
	if row != nil {
		secrets = row.Secrets
		database = filesOf(withoutSecrets(row.Document, secrets))
	}
	if b.Content != nil {
		git = b.files(secrets)
	}
	for _, name := range names(git, database) {
		if d := differenceOf(name, find(git, name), find(database, name)); len(d.Lines) > 0 {
			b.Differences = append(b.Differences, d)
		}
	}
}

// files are those in git; a single one in the database's style, so that only what it says
// is compared. One that cannot be understood is shown as it is.
func (b *gitBody) files(secrets map[string]bool) []document.File {
	if b.Entry.Kind == document.Skills {
		return b.Content.Files
	}
	doc, problem := document.UnmarshalDocument(b.Entry.Kind, b.Content.Bytes, document.Limits{})
	if problem != nil {
		return []document.File{{Content: b.Content.Bytes}}
	}
	return filesOf(withoutSecrets(doc, secrets))
}

// filesOf are a document's files; one that is a single file has no name.
func filesOf(d *document.Document) []document.File {
	if d.Kind == document.Skills {
		return d.Files
	}
	return []document.File{{Content: document.Encode(d)}}
}

// withoutSecrets is a document whose secret entries have no values, whatever it says.
func withoutSecrets(d *document.Document, secrets map[string]bool) *document.Document {
	d = d.Clone()
	for _, key := range []string{"env", "headers"} {
		entries, _ := d.Fields[key].(map[string]any)
		for name, value := range entries {
			entry, ok := value.(map[string]any)
			_, secret := secrets[key+"/"+name]
			switch {
			case ok && (secret || entry["secret"] == true):
				delete(entry, "value")
			case secret:
				entries[name] = "(not shown: it is a secret)"
			}
		}
	}
	return d
}

// names are those of the files of either side, sorted.
func names(sides ...[]document.File) []string {
	var all []string
	for _, files := range sides {
		for _, f := range files {
			all = append(all, f.Path)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func find(files []document.File, name string) *document.File {
	if i := slices.IndexFunc(files, func(f document.File) bool { return f.Path == name }); i >= 0 {
		return &files[i]
	}
	return nil
}

// differenceOf compares one file, which either side may lack; equal ones differ in no line.
func differenceOf(name string, git, database *document.File) difference {
	d := difference{File: name}
	before, after := textOf(git), textOf(database)
	switch {
	case git != nil && database != nil && string(git.Content) == string(database.Content):
		if git.Executable != database.Executable {
			d.Lines = []diffLine{{Text: "executable on one side only"}}
		}
	case before == nil || after == nil, *before == *after:
		d.Lines = []diffLine{{Text: fmt.Sprintf("%s in git, %s in the database", size(git), size(database))}}
	default:
		d.Lines = diffLines(*before, *after)
	}
	return d
}

// textOf is a file as far as it can be shown line by line; one that is not there is empty.
func textOf(f *document.File) *string {
	text := ""
	if f != nil {
		if !f.IsText() || len(f.Content) > maxShown {
			return nil
		}
		text = string(f.Content)
	}
	return &text
}

func size(f *document.File) string {
	if f == nil {
		return "nothing"
	}
	return count(len(f.Content), "byte", "bytes")
}

// diffLines are what was taken away and what came, each with a few lines around it.
func diffLines(before, after string) []diffLine {
	unified, err := udiff.ToUnifiedDiff("", "", before, udiff.Lines(before, after), udiff.DefaultContextLines)
	if err != nil { // edits that do not fit their own text
		return []diffLine{{Text: err.Error()}}
	}
	var lines []diffLine
	for i, hunk := range unified.Hunks {
		if i > 0 {
			lines = append(lines, diffLine{Text: "⋯"})
		}
		for _, line := range hunk.Lines {
			text := strings.TrimRight(line.Content, "\r\n")
			switch line.Kind {
			case udiff.Delete:
				lines = append(lines, diffLine{"bad", "− " + text})
			case udiff.Insert:
				lines = append(lines, diffLine{"good", "+ " + text})
			default:
				lines = append(lines, diffLine{"", "  " + text})
			}
		}
	}
	return lines
}
