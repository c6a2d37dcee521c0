package web

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
)

func TestHome(t *testing.T) {
	w := embedded(t, func(o *Options) { o.PublicURL = `https://host.example/"><script>` })
	w.connect("acme", nil)
	got := w.do("GET", "/", nil, anonymous).is(200)
	body := string(got.Body)
	for _, text := range []string{"/api/v1/openapi.json", "/api/bitbucket/webhook", "/healthz", "/readyz", "admin-token", "prefers-color-scheme: dark"} {
		if !strings.Contains(body, text) {
			t.Errorf("the page does not name %s", text)
		}
	}
	if strings.Contains(body, "<script>") || strings.Contains(body, "acme") {
		t.Errorf("%s", body)
	}
	// Nothing comes from another host, and the style sheet is the one that is allowed.
	if refs := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(body, -1); len(refs) == 0 {
		t.Error("no links")
	} else {
		for _, ref := range refs {
			if !strings.HasPrefix(ref[1], "/") || strings.HasPrefix(ref[1], "//") {
				t.Errorf("the page refers to %s", ref[1])
			}
		}
	}
	css := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(body)
	sum := sha256.Sum256([]byte(css[1]))
	if policy := got.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("the style sheet is not allowed by %s", policy)
	}
}

func TestReady(t *testing.T) {
	each(t, func(w *world) {
		w.do("GET", "/readyz", nil, anonymous).is(200)
		w.do("GET", "/healthz", nil, anonymous).is(200)
	})
}
