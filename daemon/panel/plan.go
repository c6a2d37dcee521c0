package panel

import (
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// actionsShown are more lines than anybody reads.
const actionsShown = 1000

type planBody struct {
	Status *db.Status
	// Actions are the first of Total; nil while they are being found out.
	Actions []mirror.Action
	Total   int
}

// plan is the page of what a run would do. It comes at once, and asks for the actions then:
// the repository has to be looked at for them.
func (p *Panel) plan(v *visit) (*page, error) {
	status, err := p.status(v, v.organization)
	if err != nil {
		return nil, err
	}
	return &page{name: "plan", Title: v.organization.Slug + " plan", Body: planBody{Status: status}}, nil
}

// planActions is the part of that page that is waited for.
func (p *Panel) planActions(v *visit) (*page, error) {
	actions, err := p.engine.Plan(v.Context(), v.organization.ID)
	if err != nil {
		return nil, err
	}
	return &page{name: "plan-actions", Title: "Plan", Body: planBody{Actions: actions[:min(len(actions), actionsShown)], Total: len(actions)}}, nil
}
