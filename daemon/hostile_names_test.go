package daemon_test

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestHostileNamesInASkill_C4: a path that leads out, into git's own directory, or
// that no system can have, is that skill's error.
func TestHostileNamesInASkill_C4(t *testing.T) {
	fetch, invalid := "FETCH_FAILED", "VALIDATION_FAILED"
	names := map[string]struct{ name, code string }{
		"up": {"..", fetch}, "here": {".", fetch}, "git": {".git", fetch}, "upper": {".GIT", fetch}, "hfs": {".g\u200cit", fetch}, "ntfs": {"git~1", fetch},
		"space": {".git ", fetch}, "dots": {".git...", fetch}, "stream": {".git::$INDEX_ALLOCATION", fetch}, "slash": {"a/b", fetch}, "out": {"../../../etc/passwd", fetch},
		"absolute": {"/etc/passwd", fetch}, "backslash": {`..\..\evil`, fetch}, "backslash-git": {`x\.git\config`, fetch}, "plain-backslash": {`a\b`, invalid},
		"newline": {"a\nb", invalid}, "escape": {"a\x1b[31mred", invalid}, "delete": {"a\x7f", invalid}, "c1": {"a\u0085b", invalid}, "latin": {"caf\xe9", invalid},
		"long": {strings.Repeat("x", 256), fetch}, "longer": {strings.Repeat("é", 300), fetch},
	}
	fine := map[string]string{"trailing-dot": "a.", "trailing-space": "a ", "device": "con", "devices": "NUL.txt", "dotted": "...", "colon": "a:b", "quote": `a"b`, "star": "*?<>|", "ignore": ".gitignore", "github": ".github", "right-to-left": "a\u05d0b"}
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'row'", "name", "'Row'")
		w.commit(bitbuckettest.Write("README.md", "r"))
		w.synced()
		var skills []leaf
		want := map[string]string{}
		for slug, c := range names {
			for form, l := range map[string]leaf{"": {content: "evil"}, "-dir": {mode: "40000", id: w.tree(leaf{name: "config", content: "evil"})}, "-link": {mode: "120000", content: "/etc"}} {
				l.name = c.name
				skills = append(skills, leaf{mode: "40000", name: slug + form, id: w.sorted(leaf{name: "SKILL.md", content: skill(slug + form)}, l)})
				want["skills/"+slug+form] = c.code
				if form == "-link" {
					want["skills/"+slug+form] = fetch
				}
			}
		}
		for slug, name := range fine {
			skills = append(skills, leaf{mode: "40000", name: slug, id: w.sorted(leaf{name: "SKILL.md", content: skill(slug)}, leaf{name: name, content: slug})})
		}
		w.plant("skills", "40000", w.sorted(skills...))
		if report := w.synced(); report["imported"].(float64) != float64(len(fine)) {
			w.t.Errorf("report: %v", report)
		}
		w.wantRejected("skills", want)
		for slug, name := range fine {
			if got := w.query("SELECT count(*) FROM skill_files f JOIN skills s ON s.id = f.skill_id WHERE s.slug = %s AND f.path = %s", quote(slug), quote(name)); got != "1" {
				w.t.Errorf("%s: %q was not imported", slug, name)
			}
		}
		// What git itself would refuse to write is not in the working tree, and nothing else is missing.
		for line := range strings.SplitSeq(w.status(), "\n") {
			missing, deleted := strings.CutPrefix(strings.ReplaceAll(line, `"`, ""), "D  skills/")
			if slug, _, _ := strings.Cut(missing, "/"); !deleted || want["skills/"+slug] != fetch {
				w.t.Errorf("git status: %.200s", line)
			}
		}
		w.quiet()
		// The way out stays open: a row is exported beside all this, and a skill that is mended comes in.
		w.exec("UPDATE toolkits SET name = 'Row 2'")
		w.synced()
		w.plant("skills/up", "40000", w.tree(leaf{name: "SKILL.md", content: skill("up")}))
		w.synced()
		if !w.branchHas("toolkits/row.json", "Row 2") {
			w.t.Error("nothing is exported any more")
		}
		delete(want, "skills/up")
		w.wantRejected("skills", want)
		w.plant("skills", "40000", w.sorted(leaf{mode: "40000", name: "up", id: w.tree(leaf{name: "SKILL.md", content: skill("up")})}))
		if report := w.sync(); report["state"] != "held" { // the good skills go with the bad ones, all at once
			w.t.Errorf("report: %v", report)
		}
		w.wantRejected("skills", nil)
		w.wantClean()
	})
}

