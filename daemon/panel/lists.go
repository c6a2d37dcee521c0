package panel

import (
	"errors"
	"net/url"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// rowsShown are as many as a page of a list has; a conflict takes more room than a row.
const (
	rowsShown      = 50
	conflictsShown = 10
)

type entitiesBody struct {
	Kind     document.Kind
	Kinds    []document.Kind
	Search   string
	Errors   bool
	Lines    []db.EntityLine
	Rejected []mirror.RejectedFile
	Next     string // the address of the next page, "" after the last one
}

// entities lists one kind.
func (p *Panel) entities(v *visit) (*page, error) {
	query := v.URL.Query()
	body := entitiesBody{Kind: document.Kind(query.Get("kind")), Kinds: document.Kinds, Search: query.Get("search"), Errors: query.Get("errors") == "true"}
	if body.Kind == "" {
		body.Kind = document.Toolkits
	}
	if !body.Kind.Valid() {
		return nil, errNoPage
	}
	owner := "" // the organization's own: others are not mirrored
	lines, rejected, next, err := p.db.EntityLines(v.Context(), v.organization.ID, body.Kind,
		db.EntityFilter{Owner: &owner, Search: body.Search, ErrorsOnly: body.Errors, Limit: rowsShown, Cursor: query.Get("cursor")})
	if err != nil {
		return nil, err
	}
	body.Lines, body.Rejected, body.Next = lines, rejected, further(v, next)
	return &page{name: "entities", Title: v.organization.Slug + " " + body.Kind.Plural(), Tab: "entities", Body: body}, nil
}

// further is the address of a list's next page.
func further(v *visit, cursor string) string {
	if cursor == "" {
		return ""
	}
	query := v.URL.Query()
	query.Set("cursor", cursor)
	return (&url.URL{Path: v.URL.Path, RawQuery: query.Encode()}).String()
}

type conflictsBody struct {
	All       bool
	Conflicts []*db.Conflict
	Next      string
}

// conflicts lists what both sides changed: what won, and what is kept.
func (p *Panel) conflicts(v *visit) (*page, error) {
	query := v.URL.Query()
	body := conflictsBody{All: query.Get("all") == "true"}
	conflicts, next, err := p.db.Conflicts(v.Context(), v.organization.ID, body.All, db.Page{Limit: conflictsShown, Cursor: query.Get("cursor")})
	if err != nil {
		return nil, err
	}
	body.Conflicts, body.Next = conflicts, further(v, next)
	return &page{name: "conflicts", Title: v.organization.Slug + " conflicts", Tab: "conflicts", Body: body}, nil
}

// held lists what waits for a decision.
func (p *Panel) held(v *visit) (*page, error) {
	hold, err := p.db.Hold(v.Context(), v.organization.ID)
	if err != nil && !errors.Is(err, db.ErrNoHold) {
		return nil, err
	}
	return &page{name: "held", Title: v.organization.Slug + " held", Tab: "held", Body: hold}, nil
}

type activityBody struct {
	Events []db.Event // on the first page
	Runs   []*mirror.Report
	Next   string
}

// eventsShown are the latest of what happened to the mirror as a whole.
const eventsShown = 20

// activity lists past runs, and what happened to the mirror as a whole.
func (p *Panel) activity(v *visit) (_ *page, err error) {
	var b activityBody
	cursor := v.URL.Query().Get("cursor")
	if cursor == "" {
		if b.Events, _, err = p.db.Events(v.Context(), v.organization.ID, db.Page{Limit: eventsShown}); err != nil {
			return nil, err
		}
	}
	runs, next, err := p.db.Runs(v.Context(), v.organization.ID, db.Page{Limit: rowsShown, Cursor: cursor})
	if err != nil {
		return nil, err
	}
	b.Runs, b.Next = runs, further(v, next)
	return &page{name: "activity", Title: v.organization.Slug + " activity", Tab: "activity", Body: b}, nil
}

// run shows one run: what it did, entity by entity.
func (p *Panel) run(v *visit) (*page, error) {
	run, err := p.db.Run(v.Context(), v.organization.ID, v.PathValue("run"))
	if err != nil {
		return nil, err
	}
	return &page{name: "run", Title: "Run " + run.RunID, Tab: "activity", Body: run}, nil
}
