package panel

import (
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// organizationsShown are as many as the page of all of them has: each is asked how it is.
const organizationsShown = 20

// card is an organization's mirror in short.
type card struct {
	Organization *db.Organization
	*db.Status
}

type homeBody struct {
	Conditions []mirror.Detail // of the daemon
	Cards      []card
	Next       string
}

// home lists the organizations, each with how its mirror is. Where there is only one, it is
// that one's page.
func (p *Panel) home(v *visit) (*page, error) {
	cursor := v.URL.Query().Get("cursor")
	organizations, next, err := p.db.Organizations(v.Context(), db.Page{Limit: organizationsShown, Cursor: cursor})
	if err != nil {
		return nil, err
	}
	if len(organizations) == 1 && cursor == "" {
		if err := p.enter(v, organizations[0]); err != nil {
			return nil, err
		}
		return p.overview(v)
	}
	body := homeBody{Conditions: p.engine.Conditions(), Next: next}
	for _, o := range organizations {
		status, err := p.status(v, o)
		if err != nil {
			return nil, err
		}
		body.Cards = append(body.Cards, card{o, status})
	}
	return &page{name: "home", Title: "Organizations", Body: body}, nil
}

// status is how a mirror is. Only this daemon knows of a run that has just begun.
func (p *Panel) status(v *visit, o *db.Organization) (*db.Status, error) {
	status, err := p.db.Status(v.Context(), o.ID)
	if err == nil && status.State.Name == mirror.StateOK && p.engine.Running(o.ID) {
		status.State.Name = mirror.StateSyncing
	}
	return status, err
}
