package daemon_test

import (
	"fmt"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestHostileThingsInAnEntitysPlace: links, submodules and odd modes are errors of
// what they stand for, and delete nothing.
func TestHostileThingsInAnEntitysPlace_C4(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"link", "module", "pointer", "good"} {
			w.insert("toolkits", "slug", quote(slug), "name", quote(slug))
		}
		w.insertSkill("gone", map[string]string{"SKILL.md": skill("gone")})
		w.synced()
		head := string(w.commits()[0].Hash)
		link := func(path, target string) bitbuckettest.Change {
			return bitbuckettest.Change{Path: path, Mode: bitbuckettest.ModeSymlink, Content: []byte(target)}
		}
		module := func(path string) bitbuckettest.Change {
			return bitbuckettest.Change{Path: path, Mode: bitbuckettest.ModeSubmodule, Content: []byte(head)}
		}
		pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
		w.commit(
			link("toolkits/link.json", "good.json"), module("toolkits/module.json"), bitbuckettest.Write("toolkits/pointer.json", pointer),
			link("toolkits/outside.json", "../../../../etc/passwd"), link("toolkits/absolute.json", "/etc/passwd"), link("toolkits/loop.json", "loop.json"), link("toolkits/nowhere.json", "nothing"),
			module("toolkits/new-module.json"), bitbuckettest.Write("mcp-servers/lfs.json", pointer),
			bitbuckettest.Remove("skills/gone"), link("skills/gone", "../toolkits"), link("skills/linked", "gone"), module("skills/module"), link("skills/root", "/"),
			bitbuckettest.Write("skills/inner/SKILL.md", skill("inner")), link("skills/inner/sub/x", "../../../../../etc/passwd"),
			bitbuckettest.Write("skills/sub/SKILL.md", skill("sub")), module("skills/sub/vendored"),
			bitbuckettest.Write("skills/large-file/SKILL.md", pointer),
			link("skills/main/SKILL.md", "../inner/SKILL.md"),
			bitbuckettest.Change{Path: "toolkits/exec.json", Mode: bitbuckettest.ModeExecutable, Content: []byte(`{"slug":"exec","name":"E"}`)},
			bitbuckettest.Write("toolkits/new.json", `{"slug":"new","name":"New"}`), bitbuckettest.Write(".gitmodules", "[submodule \"x\"]\n\tpath = toolkits/module.json\n\turl = file:///etc\n"))
		if report := w.synced(); report["imported"].(float64) != 2 || report["deleted"].(float64) != 0 {
			w.t.Errorf("report: %v", report)
		}
		for _, slug := range []string{"link", "module", "pointer"} {
			if code := w.entityError("toolkits", slug); code != "FETCH_FAILED" {
				w.t.Errorf("%s: %q", slug, code)
			}
		}
		if code := w.entityError("skills", "gone"); code != "FETCH_FAILED" {
			w.t.Errorf("gone: %q", code)
		}
		fetch := func(paths ...string) map[string]string {
			codes := map[string]string{}
			for _, path := range paths {
				codes[path] = "FETCH_FAILED"
			}
			return codes
		}
		w.wantRejected("toolkits", fetch("toolkits/outside.json", "toolkits/absolute.json", "toolkits/loop.json", "toolkits/nowhere.json", "toolkits/new-module.json"))
		w.wantRejected("mcp-servers", fetch("mcp-servers/lfs.json"))
		w.wantRejected("skills", fetch("skills/linked", "skills/module", "skills/root", "skills/inner", "skills/sub", "skills/large-file", "skills/main"))
		if w.live("toolkits") != "6" || w.live("skills") != "1" {
			w.t.Errorf("%s toolkits and %s skills are live", w.live("toolkits"), w.live("skills"))
		}
		w.quiet()
		w.checkClone()
		// The database's edit wins over each, and what is mended comes in.
		w.exec("UPDATE toolkits SET description = 'd'")
		w.commit(bitbuckettest.Remove("skills/linked"), bitbuckettest.Write("skills/linked/SKILL.md", skill("linked")), bitbuckettest.Remove("skills/gone"), bitbuckettest.Write("skills/gone/SKILL.md", skill("gone")),
			bitbuckettest.Remove("skills/inner/sub"), bitbuckettest.Remove("skills/sub/vendored"), bitbuckettest.Remove("skills/module"), bitbuckettest.Remove("skills/root"),
			bitbuckettest.Write("skills/large-file/SKILL.md", skill("large-file")), bitbuckettest.Write("skills/main/SKILL.md", skill("main")))
		w.synced()
		for _, slug := range []string{"link", "module", "pointer", "good", "exec", "new"} {
			if code := w.entityError("toolkits", slug); code != "" || !w.branchHas("toolkits/"+slug+".json", `"d"`) {
				w.t.Errorf("%s: %q, the edit does not win", slug, code)
			}
		}
		w.wantRejected("skills", nil)
		if w.live("skills") != "6" || w.entityError("skills", "gone") != "" {
			w.t.Errorf("%s skills are live, gone has %q", w.live("skills"), w.entityError("skills", "gone"))
		}
		w.quiet()
		w.checkClone()
	})
}

