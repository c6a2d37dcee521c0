package daemon_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// edit writes a file of the clone's working tree, as an editor does.
func (w *world) edit(path, content string) {
	w.t.Helper()
	at := filepath.Join(w.cloneDir(), path)
	w.must(os.MkdirAll(filepath.Dir(at), 0o755))
	w.must(os.WriteFile(at, []byte(content), 0o644))
}

// gitIn runs somebody's git in the clone.
func (w *world) gitIn(args ...string) string {
	w.t.Helper()
	c := exec.Command("git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-C", w.cloneDir()}, args...)...)
	out, err := c.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// tidy waits until the clone's working tree is as the branch, and equal to it.
func (w *world) tidy() {
	w.t.Helper()
	w.eventually("the working tree is clean", func() bool {
		return w.gitIn("status", "--porcelain") == "" && strings.TrimSpace(w.gitIn("rev-parse", "HEAD")) == string(w.commits()[0].Hash)
	})
}

const toolkitA = "{\n  \"slug\": \"a\",\n  \"name\": \"A\",\n  \"description\": \"before\"\n}\n"

// eachEdited starts with a toolkit and a skill in the clone.
func eachEdited(t *testing.T, prepare func(w *world), test func(w *world)) {
	t.Helper()
	eachWorld(t, prepare, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/a.json", toolkitA), bitbuckettest.Write("README.md", "Ours.\n"),
			bitbuckettest.Write("skills/s/SKILL.md", "---\nname: s\ndescription: d\n---\nDo.\n"), bitbuckettest.Write("skills/s/more.txt", "more\n"))
		w.synced()
		test(w)
	})
}

// A file edited in the working tree is an edit of the database, and reaches the branch.
func TestLocalEdit(t *testing.T) {
	eachEdited(t, nil, func(w *world) {
		w.edit("toolkits/a.json", strings.Replace(toolkitA, "before", "by hand", 1))
		w.eventually("it is exported", func() bool { return w.branchHas("toolkits/a.json", "by hand") })
		if got := w.query("SELECT description || ' by ' || updated_by FROM toolkits"); got != "by hand by local" {
			t.Errorf("the row: %s", got)
		}
		w.tidy()
		w.edit("toolkits/new.json", `{"slug":"new","name":"New"}`)
		w.edit("skills/s/more.txt", "more and more\n")
		w.edit("skills/t/SKILL.md", "---\nname: t\ndescription: another\n---\nDo that.\n")
		w.edit("skills/t/.SKILL.md.swp", "swapped")
		w.edit("toolkits/new.json~", "a backup")
		w.edit("notes.json", "{}")
		w.eventually("new ones are exported, too", func() bool {
			return w.branchHas("toolkits/new.json", "New") && w.branchHas("skills/t/SKILL.md", "another") && w.branchHas("skills/s/more.txt", "and more")
		})
		files := w.files()
		for _, path := range []string{"notes.json", "toolkits/new.json~", "skills/t/.SKILL.md.swp"} {
			if _, there := files[path]; there {
				t.Errorf("%s was taken", path)
			}
			if _, err := os.Stat(filepath.Join(w.cloneDir(), path)); err != nil {
				t.Errorf("%s is gone: %v", path, err)
			}
		}
	})
}

// Where the row or the branch changed meanwhile, all edits are merged place by place; of one
// place the policy decides, and the other version is kept in conflicts.
func TestLocalEditMeetsOthers(t *testing.T) {
	eachEdited(t, nil, func(w *world) {
		w.exec("UPDATE toolkits SET name = 'Row' WHERE slug = 'a'")
		w.edit("toolkits/a.json", strings.Replace(toolkitA, `"before"`, `"by hand"`, 1))
		w.commit(bitbuckettest.Write("toolkits/a.json", strings.Replace(toolkitA, "\n}", ",\n  \"x-note\": \"branch\"\n}", 1)))
		w.sync()
		w.eventually("all three are on the branch", func() bool {
			return w.branchHas("toolkits/a.json", "by hand") && w.branchHas("toolkits/a.json", "Row") && w.branchHas("toolkits/a.json", "branch")
		})
		w.tidy()
		w.edit("toolkits/a.json", strings.Replace(w.files()["toolkits/a.json"], "by hand", "mine", 1))
		w.commit(bitbuckettest.Write("toolkits/a.json", strings.Replace(w.files()["toolkits/a.json"], "by hand", "theirs", 1)))
		w.sync()
		w.eventually("the loser is kept", func() bool {
			return w.query("SELECT count(*) FROM conflicts WHERE resolved_at IS NULL") == "1"
		})
		w.eventually("the policy decides", func() bool { return w.query("SELECT description FROM toolkits") == "theirs" })
		w.tidy()
		if !w.branchHas("toolkits/a.json", "theirs") {
			t.Errorf("%v", w.files())
		}
		_, answer := w.call("GET", "conflicts", nil)
		if items := answer["items"].([]any); len(items) != 1 || !strings.Contains(fmt.Sprint(items[0]), "mine") {
			t.Errorf("conflicts: %v", answer)
		}
	})
}

// A file that is missing or empty comes back, and was never a deletion.
func TestLocalDeletionIsNone(t *testing.T) {
	eachEdited(t, nil, func(w *world) {
		w.must(os.Remove(filepath.Join(w.cloneDir(), "toolkits/a.json")))
		w.must(os.Truncate(filepath.Join(w.cloneDir(), "skills/s/SKILL.md"), 0))
		w.must(os.RemoveAll(filepath.Join(w.cloneDir(), "skills/s/more.txt")))
		w.tidy()
		if w.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL") != "1" || len(w.commits()) != 1 {
			t.Error("it was taken for a deletion")
		}
	})
}

