package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// replace edits the text of a field as somebody who types does.
func (b *browser) replace(selector, old, new string) {
	b.w.t.Helper()
	b.until(fmt.Sprintf(`document.readyState === "complete" && document.querySelector(%q)`, selector))
	found := ask[bool](b, fmt.Sprintf(`(() => {
		const area = document.querySelector(%q);
		if (!area || !area.value.includes(%q)) return false;
		area.value = area.value.replace(%q, %q);
		area.dispatchEvent(new Event("input", { bubbles: true }));
		return true;
	})()`, selector, old, old, new))
	if !found {
		b.w.t.Fatalf("%s does not say %q; the page says:\n%s", selector, old, b.text())
	}
}

// subject is the first line of the branch's latest commit.
func (b *browser) subject() string {
	b.w.t.Helper()
	first, _, _ := strings.Cut(b.w.commits()[0].Message, "\n")
	return first
}

// An entity is made, edited, renamed, deleted and restored in the browser, and the branch follows.
func TestBrowserEdits(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		w := b.w
		b.open("/organizations/acme/entities?kind=commands")
		b.signIn(adminToken)
		b.press("New command")
		b.replace("#document", `"slug": ""`, `"slug": "Gr eet"`)
		b.sees("is not valid")
		b.shots("entity-wrong")
		b.replace("#document", `"slug": "Gr eet"`, `"slug": "greet"`)
		b.replace("#document", `"name": ""`, `"name": "Greet"`)
		b.replace("#document", `"prompt": ""`, `"prompt": 1`)
		b.until(`/line \d+, column \d+/i.test(document.querySelector("#wrong").textContent)`)
		b.replace("#document", `"prompt": 1`, `"prompt": "Hello"`)
		b.until(`document.querySelector("#wrong").textContent === ""`)
		b.press("Create")
		b.sees("command greet", "Edited just now")
		w.eventually("the file is there", func() bool { return w.branchHas("commands/greet.json", `"Hello"`) })
		b.sees("commands/greet.json", "last synced", "Both say the same.", b.subject())
		b.until(fmt.Sprintf(`document.querySelector('#git a[href$="/acme-corp/webrix-sync/commits/%s"]')`, w.commits()[0].Hash))
		b.shots("entity")

		b.replace("#document", `"Hello"`, `"Good day"`)
		b.press("Save")
		b.sees("Saved.")
		w.eventually("the edit is on the branch", func() bool { return w.branchHas("commands/greet.json", `"Good day"`) })
		b.sees(b.subject()) // in the history, without a reload
		if author := w.commits()[0].Author.Name; author == "" {
			t.Error("nobody wrote the commit")
		}

		// Somebody else's edit is not overwritten.
		w.exec("UPDATE commands SET name = 'Of somebody else' WHERE slug = 'greet'")
		b.replace("#document", `"Good day"`, `"Lost?"`)
		b.press("Save")
		b.sees("It was changed meanwhile")
		if got := w.query("SELECT name FROM commands"); got != "Of somebody else" {
			t.Errorf("%s", got)
		}
		b.do(chromedp.Evaluate[chromedp.Void](`for (const area of document.querySelectorAll("textarea")) area.value = area.defaultValue`))

		b.open("/organizations/acme/entities/commands/greet")
		b.replace("#document", `"slug": "greet"`, `"slug": "welcome"`)
		b.press("Save")
		b.sees("command welcome")
		w.eventually("the file is renamed", func() bool {
			return w.branchHas("commands/welcome.json", "") && !w.branchHas("commands/greet.json", "")
		})
		b.press("Delete")
		b.sees("There is none now")
		w.eventually("the file is deleted", func() bool { return !w.branchHas("commands/welcome.json", "") })
		b.sees("Neither has it.", b.subject())
		b.press("Restore the latest deleted one")
		b.until(`document.querySelector("#document")?.value.includes("Of somebody else")`)
		w.eventually("the file is back", func() bool { return w.branchHas("commands/welcome.json", "Of somebody else") })

		w.commit(bitbuckettest.Write("commands/welcome.json", "{"))
		w.call("POST", "mirror/sync?wait=true", nil)
		b.sees("INVALID_JSON", "− {", `+   "slug": "welcome"`)
		b.shots("entity-differs")
		b.press("Take the database's side")
		b.seesNot("INVALID_JSON")
		w.eventually("the file is whole", func() bool { return w.branchHas("commands/welcome.json", "Of somebody else") })
	})
}

