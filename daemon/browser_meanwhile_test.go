package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// Whoever edits is told what others did meanwhile, in words that say what to do, and where
// they can be seen.
func TestBrowserTellsWhatHappenedMeanwhile(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		w := b.w
		w.commit(bitbuckettest.Write("skills/review/SKILL.md", "---\nname: review\ndescription: Reviews.\n---\nLook twice.\n"),
			bitbuckettest.Write("commands/greet.json", `{"slug":"greet","name":"Greet","prompt":"Hello"}`))
		w.synced()
		b.open("/organizations/acme/new?kind=commands")
		b.signIn(adminToken)
		b.replace("#document", `"slug": ""`, `"slug": "greet"`)
		b.replace("#document", `"name": ""`, `"name": "Greet"`)
		b.replace("#document", `"prompt": ""`, `"prompt": "Mine"`)
		b.press("Create")
		b.sees("There is one of that slug already")
		b.replace("#document", `"slug": "greet"`, `"slug": "mine"`)
		b.press("Create")
		b.sees("command mine")

		b.open("/organizations/acme/entities/commands/greet")
		w.exec("UPDATE commands SET name = 'Of somebody else' WHERE slug = 'greet'")
		b.press("Delete")
		b.sees("It was changed meanwhile", "load the page again")
		if w.query("SELECT deleted_at FROM commands WHERE slug = 'greet'") != "" {
			t.Error("it was deleted all the same")
		}

		b.open("/organizations/acme/entities/skills/review")
		b.replace(`[data-file="SKILL.md"]`, "Look twice.", "Look three times.")
		w.call("DELETE", "skills/review", nil)
		b.press("Save")
		b.sees("There is no such skill.")
		b.replace(`[data-file="SKILL.md"]`, "Look three times.", "Look twice.") // or leaving would be asked about

		b.open("/organizations/acme/entities/commands/mine")
		b.replace("#document", `"Mine"`, `"Mine too"`)
		b.press("Save")
		b.sees("Saved.")
		if top := ask[float64](b, `(scrollTo(0, document.body.scrollHeight), document.getElementById("notice").getBoundingClientRect().top)`); top < 0 {
			t.Errorf("the answer is %v pixels above what is seen", -top)
		}
		b.replace("#document", `"Mine too"`, `"Mine three"`)
		b.seesNot("Saved.")
		// Neither what the page asks for itself nor what is pressed leads away from an edit.
		w.exec("DELETE FROM panel_sessions")
		w.exec("UPDATE commands SET description = 'Of somebody else' WHERE slug = 'greet'")
		b.sees("You are signed out")
		b.replace("#document", `"Mine three"`, `"Mine four"`)
		b.press("Save")
		b.sees("You are signed out")
		if text := ask[string](b, `document.getElementById("document").value`); !strings.Contains(text, "Mine four") {
			t.Errorf("the edit is gone: %s", text)
		}
		b.replace("#document", `"Mine four"`, `"Mine too"`)
	})
}

// Who looks at a conflict sees that somebody else has taken a side.
func TestBrowserSeesAConflictResolved(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		w := b.w
		w.commit(bitbuckettest.Write("commands/greet.json", `{"slug":"greet","name":"Greet","prompt":"Hello"}`))
		w.synced()
		w.apart(func() { w.exec("UPDATE commands SET prompt = 'From the database'") },
			bitbuckettest.Write("commands/greet.json", `{"slug":"greet","name":"Greet","prompt":"From git"}`))
		w.synced()
		id := w.query("SELECT id FROM conflicts")
		b.open("/organizations/acme/conflicts/" + id)
		b.signIn(adminToken)
		b.sees("Both sides changed the same place", "git's side won")
		b.seesNot("Resolved")
		for _, side := range []string{"database", "git"} {
			if status, said := w.call("POST", "conflicts/"+id+"/resolve", object{"take": side}); status != 200 {
				t.Fatalf("%d %v", status, said)
			}
			b.sees("Resolved: " + side + ".")
			w.sync()
		}
	})
}

// Two people who change different settings do not undo each other's, and the page says what
// is stored then.
func TestBrowserSendsTheSettingsThatWereEdited(t *testing.T) {
	eachBrowser(t, func(w *world) { w.config.HTTP.AllowedHosts = []string{"127.0.0.1"} }, func(b *browser) {
		w := b.w
		m := w.config.Mirrors[0]
		_, err := w.db.CreateOrganization(t.Context(), "other", "")
		w.must(err)
		_, err = w.standIn.CreateRepository("acme-corp", "others")
		w.must(err)
		connection := object{"workspace": m.Workspace, "repository": "others", "client_id": m.ClientID, "client_secret": m.ClientSecret.Reveal(),
			"path_prefix": "other", "api_url": *m.APIURL, "oauth_url": m.OAuthURL, "git_url": m.GitURL}
		if status, said := w.callFor("other", "PUT", "mirror/connection", connection); status != 200 {
			t.Fatalf("%d %v", status, said)
		}
		b.open("/organizations/other/settings")
		b.signIn(adminToken)
		b.sees("Save and test")
		w.callFor("other", "PUT", "mirror/connection", object{"path_prefix": "moved"})
		b.do(chromedp.SetValue(chromedp.CSS("#conflict"), "database"))
		b.press("Save and test")
		b.sees("The connection works")
		stored := func() string {
			_, said := w.callFor("other", "GET", "mirror/connection", nil)
			c, _ := said["connection"].(map[string]any)
			return fmt.Sprint(c["path_prefix"], " ", c["conflict"], " ", c["client_secret_set"])
		}
		if got := stored(); got != "moved database true" {
			t.Errorf("%s", got)
		}
		b.until(`document.querySelector("#path_prefix").value === "moved"`)
		// What was saved is what the next edit begins with.
		w.callFor("other", "PUT", "mirror/connection", object{"conflict": "git"})
		b.do(chromedp.SetValue(chromedp.CSS("#path_prefix"), "again"))
		b.press("Save and test")
		b.until(`document.querySelector("#conflict").value === "git"`)
		if got := stored(); got != "again git true" {
			t.Errorf("%s", got)
		}
	})
}

// A page that nobody sees holds no connection, of which a browser has few; and catches up.
func TestBrowserListensWhereItIsSeen(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		w := b.w
		streams := func(want int) {
			t.Helper()
			v := w.visitor()
			w.eventually(fmt.Sprint(want, " event streams"), func() bool {
				_, said := v.page("GET", "/metrics", nil)
				return strings.Contains(said, fmt.Sprintf("\nconfmirror_event_streams %d\n", want))
			})
		}
		hide := func(hidden bool) {
			t.Helper()
			ask[bool](b, fmt.Sprintf(`(Object.defineProperty(document, "hidden", { value: %t, configurable: true }), document.dispatchEvent(new Event("visibilitychange")))`, hidden))
		}
		b.open("/organizations/acme/entities?kind=commands")
		b.signIn(adminToken)
		b.sees("There are no commands yet.")
		streams(1)
		hide(true)
		streams(0)
		w.insert("commands", "slug", "'greet'", "name", "'Greet'", "prompt", "'Hello'")
		w.sync()
		hide(false)
		streams(1)
		b.sees("greet")
	})
}

// Who has one organization comes to it, and finds where to make another.
func TestBrowserMakesASecondOrganization(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		b.open("/")
		b.signIn(adminToken)
		b.sees("In sync", "Sync now")
		b.press("confmirror")
		b.sees("Organizations", "acme", "New organization")
	})
}