// TestHostileNamesOfFiles_C4_I5_I9: a name that is no slug is that file's error,
// whatever a database or a terminal may think of it.
func TestHostileNamesOfFiles_C4_I5_I9(t *testing.T) {
	const nfc, nfd = "caf\u00e9", "cafe\u0301"
	bad := map[string]string{
		`a\b`: "VALIDATION_FAILED", "a\nb": "VALIDATION_FAILED", "a\x1b[31m": "VALIDATION_FAILED", " ": "VALIDATION_FAILED", "a ": "VALIDATION_FAILED", "a.": "VALIDATION_FAILED",
		"caf\xe9": "VALIDATION_FAILED", "\xff\xfe": "VALIDATION_FAILED", nfc: "VALIDATION_FAILED", nfd: "VALIDATION_FAILED", "A": "VALIDATION_FAILED", "Good": "VALIDATION_FAILED", "a\u202eb": "VALIDATION_FAILED", "%2e%2e": "VALIDATION_FAILED", "'; drop table toolkits; --": "VALIDATION_FAILED",
		strings.Repeat("x", 129): "VALIDATION_FAILED", strings.Repeat("x", 251): "FETCH_FAILED", strings.Repeat("x", 2000): "FETCH_FAILED", "git~1": "VALIDATION_FAILED",
	}
	good := []string{"good", "con", "nul", "aux.1", strings.Repeat("x", 128), "git", "git-1"}
	theirs := []string{".json", "..json", `..\..\x.json`, ".git.json", "README.md", "noext", "a.JSON", "\xff\xff"}
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'row'", "name", "'Row'")
		w.synced()
		leaves := w.leaves("main:toolkits")
		for stem := range bad {
			leaves = append(leaves, leaf{name: stem + ".json", content: `{"slug":"x","name":"X"}`})
		}
		for _, name := range theirs {
			leaves = append(leaves, leaf{name: name, content: "people's"})
		}
		for _, slug := range good {
			leaves = append(leaves, leaf{name: slug + ".json", content: `{"slug":"` + slug + `","name":"N"}`})
		}
		w.plant("toolkits", "40000", w.sorted(leaves...))
		if report := w.synced(); report["imported"].(float64) != float64(len(good)) {
			w.t.Errorf("report: %v", report)
		}
		rejected := w.rejected("toolkits")
		if len(rejected) != len(bad) {
			w.t.Errorf("%d files are rejected, want %d: %q", len(rejected), len(bad), rejected)
		}
		for stem, code := range bad {
			path := "toolkits/" + stem + ".json"
			if !utf8.ValidString(path) { // no database and no JSON can hold it
				path = "\ufffd" + strconv.QuoteToASCII(path)
			}
			if got := rejected[path]; got != code {
				w.t.Errorf("%.60q: %q, want %s", stem, got, code)
			}
		}
		w.quiet()
		w.exec("UPDATE toolkits SET name = 'N2'")
		w.synced()
		for _, slug := range append(good, "row") {
			if !w.branchHas("toolkits/"+slug+".json", "N2") {
				w.t.Errorf("%.60s is not exported", slug)
			}
		}
		stand := map[string]bool{}
		for _, l := range w.leaves("main:toolkits") {
			stand[l.name] = true
		}
		for stem := range bad {
			if !stand[stem+".json"] {
				w.t.Errorf("%.60q is gone from the branch", stem)
			}
		}
		for _, name := range theirs {
			if !stand[name] {
				w.t.Errorf("%q is gone from the branch", name)
			}
		}
		w.quiet()
	})
}
