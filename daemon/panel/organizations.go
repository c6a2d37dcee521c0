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

type organizationsBody struct {
	Conditions []mirror.Detail // of the daemon
	Cards      []card
	Next       string // the address of the next page, "" after the last one
}

// home is where people arrive: at the only organization, or at the list of them.
func (p *Panel) home(v *visit) (*page, error) {
	first, next, err := p.db.Organizations(v.Context(), db.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(first) != 1 || next != "" {
		return p.organizations(v)
	}
	if err := p.enter(v, first[0]); err != nil {
		return nil, err
	}
	return p.overview(v)
}

// organizations lists them, each with how its mirror is, and makes another.
func (p *Panel) organizations(v *visit) (*page, error) {
	organizations, next, err := p.db.Organizations(v.Context(), db.Page{Limit: organizationsShown, Cursor: v.URL.Query().Get("cursor")})
	if err != nil {
		return nil, err
	}
	body := organizationsBody{Conditions: p.engine.Conditions(), Next: further(v, next)}
	for _, o := range organizations {
		status, err := p.status(v, o)
		if err != nil {
			return nil, err
		}
		p.engine.Diagnose(status)
		body.Cards = append(body.Cards, card{o, status})
	}
	return &page{name: "organizations", Title: "Organizations", Body: body}, nil
}

// status is how a mirror is. Only this daemon knows of a run that has just begun.
func (p *Panel) status(v *visit, o *db.Organization) (*db.Status, error) {
	status, err := p.db.Status(v.Context(), o.ID)
	if err == nil && status.State.Name == mirror.StateOK && p.engine.Running(o.ID) {
		status.State.Name = mirror.StateSyncing
	}
	return status, err
}
