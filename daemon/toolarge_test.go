package daemon_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// incompressible is text of so many bytes that cannot be compressed by more than half.
func incompressible(size int, seed byte) string {
	b := make([]byte, size/2)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return hex.EncodeToString(b)
}

// bounds are limits of 64 kB, wherever they are.
var bounds = map[string]func(w *world) (lift func()){
	"proxy": func(w *world) func() {
		return w.standIn.Inject(bitbuckettest.TooLarge(64<<10), bitbuckettest.EndpointPush)
	},
	"pack": func(w *world) func() { w.repo.SetMaxPack("64k"); return func() { w.repo.SetMaxPack("") } },
	"file": func(w *world) func() { w.repo.SetMaxFile(64 << 10); return func() { w.repo.SetMaxFile(0) } },
}

// command adds a command whose prompt has so many bytes.
func (w *world) command(slug string, size int) {
	w.t.Helper()
	w.insert("commands", "slug", quote(slug), "name", "'A'", "prompt", quote(incompressible(size, slug[0]+slug[len(slug)-1])))
}

// What is too large for one push goes in parts, and an entity that is too large by itself is
// told of it, with its size; everything else arrives, and nothing is pushed over and over.
func TestPushInParts(t *testing.T) {
	for name, bound := range bounds {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, nil, func(w *world) {
				lift := bound(w)
				w.call("POST", "mirror/pause", nil)
				const many = 30
				for n := range many {
					w.command(fmt.Sprintf("c%02d", n), 16<<10)
				}
				w.command("large", 200<<10)
				w.insert("skills", "slug", "'big'")
				skill := w.query("SELECT id FROM skills WHERE slug = 'big'")
				for path, content := range map[string]string{"SKILL.md": "---\nname: big\ndescription: B\n---\n", "data/a.txt": incompressible(180<<10, 1)} {
					w.exec("INSERT INTO skill_files (skill_id, path, content) VALUES (%s, %s, %s)", quote(skill), quote(path), w.blob(content))
				}
				w.call("POST", "mirror/resume", nil)
				w.synced()
				if m := w.mirror(); m["errors"].(float64) != 2 || m["pending_changes"].(float64) != 0 {
					t.Errorf("mirror: %v", m)
				}
				if n := len(w.files()); n != many {
					t.Errorf("%d files", n)
				}
				if n := w.standIn.Count(bitbuckettest.EndpointPush); n > 40 {
					t.Errorf("%d pushes", n)
				}
				for _, c := range []struct{ kind, slug, path string }{{"commands", "large", "commands/large.json has 20"}, {"skills", "big", "skills/big/data/a.txt has 18"}} {
					_, item := w.call("GET", c.kind+"/"+c.slug, nil)
					integration, _ := item["git_integration"].(map[string]any)
					problem, _ := integration["error"].(map[string]any)
					if message, _ := problem["message"].(string); problem["code"] != "VALIDATION_FAILED" || !strings.Contains(message, c.path) || !strings.Contains(message, "raised") {
						t.Errorf("%s: %v", c.slug, problem)
					}
				}

				before := w.standIn.Count(bitbuckettest.EndpointPush)
				w.commit(bitbuckettest.Write("commands/git.json", `{"slug":"git","name":"G","prompt":"p"}`))
				w.synced()
				w.exec("UPDATE commands SET name = 'B' WHERE slug = 'c03'")
				w.synced()
				if n := w.standIn.Count(bitbuckettest.EndpointPush) - before; n != 1 || !w.branchHas("commands/c03.json", `"B"`) {
					t.Errorf("%d pushes for a small change", n)
				}
				if n := w.query("SELECT count(*) FROM mirror_intents"); n != "0" {
					t.Errorf("%s intents are left", n)
				}

				lift()
				w.exec("UPDATE commands SET name = name WHERE slug = 'large'")
				w.exec("UPDATE skills SET name = name WHERE slug = 'big'")
				w.synced()
				if files := w.files(); files["commands/large.json"] == "" || files["skills/big/data/a.txt"] == "" {
					t.Errorf("what is saved once more does not arrive: %d files", len(files))
				}
				if code := w.entityError("commands", "large") + w.entityError("skills", "big"); code != "" {
					t.Errorf("%s is left", code)
				}
				w.checkClone()
			})
		})
	}
}

// An entity that both sides changed, and that is too large with the database's half: git's
// half is imported, and the rest waits for the next edit.
func TestTooLargeMerge(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.command("large", 200<<10)
		w.synced()
		lift := bounds["proxy"](w)
		w.call("POST", "mirror/pause", nil)
		w.exec("UPDATE commands SET prompt = %s WHERE slug = 'large'", quote(incompressible(200<<10, 9)))
		w.commit(bitbuckettest.Write("commands/large.json", strings.Replace(w.files()["commands/large.json"], `"A"`, `"G"`, 1)))
		w.call("POST", "mirror/resume", nil)
		w.synced()
		if name, code := w.query("SELECT name FROM commands"), w.entityError("commands", "large"); name != "G" || code != "VALIDATION_FAILED" {
			t.Errorf("%q %q", name, code)
		}
		before := w.standIn.Count(bitbuckettest.EndpointPush)
		w.synced()
		if n := w.standIn.Count(bitbuckettest.EndpointPush) - before; n != 0 {
			t.Errorf("%d pushes of what was refused", n)
		}
		lift()
		w.exec("UPDATE commands SET name = name WHERE slug = 'large'")
		w.synced()
		if file := w.files()["commands/large.json"]; !strings.Contains(file, incompressible(200<<10, 9)) || !strings.Contains(file, `"G"`) {
			t.Errorf("%.200s", file)
		}
		if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
			t.Errorf("%s conflicts", n)
		}
	})
}

