package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// engine is the daemon as its HTTP side sees it.
type engine struct{ *Daemon }

var _ web.Engine = engine{}

// Nudge looks at a mirror, here or at its holder.
func (e engine) Nudge(organizationID, trigger string) {
	if _, held := e.leases.epoch(organizationID); held {
		e.queue.Nudge(organizationID, Nudge{Trigger: trigger, Look: trigger == "webhook" || trigger == "request",
			Person: trigger == "request", Record: trigger == "request", Delivery: trigger == "webhook"})
		return
	}
	e.errands.add(organizationID)
}

// Sync runs a mirror here, or waits for its holder to run it.
func (e engine) Sync(ctx context.Context, organizationID string) (*mirror.Report, error) {
	if _, held := e.leases.epoch(organizationID); held {
		r := e.queue.Wait(ctx, organizationID, Nudge{Trigger: "request", Look: true, Record: true, Person: true})
		if r.Report != nil && !errors.Is(r.Err, errNotHolder) {
			return r.Report, nil
		}
		if !errors.Is(r.Err, errNotHolder) {
			return nil, r.Err
		}
	}
	request, err := e.db.Request(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	for {
		report, err := e.awaitHolder(ctx, organizationID, request)
		if report != nil || err != nil {
			return report, err
		}
	}
}

// Plan observes and plans in a clone of its own, so that it neither waits for a
// run nor needs the lease, and writes nothing anybody else looks at.
func (e engine) Plan(ctx context.Context, organizationID string) ([]mirror.Action, error) {
	return e.Daemon.Plan(ctx, organizationID)
}

// Plan is what a run would do now.
func (d *Daemon) Plan(ctx context.Context, organizationID string) ([]mirror.Action, error) {
	m, err := d.db.Mirror(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	return d.plan(ctx, m, true)
}

// PlanWith is Plan with other settings than the stored ones, which stay as they
// are; there need not be any.
func (d *Daemon) PlanWith(ctx context.Context, ref db.MirrorRef, settings mirror.Settings) ([]mirror.Action, error) {
	m, err := d.db.Mirror(ctx, ref.OrganizationID)
	if errors.Is(err, mirror.ErrNoMirror) {
		m = &mirror.Mirror{OrganizationID: ref.OrganizationID, Organization: ref.Organization}
	} else if err != nil {
		return nil, err
	}
	if settings.Branch == "" && m.Settings.Branch != "" {
		m.Identity = mirror.Identity{} // the main branch is to be found anew
	}
	m.Settings = settings
	return d.plan(ctx, m, false)
}

// plan plans a mirror, one that is connected with the facts that are known where REST does
// not answer.
func (d *Daemon) plan(ctx context.Context, m *mirror.Mirror, connected bool) ([]mirror.Action, error) {
	r, err := d.connector.remote(m.Settings)
	if err != nil {
		return nil, err
	}
	identity, _, err := d.connector.resolve(ctx, m, r)
	switch {
	case err != nil && connected && r.goesOn(m, err):
		identity = m.Identity
	case err != nil:
		return nil, err
	}
	if identity != m.Identity { // as the run itself would: a first connection
		m.Identity, m.Cursor, m.RemoteSeen = identity, "", ""
	}
	parent := filepath.Join(d.config().DataDir, "plans")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(parent, m.Organization+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	c := d.config()
	s, err := d.sessions.openClone(ctx, m, r, dir, c.Rules().Limits)
	if err != nil {
		return nil, err
	}
	defer s.clone.Close()
	return d.runner(c).Plan(ctx, m, s.clone)
}

func (e engine) Running(organizationID string) bool { return e.queue.Running(organizationID) }

// Reconnected takes changed settings up at once.
func (e engine) Reconnected(organizationID string) {
	e.troubles.forget(organizationID)
	select {
	case e.leases.claimNow <- struct{}{}:
	default:
	}
	if _, held := e.leases.epoch(organizationID); held {
		e.queue.Nudge(organizationID, Nudge{Trigger: "connection", Look: true, Person: true})
	}
}

func (e engine) Conditions() []mirror.Detail { return e.conditions.all() }

func (e engine) Diagnose(st *db.Status) {
	e.noteSuccess(st)
	if stalled := e.stalled(st); stalled != nil {
		st.State.Conditions = append(st.State.Conditions, *stalled)
	}
	st.State.Conditions = append(st.State.Conditions, e.conditions.all()...)
}

func (e engine) Stalled() int { return e.stalledMirrors() }

func (e engine) Events() (<-chan web.Event, func()) { return e.events.subscribe() }
