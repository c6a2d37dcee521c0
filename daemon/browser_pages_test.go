package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func TestBrowserSignsInAndOut(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		b.open("/organizations/acme/activity?cursor=")
		b.sees("Admin token", "/api/v1")
		b.shots("sign-in")
		b.signIn("a wrong token")
		b.sees("The admin token is wrong.")
		b.signIn(" " + adminToken + " ")
		b.sees("Activity")
		if at := ask[string](b, "location.href"); !strings.HasSuffix(at, "/organizations/acme/activity?cursor=") {
			t.Errorf("it went on to %s", at)
		}
		b.press("Sign out")
		b.sees("Admin token")
		b.open("/organizations/acme")
		b.sees("Admin token")
	})
}

// What happens is seen without a reload: an edit of the database, a bad file, its end.
func TestBrowserSeesWhatHappens(t *testing.T) {
	eachBrowser(t, func(w *world) { w.public = true }, func(b *browser) {
		w := b.w
		b.open("/")
		b.signIn(adminToken)
		b.sees("In sync")
		w.insert("commands", "slug", "'greet'", "name", "'Greet'", "prompt", "'Hello'")
		b.press("Sync now")
		b.sees("A run was asked for.", "1 to git")
		b.shots("overview")

		b.open("/organizations/acme/entities?kind=commands")
		b.sees("greet", "Greet")
		w.commit(bitbuckettest.Write("commands/greet.json", `{"slug":"greet",`), bitbuckettest.Write("commands/other.json", `[]`))
		w.call("POST", "mirror/sync?wait=true", nil)
		b.sees("INVALID_JSON", "commands/other.json")
		b.hover("#commands-greet .warning")
		b.until(`getComputedStyle(document.querySelector("#commands-greet .tip")).display === "block"`)
		b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 1, 1))
		b.until(`getComputedStyle(document.querySelector("#commands-greet .tip")).display === "none"`)
		b.do(chromedp.Focus(chromedp.CSS(`#commands-greet .warning`)))
		if !ask[bool](b, `getComputedStyle(document.querySelector("#commands-greet .tip")).display === "block"`) {
			t.Error("the warning does not explain itself")
		}
		b.shots("entities")
		b.do(chromedp.Blur(chromedp.CSS(`#commands-greet .warning`)))
		w.commit(bitbuckettest.Write("commands/greet.json", `{"slug":"greet","name":"Greet","prompt":"Good day"}`), bitbuckettest.Remove("commands/other.json"))
		w.call("POST", "mirror/sync?wait=true", nil)
		b.seesNot("INVALID_JSON")
		b.seesNot("commands/other.json")
	})
}

// Who goes by keyboard stays where they are when a page renews itself, and puts a warning's
// text away.
func TestBrowserByKeyboard(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		w := b.w
		w.commit(bitbuckettest.Write("commands/bad.json", "{"), bitbuckettest.Write("commands/greet.json", `{"slug":"greet","name":"Greet","prompt":"Hello"}`))
		w.synced()
		b.open("/organizations/acme")
		b.signIn(adminToken)
		b.sees("Sync now")
		b.do(chromedp.Focus(chromedp.CSS("#live button.main")))
		w.exec("UPDATE commands SET name = 'Greet all'")
		b.sees("1 to git")
		b.until(`document.activeElement.textContent === "Sync now"`) // as soon as the page has settled
		b.open("/organizations/acme/entities?kind=commands")
		b.do(chromedp.Focus(chromedp.CSS(".warning")))
		b.until(`getComputedStyle(document.querySelector(".tip")).display === "block"`)
		b.do(chromedp.KeyEvent("\x1b"))
		b.until(`getComputedStyle(document.querySelector(".tip")).display === "none"`)
		if name := ask[string](b, `document.querySelector(".warning").ariaLabel`); !strings.HasPrefix(name, "INVALID_JSON: ") {
			t.Errorf("it is called %q", name)
		}
	})
}

