package panel

import (
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// runsPlotted are as many as the plot has room for.
const runsPlotted = 60

type overviewBody struct {
	*db.Status
	Connection *db.ConnectionInfo // nil: there is none now
	Webhook    db.Webhook
	Latest     []*mirror.Report
	Plot       plot
	Failures   []db.Failure
	// Behind: the branch has a commit that is not imported.
	Behind bool
}

// latestRuns and failuresShown are what the overview lists; the rest has pages of its own.
const (
	latestRuns    = 5
	failuresShown = 10
)

// overview is an organization's mirror: is everything in sync, and if not, what is to be done?
func (p *Panel) overview(v *visit) (*page, error) {
	ctx, id := v.Context(), v.organization.ID
	status, err := p.status(v, v.organization)
	if err != nil {
		return nil, err
	}
	p.engine.Diagnose(status)
	body := overviewBody{Status: status, Connection: v.connected(), Behind: status.RemoteSeen != "" && status.Cursor != "" && status.RemoteSeen != status.Cursor}
	if body.Webhook, err = p.db.Webhook(ctx, id); err != nil {
		return nil, err
	}
	runs, _, err := p.db.Runs(ctx, id, db.Page{Limit: runsPlotted})
	if err != nil {
		return nil, err
	}
	body.Latest, body.Plot = runs[:min(len(runs), latestRuns)], plotted(runs)
	if body.Failures, err = p.db.Errors(ctx, id, failuresShown); err != nil {
		return nil, err
	}
	return &page{name: "overview", Title: v.organization.Slug, Body: body}, nil
}
