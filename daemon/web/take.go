package web

import (
	"net/http"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// syncEntity runs the entity's mirror and answers with what the entity is then. With
// a side in the body the whole entity is given to it, whatever stands in the way: the
// run decides it so, and what only the other side has is kept in the conflicts.
func (s *Server) syncEntity(c *call) error {
	form, err := c.form("take")
	if err != nil {
		return err
	}
	var side document.Policy
	if _, given := form["take"]; given {
		if side, err = form.side(); err != nil {
			return err
		}
	}
	if err := s.runnable(c); err != nil {
		return err
	}
	if side != "" {
		return s.takeEntity(c, side)
	}
	c.patient()
	if _, err := s.engine.Sync(c.Context(), c.organization.ID); err != nil {
		return err
	}
	row, err := s.db.GetEntity(c.Context(), c.organization.ID, c.kind, c.PathValue("slug"), "")
	if err != nil {
		return c.named(err)
	}
	return c.replyEntity(http.StatusOK, row)
}

func (s *Server) takeEntity(c *call, side document.Policy) error {
	take, err := s.db.TakeEntity(c.Context(), c.organization.ID, c.kind, c.PathValue("slug"), side)
	if err != nil {
		return c.named(err)
	}
	c.patient()
	report, err := s.engine.Sync(c.Context(), c.organization.ID)
	if err != nil {
		return err
	}
	row, done, err := s.db.Taken(c.Context(), c.organization.ID, take)
	switch {
	case err != nil:
		return err
	case !done:
		return notTakenYet(report)
	case row == nil:
		return c.nothing()
	}
	return c.replyEntity(http.StatusOK, row)
}

// notTakenYet is a decision that the run could not carry out. It is not forgotten.
func notTakenYet(report *mirror.Report) error {
	const kept = "The decision is kept: the next run that can carries it out."
	if d := report.Detail; d != nil {
		status := faultStatus(&mirror.Fault{Code: d.Code})
		return &failure{status: status, code: d.Code, message: d.Message + " " + kept, remedy: d.Remedy}
	}
	return fail(http.StatusConflict, "OVERTAKEN", "Others kept changing the entity, or hold a lock on it. %s", kept)
}
