package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
)

//go:embed home.html
var homeHTML string

//go:embed home.css
var homeCSS string

var homeTemplate = template.Must(template.New("home").Parse(homeHTML))

// page is a page that is the same for everybody who has not signed in.
type page struct {
	css    template.CSS
	policy string
}

// newPage allows the page its own style sheet, by hash, and nothing else.
func newPage() page {
	sum := sha256.Sum256([]byte(homeCSS))
	return page{
		css:    template.CSS(homeCSS),
		policy: fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", base64.StdEncoding.EncodeToString(sum[:])),
	}
}

// getHome says what this is and where everything else is. It tells nothing about organizations.
func (s *Server) getHome(c *call) error {
	var out bytes.Buffer
	err := homeTemplate.Execute(&out, map[string]any{"CSS": s.home.css, "PublicURL": s.live.Load().publicURL, "Webhook": webhookPath, "API": apiRoot})
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.w.Header().Set("Content-Security-Policy", s.home.policy)
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(out.Bytes())
	return nil
}
