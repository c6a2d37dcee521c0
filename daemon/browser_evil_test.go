package daemon_test

import (
	"fmt"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// What git says is text, too: authors, messages, names of a skill's files, both sides of a conflict.
func TestBrowserRunsNoScriptOfARepository(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		const evil = `<img src=x onerror=alert(1)>"'{{.}}`
		w := b.w
		skill := "---\nname: evil\ndescription: %q\n---\n</textarea><script>alert(2)</script>%s\n"
		push := func(changes ...bitbuckettest.Change) {
			t.Helper()
			_, err := w.repo.Commit("main", mirror.Signature{Name: "<img src=x onerror=alert(8)>", Email: "a@example.com"}, "<img src=x onerror=alert(9)>", changes...)
			w.must(err)
		}
		w.commit(bitbuckettest.Write("commands/evil.json", `{"slug":"evil","name":"E","prompt":"p"}`))
		w.synced()
		push(bitbuckettest.Write("skills/evil/SKILL.md", fmt.Sprintf(skill, "d", "one")), bitbuckettest.Write("skills/evil/<img src=x onerror=alert(7)>.md", "</textarea><script>alert(3)</script>"),
			bitbuckettest.Write("skills/evil/\"><svg onload=alert(4)>.bin", "\x00"))
		w.synced()
		w.apart(func() { w.exec("UPDATE commands SET prompt = %s, updated_by = %s", quote("</pre>"+evil), quote(evil)) },
			bitbuckettest.Write("commands/evil.json", `{"slug":"evil","name":"E","prompt":"</textarea></pre><script>alert(5)</script>"}`))
		w.synced()
		w.exec("UPDATE organizations SET name = %s", quote(evil))
		b.open("/organizations")
		b.signIn(adminToken)
		b.sees("New organization", evil)
		for path, says := range map[string]string{
			"/entities/skills/evil": "alert(7)", "/entities/skills/evil?again": "alert(9)", "/entities/commands/evil": "alert(5)", "/conflicts": "alert(5)", "/conflicts?all=true": "alert(5)",
			"/conflicts/" + w.query("SELECT id FROM conflicts"): "alert(5)", "/activity": "", "/entities?kind=skills": "evil",
			"/runs/" + w.query("SELECT run_id FROM sync_runs WHERE conflicts > 0"): "evil", "/settings": "", "/entities/commands/%3Cimg%20src=x%20onerror=alert(6)%3E": "no such page",
		} {
			b.open("/organizations/acme" + path)
			b.until(`document.readyState === "complete" && !document.body.innerText.includes("Looking at")`)
			b.until(fmt.Sprintf(`document.documentElement.innerHTML.includes(%q) || document.documentElement.textContent.includes(%q)`, says, says))
			if n := ask[int](b, `document.querySelectorAll("main img, main script, main svg:not(.plot), main [onerror], main [onload]").length`); n > 0 {
				t.Errorf("%s has %d elements of somebody else's", path, n)
			}
		}
	})
}
