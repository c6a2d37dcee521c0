package daemon_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestAcceptAKindsDirectoryIsReplaced_D1_C4: a link, a submodule or a file in its place deletes nothing.
func TestAcceptAKindsDirectoryIsReplaced_D1_C4(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"a", "b", "c"} {
			w.insert("toolkits", "slug", quote(slug), "name", quote(slug))
		}
		w.insert("commands", "slug", "'c'", "name", "'C'", "prompt", "'p'")
		w.synced()
		for _, odd := range []bitbuckettest.Change{
			{Path: "toolkits", Mode: bitbuckettest.ModeSymlink, Content: []byte("../../../etc")},
			{Path: "toolkits", Mode: bitbuckettest.ModeSubmodule, Content: []byte(string(w.commits()[0].Hash))},
			bitbuckettest.Write("toolkits", "a file"),
		} {
			files := w.files()
			w.commit(bitbuckettest.Remove("toolkits"), odd)
			w.sync()
			if n := w.live("toolkits"); n != "3" {
				t.Fatalf("mode %q in the directory's place leaves %s of 3 rows", odd.Mode, n)
			}
			w.exec("UPDATE commands SET name = name || 'x'")
			w.sync()
			if want := w.query("SELECT name FROM commands"); !w.branchHas("commands/c.json", want) {
				t.Errorf("mode %q: the other kinds stop", odd.Mode)
			}
			back := []bitbuckettest.Change{bitbuckettest.Remove("toolkits")}
			for path, content := range files {
				if strings.HasPrefix(path, "toolkits/") {
					back = append(back, bitbuckettest.Write(path, content))
				}
			}
			w.commit(back...)
			w.synced()
			for _, slug := range []string{"a", "b", "c"} {
				if code := w.entityError("toolkits", slug); code != "" {
					t.Errorf("mode %q: %s still has %s", odd.Mode, slug, code)
				}
			}
			w.quiet()
			w.checkClone()
		}
	})
}

func TestAcceptFilesThatBecomeSomethingElse(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"dir", "link", "large", "exec"} {
			w.insert("toolkits", "slug", quote(slug), "name", "'N'")
		}
		w.insertSkill("triage", map[string]string{"SKILL.md": skillMD})
		w.synced()
		w.commit(
			bitbuckettest.Remove("toolkits/dir.json"), bitbuckettest.Write("toolkits/dir.json/x", "x"),
			bitbuckettest.Change{Path: "toolkits/link.json", Mode: bitbuckettest.ModeSymlink, Content: []byte("exec.json")},
			bitbuckettest.Write("toolkits/large.json", `{"slug":"large","name":"`+strings.Repeat("x", 1<<20)+`"}`),
			bitbuckettest.Change{Path: "toolkits/exec.json", Mode: bitbuckettest.ModeExecutable, Content: []byte(`{"slug":"exec","name":"E"}`)},
			bitbuckettest.Remove("skills/triage"), bitbuckettest.Write("skills/triage", "a file"))
		w.synced()
		for _, slug := range []string{"dir", "link", "large"} {
			if code := w.entityError("toolkits", slug); code != "FETCH_FAILED" {
				t.Errorf("%s: %q", slug, code)
			}
		}
		if code := w.entityError("skills", "triage"); code == "" {
			t.Error("a file in a skill's place gives no error")
		}
		w.quiet()
		w.exec("UPDATE toolkits SET description = 'd'")
		w.sync()
		for _, slug := range []string{"link", "large", "exec"} {
			if code := w.entityError("toolkits", slug); code != "" || !w.branchHas("toolkits/"+slug+".json", `"d"`) {
				t.Errorf("%s: the edit does not win: %q", slug, code)
			}
		}
		if mode := w.mode("toolkits/exec.json"); mode != bitbuckettest.ModeExecutable {
			t.Errorf("the file's mode became %s", mode)
		}
		w.wantFile("toolkits/dir.json/x", "x")
		w.commit(bitbuckettest.Remove("toolkits/dir.json"), bitbuckettest.Write("toolkits/dir.json", `{"slug":"dir","name":"Back"}`),
			bitbuckettest.Remove("skills/triage"), bitbuckettest.Write("skills/triage/SKILL.md", skillMD))
		w.synced()
		for kind, slug := range map[string]string{"toolkits": "dir", "skills": "triage"} {
			if code := w.entityError(kind, slug); code != "" {
				t.Errorf("%s/%s still has %s", kind, slug, code)
			}
		}
		if n := w.query("SELECT count(*) FROM toolkits WHERE slug = 'dir' AND name = 'Back' AND description = 'd'"); n != "1" {
			t.Errorf("dir was not merged: %s", w.files()["toolkits/dir.json"])
		}
		w.quiet()
		w.checkClone()
	})
}

// TestAcceptAFirstConnectionOverwritesNoBadFile_D3: what cannot be read stays until the row is edited.
func TestAcceptAFirstConnectionOverwritesNoBadFile_D3(t *testing.T) {
	eachWorld(t, func(w *world) {
		o, err := w.db.CreateOrganization(w.t.Context(), "acme", "")
		w.must(err)
		w.orgID = o.ID
		w.insert("toolkits", "slug", "'bad'", "name", "'Row'")
		w.insert("toolkits", "slug", "'both'", "name", "'Row'", "description", "'row only'")
		w.insert("toolkits", "slug", "'row'", "name", "'Row'")
		w.commit(bitbuckettest.Write("toolkits/bad.json", "{"), bitbuckettest.Write("toolkits/both.json", `{"slug":"both","name":"File"}`), bitbuckettest.Write("toolkits/file.json", `{"slug":"file","name":"File"}`))
	}, func(w *world) {
		w.synced()
		w.wantFile("toolkits/bad.json", "{")
		if code := w.entityError("toolkits", "bad"); code != "INVALID_JSON" {
			t.Errorf("bad: %q", code)
		}
		if got := w.query("SELECT name || description FROM toolkits WHERE slug = 'both'"); got != "Filerow only" {
			t.Errorf("both: %s", got)
		}
		if w.live("toolkits") != "4" || !w.branchHas("toolkits/row.json", "") || !w.branchHas("toolkits/both.json", "row only") {
			t.Errorf("%s rows, %v", w.live("toolkits"), w.files())
		}
		w.quiet()
		w.exec("UPDATE toolkits SET name = 'Edited' WHERE slug = 'bad'")
		w.synced()
		if !w.branchHas("toolkits/bad.json", "Edited") {
			t.Error("the edit does not win over the bad file")
		}
		w.quiet()
	})
}
