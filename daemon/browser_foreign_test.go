package daemon_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A page of another site, even of another port of this host, to which browsers send the same
// cookies, changes nothing and reads nothing.
func TestBrowserObeysNoOtherSite(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		w := b.w
		evil := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(rw, `<!doctype html><p>Evil<form id="text" method="post" enctype="text/plain" action="%[1]s/api/v1/organizations/acme/mirror/pause" target="in"><input name='{"a":"' value='"}'></form>
<form id="out" method="post" action="%[1]s/sign-out" target="in"></form><form id="in" method="post" action="%[1]s/sign-in" target="in"><input name="token" value="%[2]s"></form><iframe name="in"></iframe>`, w.url, adminToken)
		}))
		t.Cleanup(evil.Close)
		b.elsewhere = evil.URL
		b.open("/")
		b.signIn(adminToken)
		b.sees("Sign out")

		b.goTo(evil.URL)
		b.sees("Evil")
		for i, form := range []string{"text", "out", "in"} {
			ask[bool](b, fmt.Sprintf(`(document.getElementById(%q).submit(), true)`, form))
			b.w.eventually("the answer to "+form, func() bool { return strings.Count(w.log.String(), "status=403") == i+1 })
		}
		for method, path := range map[string]string{"POST": "/mirror/pause", "DELETE": "/mirror/connection", "PUT": "/commands/x", "GET": "/mirror"} {
			got := b.waitFor(fmt.Sprintf(`fetch(%q, { method: %q, mode: "cors", credentials: "include", headers: %q === "GET" ? {} : { "Content-Type": "text/plain" }, body: %q === "GET" ? undefined : "{}" })
				.then((answer) => answer.text()).then((text) => "read: " + text, () => "refused")`, w.url+"/api/v1/organizations/acme"+path, method, method, method))
			if got != "refused" {
				t.Errorf("%s %s: %s", method, path, got)
			}
		}
		framed := b.waitFor(fmt.Sprintf(`new Promise((done) => {
			const frame = document.createElement("iframe");
			frame.onload = () => { try { done(frame.contentDocument ? "read: " + frame.contentDocument.body.innerText : "refused"); } catch { done("refused"); } };
			frame.src = %q;
			document.body.append(frame);
		})`, w.url+"/organizations/acme"))
		if framed != "refused" {
			t.Error(framed)
		}
		if said := strings.Join(b.complaints(), "\n"); !strings.Contains(said, "frame-ancestors 'none'") {
			t.Errorf("the browser says %q", said)
		}

		b.open("/organizations/acme")
		b.sees("Sign out", "Pause") // still signed in, and not paused
		if status := w.rested(); status["state"] != "ok" {
			t.Errorf("%v", status)
		}
	})
}
