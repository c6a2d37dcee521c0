package daemon_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// Names may be long and without a space: no page becomes wider than the screen by them.
func TestBrowserShowsLongNames(t *testing.T) {
	eachBrowser(t, func(w *world) { w.public = true }, func(b *browser) {
		w := b.w
		slug, text := strings.Repeat("a", 128), strings.Repeat("Unbroken", 40)
		w.insert("commands", "slug", quote(slug), "name", quote(text), "description", quote(text), "prompt", quote(text), "updated_by", quote(text))
		w.insert("toolkits", "slug", "'t'", "name", "'T'", "integrations", quote(`{"`+slug+`": {"tools": "*"}}`))
		w.exec("UPDATE organizations SET name = %s", quote(text))
		w.commit(bitbuckettest.Write("skills/review/SKILL.md", "---\nname: review\ndescription: Reviews.\n---\n"+text+"\n"), bitbuckettest.Write("skills/review/docs/"+strings.Repeat("deep/", 20)+"x.md", text),
			bitbuckettest.Write("commands/"+strings.Repeat("b", 120)+".json", `{"`+text+`":1,"`+text+`":2}`))
		w.synced()
		w.apart(func() { w.exec("UPDATE commands SET prompt = 'From the database'") },
			bitbuckettest.Write("commands/"+slug+".json", `{"slug":"`+slug+`","name":"`+text+`","prompt":"From git"}`))
		w.synced()
		b.open("/organizations/acme")
		b.signIn(adminToken)
		b.sees("MISSING_INTEGRATION")
		pages := map[string]string{
			"overview": "", "list": "/entities?kind=commands", "command": "/entities/commands/" + slug, "skill": "/entities/skills/review", "toolkit": "/entities/toolkits/t",
			"conflicts": "/conflicts", "conflict": "/conflicts/" + w.query("SELECT id FROM conflicts"), "run": "/runs/" + w.query("SELECT run_id FROM sync_runs WHERE conflicts > 0"),
			"activity": "/activity", "settings": "/settings", "plan": "/plan",
		}
		for name, path := range pages {
			b.open("/organizations/acme" + path)
			b.until(`document.readyState === "complete" && !document.body.innerText.includes("Looking at")`)
			if width := ask[int](b, `document.documentElement.scrollWidth`); width > 1200 {
				t.Errorf("%s is %d pixels wide", name, width)
			}
			b.shots(name) // narrow ones, too
		}
	})
}