// Of a skill only what was edited changes: not its line ends elsewhere, and not what is no text.
func TestBrowserEditsASkill(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		w := b.w
		font := "\x00\xff\xfe font"
		w.commit(
			bitbuckettest.Write("skills/review/SKILL.md", "---\r\nname: review\r\ndescription: Reviews.\r\n---\r\nLook twice.\r\n"),
			bitbuckettest.Write("skills/review/assets/font.ttf", font),
			bitbuckettest.Write("skills/review/run.sh", "#!/bin/sh\necho one\n"),
		)
		w.synced()
		b.open("/organizations/acme/entities/skills/review")
		b.signIn(adminToken)
		b.sees("skill review", "assets/font.ttf", "8 bytes")
		b.shots("skill")
		b.replace(`[data-file="SKILL.md"]`, "Look twice.", "Look three times.")
		b.press("Save")
		b.sees("Saved.")
		w.eventually("the edit is on the branch", func() bool {
			return w.branchHas("skills/review/SKILL.md", "description: Reviews.\r\n---\r\nLook three times.\r\n")
		})
		files := w.files()
		if files["skills/review/assets/font.ttf"] != font || files["skills/review/run.sh"] != "#!/bin/sh\necho one\n" {
			t.Errorf("%q", files)
		}
		b.open("/organizations/acme/new?kind=skills")
		b.do(chromedp.SetValue(chromedp.CSS("#slug"), "fresh"))
		b.replace(`[data-file="SKILL.md"]`, "name: ", "name: fresh")
		b.replace(`[data-file="SKILL.md"]`, "description: ", "description: New.")
		b.press("Create")
		b.sees("skill fresh")
		w.eventually("the skill is on the branch", func() bool { return w.branchHas("skills/fresh/SKILL.md", "name: fresh") })
	})
}

// A skill's files come, go and move with it, whatever they are.
func TestBrowserChangesASkillsFiles(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		w := b.w
		w.commit(bitbuckettest.Write("skills/review/SKILL.md", "---\nname: review\ndescription: Reviews.\n---\nLook.\n"),
			bitbuckettest.Write("skills/review/old.txt", "old"), bitbuckettest.Write("skills/review/run.sh", "#!/bin/sh\n"))
		w.synced()
		font := filepath.Join(t.TempDir(), "font.ttf")
		w.must(os.WriteFile(font, []byte("\x00\xff\xfe"), 0o600))

		b.open("/organizations/acme/entities/skills/review")
		b.signIn(adminToken)
		b.do(chromedp.SetValue(chromedp.CSS("#new-path"), "run.sh"))
		b.press("Write it here")
		b.sees("run.sh is there already.")
		b.do(chromedp.SetValue(chromedp.CSS("#new-path"), "docs/how.md"))
		b.press("Write it here")
		b.do(chromedp.SendKeys(chromedp.CSS(`[data-file="docs/how.md"]`), "How"))
		b.do(chromedp.SetValue(chromedp.CSS("#new-path"), "assets/font.ttf"), chromedp.SetUploadFiles(chromedp.CSS("#upload"), []string{font}))
		b.sees("assets/font.ttf, 3 bytes")
		b.do(chromedp.Click(chromedp.CSS(`[aria-label="Remove old.txt"]`)), chromedp.Click(chromedp.CSS(`[data-path="run.sh"] [data-executable]`)))
		b.until(`document.querySelector('[aria-label="Keep old.txt"]')`)
		b.shots("skill-files")
		b.press("Save")
		b.until(`!document.querySelector('[data-path="old.txt"], .file.new') && document.querySelector('[data-path="run.sh"] [data-executable]').checked`)
		b.sees("docs/how.md", "assets/font.ttf", "3 bytes; it is kept as it is")
		w.synced()
		files := w.files()
		if _, there := files["skills/review/old.txt"]; there || files["skills/review/docs/how.md"] != "How" || files["skills/review/assets/font.ttf"] != "\x00\xff\xfe" {
			t.Errorf("%q", files)
		}
		_, row := w.call("GET", "skills/review", nil)
		if stored := fmt.Sprint(row["files"]); !strings.Contains(stored, "executable:true path:run.sh") {
			t.Errorf("run.sh cannot be run: %s", stored)
		}

		b.replace(`[data-file="SKILL.md"]`, "name: review", "name: audit")
		b.do(chromedp.SetValue(chromedp.CSS("#slug"), "audit"))
		b.press("Save")
		b.sees("skill audit")
		w.eventually("the directory is renamed", func() bool {
			return w.branchHas("skills/audit/docs/how.md", "How") && !w.branchHas("skills/review/SKILL.md", "")
		})
	})
}

// A secret is written and never shown.
func TestBrowserWritesSecrets(t *testing.T) {
	eachBrowser(t, nil, func(b *browser) {
		w := b.w
		const secret = "a-secret-that-nobody-sees"
		w.commit(bitbuckettest.Write("mcp-servers/github.json", `{"slug":"github","name":"GitHub","type":"stdio","command":"gh","env":{"TOKEN":{"secret":true}}}`))
		w.synced()
		b.open("/organizations/acme/entities/mcp-servers/github")
		b.signIn(adminToken)
		b.sees("Secrets are not shown")
		b.replace("#document", `"set": false`, fmt.Sprintf(`"value": %q`, secret))
		b.until(`document.querySelector("#wrong").textContent === ""`)
		b.press("Save")
		b.sees("Saved.")
		b.open("/organizations/acme/entities/mcp-servers/github")
		if html := ask[string](b, "document.documentElement.outerHTML"); strings.Contains(html, secret) || !strings.Contains(html, `"set": true`) {
			t.Errorf("%s", html)
		}
		w.synced()
		for path, content := range w.files() {
			if strings.Contains(content, secret) {
				t.Errorf("%s holds the secret", path)
			}
		}
	})
}
