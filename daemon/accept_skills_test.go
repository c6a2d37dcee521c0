package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

const skillID = "5b8f9e9e-8d9e-4f7e-9d7b-111111111111"

// skill is triage's SKILL.md under another name.
func skill(slug string) string { return strings.Replace(skillMD, "name: triage", "name: "+slug, 1) }

func (w *world) insertSkill(slug string, files map[string]string) {
	w.t.Helper()
	w.insert("skills", "id", quote(skillID), "slug", quote(slug), "name", quote(slug))
	for path, content := range files {
		w.exec("INSERT INTO skill_files (skill_id, path, content) VALUES ('%s', %s, %s)", skillID, quote(path), w.blob(content))
	}
}

// mode is a path's mode on the branch, "" for none.
func (w *world) mode(path string) string {
	w.t.Helper()
	tree, err := w.repo.Tree("main")
	w.must(err)
	for _, f := range tree {
		if f.Path == path {
			return f.Mode
		}
	}
	return ""
}

func TestAcceptSkillsByteForByte_I7(t *testing.T) {
	odd := "\ufeff---\r\nname: odd\r\ndescription: >-\r\n  Folded\r\n  text\r\nlicense: MIT\r\nx-own: [1, 2]\r\nmetadata:\r\n  a: b\r\nallowed-tools: Read\r\n---\r\nNo final newline"
	files := map[string]string{
		"SKILL.md": odd, "a/b/c/d/e/f.txt": "deep", "Größe & Maß.md": "ü", "日本語/説明 書.txt": "x", "empty": "", "bin.dat": "\x00\xff\xfe\r\n\x00", "crlf.txt": "a\r\nb\r\n", ".hidden": "h", "README.md": "r", "sub/.gitkeep": "",
	}
	eachWorld(t, nil, func(w *world) {
		var changes []bitbuckettest.Change
		for path, content := range files {
			changes = append(changes, bitbuckettest.Write("skills/odd/"+path, content))
		}
		w.commit(changes...)
		other := map[string]string{}
		for path, content := range files {
			other[path] = content
		}
		other["SKILL.md"] = strings.Replace(odd, "name: odd", "name: even", 1)
		w.insertSkill("even", other)
		w.synced()
		for path, content := range files {
			if got := w.query("SELECT count(*) FROM skill_files f JOIN skills s ON s.id = f.skill_id WHERE s.slug = 'odd' AND f.path = %s AND f.content = %s", quote(path), w.blob(content)); got != "1" {
				t.Errorf("%s was not imported as it is", path)
			}
		}
		for path, content := range other {
			w.wantFile("skills/even/"+path, content)
		}
		if got := w.query("SELECT description FROM skills WHERE slug = 'odd'"); got != "Folded text" {
			t.Errorf("description %q", got)
		}
		w.quiet()
		w.checkClone()
	})
}

func TestAcceptExecutableBitAlone(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insertSkill("triage", map[string]string{"SKILL.md": skillMD, "run": "#!/bin/sh\n"})
		w.synced()
		w.exec("UPDATE skill_files SET executable = true WHERE path = 'run'")
		w.synced()
		if mode := w.mode("skills/triage/run"); mode != bitbuckettest.ModeExecutable {
			t.Errorf("mode %s after the database set the bit", mode)
		}
		w.quiet()
		w.checkClone()
		w.commit(bitbuckettest.Change{Path: "skills/triage/run", Mode: bitbuckettest.ModeFile, Content: []byte("#!/bin/sh\n")})
		w.synced()
		if n := w.query("SELECT count(*) FROM skill_files WHERE path = 'run' AND executable"); n != "0" {
			t.Error("the bit that git took is still set in the database")
		}
		w.quiet()
		w.checkClone()
	})
}

