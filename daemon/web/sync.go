package web

import (
	"errors"
	"net/http"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// maxActions bounds the list of a plan's actions; that of a run's is bounded by the run.
const maxActions = 10_000

// runnable is the failure of a mirror that does not run until somebody lets it.
func (s *Server) runnable(c *call) error {
	info, err := s.connected(c)
	switch {
	case err != nil:
		return err
	case info == nil:
		return disconnected()
	case info.Paused:
		return &failure{
			status: http.StatusConflict, code: "PAUSED", message: "The mirror is paused.",
			remedy: "Resume it with POST mirror/resume.",
		}
	}
	return nil
}

func (s *Server) postSync(c *call) error {
	wait, err := c.flag("wait")
	if err != nil {
		return err
	}
	if _, err := c.form(); err != nil {
		return err
	}
	if err := s.runnable(c); err != nil {
		return err
	}
	if !wait {
		s.engine.Nudge(c.organization.ID, "request")
		return c.queued()
	}
	c.patient()
	report, err := s.engine.Sync(c.Context(), c.organization.ID)
	if err != nil {
		return err
	}
	answer := *report
	answer.Commits = orEmpty(answer.Commits)
	return c.reply(http.StatusOK, answer)
}

// queued says that a run was asked for.
func (c *call) queued() error {
	return c.reply(http.StatusAccepted, map[string]string{"status": "queued"})
}

func (s *Server) getPlan(c *call) error {
	info, err := s.connected(c)
	if err != nil {
		return err
	}
	if info == nil {
		return disconnected()
	}
	c.patient()
	actions, err := s.engine.Plan(c.Context(), c.organization.ID)
	if err != nil {
		return err
	}
	shown := actions[:min(len(actions), maxActions)]
	return c.reply(http.StatusOK, struct {
		Actions []mirror.Action `json:"actions"`
		Total   int             `json:"total"` // more than are listed, of a very long plan
	}{orEmpty(shown), len(actions)})
}

func (s *Server) getRuns(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	runs, next, err := s.db.Runs(c.Context(), c.organization.ID, page)
	if err != nil {
		return err
	}
	for _, run := range runs {
		run.Commits = orEmpty(run.Commits)
	}
	return c.reply(http.StatusOK, newList(runs, next))
}

func (s *Server) getRun(c *call) error {
	run, err := s.db.Run(c.Context(), c.organization.ID, c.PathValue("run"))
	if errors.Is(err, db.ErrNotFound) {
		return notFound("run")
	}
	if err != nil {
		return err
	}
	run.Commits = orEmpty(run.Commits)
	return c.reply(http.StatusOK, run)
}

// heldItem is one deletion, or one import, that waits for a person.
type heldItem struct {
	Reason    mirror.Reason    `json:"reason"`
	Direction mirror.Direction `json:"direction"`
	Kind      document.Kind    `json:"kind"`
	Slug      string           `json:"slug"`
	Path      string           `json:"path"`
}

func (s *Server) getHold(c *call) error {
	hold, err := s.db.Hold(c.Context(), c.organization.ID)
	if err != nil {
		return err
	}
	// All of them: whoever approves has to see what. They are as many as entities at most.
	items := make([]heldItem, len(hold.Items))
	for i, item := range hold.Items {
		items[i] = heldItem(item)
	}
	return c.reply(http.StatusOK, map[string]any{"id": hold.ID, "items": items, "created_at": hold.CreatedAt})
}

func (s *Server) approve(c *call) error { return s.decide(c, mirror.Approved) }
func (s *Server) discard(c *call) error { return s.decide(c, mirror.Discarded) }

func (s *Server) decide(c *call, verdict mirror.Verdict) error {
	form, err := c.form("hold")
	if err != nil {
		return err
	}
	id, given, err := form.text("hold")
	if err != nil {
		return err
	}
	if given && id == "" {
		return badRequest("hold: expected the id that GET mirror/hold gives, or no body for the list as it is now.")
	}
	info, err := s.connected(c)
	if err != nil {
		return err
	}
	if info == nil {
		return disconnected()
	}
	if err := s.db.DecideHold(c.Context(), c.organization.ID, id, verdict); err != nil {
		return err
	}
	s.engine.Nudge(c.organization.ID, "request")
	return c.queued()
}
