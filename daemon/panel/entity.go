package panel

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror/document"
)

type entityBody struct {
	API        string // the kind's address in the API
	Kind       document.Kind
	Slug       string
	*db.Entity // nil: there is none now
	// Text is the document of a kind that is one file.
	Text  string
	Files []skillFile
	// Begun is a document to begin with.
	Begun bool
	// Conflict is put away when the entity is saved; nil: none.
	Conflict *conflictBody
}

// skillFile is one of a skill's files, as far as it can be shown and edited here.
type skillFile struct {
	Path, Text string
	IsText     bool
	Executable bool
	Size       int
}

// entity is one entity: what is wrong with it, its document to edit, and what else can be
// done with it.
func (p *Panel) entity(v *visit) (*page, error) {
	body := entityBody{Kind: document.Kind(v.PathValue("kind")), Slug: v.PathValue("slug")}
	if !body.Kind.Valid() {
		return nil, errNoPage
	}
	shown := &page{name: "entity", Title: body.Kind.Singular() + " " + body.Slug, Tab: "entities"}
	row, err := p.db.GetEntity(v.Context(), v.organization.ID, body.Kind, body.Slug, "")
	switch {
	case errors.Is(err, db.ErrNotFound) && !document.ValidSlug(body.Kind, body.Slug):
		return nil, errNoPage // there never was one; a made-up name has no buttons
	case errors.Is(err, db.ErrNotFound):
		shown.name, shown.status, shown.Body = "gone", http.StatusNotFound, body
		return shown, nil
	case err != nil:
		return nil, err
	}
	shown.Body = edited(v.organization, row)
	return shown, nil
}

// edited is an entity to edit.
func edited(o *db.Organization, row *db.Entity) entityBody {
	body := entityBody{API: apiOf(o, row.Document.Kind), Kind: row.Document.Kind, Slug: row.Document.Slug, Entity: row}
	if body.Kind == document.Skills {
		body.Files = editable(row.Document.Files)
	} else {
		body.Text = string(document.Encode(web.ShowSecrets(row)))
	}
	return body
}

// editable are a skill's files to edit: SKILL.md, and as many others as a page has room for.
func editable(files []document.File) []skillFile {
	all := make([]skillFile, len(files))
	room := maxPage
	for i, f := range files {
		all[i] = skillFile{Path: f.Path, Size: len(f.Content), Executable: f.Executable}
		if !f.IsText() || len(f.Content) > maxShown || f.Path != document.SkillFile && len(f.Content) > room {
			continue
		}
		all[i].IsText, all[i].Text = true, string(f.Content)
		room -= len(f.Content)
	}
	return all
}

// apiOf is a kind's address in the API.
func apiOf(o *db.Organization, kind document.Kind) string {
	return fmt.Sprintf("/api/v1/organizations/%s/%s", o.Slug, kind)
}

// begun is what a new entity begins as.
var begun = map[document.Kind]string{
	document.Toolkits:   "{\n  \"slug\": \"\",\n  \"name\": \"\",\n  \"description\": \"\",\n  \"integrations\": {},\n  \"skills\": [],\n  \"commands\": []\n}\n",
	document.Commands:   "{\n  \"slug\": \"\",\n  \"name\": \"\",\n  \"description\": \"\",\n  \"prompt\": \"\"\n}\n",
	document.MCPServers: "{\n  \"slug\": \"\",\n  \"name\": \"\",\n  \"type\": \"http\",\n  \"url\": \"https://\"\n}\n",
	document.MCPClients: "{\n  \"slug\": \"\",\n  \"name\": \"\"\n}\n",
	document.Skills:     "---\nname: \ndescription: \n---\n",
}

// newEntity is the page of an entity that is not there yet.
func (p *Panel) newEntity(v *visit) (*page, error) {
	body := entityBody{Kind: document.Kind(v.URL.Query().Get("kind")), Begun: true}
	if !body.Kind.Valid() {
		return nil, errNoPage
	}
	body.API = apiOf(v.organization, body.Kind)
	if body.Text = begun[body.Kind]; body.Kind == document.Skills {
		body.Files = []skillFile{{Path: document.SkillFile, Text: body.Text, IsText: true}}
	}
	return &page{name: "entity", Title: "New " + body.Kind.Singular(), Tab: "entities", Body: body}, nil
}

// maxChecked bounds a document that is checked while it is typed.
const maxChecked = 1 << 20

// check says what is wrong with a document that somebody is typing.
func (p *Panel) check(w http.ResponseWriter, r *http.Request) {
	if web.CrossSite(r) {
		http.Error(w, "A page of another site sent this request.", http.StatusForbidden)
		return
	}
	if who, err := p.server.Visitor(r); who == "" || err != nil {
		http.Error(w, "Sign in again.", http.StatusUnauthorized)
		return
	}
	kind := document.Kind(r.PathValue("kind"))
	if !kind.Valid() || kind == document.Skills {
		http.NotFound(w, r)
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxChecked))
	if err != nil {
		http.Error(w, "The document is too large to be checked while it is typed.", http.StatusRequestEntityTooLarge)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	doc, problem := document.UnmarshalDocument(kind, text, document.Limits{})
	if problem == nil {
		if problem = p.db.CheckEntity(doc); problem != nil {
			problem = problem.Locate(text)
		}
	}
	if problem != nil {
		_, _ = io.WriteString(w, strings.ToUpper(problem.Message[:1])+problem.Message[1:]+".")
	}
}