// A bad file stays, stops nothing, and is taken when it was mended; what is under way in
// somebody's git waits until that is done.
func TestLocalEditsThatWait(t *testing.T) {
	eachEdited(t, nil, func(w *world) {
		w.edit("toolkits/a.json", "{\n  \"slug\": \"a\",\n")
		w.edit("toolkits/b.json", `{"slug":"b","name":"B"}`)
		w.eventually("the good one is exported", func() bool { return w.branchHas("toolkits/b.json", "B") })
		if w.query("SELECT name FROM toolkits WHERE slug = 'a'") != "A" || !strings.Contains(w.log.String(), "an edit in the working tree is not taken") {
			t.Error("the bad one did something")
		}
		b, err := os.ReadFile(filepath.Join(w.cloneDir(), "toolkits/a.json"))
		if w.must(err); string(b) != "{\n  \"slug\": \"a\",\n" {
			t.Errorf("it did not stay: %s", b)
		}
		w.must(os.WriteFile(filepath.Join(w.cloneDir(), ".git/MERGE_HEAD"), []byte(string(w.commits()[0].Hash)+"\n"), 0o644))
		w.edit("toolkits/a.json", strings.Replace(toolkitA, "before", "mended", 1))
		w.eventually("it waits for the merge", func() bool { return strings.Contains(w.log.String(), `with="a merge"`) })
		w.must(os.Remove(filepath.Join(w.cloneDir(), ".git/MERGE_HEAD")))
		w.call("POST", "mirror/sync", nil)
		w.edit("toolkits/a.json", strings.Replace(toolkitA, "before", "mended", 1)) // and wakes it
		w.eventually("the mended one is exported", func() bool { return w.branchHas("toolkits/a.json", "mended") })
		w.tidy()
	})
}

// Of several edits at once, one that cannot stand on the branch keeps none of the others.
func TestLocalEditWhereItCannotBe(t *testing.T) {
	eachEdited(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("skills/README", "People's.\n"))
		w.synced()
		w.tidy()
		w.must(os.Remove(filepath.Join(w.cloneDir(), "skills/README")))
		w.edit("skills/README/SKILL.md", "---\nname: README\ndescription: d\n---\nNo.\n")
		w.edit("toolkits/b.json", `{"slug":"b","name":"B"}`)
		w.edit("toolkits/Upper.json", `{"slug":"Upper","name":"B"}`)
		w.edit("mcp-servers/s.json", `{"slug":"s","name":"S","type":"stdio","command":"x","env":{"TOKEN":{"secret":true,"value":"hunter2-hunter2"}}}`)
		w.edit("commands/big.json", `{"slug":"big","name":"Big","prompt":"`+strings.Repeat("x", 2<<20)+`"}`)
		w.eventually("the good one is exported", func() bool { return w.branchHas("toolkits/b.json", "B") })
		if got := w.query("SELECT count(*) FROM mcp_servers") + w.query("SELECT count(*) FROM commands") + w.query("SELECT count(*) FROM toolkits"); got != "002" {
			t.Errorf("rows: %s", got)
		}
		w.eventually("each is told", func() bool {
			log := w.log.String()
			return strings.Contains(log, "path=toolkits/Upper.json") && strings.Contains(log, "path=mcp-servers/s.json") && strings.Contains(log, "path=commands/big.json")
		})
		if strings.Contains(w.log.String(), "hunter2") || w.branchHas("mcp-servers/s.json", "hunter2") {
			t.Error("the secret is told")
		}
	})
}

// What is older than the working tree is nobody's new text; a commit that somebody made in
// the clone is.
func TestLocalGit(t *testing.T) {
	eachEdited(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/a.json", strings.Replace(toolkitA, "before", "after", 1)))
		w.synced()
		w.tidy()
		w.gitIn("checkout", "HEAD~1", "--", "toolkits/a.json")
		w.edit("toolkits/b.json", `{"slug":"b","name":"B"}`)
		w.eventually("a new one is exported", func() bool { return w.branchHas("toolkits/b.json", "B") })
		if w.query("SELECT description FROM toolkits WHERE slug = 'a'") != "after" {
			t.Error("the old version came back")
		}
		w.eventually("it is checked out", func() bool { return strings.TrimSpace(w.gitIn("rev-parse", "HEAD")) == string(w.commits()[0].Hash) })
		w.gitIn("reset", "-q", "--hard")
		w.edit("toolkits/b.json", `{"slug":"b","name":"Committed"}`)
		w.gitIn("commit", "-qam", "Local")
		w.eventually("the local commit is exported", func() bool { return w.branchHas("toolkits/b.json", "Committed") })
		w.tidy()
	})
}

// What was edited while no daemon ran is taken by the next one, and not once more after that.
func TestLocalEditWhileDown(t *testing.T) {
	eachEdited(t, nil, func(w *world) {
		w.stop()
		w.edit("toolkits/a.json", strings.Replace(toolkitA, "before", "meanwhile", 1))
		w.start()
		w.eventually("it is exported", func() bool { return w.branchHas("toolkits/a.json", "meanwhile") })
		w.tidy()
		commits := len(w.commits())
		w.stop()
		w.exec("UPDATE toolkits SET description = 'newer' WHERE slug = 'a'")
		w.start()
		w.eventually("the row's newer edit is exported", func() bool { return w.branchHas("toolkits/a.json", "newer") })
		if got := len(w.commits()); got != commits+1 {
			t.Errorf("%d commits more", got-commits)
		}
	})
}
