package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// maxRejected are more bad files than anybody looks at: a page ends with them, too.
const maxRejected = 1000

type rejectedFile struct {
	Slug  string             `json:"slug"`
	Path  string             `json:"path"`
	Error mirror.EntityError `json:"error"`
}

type entityList struct {
	Items    []json.RawMessage `json:"items"`
	Rejected []rejectedFile    `json:"rejected"` // files that have no entity; on the first page, and further ones if they are very many
	Next     string            `json:"next_cursor"`
}

func (s *Server) getEntities(c *call) error {
	page, err := c.page()
	if err != nil {
		return err
	}
	owner, err := c.owner()
	if err != nil {
		return err
	}
	failing, err := c.flag("errors")
	if err != nil {
		return err
	}
	b := newBatch(page.Limit, c.kind)
	list := entityList{Rejected: []rejectedFile{}, Next: page.Cursor}
	for {
		filter := db.EntityFilter{Owner: &owner, Limit: b.wanted(), Cursor: list.Next, ErrorsOnly: failing, Search: c.URL.Query().Get("search")}
		rows, rejected, next, err := s.db.ListEntities(c.Context(), c.organization.ID, c.kind, filter)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := b.add(showEntity(row)); err != nil {
				return err
			}
		}
		for _, f := range rejected {
			list.Rejected = append(list.Rejected, rejectedFile{f.Slug, f.Path, f.Error})
		}
		if list.Next = next; next == "" || b.full() || len(list.Rejected) >= maxRejected {
			list.Items = b.items
			return c.reply(http.StatusOK, list)
		}
	}
}

func (s *Server) getEntity(c *call) error {
	owner, err := c.owner()
	if err != nil {
		return err
	}
	row, err := s.db.GetEntity(c.Context(), c.organization.ID, c.kind, c.PathValue("slug"), owner)
	if err != nil {
		return c.named(err)
	}
	if known := strings.Join(c.Header.Values("If-None-Match"), ","); known == "*" || strings.Contains(known, row.ETag) { // quoted, of one length
		c.w.Header().Set("ETag", row.ETag)
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return c.replyEntity(http.StatusOK, row)
}

func (s *Server) putEntity(c *call) error {
	owner, err := c.owner()
	if err != nil {
		return err
	}
	write, err := c.entityWrite(s.live.Load().limits)
	if err != nil {
		return err
	}
	write.Owner = owner
	row, created, err := s.db.PutEntity(c.Context(), c.organization.ID, c.kind, c.PathValue("slug"), write)
	if write.IfNoneMatch && errors.Is(err, db.ErrPrecondition) {
		return fail(http.StatusPreconditionFailed, "PRECONDITION_FAILED", "There is one of that slug already, and If-None-Match asks for none.")
	}
	if err != nil {
		return c.named(err)
	}
	s.engine.Nudge(c.organization.ID, "api")
	status := http.StatusOK
	if created {
		status = http.StatusCreated
		c.w.Header().Set("Location", c.URL.EscapedPath())
	}
	return c.replyEntity(status, row)
}

func (s *Server) deleteEntity(c *call) error {
	edit, err := c.edit()
	if err != nil {
		return err
	}
	edit.IfMatch = c.ifMatch()
	if err := s.db.DeleteEntity(c.Context(), c.organization.ID, c.kind, c.PathValue("slug"), edit); err != nil {
		return c.named(err)
	}
	s.engine.Nudge(c.organization.ID, "api")
	return c.nothing()
}

func (s *Server) restoreEntity(c *call) error {
	edit, err := c.edit()
	if err != nil {
		return err
	}
	row, err := s.db.RestoreEntity(c.Context(), c.organization.ID, c.kind, c.PathValue("slug"), edit)
	if err != nil {
		return c.named(err)
	}
	s.engine.Nudge(c.organization.ID, "api")
	return c.replyEntity(http.StatusOK, row)
}

// replyEntity answers with an entity and its ETag.
func (c *call) replyEntity(status int, row *db.Entity) error {
	c.w.Header().Set("ETag", row.ETag)
	return c.reply(status, showEntity(row))
}

// owner is whose entities the request is about; "" is the organization.
func (c *call) owner() (string, error) {
	owner := c.URL.Query().Get("owner")
	switch {
	case owner != "" && c.kind == document.MCPClients:
		return "", badRequest("owner: an MCP client belongs to the organization and has no owner.")
	case !storable(owner):
		return "", badRequest("owner: expected an owner's id.")
	}
	return owner, nil
}

// ifMatch is the header as one line.
func (c *call) ifMatch() string { return strings.Join(c.Header.Values("If-Match"), ", ") }

// edit is what deleting and restoring take beside the slug.
func (c *call) edit() (edit db.EntityEdit, err error) {
	if edit.Owner, err = c.owner(); err != nil {
		return edit, err
	}
	form, err := c.form("updated_by")
	if err != nil {
		return edit, err
	}
	edit.UpdatedBy, err = form.author()
	return edit, err
}

// named says of which kind it is that there is none.
func (c *call) named(err error) error {
	switch {
	case errors.Is(err, db.ErrNotFound):
		return notFound(c.kind.Singular())
	case errors.Is(err, db.ErrSlugTaken):
		return fail(http.StatusConflict, "SLUG_TAKEN", "Another %s has that slug already.", c.kind.Singular())
	}
	return err
}
