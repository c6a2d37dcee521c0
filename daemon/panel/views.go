package panel

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/document"
)

//go:embed templates assets
var files embed.FS

// views are the parsed templates: each page's, within the layout.
type views struct {
	pages  map[string]*template.Template
	assets map[string]asset
}

// asset is a file that browsers may keep for as long as they like: its address has a part
// of its hash in it.
type asset struct {
	content []byte
	version string
}

func newViews(now func() time.Time) *views {
	v := &views{pages: map[string]*template.Template{}, assets: map[string]asset{}}
	each("assets", func(name string, content []byte) {
		sum := sha256.Sum256(content)
		v.assets[name] = asset{content, hex.EncodeToString(sum[:6])}
	})
	layout := template.New("layout.html").Funcs(template.FuncMap{
		"asset":    func(name string) string { return "/assets/" + name + "?v=" + v.assets[name].version },
		"state":    stateShown,
		"ago":      func(t time.Time) template.HTML { return ago(now(), t) },
		"plural":   document.Kind.Plural,
		"singular": document.Kind.Singular,
		"count":    count,
		"ms": func(ms int64) string {
			return (time.Duration(ms) * time.Millisecond).Round(10 * time.Millisecond).String()
		},
		"segment":   url.PathEscape,
		"text":      documentText,
		"heldWords": heldWords,
		"reason":    reasonShown,
		"did":       didShown,
		"coded":     coded,
		"pushWords": func(m mirror.PushMode) string { return pushWords[m] },
		"utc":       func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	})
	texts := map[string]string{}
	each("templates", func(name string, content []byte) { texts[strings.TrimSuffix(name, ".html")] = string(content) })
	template.Must(layout.Parse(texts["layout"]))
	template.Must(layout.Parse(texts["parts"]))
	for name, text := range texts {
		if name != "layout" && name != "parts" {
			v.pages[name] = template.Must(template.Must(layout.Clone()).Parse(text))
		}
	}
	return v
}

// each calls with the files of a directory that is built in.
func each(dir string, f func(name string, content []byte)) {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		content, err := files.ReadFile(path.Join(dir, e.Name()))
		if err != nil {
			panic(err)
		}
		f(e.Name(), content)
	}
}

// frame is what surrounds a page.
type frame struct {
	*page
	Who, Version string
	At           string // the page's own address
	Organization *db.Organization
	connection   *db.ConnectionInfo
	Tabs         []tab
}

type tab struct {
	Path, Name string
	Here       bool
}

// Runs is what the template of that name shows; at is the organization's page.
func (frame) Runs(at string, runs []*mirror.Report) any {
	return struct {
		At   string
		Runs []*mirror.Report
	}{at, runs}
}

// Commit is what the template of that name shows.
func (f frame) Commit(hash mirror.Hash) any {
	link := struct{ URL, Short string }{Short: string(hash)[:min(len(hash), 12)]}
	if f.connection != nil {
		link.URL = bitbucket.CommitURL(f.connection.Settings, hash)
	}
	return link
}

func (p *Panel) frame(v *visit, shown *page) frame {
	f := frame{page: shown, Who: v.who, Version: p.version, At: v.URL.RequestURI(), Organization: v.organization, connection: v.connection}
	if v.organization == nil {
		return f
	}
	for _, t := range []tab{{Name: "Overview"}, {Path: "entities", Name: "Entities"}, {Path: "conflicts", Name: "Conflicts"}, {Path: "held", Name: "Held"}, {Path: "activity", Name: "Activity"}, {Path: "settings", Name: "Settings"}} {
		t.Here = t.Path == shown.Tab
		t.Path = strings.TrimSuffix("/organizations/"+v.organization.Slug+"/"+t.Path, "/")
		f.Tabs = append(f.Tabs, t)
	}
	return f
}

func (v *views) render(w io.Writer, f frame) error {
	t := v.pages[f.name]
	if t == nil {
		return fmt.Errorf("panel: there is no template %q", f.name)
	}
	return t.Execute(w, f)
}

func (p *Panel) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	a, ok := p.views.assets[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	if r.URL.Query().Get("v") == a.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(a.content)
}