func TestAcceptSkillFilesBySQL(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insertSkill("triage", map[string]string{"SKILL.md": skillMD, "old.txt": "o", "moved.txt": "m"})
		w.synced()
		w.exec("INSERT INTO skill_files (skill_id, path, content) VALUES ('%s', 'new/deep.txt', %s)", skillID, w.blob("n"))
		w.exec("DELETE FROM skill_files WHERE path = 'old.txt'")
		w.exec("UPDATE skill_files SET path = 'there/moved.txt' WHERE path = 'moved.txt'")
		w.exec("UPDATE skill_files SET content = %s WHERE path = 'SKILL.md'", w.blob(strings.Replace(skillMD, "Sorts", "Labels", 1)))
		w.synced()
		w.wantFile("skills/triage/new/deep.txt", "n")
		w.wantFile("skills/triage/there/moved.txt", "m")
		w.wantFile("skills/triage/SKILL.md", strings.Replace(skillMD, "Sorts", "Labels", 1))
		w.wantNoFile("skills/triage/old.txt")
		w.wantNoFile("skills/triage/moved.txt")
		if got := w.query("SELECT description FROM skills"); got != "Labels incoming issues." {
			t.Errorf("description %q does not follow SKILL.md", got)
		}
		w.quiet()
		w.exec("UPDATE skills SET description = 'By column: yes' WHERE slug = 'triage'")
		w.synced()
		if !w.branchHas("skills/triage/SKILL.md", "By column: yes") {
			t.Errorf("an edit of the column description does not arrive:\n%s", w.files()["skills/triage/SKILL.md"])
		}
		w.quiet()
		w.exec("UPDATE skills SET slug = 'sorter' WHERE slug = 'triage'")
		w.synced()
		if !w.branchHas("skills/sorter/SKILL.md", "name: sorter") || w.branchHas("skills/triage/SKILL.md", "") {
			t.Errorf("rename by the column slug: %v, %s", w.files(), w.query("SELECT git_integration FROM skills"))
		}
		if got := w.query("SELECT name FROM skills"); got != "sorter" {
			t.Errorf("name %q", got)
		}
		w.quiet()
		// SKILL.md goes: the row is invalid, the branch keeps what it has.
		w.exec("DELETE FROM skill_files WHERE path = 'SKILL.md'")
		w.synced()
		if code := w.entityError("skills", "sorter"); code != "EMPTY_DIRECTORY" || !w.branchHas("skills/sorter/SKILL.md", "") {
			t.Errorf("a row without SKILL.md: %q", code)
		}
		w.exec("DELETE FROM skills")
		w.synced()
		for path := range w.files() {
			t.Errorf("%s outlives its row", path)
		}
		w.quiet()
		w.checkClone()
	})
}

func TestAcceptWhatASkillMayNotHave(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		head := w.commit(bitbuckettest.Write("README.md", "r"))
		in := func(slug string, changes ...bitbuckettest.Change) []bitbuckettest.Change {
			for i := range changes {
				changes[i].Path = "skills/" + slug + "/" + changes[i].Path
			}
			return append(changes, bitbuckettest.Write("skills/"+slug+"/SKILL.md", skill(slug)))
		}
		var all []bitbuckettest.Change
		all = append(all, in("link", bitbuckettest.Change{Path: "l", Mode: bitbuckettest.ModeSymlink, Content: []byte("/etc/passwd")})...)
		all = append(all, in("module", bitbuckettest.Change{Path: "m", Mode: bitbuckettest.ModeSubmodule, Content: []byte(string(head))})...)
		all = append(all, in("large", bitbuckettest.Write("big.bin", strings.Repeat("x", 1<<20+1)))...)
		all = append(all, in("largest", bitbuckettest.Write("big.bin", strings.Repeat("x", 1<<20)))...)
		all = append(all, in("lfs", bitbuckettest.Write("a.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"))...)
		var many, most []bitbuckettest.Change
		for i := range 500 {
			c := bitbuckettest.Write(fmt.Sprintf("f%d", i), "x")
			many = append(many, c)
			if i > 0 {
				most = append(most, c)
			}
		}
		all = append(all, in("many", many...)...) // 501 with SKILL.md
		all = append(all, in("most", most...)...)
		all = append(all, bitbuckettest.Write("skills/misnamed/SKILL.md", skill("other")),
			bitbuckettest.Write("skills/nodesc/SKILL.md", "---\nname: nodesc\n---\n"),
			bitbuckettest.Write("skills/plain/SKILL.md", "no frontmatter"),
			bitbuckettest.Write("skills/long/SKILL.md", strings.Replace(skill("long"), "Sorts incoming issues.", strings.Repeat("é", 1025), 1)),
			bitbuckettest.Write("skills/fits/SKILL.md", strings.Replace(skill("fits"), "Sorts incoming issues.", strings.Repeat("é", 1024), 1)),
			bitbuckettest.Write("skills/dot.ted/SKILL.md", skill("dot.ted")),
			bitbuckettest.Write("skills/"+strings.Repeat("a", 65)+"/SKILL.md", skill(strings.Repeat("a", 65))),
			bitbuckettest.Write("skills/"+strings.Repeat("b", 64)+"/SKILL.md", skill(strings.Repeat("b", 64))),
			bitbuckettest.Write("skills/bare/skill.md", skill("bare")),
			bitbuckettest.Write("skills/good/SKILL.md", skill("good")))
		w.commit(all...)
		w.synced()
		rejected := w.rejected("skills")
		for slug, want := range map[string]string{
			"link": "FETCH_FAILED", "module": "FETCH_FAILED", "large": "FETCH_FAILED", "lfs": "FETCH_FAILED", "many": "VALIDATION_FAILED",
			"misnamed": "VALIDATION_FAILED", "nodesc": "VALIDATION_FAILED", "plain": "VALIDATION_FAILED", "long": "VALIDATION_FAILED",
			"dot.ted": "VALIDATION_FAILED", strings.Repeat("a", 65): "VALIDATION_FAILED", "bare": "EMPTY_DIRECTORY",
		} {
			if got := rejected["skills/"+slug]; got != want {
				t.Errorf("%.30s: %q, want %s", slug, got, want)
			}
			delete(rejected, "skills/"+slug)
		}
		if len(rejected) != 0 {
			t.Errorf("rejected too: %v", rejected)
		}
		for slug, files := range map[string]string{"largest": "2", "most": "500", "fits": "1", strings.Repeat("b", 64): "1", "good": "1"} {
			if got := w.query("SELECT count(*) FROM skill_files f JOIN skills s ON s.id = f.skill_id WHERE s.slug = %s", quote(slug)); got != files {
				t.Errorf("%.30s has %s files, want %s", slug, got, files)
			}
		}
		for _, item := range w.get("skills")["rejected"].([]any) {
			r := item.(map[string]any)
			problem := r["error"].(map[string]any)
			want := float64(400)
			if problem["code"] == "FETCH_FAILED" {
				want = 500
			}
			if problem["http_code"] != want || problem["message"] == "" || problem["commit"] == "" || problem["detected_at"] == "" || problem["path"] == "" {
				t.Errorf("error of %v: %v", r["path"], problem)
			}
		}
		w.quiet()
		w.checkClone()
	})
}

