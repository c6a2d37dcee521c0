package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestHostileSkills_I5_I7_I9: too much, too deep, too large, no text where text must
// be; names that differ in case or normalisation only are different files.
func TestHostileSkills_I5_I7_I9(t *testing.T) {
	const nfc, nfd = "caf\u00e9.txt", "cafe\u0301.txt"
	deep := func(n int) string { return strings.Repeat("d/", n) + "f" }
	front := func(slug, head string) string { return "---\nname: " + slug + "\n" + head + "\n---\n" }
	texts := map[string]struct{ content, code string }{ // of SKILL.md
		"nul":          {front("nul", "description: d") + "\x00", "VALIDATION_FAILED"},
		"utf16":        {"\xff\xfe-\x00-\x00-\x00\n\x00", "VALIDATION_FAILED"},
		"latin":        {front("latin", "description: caf\xe9"), "VALIDATION_FAILED"},
		"latin-body":   {front("latin-body", "description: d") + "caf\xe9", "VALIDATION_FAILED"},
		"empty":        {"", "VALIDATION_FAILED"},
		"open":         {"---\nname: open\ndescription: d\n", "VALIDATION_FAILED"},
		"twice":        {front("twice", "description: d\nname: twice"), "VALIDATION_FAILED"},
		"list":         {front("list", "description: [d]"), "VALIDATION_FAILED"},
		"number":       {front("number", "description: 1"), "VALIDATION_FAILED"},
		"bomb":         {front("bomb", "description: *d\na: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d [*c,*c]"), "VALIDATION_FAILED"},
		"brackets":     {front("brackets", "description: "+strings.Repeat("[", 60000)), "VALIDATION_FAILED"},
		"long-head":    {front("long-head", "description: d\n# "+strings.Repeat("x", 70000)), "VALIDATION_FAILED"},
		"usurper":      {front("kept", "description: d"), "VALIDATION_FAILED"}, // another skill's name
		"large":        {front("large", "description: d") + strings.Repeat("x", 1<<20), "FETCH_FAILED"},
		"pointer":      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "FETCH_FAILED"},
		"crlf":         {strings.ReplaceAll(front("crlf", "description: d"), "\n", "\r\n") + "mixed\nends\r\n", ""},
		"mark":         {"\ufeff" + front("mark", "description: d"), ""},
		"right":        {front("right", `description: "\u05d0\u202e\u2028"`), ""},
		"surrogate-ok": {front("surrogate-ok", `description: "\U0001F600"`), ""},
	}
	eachWorld(t, nil, func(w *world) {
		w.insertSkill("kept", map[string]string{"SKILL.md": skill("kept")})
		w.synced()
		var changes []bitbuckettest.Change
		want, fine := map[string]string{}, 0
		add := func(slug, code string, files map[string]string) {
			for path, content := range files {
				changes = append(changes, bitbuckettest.Write("skills/"+slug+"/"+path, content))
			}
			if code == "" {
				fine++
			} else {
				want["skills/"+slug] = code
			}
		}
		for slug, c := range texts {
			add(slug, c.code, map[string]string{"SKILL.md": c.content, "notes.txt": "n"})
		}
		many, total, nest := map[string]string{"SKILL.md": skill("many")}, map[string]string{"SKILL.md": skill("total")}, map[string]string{"SKILL.md": skill("nest")}
		for i := range 1500 {
			many[fmt.Sprintf("d%d/f%d", i%7, i)] = "x"
		}
		for i := range 65 {
			total[fmt.Sprintf("f%d", i)] = strings.Repeat("x", 1<<20-i)
		}
		for i := range 300 {
			nest[fmt.Sprintf("%sf%d", strings.Repeat("a/", i%50), i)] = "x"
		}
		add("many", "VALIDATION_FAILED", many)
		add("total", "FETCH_FAILED", total)
		add("nest", "", nest)
		add("deep", "VALIDATION_FAILED", map[string]string{"SKILL.md": skill("deep"), deep(200): "x"})
		add("less-deep", "", map[string]string{"SKILL.md": skill("less-deep"), deep(60): "x"})
		names := map[string]string{"SKILL.md": skill("names"), "Readme.md": "1", "README.md": "2", "readme.md": "3", "Dir/x": "4", "dir/x": "5", nfc: "6", nfd: "7", "ﬁ": "8", "fi": "9",
			strings.Repeat("é", 127): "10", "a b/ c ": "11", "日本語/ファイル.txt": "12", "skill.md": "13"}
		add("names", "", names)
		add("binary", "", map[string]string{"SKILL.md": skill("binary"), "b": "\x00\xff\xfe\x00", "utf16.txt": "\xff\xfea\x00", "latin.txt": "caf\xe9", "zero": ""})
		w.commit(changes...)
		if report := w.synced(); report["imported"].(float64) != float64(fine) || report["errors"].(float64) != float64(len(want)) {
			w.t.Errorf("%v imported, %v errors, want %d and %d", report["imported"], report["errors"], fine, len(want))
		}
		w.wantRejected("skills", want)
		for path, content := range names {
			if n := w.query("SELECT count(*) FROM skill_files f JOIN skills s ON s.id = f.skill_id WHERE s.slug = 'names' AND f.path = %s AND f.content = %s", quote(path), w.blob(content)); n != "1" {
				w.t.Errorf("%q was not imported as it is", path)
			}
		}
		w.quiet()
		w.checkClone()
		// The same names travel the other way, each by itself.
		w.exec("UPDATE skill_files SET content = %s WHERE path IN (%s, 'README.md', 'Dir/x')", w.blob("edited"), quote(nfd))
		w.exec("DELETE FROM skill_files WHERE path IN (%s, 'readme.md')", quote(nfc))
		w.synced()
		files := w.files()
		for path, content := range names {
			switch path {
			case nfd, "README.md", "Dir/x":
				content = "edited"
			case nfc, "readme.md":
				content = ""
			}
			if got := files["skills/names/"+path]; got != content {
				w.t.Errorf("%q holds %q, want %q", path, got, content)
			}
		}
		w.quiet()
		// Mended, every error is gone.
		changes = nil
		for path := range want {
			slug := strings.TrimPrefix(path, "skills/")
			changes = append(changes, bitbuckettest.Remove(path), bitbuckettest.Write(path+"/SKILL.md", skill(slug)))
		}
		w.commit(changes...)
		w.synced()
		w.wantRejected("skills", nil)
		if n := w.live("skills"); n != fmt.Sprint(fine+len(want)+1) || w.mirror()["errors"].(float64) != 0 {
			w.t.Errorf("%s skills, mirror %v", n, w.mirror())
		}
		w.quiet()
		w.checkClone()
	})
}

