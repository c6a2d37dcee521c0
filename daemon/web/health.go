package web

import (
	"context"
	"net/http"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// readyTimeout is how long the database may take to show that it works.
const readyTimeout = 3 * time.Second

// getHealth answers for the whole daemon: one that is stuck is better started anew. What the
// database or Bitbucket do does not count.
func (s *Server) getHealth(c *call) error {
	if !s.engine.Alive() {
		return fail(http.StatusServiceUnavailable, "STUCK", "The daemon does not get on, and should be started anew. Nothing is lost.")
	}
	return c.reply(http.StatusOK, map[string]string{"status": "ok"})
}

// getReady reads from the database, and makes sure that it is this program's.
func (s *Server) getReady(c *call) error {
	ctx, cancel := context.WithTimeout(c.Context(), readyTimeout)
	defer cancel()
	current, wanted, err := s.db.SchemaVersion(ctx)
	if err != nil {
		return &failure{status: http.StatusServiceUnavailable, code: "NOT_READY", message: "The database does not answer.", cause: err}
	}
	if current < wanted {
		return fail(http.StatusServiceUnavailable, "NOT_READY", "The database is not migrated yet.")
	}
	return c.reply(http.StatusOK, readiness{Status: "ok", Conditions: s.conditionCodes()})
}

// readiness is the answer of /readyz. Anybody may read it: texts are for who is signed in.
type readiness struct {
	Status     string   `json:"status"`
	Conditions []string `json:"conditions"` // codes
}

func (s *Server) conditionCodes() []string {
	codes := []string{}
	for _, c := range s.engine.Conditions() {
		codes = append(codes, c.Code)
	}
	if s.engine.Stalled() > 0 {
		codes = append(codes, mirror.CodeStalled)
	}
	return codes
}

// getMetrics shows the registry to this machine, and to those with the admin token.
func (s *Server) getMetrics(c *call) error {
	if !local(c.Request) || c.Header.Get("Authorization") != "" {
		if _, err := s.authenticate(c.Request); err != nil {
			return withChallenge(c.w, err)
		}
	}
	s.exposition.ServeHTTP(c.w, c.Request)
	return nil
}