// Somebody pushes between two parts, or the line breaks: what arrived is known, and the rest follows.
func TestPushInPartsIsInterrupted(t *testing.T) {
	for name, meanwhile := range map[string]bitbuckettest.Fault{
		"overtaken": {}, "broken": {CutAnswer: true}, "refused": {Status: 503},
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, nil, func(w *world) {
				w.commit(bitbuckettest.Write("commands/git.json", `{"slug":"git","name":"G","prompt":"p"}`))
				w.synced()
				pushes := 0
				fault := meanwhile
				fault.Times = 5
				fault.Do = func() {
					if pushes++; pushes == 5 && name == "overtaken" {
						w.commit(bitbuckettest.Write("commands/git.json", `{"slug":"git","name":"H","prompt":"p"}`))
					}
				}
				if name != "overtaken" {
					fault.Times = 1
				}
				bounds["pack"](w)
				w.call("POST", "mirror/pause", nil)
				for n := range 20 {
					w.command(fmt.Sprintf("c%02d", n), 16<<10)
				}
				w.standIn.Inject(fault, bitbuckettest.EndpointPush)
				w.call("POST", "mirror/resume", nil)
				w.sync()
				w.eventually("everything has arrived", func() bool { return w.mirror()["state"] == "ok" && len(w.files()) == 21 })
				w.synced()
				if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
					t.Errorf("%s conflicts", n)
				}
				if n := w.query("SELECT count(*) FROM mirror_intents"); n != "0" {
					t.Errorf("%s intents are left", n)
				}
				w.checkClone()
			})
		})
	}
}

// A limit below everything is no entity's fault: the mirror says so, and imports go on.
func TestNothingIsSmallEnough(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.standIn.Inject(bitbuckettest.TooLarge(10), bitbuckettest.EndpointPush)
		w.call("POST", "mirror/pause", nil)
		w.commit(bitbuckettest.Write("commands/git.json", `{"slug":"git","name":"G","prompt":"p"}`))
		w.command("small", 100)
		w.command("large", 20<<10)
		w.call("POST", "mirror/resume", nil)
		if report := w.sync(); report["state"] != "blocked" || w.detailCode() != mirror.CodePushRefused {
			t.Errorf("report: %v", report)
		}
		if n := w.query("SELECT count(*) FROM commands WHERE slug = 'git'"); n != "1" {
			t.Error("imports do not go on")
		}
		if code := w.entityError("commands", "small") + w.entityError("commands", "large"); code != "" || w.mirror()["pending_changes"].(float64) != 2 {
			t.Errorf("%s, %v", code, w.mirror())
		}
	})
}

// A proposal is bounded like a push to the branch itself: it grows in parts, without what is
// too large alone.
func TestProposalInParts(t *testing.T) {
	for name, bound := range bounds {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, byPullRequest, func(w *world) {
				lift := bound(w)
				w.call("POST", "mirror/pause", nil)
				const many = 30
				for n := range many {
					w.command(fmt.Sprintf("c%02d", n), 16<<10)
				}
				w.command("large", 200<<10)
				w.call("POST", "mirror/resume", nil)
				w.synced()
				pr := w.pullRequest()
				if n := len(w.proposedFiles()); n != many+2 { // and those that were there
					t.Errorf("%d files are proposed", n)
				}
				if m := w.mirror(); m["errors"].(float64) != 1 || w.entityError("commands", "large") != "VALIDATION_FAILED" {
					t.Errorf("mirror: %v", m)
				}
				before := w.standIn.Count(bitbuckettest.EndpointPush)
				if before > 40 {
					t.Errorf("%d pushes", before)
				}
				w.synced()
				if n := w.standIn.Count(bitbuckettest.EndpointPush) - before; n != 0 {
					t.Errorf("%d pushes of what was refused", n)
				}

				lift()
				w.exec("UPDATE commands SET name = name WHERE slug = 'large'")
				w.synced()
				if _, there := w.proposedFiles()["commands/large.json"]; !there || w.entityError("commands", "large") != "" {
					t.Error("what is saved once more is not proposed")
				}
				_, err := w.repo.Merge(pr.ID, bitbuckettest.Squash)
				w.must(err)
				w.synced()
				w.atRest()
				if n := w.query("SELECT count(*) FROM conflicts"); n != "0" || len(w.files()) != many+3 {
					t.Errorf("%s conflicts, %d files", n, len(w.files()))
				}
			})
		})
	}
}

// What no change tells of, as at a first connection, is no other matter.
func TestComparisonInParts(t *testing.T) {
	for _, mode := range []mirror.PushMode{mirror.PushDirect, mirror.PushPullRequest} {
		t.Run(string(mode), func(t *testing.T) {
			eachWorld(t, byPullRequest, func(w *world) {
				bounds["pack"](w)
				w.stop()
				const many = 30
				for n := range many {
					w.command(fmt.Sprintf("c%02d", n), 16<<10)
				}
				w.command("large", 200<<10)
				w.exec("DELETE FROM mirror_changes")
				w.config.Sync.SplitCommitsUpTo-- // under other rules everything is compared
				w.config.Mirrors[0].Push = mode
				w.start()
				w.synced()
				files := w.files()
				if mode == mirror.PushPullRequest {
					files = w.proposedFiles()
				}
				if len(files) != many+2 || w.entityError("commands", "large") != "VALIDATION_FAILED" {
					t.Errorf("%d files, %q", len(files), w.entityError("commands", "large"))
				}
				w.checkClone()
			})
		})
	}
}
