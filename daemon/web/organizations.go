package web

import (
	"net/http"
	"time"

	"github.com/confmirror/confmirror/db"
)

type organization struct {
	ID        string    `json:"id"`
	Slug      string    `json:"slug"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func showOrganization(o *db.Organization) organization {
	return organization{o.ID, o.Slug, o.Name, o.CreatedAt, o.UpdatedAt}
}

func (s *Server) getOrganizations(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	rows, next, err := s.db.Organizations(c.Context(), page)
	if err != nil {
		return err
	}
	items := make([]organization, len(rows))
	for i, o := range rows {
		items[i] = showOrganization(o)
	}
	return c.reply(http.StatusOK, newList(items, next))
}

func (s *Server) getOrganization(c *call) error {
	return c.reply(http.StatusOK, showOrganization(c.organization))
}

// putOrganization creates, or renames for display; what is there already is no error.
func (s *Server) putOrganization(c *call) error {
	form, err := c.form("name", "slug")
	if err != nil {
		return err
	}
	name, named, err := form.text("name")
	if err != nil {
		return err
	}
	slug, given, err := form.text("slug")
	if err != nil {
		return err
	}
	if given && slug != c.PathValue("org") {
		return invalidFields(map[string]string{"slug": "an organization cannot be renamed; expected the slug in the path"})
	}
	if len(name) > maxOrganizationName || !storable(name) {
		return invalidFields(map[string]string{"name": "expected at most 500 bytes, without U+0000"})
	}
	o, created, err := s.db.EnsureOrganization(c.Context(), c.PathValue("org"))
	if err != nil {
		return err
	}
	if named && name != o.Name {
		if err := s.db.RenameOrganization(c.Context(), o.ID, name); err != nil {
			return err
		}
		if o, err = s.db.OrganizationByID(c.Context(), o.ID); err != nil {
			return err
		}
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return c.reply(status, showOrganization(o))
}

const maxOrganizationName = 500
