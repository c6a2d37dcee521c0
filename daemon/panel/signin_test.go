package panel

import (
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Signing in leads to a page of ours, whoever made the address.
func TestOnward(t *testing.T) {
	for next, want := range map[string]string{
		"/organizations/acme/entities?kind=skills&search=a+b": "/organizations/acme/entities?kind=skills&search=a+b",
		"":                       "/",
		"/":                      "/",
		"//evil.example/":        "/",
		"/\\evil.example":        "/",
		"/\t/evil.example":       "/",
		"https://evil.example/":  "/",
		"javascript:alert(1)":    "/",
		"evil.example":           "/",
		"/a\r\nSet-Cookie: x":    "/",
		"/organizations/%zz":     "/",
		"/organizations/ac me#x": "/organizations/ac%20me",
	} {
		if got := onward(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestSignInAtKeepsTheWay(t *testing.T) {
	if got := signInAt("/organizations/acme?a=b&c=d"); got != "/sign-in?next=%2Forganizations%2Facme%3Fa%3Db%26c%3Dd" {
		t.Error(got)
	}
	if got := signInAt("/"); got != "/sign-in" {
		t.Error(got)
	}
}

// The longest run is as high as the plot, the latest is at the right, and every state has its words.
func TestPlot(t *testing.T) {
	if p := plotted(nil); len(p.Bars) != 0 {
		t.Errorf("%+v", p)
	}
	p := plotted([]*mirror.Report{{RunID: "latest", DurationMS: 10}, {RunID: "longest", DurationMS: 60_000, Exported: 500}, {RunID: "none"}})
	if p.Longest != 60_000 || len(p.Bars) != 3 {
		t.Fatalf("%+v", p)
	}
	none, longest, latest := p.Bars[0], p.Bars[1], p.Bars[2]
	if latest.Run.RunID != "latest" || latest.X != p.Width-barWidth || longest.X >= latest.X || none.X >= longest.X {
		t.Errorf("the order: %+v", p.Bars)
	}
	if longest.Height != plotHeight || latest.Height >= longest.Height || none.Height <= 0 || longest.Y+longest.Height != float64(p.Height) {
		t.Errorf("the heights: %+v", p.Bars)
	}
	if longest.Radius <= 0 || latest.Radius != 0 {
		t.Errorf("the dots: %+v", p.Bars)
	}
	for name := range shownStates {
		if s := stateShown(name); s.Words == "" || s.Mark == "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := stateShown("new"); s.Words != "new" {
		t.Errorf("%+v", s)
	}
}

// Skills are shown file by file; what is no text is only counted.
func TestDocumentText(t *testing.T) {
	d := &document.Document{Kind: document.Skills, Files: []document.File{{Path: "SKILL.md", Content: []byte("# A\n")}, {Path: "a.bin", Content: []byte{0xff, 0}}}}
	if got := documentText(d); got != "── SKILL.md\n# A\n\n── a.bin: 2 bytes\n" {
		t.Errorf("%q", got)
	}
	if got := documentText(nil); got != "(nothing)" {
		t.Errorf("%q", got)
	}
}
