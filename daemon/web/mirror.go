package web

import (
	"net/http"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// MirrorStatus is the answer of GET mirror, and what the command line says of a mirror.
type MirrorStatus struct {
	Organization   string           `json:"organization"`
	State          mirror.StateName `json:"state"`
	Detail         *mirror.Detail   `json:"detail"`
	Conditions     []Condition      `json:"conditions"`
	SyncedCommit   mirror.Hash      `json:"synced_commit"`
	RemoteCommit   mirror.Hash      `json:"remote_commit"`
	PendingChanges int              `json:"pending_changes"`
	PendingSince   *time.Time       `json:"pending_since"` // when the oldest of them was made
	BehindSince    *time.Time       `json:"behind_since"`  // since when the branch has had what is not imported
	Errors         int              `json:"errors"`
	Conflicts      int              `json:"conflicts"`
	Held           int              `json:"held"`
	Branch         string           `json:"branch"`
	PathPrefix     string           `json:"path_prefix"`
	Holder         string           `json:"holder"` // "": no daemon has the mirror now
	LastRun        *mirror.Report   `json:"last_run"`
}

// Condition is a condition as it is shown.
type Condition struct {
	mirror.Detail
	Severity mirror.Severity `json:"severity"`
}

// NewMirrorStatus shows what the database knows.
func NewMirrorStatus(st *db.Status) MirrorStatus {
	conditions := []Condition{}
	for _, d := range st.State.Conditions {
		conditions = append(conditions, Condition{d, d.Severity()})
	}
	return MirrorStatus{
		Organization: st.Organization, State: st.State.Name, Detail: st.State.Detail, Conditions: conditions,
		SyncedCommit: st.Cursor, RemoteCommit: st.RemoteSeen, PendingChanges: st.Pending,
		PendingSince: st.PendingSince, BehindSince: st.BehindSince, Errors: st.Errors, Conflicts: st.Conflicts,
		Held: st.Held, Branch: st.Identity.Branch, PathPrefix: st.Identity.Prefix, Holder: st.Holder, LastRun: st.LastRun,
	}
}

func (s *Server) getMirror(c *call) error {
	st, err := s.db.Status(c.Context(), c.organization.ID)
	if err != nil {
		return err
	}
	// Only this daemon knows of a run that has just begun and records itself at its end.
	if st.State.Name == mirror.StateOK && s.engine.Running(c.organization.ID) {
		st.State.Name = mirror.StateSyncing
	}
	if st.LastRun != nil {
		st.LastRun.Actions = nil
	}
	s.engine.Diagnose(st)
	return c.reply(http.StatusOK, NewMirrorStatus(st))
}

func (s *Server) pause(c *call) error  { return s.setPaused(c, true) }
func (s *Server) resume(c *call) error { return s.setPaused(c, false) }

func (s *Server) setPaused(c *call, paused bool) error {
	known := []string{"confirm_copy"}
	if paused {
		known = nil
	}
	form, err := c.form(known...)
	if err != nil {
		return err
	}
	confirmed, err := form.flag("confirm_copy")
	if err != nil {
		return err
	}
	if confirmed {
		if err := s.db.ConfirmCopy(c.Context(), c.organization.ID); err != nil {
			return err
		}
		s.engine.Reconnected(c.organization.ID)
	}
	if err := s.db.SetPaused(c.Context(), c.organization.ID, paused); err != nil {
		return err
	}
	if !paused {
		s.engine.Nudge(c.organization.ID, "request")
	}
	return s.getMirror(c)
}

// propose offers once more what people declined.
func (s *Server) propose(c *call) error {
	if _, err := c.form(); err != nil {
		return err
	}
	if err := s.runnable(c); err != nil {
		return err
	}
	info, err := s.connected(c)
	if err != nil {
		return err
	}
	if info.Settings.Push == mirror.PushDirect {
		return &failure{
			status: http.StatusConflict, code: "NO_PULL_REQUESTS", message: "This mirror's changes are pushed to the branch itself.",
			remedy: "Set push of the connection to pull-request or auto.",
		}
	}
	if err := s.db.Propose(c.Context(), c.organization.ID); err != nil {
		return err
	}
	s.engine.Nudge(c.organization.ID, "request")
	return c.queued()
}
