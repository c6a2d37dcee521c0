package panel

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/confmirror/confmirror/daemon/web"
)

// signInBody is what the sign-in page shows.
type signInBody struct {
	Next     string
	Provider string // where people may sign in instead; "": nowhere
	Problem  *problem
}

// Elsewhere is the address that leads there.
func (b signInBody) Elsewhere() string { return "/sign-in/oidc?next=" + url.QueryEscape(b.Next) }

// signInAt is the sign-in page's address, with that of the page to go on to.
func signInAt(next string) string {
	if next == "" || next == "/" {
		return "/sign-in"
	}
	return "/sign-in?next=" + url.QueryEscape(next)
}

// onward is where to go after signing in: a page of ours, whatever the address says.
func onward(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return u.RequestURI()
}

func (p *Panel) signInPage(w http.ResponseWriter, r *http.Request) {
	next := onward(r.URL.Query().Get("next"))
	if who, err := p.server.Visitor(r); err == nil && who != "" {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	p.showSignIn(w, r, next, nil)
}

// showSignIn shows the sign-in page, with what went wrong.
func (p *Panel) showSignIn(w http.ResponseWriter, r *http.Request, next string, err error) {
	shown := &page{name: "sign-in", Title: "Sign in"}
	body := signInBody{Next: next, Provider: p.server.SignInProvider()}
	if err != nil {
		var said problem
		shown.status, said.Code, said.Message, said.Remedy = p.server.Explain(w, r, err)
		body.Problem = &said
	}
	shown.Body = body
	p.show(w, &visit{Request: r}, shown)
}

// signInElsewhere sends a browser to the OpenID provider.
func (p *Panel) signInElsewhere(w http.ResponseWriter, r *http.Request) {
	next := onward(r.URL.Query().Get("next"))
	address, err := p.server.BeginSignIn(w, r, next)
	if err != nil {
		p.showSignIn(w, r, next, err)
		return
	}
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// signedInElsewhere is where the provider sends it back to.
func (p *Panel) signedInElsewhere(w http.ResponseWriter, r *http.Request) {
	next, err := p.server.FinishSignIn(w, r)
	if err != nil {
		p.showSignIn(w, r, onward(next), err)
		return
	}
	http.Redirect(w, r, onward(next), http.StatusSeeOther)
}

// maxSignIn bounds the form.
const maxSignIn = 16 << 10

func (p *Panel) signIn(w http.ResponseWriter, r *http.Request) {
	if web.CrossSite(r) {
		http.Error(w, "A page of another site sent this request.", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxSignIn)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "The form could not be read.", http.StatusBadRequest)
		return
	}
	next := onward(r.PostForm.Get("next"))
	if err := p.server.SignIn(w, r, r.PostForm.Get("token")); err != nil {
		p.showSignIn(w, r, next, err)
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (p *Panel) signOut(w http.ResponseWriter, r *http.Request) {
	if web.CrossSite(r) {
		http.Error(w, "A page of another site sent this request.", http.StatusForbidden)
		return
	}
	if err := p.server.SignOut(w, r); err != nil {
		p.explain(w, r, &visit{Request: r}, err)
		return
	}
	http.Redirect(w, r, signInAt(""), http.StatusSeeOther)
}
