package daemon_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// Who follows a made-up link finds no page, and above all none whose buttons lead to other
// places of the API than they name.
func TestPagesOfMadeUpNames(t *testing.T) {
	eachVisitor(t, func(v *visitor) {
		v.synced()
		v.signIn()
		for _, name := range []string{
			"..%2F..%2Fmirror%2Fapprove%3Fx=", "a%2F..%2Fb", "%2e%2e%2Fmirror", "%00", "%ff", "a%23b", "A", "%22%3E%3Cb%3E", strings.Repeat("a", 129),
		} {
			for _, path := range []string{"/entities/toolkits/" + name, "/entities/skills/" + name, "/entities/toolkits/" + name + "/git", "/runs/" + name, "/conflicts/" + name} {
				answer, body := v.page("GET", "/organizations/acme"+path, nil)
				if answer.StatusCode != http.StatusNotFound || strings.Contains(body, "hx-post") || strings.Contains(body, "hx-get") {
					t.Errorf("%s: %d %s", path, answer.StatusCode, body)
				}
			}
		}
		// Of one that may be restored, there is.
		if answer, body := v.page("GET", "/organizations/acme/entities/toolkits/a", nil); answer.StatusCode != http.StatusNotFound ||
			!strings.Contains(body, `hx-post="/api/v1/organizations/acme/toolkits/a/restore"`) {
			t.Errorf("%d %s", answer.StatusCode, body)
		}

		// A row whose slug no file can have is there to be mended, by buttons that say it.
		v.insert("toolkits", "slug", "'../mirror/approve?x='", "name", "'Odd'")
		const odd = "..%2Fmirror%2Fapprove%3Fx="
		_, body := v.page("GET", "/organizations/acme/entities?kind=toolkits", nil)
		if !strings.Contains(body, `href="/organizations/acme/entities/toolkits/`+odd+`"`) {
			t.Errorf("the list: %s", body)
		}
		answer, body := v.page("GET", "/organizations/acme/entities/toolkits/"+odd, nil)
		if answer.StatusCode != http.StatusOK || strings.Contains(body, "toolkits/../") {
			t.Errorf("%d %s", answer.StatusCode, body)
		}
		for _, button := range []string{`hx-post="/api/v1/organizations/acme/toolkits/` + odd + `/sync"`, `hx-delete="/api/v1/organizations/acme/toolkits/` + odd + `"`} {
			if !strings.Contains(body, button) {
				t.Errorf("no %s in %s", button, body)
			}
		}
	})
}

// What git says of a secret, which no file may, is not shown beside the database's either.
func TestPagesShowNoSecretOfAFile(t *testing.T) {
	eachVisitor(t, func(v *visitor) {
		const canary = "canary-of-a-secret"
		v.insert("mcp_servers", "slug", "'a'", "name", "'A'", "type", "'http'", "url", "'https://x.example'", "env", quote(`{"TOKEN": {"secret": true, "value": "`+canary+`"}}`))
		v.insert("mcp_clients", "slug", "'a'", "name", "'A'", "client_secret", quote(canary))
		v.synced()
		v.signIn()
		server := `{"slug":"a","name":"A","type":"http","url":"https://x.example",`
		for name, text := range map[string]string{
			"a string": server + `"env":{"TOKEN":"` + canary + `"}}`, "a value": server + `"env":{"TOKEN":{"secret":true,"value":"` + canary + `"}}}`,
			"public": server + `"env":{"TOKEN":{"secret":false,"value":"` + canary + `"}}}`, "of a list": server + `"env":{"TOKEN":["` + canary + `"]}}`,
			"another key": server + `"auth":{"password":"` + canary + `"}}`, "broken": server + `"env":{"TOKEN":"` + canary + `"},`,
			"twice": server + `"env":{"TOKEN":{"secret":true}},"env":{"TOKEN":"` + canary + `"}}`, "of another type": server + `"env":"` + canary + `"}`,
			"in headers": server + `"headers":{"Authorization":{"secret":true,"value":"` + canary + `"}}}`,
		} {
			v.commit(bitbuckettest.Write("mcp-servers/a.json", text), bitbuckettest.Write("mcp-clients/a.json", `{"slug":"a","name":"A","client_secret":"`+canary+`"}`))
			v.sync()
			for _, path := range []string{"", "/activity", "/conflicts?all=true", "/entities?kind=mcp-servers", "/entities/mcp-servers/a", "/entities/mcp-servers/a/git", "/entities/mcp-clients/a", "/entities/mcp-clients/a/git"} {
				answer, body := v.page("GET", "/organizations/acme"+path, nil)
				if at := strings.Index(body, canary); answer.StatusCode != http.StatusOK || at >= 0 {
					t.Errorf("%s, %s: %d ...%s", name, path, answer.StatusCode, body[max(0, at-400):max(0, at)])
				}
			}
		}
	})
}