// Where the database was copied, the next step is a button.
func TestBrowserConfirmsACopy(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		w := b.w
		w.stop()
		w.exec("UPDATE mirror_whereabouts SET place = 'elsewhere'")
		w.start()
		b.open("/organizations/acme")
		b.signIn(adminToken)
		b.sees("Blocked", "DATABASE_COPIED")
		b.shots("copied")
		b.press("Go on with this database")
		b.until(`!document.querySelector(".box.bad") && document.querySelector("h1").textContent.includes("In sync")`)
	})
}

// Names, prompts and error texts are text, whatever is in them.
func TestBrowserRunsNoForeignScript(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		const evil = `<script>alert(1)</script><img src=x onerror=alert(2)>"'>{{.}}`
		w := b.w
		w.insert("commands", "slug", "'evil'", "name", quote(evil), "description", quote(evil), "prompt", quote(evil), "updated_by", quote(evil))
		w.exec("UPDATE organizations SET name = %s", quote(evil))
		w.synced()
		w.commit(bitbuckettest.Write("commands/evil.json", `{"slug":"evil","name":"x","prompt":"p","<img src=x onerror=alert(3)>":1,`))
		w.sync()
		b.open("/")
		b.signIn(adminToken)
		b.sees("Sign out")
		for _, path := range []string{"", "/entities?kind=commands&search=" + "%3Cscript%3Ealert(4)%3C/script%3E", "/entities?kind=commands", "/conflicts", "/held", "/activity"} {
			b.open("/organizations/acme" + path)
			b.sees(evil[:20])
		}
	})
}

func TestBrowserDecides(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		w := b.w
		for i := range 30 {
			w.insert("commands", "slug", quote(fmt.Sprintf("c%d", i)), "name", "'C'", "prompt", "'p'")
		}
		w.synced()
		w.apart(func() { w.exec("UPDATE commands SET name = 'From the database' WHERE slug = 'c29'") },
			bitbuckettest.Write("commands/c29.json", `{"slug":"c29","name":"From git","prompt":"p"}`))
		w.synced()
		w.exec("DELETE FROM commands WHERE slug <> 'c29'")
		w.sync()

		b.open("/")
		b.signIn(adminToken)
		b.sees("Waits for a decision", "DELETIONS_HELD")
		b.press("Conflicts")
		b.sees("command c29", "From git", "From the database")
		b.shots("conflicts")
		b.press("Take the database's side")
		b.sees("There are no open conflicts.")
		w.eventually("the side that was taken is on the branch", func() bool { return w.branchHas("commands/c29.json", "From the database") })

		b.press("Held")
		b.sees("29 entities", "its file would be deleted")
		b.shots("held")
		b.press("Approve")
		b.sees("Nothing is held.")
		w.eventually("the deletions go through", func() bool { return !w.branchHas("commands/c0.json", "") })
		b.press("Activity")
		b.sees("deleted")
		b.shots("activity")
		b.until(`(() => { const run = document.querySelector("tbody td a"); run?.click(); return run; })()`) // whichever it is by now
		b.sees("Run of")
		b.shots("run")
	})
}

// A conflict is looked at closely, and written as it is to be; of a skill, too.
func TestBrowserEditsAConflict(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		w := b.w
		const skill = "---\nname: review\ndescription: Reviews.\n---\nLook %s.\n"
		w.commit(bitbuckettest.Write("commands/greet.json", `{"slug":"greet","name":"Greet","prompt":"Hello"}`),
			bitbuckettest.Write("skills/review/SKILL.md", fmt.Sprintf(skill, "once")))
		w.synced()
		w.apart(func() {
			w.exec("UPDATE commands SET prompt = 'From the database', description = 'Only here'")
			w.call("PUT", "skills/review", object{"slug": "review", "files": []object{{"path": "SKILL.md", "content": fmt.Sprintf(skill, "twice")}}})
		}, bitbuckettest.Write("commands/greet.json", `{"slug":"greet","name":"Greet all","prompt":"From git"}`),
			bitbuckettest.Write("skills/review/SKILL.md", fmt.Sprintf(skill, "three times")))
		w.synced()

		b.open("/organizations/acme/conflicts")
		b.signIn(adminToken)
		b.sees("command greet", "skill review")
		b.press("command greet")
		b.sees("What the database changed", `+   "prompt": "From the database"`, `+   "description": "Only here"`, `+   "name": "Greet all"`, "git's side won")
		b.shots("conflict")
		b.replace("#document", `"From git"`, `"From both"`)
		b.press("Save it so")
		b.seesNot("command greet")
		w.eventually("what was written is on the branch", func() bool {
			return w.branchHas("commands/greet.json", `"From both"`) && w.branchHas("commands/greet.json", "Only here")
		})

		b.press("skill review")
		b.sees("+ Look twice.", "+ Look three times.")
		b.replace(`[data-file="SKILL.md"]`, "Look three times.", "Look two or three times.")
		b.press("Save it so")
		b.sees("There are no open conflicts.")
		w.eventually("what was written is on the branch", func() bool { return w.branchHas("skills/review/SKILL.md", "two or three") })
	})
}

