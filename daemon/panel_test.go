package daemon_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// visitor is a browser as far as HTTP tells.
type visitor struct {
	*world
	client *http.Client
}

// eachVisitor runs a test of pages on both databases.
func eachVisitor(t *testing.T, test func(v *visitor)) {
	t.Helper()
	eachWorld(t, nil, func(w *world) { test(w.visitor()) })
}

func (w *world) visitor() *visitor {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	w.must(err)
	return &visitor{w, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// page is what a visitor gets: status, headers and text.
func (v *visitor) page(method, path string, form url.Values, headers ...string) (*http.Response, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, strings.NewReader(form.Encode()))
	v.must(err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := v.client.Do(r)
	v.must(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	v.must(err)
	return answer, string(body)
}

func (v *visitor) signIn() {
	v.t.Helper()
	if answer, body := v.page("POST", "/sign-in", url.Values{"token": {adminToken}}); answer.StatusCode != http.StatusSeeOther {
		v.t.Fatalf("%d %s", answer.StatusCode, body)
	}
}

var pagesOfAnOrganization = []string{
	"", "/entities", "/entities?kind=skills", "/entities?kind=mcp-servers&errors=true&search=x", "/conflicts", "/conflicts?all=true", "/held", "/activity", "/settings", "/plan", "/new?kind=toolkits",
}

// Without sign-in there is the sign-in page, which tells nothing, and goes on to what was asked for.
func TestPagesNeedSignIn(t *testing.T) {
	eachVisitor(t, func(v *visitor) {
		for _, path := range append([]string{"/nothing", "/organizations/nope", "/organizations/%00", "/organizations/acme/runs/x"}, pagesOfAnOrganization...) {
			if !strings.HasPrefix(path, "/o") && path != "/nothing" {
				path = "/organizations/acme" + path
			}
			answer, body := v.page("GET", path, nil)
			if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || to != "/sign-in?next="+url.QueryEscape(path) || strings.Contains(body, "In sync") {
				t.Errorf("%s: %d to %q", path, answer.StatusCode, to)
			}
		}
		answer, body := v.page("GET", "/sign-in", nil)
		if answer.StatusCode != http.StatusOK || strings.Contains(body, "acme") {
			t.Errorf("%d %s", answer.StatusCode, body)
		}
		for _, text := range []string{"/api/v1", "/healthz", "/readyz", "admin-token"} {
			if !strings.Contains(body, text) {
				t.Errorf("the page does not name %s", text)
			}
		}
		// A part of a page that is open leads to the sign-in, too.
		if answer, _ := v.page("GET", "/organizations/acme", nil, "HX-Request", "true"); answer.Header.Get("HX-Redirect") != "/sign-in" {
			t.Errorf("%v", answer.Header)
		}
		for page, want := range map[string]string{
			v.url + "/organizations/acme/entities?kind=skills": "/sign-in?next=" + url.QueryEscape("/organizations/acme/entities?kind=skills"),
			"https://evil.example//evil.example":               "/sign-in", "javascript:alert(1)": "/sign-in", "%": "/sign-in",
		} {
			if answer, _ := v.page("GET", "/organizations/acme", nil, "HX-Request", "true", "HX-Current-URL", page); answer.Header.Get("HX-Redirect") != want {
				t.Errorf("from %s: %v", page, answer.Header)
			}
		}
		for token, want := range map[string]int{"": 401, "wrong": 401, strings.Repeat("x", 20<<10): 400} {
			if answer, _ := v.page("POST", "/sign-in", url.Values{"token": {token}}); answer.StatusCode != want {
				t.Errorf("%.10q: %d, want %d", token, answer.StatusCode, want)
			}
		}
		if answer, _ := v.page("POST", "/sign-in", url.Values{"token": {adminToken}, "next": {"//evil.example"}}, "Sec-Fetch-Site", "cross-site"); answer.StatusCode != http.StatusForbidden {
			t.Errorf("another site signs somebody in: %d", answer.StatusCode)
		}
		if answer, _ := v.page("POST", "/sign-in", url.Values{"token": {adminToken}, "next": {"//evil.example"}}); answer.Header.Get("Location") != "/" {
			t.Errorf("signing in leads to %s", answer.Header.Get("Location"))
		}
		if answer, _ := v.page("POST", "/sign-out", nil, "Sec-Fetch-Site", "cross-site"); answer.StatusCode != http.StatusForbidden {
			t.Errorf("another site signs somebody out: %d", answer.StatusCode)
		}
		if answer, _ := v.page("GET", "/organizations/acme", nil); answer.StatusCode != http.StatusOK {
			t.Errorf("%d", answer.StatusCode)
		}
		v.page("POST", "/sign-out", nil)
		if answer, _ := v.page("GET", "/organizations/acme", nil); answer.StatusCode != http.StatusSeeOther {
			t.Errorf("%d after signing out", answer.StatusCode)
		}
	})
}

// Every page has its policy, refers to nothing elsewhere, runs nothing inline, and is shown
// while the remote and its host do not answer.
func TestPagesStandAlone(t *testing.T) {
	eachVisitor(t, func(v *visitor) {
		v.insert("commands", "slug", "'a'", "name", "'A'", "prompt", "'x'")
		v.synced()
		v.signIn()
		v.must(v.standIn.Close())
		run := v.query("SELECT run_id FROM sync_runs LIMIT 1")
		for _, path := range append([]string{"/runs/" + run}, pagesOfAnOrganization...) {
			answer, body := v.page("GET", "/organizations/acme"+path, nil)
			if answer.StatusCode != http.StatusOK || !strings.Contains(body, "</html>") {
				t.Errorf("%s: %d", path, answer.StatusCode)
			}
			if policy := answer.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("%s: %s", path, policy)
			}
			if answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %v", path, answer.Header)
			}
			for _, ref := range regexp.MustCompile(`(?:src|action|hx-get|hx-post)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
				if !strings.HasPrefix(ref[1], "/") || strings.HasPrefix(ref[1], "//") {
					t.Errorf("%s refers to %s", path, ref[1])
				}
			}
			if strings.Contains(body, "<style") || strings.Contains(body, " onclick") || strings.Contains(body, "<script>") || strings.Contains(body, "ZgotmplZ") {
				t.Errorf("%s has something inline", path)
			}
		}
		// What has to ask the remote says why it cannot, and only that.
		if answer, body := v.page("GET", "/organizations/acme/plan/actions", nil); answer.StatusCode < 500 || !strings.Contains(body, "NETWORK_UNREACHABLE") {
			t.Errorf("the plan: %d %s", answer.StatusCode, body)
		}
		for _, path := range []string{"/nothing", "/organizations/nope", "/organizations/acme/runs/nope", "/organizations/acme/entities?kind=nope", "/organizations/acme/nope", "/assets/nope"} {
			if answer, _ := v.page("GET", path, nil); answer.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d", path, answer.StatusCode)
			}
		}
		for _, path := range []string{"/organizations/acme/activity?cursor=x", "/organizations/acme/entities?cursor=x"} {
			if answer, body := v.page("GET", path, nil); answer.StatusCode != http.StatusBadRequest || !strings.Contains(body, "cursor") {
				t.Errorf("%s: %d", path, answer.StatusCode)
			}
		}
		if answer, _ := v.page("DELETE", "/organizations/acme", nil); answer.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("DELETE: %d", answer.StatusCode)
		}
	})
}

// Assets are kept by browsers for as long as their address names this version.
func TestAssets(t *testing.T) {
	w := newWorld(t, migrated.SQLite(t))
	w.start()
	v := w.visitor()
	_, body := v.page("GET", "/sign-in", nil)
	refs := regexp.MustCompile(`/assets/[^"]+`).FindAllString(body, -1)
	if len(refs) < 4 {
		t.Fatalf("%v", refs)
	}
	types := map[string]string{"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
	for _, ref := range refs {
		path, _, _ := strings.Cut(ref, "?")
		answer, _ := v.page("GET", ref, nil)
		if answer.StatusCode != http.StatusOK || !strings.Contains(answer.Header.Get("Cache-Control"), "immutable") ||
			!strings.HasPrefix(answer.Header.Get("Content-Type"), types[path[strings.LastIndexByte(path, '.')+1:]]) {
			t.Errorf("%s: %d %v", ref, answer.StatusCode, answer.Header)
		}
		if answer, _ := v.page("GET", path+"?v=old", nil); answer.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("an old address of %s: %v", path, answer.Header)
		}
	}
}

// A document is checked while it is typed: for who is signed in, and without storing it.
func TestCheckWhileTyping(t *testing.T) {
	w := newWorld(t, migrated.SQLite(t))
	w.start()
	v := w.visitor()
	check := func(kind, text string, headers ...string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "POST", v.url+"/check/"+kind, strings.NewReader(text))
		v.must(err)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer, err := v.client.Do(r)
		v.must(err)
		defer answer.Body.Close()
		said, err := io.ReadAll(answer.Body)
		v.must(err)
		return answer.StatusCode, string(said)
	}
	if status, _ := check("commands", "{}"); status != http.StatusUnauthorized {
		t.Errorf("%d without sign-in", status)
	}
	v.signIn()
	for _, c := range []struct {
		kind, text string
		status     int
		says       string
	}{
		{"commands", `{"slug":"a","name":"A","prompt":"x"}`, 200, ""},
		{"commands", "{\n \"slug\":\"a\",\n", 200, "Line 3, column 1: "},
		{"commands", `{"slug":"a","name":1,"prompt":"x"}`, 200, "Line 1, column 13: name: must be a string."},
		{"commands", `[]`, 200, "must be a JSON object."},
		{"mcp-servers", `{"slug":"a","name":"A","type":"stdio","command":"c","env":{"T":{"secret":true,"set":true,"value":"v"}}}`, 200, ""},
		{"mcp-servers", `{"slug":"a","name":"A","type":"stdio","command":"c","env":{"T":{"secret":true,"value":5}}}`, 200, "must be a string"},
		{"skills", `{}`, 404, ""},
		{"nope", `{}`, 404, ""},
		{"commands", strings.Repeat(" ", 2<<20), 413, "too large"},
	} {
		status, said := check(c.kind, c.text)
		if status != c.status || !strings.Contains(said, c.says) || c.says == "" && status == 200 && said != "" {
			t.Errorf("%s %.40q: %d %q", c.kind, c.text, status, said)
		}
	}
	if status, _ := check("commands", "{}", "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("%d from another site", status)
	}
}
