package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

type conflict struct {
	ID         string                `json:"id"`
	Kind       document.Kind         `json:"kind"`
	Slug       string                `json:"slug"`
	Path       string                `json:"path"`
	Reason     mirror.ConflictReason `json:"reason"`
	Base       *document.Document    `json:"base"`
	Git        *document.Document    `json:"git"`
	Database   *document.Document    `json:"database"`
	Decided    document.Policy       `json:"decided"`
	Places     []string              `json:"places"`
	CreatedAt  time.Time             `json:"created_at"`
	ResolvedAt *time.Time            `json:"resolved_at"`
	Resolution string                `json:"resolution,omitempty"`
}

func showConflict(c *db.Conflict) conflict {
	return conflict{
		ID: c.ID, Kind: c.Kind, Slug: c.Slug, Path: c.Path, Reason: c.Reason, Base: c.Base, Git: c.Git, Database: c.Database,
		Decided: c.Decided, Places: orEmpty(c.Places), CreatedAt: c.CreatedAt, ResolvedAt: c.ResolvedAt, Resolution: c.Resolution,
	}
}

func (s *Server) getConflicts(c *call) error {
	all, err := c.flag("all")
	if err != nil {
		return err
	}
	page, err := c.page()
	if err != nil {
		return err
	}
	b := newBatch(page.Limit, "")
	for {
		rows, next, err := s.db.Conflicts(c.Context(), c.organization.ID, all, db.Page{Limit: b.wanted(), Cursor: page.Cursor})
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := b.add(showConflict(row)); err != nil {
				return err
			}
		}
		if page.Cursor = next; next == "" || b.full() {
			return c.reply(http.StatusOK, newList(b.items, next))
		}
	}
}

// resolveConflict gives the contested places to a side: an edit like any other.
func (s *Server) resolveConflict(c *call) error {
	form, err := c.form("take", "updated_by")
	if err != nil {
		return err
	}
	take, err := form.side()
	if err != nil {
		return err
	}
	author, err := form.author()
	if err != nil {
		return err
	}
	id := c.PathValue("id")
	_, err = s.db.ResolveConflict(c.Context(), c.organization.ID, id, take, author)
	if errors.Is(err, db.ErrNotFound) {
		return notFound("conflict")
	}
	if err != nil {
		return err
	}
	s.engine.Nudge(c.organization.ID, "api")
	row, err := s.db.Conflict(c.Context(), c.organization.ID, id)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, showConflict(row))
}

// side reads the field take: "git" or "database".
func (f form) side() (document.Policy, error) {
	take, _, err := f.text("take")
	if err != nil {
		return "", err
	}
	if take != string(document.PreferGit) && take != string(document.PreferDatabase) {
		refused := badRequest("take: %q: expected git or database.", shorten(take))
		refused.fields = map[string]string{"take": "expected git or database"}
		return "", refused
	}
	return document.Policy(take), nil
}

// placesChanged tells the new difference, for a person to decide on.
func placesChanged(e *db.PlacesChangedError) *failure {
	f := fail(http.StatusConflict, "PLACES_CHANGED", "Places of the conflict were edited since, and taking %s would undo that: %s.", e.Take, strings.Join(e.Names(), ", "))
	f.remedy = "Look at the difference, then save the entity as it is to be. Taking the side that has won puts the conflict away."
	f.difference = e.Places
	return f
}