// TestHostileKindDirectories: what stands where a kind belongs and is no directory,
// or an empty one, is told for its entities and deletes none.
func TestHostileKindDirectories_D1(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.commit(bitbuckettest.Write("README.md", "r"), bitbuckettest.Write("commands", "a file"),
			bitbuckettest.Change{Path: "mcp-servers", Mode: bitbuckettest.ModeSymlink, Content: []byte("/etc")},
			bitbuckettest.Write("toolkits/good.json", `{"slug":"good","name":"Good"}`))
		w.plant("skills", "40000", w.tree())
	}, func(w *world) {
		w.exec("UPDATE toolkits SET name = 'Better'")
		w.insert("commands", "slug", "'c'", "name", "'C'", "prompt", "'p'")
		w.insert("mcp_servers", "slug", "'s'", "name", "'S'", "type", "'stdio'", "command", "'x'")
		w.insertSkill("triage", map[string]string{"SKILL.md": skillMD})
		w.synced()
		if !w.branchHas("toolkits/good.json", "Better") || !w.branchHas("skills/triage/SKILL.md", "triage") {
			w.t.Errorf("other kinds stop: %v", w.files())
		}
		for kind, slug := range map[string]string{"commands": "c", "mcp-servers": "s"} {
			if code := w.entityError(kind, slug); code == "" {
				w.t.Errorf("%s/%s shows no error", kind, slug)
			}
		}
		w.wantFile("commands", "a file")
		w.wantFile("mcp-servers", "/etc")
		w.wantClean()
		w.commit(bitbuckettest.Remove("commands"), bitbuckettest.Remove("mcp-servers"))
		w.synced()
		for kind, slug := range map[string]string{"commands": "c", "mcp-servers": "s"} {
			if code := w.entityError(kind, slug); code != "" || !w.branchHas(kind+"/"+slug+".json", slug) {
				w.t.Errorf("%s/%s still has %q", kind, slug, code)
			}
		}
		w.quiet()
		w.checkClone()
	})
}

// TestHostileTreesByHand: entries twice, out of order, with odd modes, and empty directories.
func TestHostileTreesByHand_C4(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"twice", "a", "z"} {
			w.insert("toolkits", "slug", quote(slug), "name", quote(slug))
		}
		w.synced()
		file := func(slug, name string) string { return fmt.Sprintf(`{"slug":%q,"name":%q}`, slug, name) }
		md := func(slug string) leaf { return leaf{name: "SKILL.md", content: skill(slug)} }
		empty := w.tree()
		w.plant("toolkits", "40000", w.tree( // z before a, and twice twice
			leaf{name: "z.json", content: file("z", "Z2")}, leaf{name: "a.json", content: file("a", "A2")},
			leaf{name: "twice.json", content: file("twice", "one")}, leaf{name: "twice.json", content: file("twice", "two")},
			leaf{mode: "100664", name: "group.json", content: file("group", "G")}, leaf{mode: "100600", name: "mine.json", content: file("mine", "M")},
			leaf{mode: "0100644", name: "padded.json", content: file("padded", "P")}))
		w.plant("skills", "40000", w.sorted(
			leaf{mode: "40000", name: "empty", id: empty}, leaf{mode: "40000", name: "hollow", id: w.sorted(md("hollow"), leaf{mode: "40000", name: "dir", id: empty})},
			leaf{mode: "40000", name: "twice", id: w.tree(md("twice"), leaf{name: "x", content: "1"}, leaf{name: "x", content: "2"})},
			leaf{mode: "40000", name: "both", id: w.tree(md("both"), leaf{name: "x", content: "1"}, leaf{mode: "40000", name: "x", id: w.tree(leaf{name: "y", content: "2"})})},
			leaf{mode: "40000", name: "good", id: w.sorted(md("good"))}))
		if report := w.synced(); report["imported"].(float64) != 7 {
			w.t.Errorf("report: %v", report)
		}
		if code := w.entityError("toolkits", "twice"); code != "FETCH_FAILED" || w.query("SELECT name FROM toolkits WHERE slug = 'twice'") != "twice" {
			w.t.Errorf("a name that stands twice: %q", code)
		}
		for slug, name := range map[string]string{"a": "A2", "z": "Z2", "group": "G", "mine": "M", "padded": "P"} {
			if got := w.query("SELECT name FROM toolkits WHERE slug = %s", quote(slug)); got != name {
				w.t.Errorf("%s is %q, want %s", slug, got, name)
			}
		}
		w.wantRejected("toolkits", nil)
		w.wantRejected("skills", map[string]string{"skills/empty": "EMPTY_DIRECTORY", "skills/twice": "FETCH_FAILED", "skills/both": "FETCH_FAILED"})
		w.quiet()
		// Our own trees are proper ones again: the row's edit replaces the entries that stood twice.
		w.exec("UPDATE toolkits SET description = 'd'")
		w.plant("skills", "40000", w.sorted(leaf{mode: "40000", name: "good", id: w.sorted(md("good"))}, leaf{mode: "40000", name: "both", id: w.sorted(md("both"))}, leaf{mode: "40000", name: "hollow", id: w.sorted(md("hollow"))}))
		w.synced()
		for _, slug := range []string{"twice", "a", "z", "group", "mine", "padded"} {
			if code := w.entityError("toolkits", slug); code != "" || !w.branchHas("toolkits/"+slug+".json", `"d"`) {
				w.t.Errorf("%s is not exported: %q", slug, code)
			}
		}
		w.wantRejected("skills", nil)
		w.wantClean()
		w.quiet()
	})
}
