package panel

import (
	"errors"
	"fmt"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror/document"
)

type conflictBody struct {
	*db.Conflict
	API, List string // the conflict's own address in the API, and the page of all
	// What each side changed, file by file.
	InDatabase, InGit []difference
	// Merged is the entity as it stands, to be edited; nil: there is none.
	Merged *entityBody
}

// conflict is one conflict: what either side changed, and the merged entity to edit.
func (p *Panel) conflict(v *visit) (*page, error) {
	id, org := v.PathValue("id"), v.organization
	c, err := p.db.Conflict(v.Context(), org.ID, id)
	if err != nil {
		return nil, err
	}
	body := conflictBody{
		Conflict: c,
		API:      fmt.Sprintf("/api/v1/organizations/%s/conflicts/%s", org.Slug, c.ID),
		List:     fmt.Sprintf("/organizations/%s/conflicts", org.Slug),
	}
	base := documentFiles(c.Base)
	body.InDatabase, body.InGit = differences(base, documentFiles(c.Database)), differences(base, documentFiles(c.Git))
	row, err := p.db.GetEntity(v.Context(), org.ID, c.Kind, c.Slug, "")
	switch {
	case errors.Is(err, db.ErrNotFound):
	case err != nil:
		return nil, err
	default:
		merged := edited(org, row)
		merged.Conflict = &body
		body.Merged = &merged
	}
	return &page{name: "conflict", Title: "Conflict of " + c.Kind.Singular() + " " + c.Slug, Tab: "conflicts", Body: body}, nil
}

// documentFiles are the files of a side, which may have none.
func documentFiles(d *document.Document) []document.File {
	if d == nil {
		return nil
	}
	return filesOf(withoutSecrets(d, nil))
}
