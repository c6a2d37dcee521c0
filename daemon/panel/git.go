package panel

import (
	"errors"
	"fmt"

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

// Look is the address of what git has of the entity that a page is about; "" of a row whose
// slug no file can have.
func (f frame) Look() string {
	body := f.Body.(entityBody)
	if !document.ValidSlug(body.Kind, body.Slug) {
		return ""
	}
	return fmt.Sprintf("/organizations/%s/entities/%s/%s/git", f.Organization.Slug, body.Kind, body.Slug)
}

// git compares an entity with its file, and tells which commits changed that. It comes
// after the page: the clone may be at work.
func (p *Panel) git(v *visit) (*page, error) {
	at := mirror.Place{Kind: document.Kind(v.PathValue("kind")), Slug: v.PathValue("slug")}
	if !at.Kind.Valid() || !document.ValidSlug(at.Kind, at.Slug) {
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
		var shown bool
		if git, shown = b.files(secrets); !shown {
			b.Unreadable, b.Equal = "The file cannot be understood, and is not shown: it may hold a secret.", ""
			return
		}
	}
	b.Differences = differences(git, database)
}

// files are those in git; a single one in the database's style, so that only what it says
// is compared. One that cannot be understood is shown as it is, if that can be shown.
func (b *gitBody) files(secrets map[string]bool) (files []document.File, shown bool) {
	if b.Entry.Kind == document.Skills {
		return b.Content.Files, true
	}
	doc, problem := document.UnmarshalDocument(b.Entry.Kind, b.Content.Bytes, document.Limits{})
	if problem != nil {
		return []document.File{{Content: b.Content.Bytes}}, !mayHoldSecrets(b.Entry.Kind)
	}
	return filesOf(withoutSecrets(doc, secrets)), true
}