// An organization is connected in the browser: what is wrong is said at its field, and each
// step of the test is told.
func TestBrowserConnects(t *testing.T) {
	eachBrowser(t, func(w *world) {
		w.config.HTTP.AllowedHosts = []string{"127.0.0.1"}
		_, err := w.db.CreateOrganization(w.t.Context(), "other", "Other")
		w.must(err)
		repo, err := w.standIn.CreateRepository("acme-corp", "fresh-config")
		w.must(err)
		_, err = repo.Commit("main", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "Start",
			bitbuckettest.Write("fresh/commands/greet.json", `{"slug":"greet","name":"Greet","prompt":"Hello"}`))
		w.must(err)
	}, func(b *browser) {
		w := b.w
		b.open("/organizations/acme/settings")
		b.signIn(adminToken)
		b.sees("comes from the daemon's configuration file", "/api/bitbucket/webhook")
		b.press("Test the connection")
		b.sees("The connection works", "branch")

		b.open("/")
		b.do(chromedp.SetValue(chromedp.CSS("#slug"), "Fr esh"), chromedp.SetValue(chromedp.CSS("#name"), "Fresh"))
		b.press("Create, and connect it")
		b.sees("an organization's slug has")
		b.do(chromedp.SetValue(chromedp.CSS("#slug"), "fresh"))
		b.shots("home")
		b.press("Create, and connect it")
		b.sees("Connect a repository", "Fresh")
		b.open("/organizations/fresh")
		b.press("Connect it in its settings")
		b.sees("Connect a repository")
		m := w.config.Mirrors[0]
		fill := func(fields ...string) {
			for i := 0; i < len(fields); i += 2 {
				b.do(chromedp.SetValue(chromedp.CSS("#"+fields[i]), fields[i+1]))
			}
		}
		b.do(chromedp.Click(chromedp.CSS("summary")))
		fill("workspace", m.Workspace, "repository", "fresh-config", "client_id", m.ClientID, "client_secret", "wrong", "path_prefix", "/fresh",
			"api_url", *m.APIURL, "oauth_url", m.OAuthURL, "git_url", m.GitURL)
		b.press("Connect and test")
		b.sees("without a slash before it")
		b.shots("settings-field")
		fill("path_prefix", "fresh")
		b.press("Connect and test")
		b.sees("The connection does not work yet")
		b.shots("settings-test")
		fill("client_secret", m.ClientSecret.Reveal())
		b.press("Connect and test")
		b.sees("What a run would do", "command greet", "create in the database")
		b.shots("plan")
		if n := w.query("SELECT count(*) FROM commands"); n != "0" {
			t.Errorf("%s commands before anybody said so", n)
		}
		b.press("Go on: let it run")
		b.until(`location.pathname === "/organizations/fresh"`)
		w.eventually("the file is imported", func() bool { return w.query("SELECT slug FROM commands") == "greet" })
		b.open("/organizations/fresh/entities?kind=commands")
		b.sees("greet", "✓")
		b.open("/organizations/fresh/settings")
		b.press("Disconnect")
		b.sees("Connect a repository")
		b.open("/organizations/fresh")
		b.sees("Not connected", "Connect it in its settings")
		b.seesNot("Sync now")
		b.shots("disconnected")
		b.open("/")
		b.sees("Fresh", "Not connected", "acme", "In sync")
		b.shots("home")
	})
}