// TestManyHugeFiles: what is too large is never read, however much of it there is.
func TestManyHugeFiles(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'grows'", "name", "'G'")
		w.synced()
		huge := strings.Repeat(" ", 2<<20)
		changes := []bitbuckettest.Change{
			bitbuckettest.Write("toolkits/good.json", `{"slug":"good","name":"Good"}`),
			bitbuckettest.Write("toolkits/grows.json", huge+`{"slug":"grows","name":"G2"}`),
			bitbuckettest.Write("toolkits/edge.json", `{"slug":"edge","name":"E"}`+strings.Repeat(" ", 1<<20-26)),
			bitbuckettest.Write("toolkits/over.json", `{"slug":"over","name":"E"}`+strings.Repeat(" ", 1<<20-25)),
		}
		want := map[string]string{"toolkits/over.json": "FETCH_FAILED"}
		for i := range 20 {
			path := fmt.Sprintf("toolkits/huge-%d.json", i)
			changes = append(changes, bitbuckettest.Write(path, huge+fmt.Sprint(i)))
			want[path] = "FETCH_FAILED"
		}
		w.commit(changes...)
		if report := w.synced(); report["imported"].(float64) != 2 {
			w.t.Errorf("report: %v", report)
		}
		w.wantRejected("toolkits", want)
		if code := w.entityError("toolkits", "grows"); code != "FETCH_FAILED" || w.query("SELECT name FROM toolkits WHERE slug = 'grows'") != "G" {
			w.t.Errorf("grows: %q", code)
		}
		if message := w.message("toolkits", "grows"); !strings.Contains(message, "1048576") {
			w.t.Errorf("message %q does not say the limit", message)
		}
		w.quiet()
		w.checkClone()
		w.exec("UPDATE toolkits SET name = 'G3' WHERE slug = 'grows'")
		changes = nil
		for path := range want {
			changes = append(changes, bitbuckettest.Remove(path))
		}
		w.commit(changes...)
		w.synced()
		w.wantRejected("toolkits", nil)
		if code := w.entityError("toolkits", "grows"); code != "" || !w.branchHas("toolkits/grows.json", "G3") {
			w.t.Errorf("the edit does not win over a huge file: %q", code)
		}
		w.quiet()
		w.checkClone()
	})
}