func TestAcceptSkillRemovedOnTheBranch(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("skills/a/SKILL.md", skill("a")), bitbuckettest.Write("skills/a/x/y.txt", "y"), bitbuckettest.Write("skills/b/SKILL.md", skill("b")), bitbuckettest.Write("skills/c/SKILL.md", skill("c")))
		w.synced()
		w.commit(bitbuckettest.Remove("skills/a"))
		w.synced()
		if n := w.query("SELECT count(*) FROM skills WHERE slug = 'a' AND deleted_at IS NOT NULL"); n != "1" {
			t.Error("the row is not soft-deleted")
		}
		if n := w.query("SELECT count(*) FROM skill_files f JOIN skills s ON s.id = f.skill_id WHERE s.slug = 'a'"); n != "2" {
			t.Errorf("%s files left to restore, want 2", n)
		}
		// Only SKILL.md goes: that is a bad directory, no deletion.
		w.commit(bitbuckettest.Write("skills/b/notes.txt", "n"), bitbuckettest.Remove("skills/b/SKILL.md"))
		w.synced()
		if code := w.entityError("skills", "b"); code != "EMPTY_DIRECTORY" {
			t.Errorf("b: %q", code)
		}
		// Restored in the database, the skill comes back whole.
		w.exec("UPDATE skills SET deleted_at = NULL WHERE slug = 'a'")
		w.exec("UPDATE skill_files SET content = content WHERE skill_id = (SELECT id FROM skills WHERE slug = 'b')")
		w.synced()
		w.wantFile("skills/a/x/y.txt", "y")
		w.wantFile("skills/b/SKILL.md", skill("b"))
		w.wantNoFile("skills/b/notes.txt")
		if code := w.entityError("skills", "b"); code != "" {
			t.Errorf("b after it was saved: %q", code)
		}
		w.quiet()
		w.checkClone()
	})
}

func TestAcceptSkillMovedByGit_I3(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("skills/a/SKILL.md", skill("a")), bitbuckettest.Write("skills/a/x.txt", "y"))
		w.synced()
		id := w.query("SELECT id FROM skills")
		_, err := w.repo.Commit("main", mirror.Signature{Name: "Ada", Email: "a@example.com"}, "mv", bitbuckettest.Remove("skills/a"), bitbuckettest.Write("skills/z/SKILL.md", skill("z")), bitbuckettest.Write("skills/z/x.txt", "y"))
		w.must(err)
		w.synced()
		if got := w.query("SELECT id FROM skills WHERE slug = 'z' AND deleted_at IS NULL"); got != id {
			t.Errorf("the moved skill has row %q, want %q", got, id)
		}
		w.quiet()
	})
}
