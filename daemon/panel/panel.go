package panel

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Options of New. All are needed but Now.
type Options struct {
	Server  *web.Server // signs in, and finds the words for errors
	DB      *db.DB
	Engine  web.Engine
	Version string
	Now     func() time.Time
}

// Panel answers requests for pages.
type Panel struct {
	server  *web.Server
	db      *db.DB
	engine  web.Engine
	version string
	now     func() time.Time
	mux     *http.ServeMux
	views   *views
}

// New makes the panel.
func New(o Options) *Panel {
	p := &Panel{server: o.Server, db: o.DB, engine: o.Engine, version: o.Version, now: o.Now, mux: http.NewServeMux()}
	if p.now == nil {
		p.now = time.Now
	}
	p.views = newViews(p.now)
	for pattern, handle := range map[string]handler{
		"GET /{$}":                                            (*Panel).home,
		"GET /organizations":                                  (*Panel).organizations,
		"GET /organizations/{org}":                            (*Panel).overview,
		"GET /organizations/{org}/conflicts":                  (*Panel).conflicts,
		"GET /organizations/{org}/conflicts/{id}":             (*Panel).conflict,
		"GET /organizations/{org}/held":                       (*Panel).held,
		"GET /organizations/{org}/activity":                   (*Panel).activity,
		"GET /organizations/{org}/runs/{run}":                 (*Panel).run,
		"GET /organizations/{org}/entities":                   (*Panel).entities,
		"GET /organizations/{org}/settings":                   (*Panel).settings,
		"GET /organizations/{org}/plan":                       (*Panel).plan,
		"GET /organizations/{org}/plan/actions":               (*Panel).planActions,
		"GET /organizations/{org}/new":                        (*Panel).newEntity,
		"GET /organizations/{org}/entities/{kind}/{slug}":     (*Panel).entity,
		"GET /organizations/{org}/entities/{kind}/{slug}/git": (*Panel).git,
	} {
		p.mux.Handle(pattern, p.page(handle))
	}
	p.mux.HandleFunc("GET /assets/{name}", p.asset)
	p.mux.HandleFunc("POST /check/{kind}", p.check)
	p.mux.HandleFunc("GET /sign-in", p.signInPage)
	p.mux.HandleFunc("POST /sign-in", p.signIn)
	p.mux.HandleFunc("GET /sign-in/oidc", p.signInElsewhere)
	p.mux.HandleFunc("GET "+web.OIDCCallback, p.signedInElsewhere)
	p.mux.HandleFunc("POST /sign-out", p.signOut)
	return p
}

// policy allows what the panel's own files do, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (p *Panel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Referrer-Policy", "same-origin")
	h, pattern := p.mux.Handler(r)
	if pattern == "" {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.ServeHTTP(w, r) // a wrong method
			return
		}
		p.page(func(*Panel, *visit) (*page, error) { return nil, errNoPage }).ServeHTTP(w, r)
		return
	}
	_, route, _ := strings.Cut(pattern, " ")
	web.Answered(w, route)
	p.mux.ServeHTTP(w, r)
}

// visit is one request of somebody who is signed in.
type visit struct {
	*http.Request
	who          string
	organization *db.Organization   // that of {org}; nil where the path names none
	connection   *db.ConnectionInfo // its; nil where it never had one
}

// connected is the organization's connection; nil where there is none now.
func (v *visit) connected() *db.ConnectionInfo {
	if v.connection == nil || v.connection.DisconnectedAt != nil {
		return nil
	}
	return v.connection
}

// page is what a handler answers with: the name of its template, and what that shows.
type page struct {
	name   string
	status int // 0: 200
	Title  string
	Tab    string // of the organization's, by path; "" is the overview
	Body   any
}

type handler func(p *Panel, v *visit) (*page, error)

// errNoPage: nothing is at the path.
var errNoPage = errors.New("panel: no such page")

// page lets in who is signed in, and shows what the handler says.
func (p *Panel) page(handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := p.server.Visitor(r)
		switch {
		case err != nil:
			p.explain(w, r, &visit{Request: r}, err)
			return
		case who == "" && r.Header.Get("HX-Request") != "":
			w.Header().Set("HX-Redirect", signInAt(openPage(r))) // the session ended while the page was open
			w.WriteHeader(http.StatusNoContent)
			return
		case who == "":
			http.Redirect(w, r, signInAt(r.URL.RequestURI()), http.StatusSeeOther)
			return
		}
		v := &visit{Request: r, who: who}
		shown, err := p.answer(v, handle)
		if err != nil {
			p.explain(w, r, v, err)
			return
		}
		p.show(w, v, shown)
	})
}

// openPage is the page that a part of it is asked for, as htmx tells.
func openPage(r *http.Request) string {
	u, err := url.Parse(r.Header.Get("HX-Current-URL"))
	if err != nil {
		return ""
	}
	return onward(u.RequestURI())
}

func (p *Panel) answer(v *visit, handle handler) (*page, error) {
	if slug := v.PathValue("org"); slug != "" {
		if !document.ValidSlug(document.Toolkits, slug) { // a database might refuse to look for it
			return nil, errNoPage
		}
		o, err := p.db.Organization(v.Context(), slug)
		if errors.Is(err, db.ErrNotFound) {
			return nil, errNoPage
		}
		if err != nil {
			return nil, err
		}
		if err := p.enter(v, o); err != nil {
			return nil, err
		}
	}
	return handle(p, v)
}

// enter makes a page that of an organization.
func (p *Panel) enter(v *visit, o *db.Organization) (err error) {
	v.organization = o
	if v.connection, err = p.db.Connection(v.Context(), o.ID); errors.Is(err, mirror.ErrNoMirror) {
		return nil
	}
	return err
}

// show renders a page. It is rendered before anything is sent, so that what cannot be
// rendered is an honest error.
func (p *Panel) show(w http.ResponseWriter, v *visit, shown *page) {
	var out bytes.Buffer
	if err := p.views.render(&out, p.frame(v, shown)); err != nil {
		status, _, message, _ := p.server.Explain(w, v.Request, err)
		http.Error(w, message, status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if shown.status != 0 {
		w.WriteHeader(shown.status)
	}
	_, _ = w.Write(out.Bytes())
}

// problem is what a page says of an error.
type problem struct{ Code, Message, Remedy string }

// explain shows an error in the API's words.
func (p *Panel) explain(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	if errors.Is(err, errNoPage) || errors.Is(err, db.ErrNotFound) {
		p.show(w, v, &page{name: "problem", status: http.StatusNotFound, Title: "Not found", Tab: "-", Body: problem{
			Message: "There is no such page.", Remedy: "What it showed may have been deleted or renamed.",
		}})
		return
	}
	status, code, message, remedy := p.server.Explain(w, r, err)
	p.show(w, v, &page{name: "problem", status: status, Title: "That did not work", Tab: "-", Body: problem{code, message, remedy}})
}
