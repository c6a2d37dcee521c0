package daemon_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
	"github.com/confmirror/confmirror/mirror/document"
)

// wantTree compares the mirrored files of a branch by their paths.
func (w *world) wantTree(branch string, want ...string) {
	w.t.Helper()
	files, err := w.repo.Files(branch)
	w.must(err)
	delete(files, "README.md")
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, want) {
		w.t.Errorf("%s has %q, want %q", branch, got, want)
	}
}

// accepted merges the pull request, and expects the branch to be at rest with these files.
func (w *world) accepted(want ...string) {
	w.t.Helper()
	head, err := w.repo.Merge(w.pullRequest().ID, bitbuckettest.Squash)
	w.must(err)
	w.mergedOnce(head)
	w.wantTree("main", want...)
}

// withdrawn expects nothing to be proposed any more.
func (w *world) withdrawn() {
	w.t.Helper()
	if w.branchExists(mirror.ProposalBranch) || slices.ContainsFunc(w.repo.PullRequests(), func(p bitbuckettest.PullRequest) bool { return p.State == bitbuckettest.PullOpen }) {
		w.t.Errorf("still proposed: %+v", w.repo.PullRequests())
	}
	w.atRest()
}

// A skill is proposed with all of its files, follows edits of each, and keeps what a
// reviewer adds to its directory.
func TestSkillIsProposed(t *testing.T) {
	const root = "skills/triage/"
	eachWorld(t, byPullRequest, func(w *world) {
		binary := "\x00\x01\xff\xfe"
		w.insertSkill("triage", map[string]string{"SKILL.md": skill("triage"), "deep/notes.md": "notes\r\n", "logo.bin": binary})
		w.exec("UPDATE skill_files SET executable = true WHERE path = 'logo.bin'")
		w.synced()
		w.wantTree(mirror.ProposalBranch, "commands/old.json", root+"SKILL.md", root+"deep/notes.md", root+"logo.bin")
		if files := w.proposedFiles(); files[root+"logo.bin"] != binary || files[root+"deep/notes.md"] != "notes\r\n" {
			w.t.Errorf("%q", files)
		}
		w.exec("UPDATE skill_files SET content = %s WHERE path = 'deep/notes.md'", w.blob("other notes"))
		w.synced()
		w.wantProposed(root+"deep/notes.md", "other notes")
		w.fix(bitbuckettest.Write(root+"review.md", "from the reviewer"))
		w.exec("DELETE FROM skill_files WHERE path = 'logo.bin'")
		w.exec("INSERT INTO skill_files (skill_id, path, content) VALUES ('%s', 'more/a.txt', %s)", skillID, w.blob("a"))
		w.synced()
		if pr := w.pullRequest(); pr.Title != "Add skill triage" {
			w.t.Errorf("%q", pr.Title)
		}
		w.accepted("commands/old.json", root+"SKILL.md", root+"deep/notes.md", root+"more/a.txt", root+"review.md")
		if got := w.query("SELECT count(*) FROM skill_files"); got != "4" {
			w.t.Errorf("the skill has %s files", got)
		}
	})
}

// A skill that is renamed, or deleted, while it is proposed takes all of its files along.
func TestSkillMovesWhileItIsProposed(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.insertSkill("triage", map[string]string{"SKILL.md": skill("triage"), "deep/notes.md": "notes"})
		w.synced()
		w.exec("UPDATE skills SET slug = 'sorting', name = 'sorting'")
		w.exec("UPDATE skill_files SET content = %s WHERE path = 'SKILL.md'", w.blob(skill("sorting")))
		w.synced()
		w.wantTree(mirror.ProposalBranch, "commands/old.json", "skills/sorting/SKILL.md", "skills/sorting/deep/notes.md")
		w.accepted("commands/old.json", "skills/sorting/SKILL.md", "skills/sorting/deep/notes.md")

		w.exec("UPDATE skill_files SET content = %s WHERE path = 'deep/notes.md'", w.blob("newer notes"))
		w.synced()
		w.exec("UPDATE skills SET deleted_at = CURRENT_TIMESTAMP")
		w.synced()
		w.wantTree(mirror.ProposalBranch, "commands/old.json")
		if pr := w.pullRequest(); pr.Title != "Delete skill sorting" {
			w.t.Errorf("%q", pr.Title)
		}
		w.accepted("commands/old.json")
	})
}

// Of a row that moves on and on only the last place is proposed, and none once it is back.
func TestRenamesOfAProposal(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		for _, slug := range []string{"second", "third"} {
			w.exec("UPDATE commands SET slug = %s", quote(slug))
			w.synced()
			w.wantTree(mirror.ProposalBranch, "commands/"+slug+".json")
			if pr := w.pullRequest(); pr.Title != "Rename command old to "+slug {
				w.t.Errorf("%q", pr.Title)
			}
		}
		w.exec("UPDATE commands SET slug = 'old'")
		w.synced()
		w.withdrawn()
		w.exec("UPDATE commands SET slug = 'last'")
		w.synced()
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.synced()
		w.commit(bitbuckettest.Write("NOTES.md", "which moves the branch"))
		w.synced()
		if plan, report := w.get("mirror/plan"), w.synced(); plan["total"] != 0.0 || report["exported"] != 0.0 || report["actions"] != nil {
			w.t.Errorf("what is proposed is planned: %v, %v", plan, report)
		}
		w.accepted("NOTES.md", "commands/last.json")
		if n := w.query("SELECT count(*) FROM commands"); n != "1" {
			w.t.Errorf("%s rows", n)
		}
	})
}

// Two rows change places, and then back.
func TestSwapIsProposed(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.insert("commands", "slug", "'other'", "name", "'Other'", "prompt", "'Another prompt.'")
		w.synced()
		w.accepted("commands/old.json", "commands/other.json")
		w.swap("commands", "old", "other")
		w.synced()
		w.wantProposed("commands/old.json", "Another prompt.")
		w.wantProposed("commands/other.json", "An old prompt.")
		w.swap("commands", "old", "other")
		w.synced()
		w.withdrawn()
		w.swap("commands", "old", "other")
		w.synced()
		w.accepted("commands/old.json", "commands/other.json")
		if got := w.query("SELECT prompt FROM commands WHERE slug = 'old'"); got != "Another prompt." {
			w.t.Errorf("old says %q", got)
		}
	})
}

// What becomes private leaves the proposal, and its file the branch; made public again it
// is proposed as it is.
func TestProposedBecomesPrivate(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.insert("toolkits", "slug", "'new'", "name", "'New'")
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.synced()
		w.exec("UPDATE toolkits SET owner_id = organization_id")
		w.exec("UPDATE commands SET owner_id = organization_id")
		w.synced()
		w.wantTree(mirror.ProposalBranch)
		if pr := w.pullRequest(); pr.Title != "Delete command old" || strings.Contains(pr.Description, "new") {
			w.t.Errorf("%q\n%s", pr.Title, pr.Description)
		}
		w.exec("UPDATE commands SET owner_id = NULL")
		w.synced()
		w.wantProposed("commands/old.json", "A new prompt.")
		if pr := w.pullRequest(); pr.Title != "Update command old" {
			w.t.Errorf("%q", pr.Title)
		}
		w.exec("UPDATE commands SET owner_id = organization_id")
		w.synced()
		w.accepted()
		if n := w.query("SELECT count(*) FROM commands WHERE deleted_at IS NULL") + w.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL"); n != "11" {
			w.t.Errorf("private rows are gone: %s", n)
		}
	})
}

// What is deleted while it is proposed is proposed for deletion, and comes back as it is.
func TestProposedIsDeleted(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A"}`), bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
		w.insert("toolkits", "slug", "'new'", "name", "'New'")
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.synced()
		for range 2 {
			w.exec("UPDATE commands SET deleted_at = CURRENT_TIMESTAMP")
			w.synced()
			w.wantTree(mirror.ProposalBranch, "toolkits/a.json", "toolkits/b.json", "toolkits/new.json")
			w.exec("UPDATE commands SET deleted_at = NULL")
			w.synced()
			w.wantProposed("commands/old.json", "A new prompt.")
		}
		w.exec("UPDATE toolkits SET deleted_at = CURRENT_TIMESTAMP WHERE slug = 'new'")
		w.synced()
		w.wantTree(mirror.ProposalBranch, "commands/old.json", "toolkits/a.json", "toolkits/b.json")
		w.accepted("commands/old.json", "toolkits/a.json", "toolkits/b.json")
	})
}

// The branch edits what is proposed for deletion: the entity comes back, as without pull
// requests. And the branch deletes what is proposed: the row's edit brings it back.
func TestProposalMeetsTheBranch(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.insert("toolkits", "slug", "'kept'", "name", "'Kept'")
		w.synced()
		w.accepted("commands/old.json", "toolkits/kept.json")
		w.exec("UPDATE commands SET deleted_at = CURRENT_TIMESTAMP")
		w.synced()
		w.commit(bitbuckettest.Write("commands/old.json", `{"slug":"old","name":"Old","prompt":"Edited in git."}`))
		w.synced()
		w.withdrawn()
		if got := w.query("SELECT prompt FROM commands WHERE deleted_at IS NULL"); got != "Edited in git." {
			w.t.Errorf("the row says %q", got)
		}

		w.exec("UPDATE commands SET name = 'Edited here'")
		w.synced()
		w.commit(bitbuckettest.Remove("commands/old.json"))
		w.synced()
		w.wantProposed("commands/old.json", "Edited here")
		if pr := w.pullRequest(); pr.Title != "Add command old" {
			w.t.Errorf("%q", pr.Title)
		}
		w.accepted("commands/old.json", "toolkits/kept.json")
	})
}

// The branch moves the file whose edit is proposed: the proposal moves with it.
func TestProposalFollowsARename(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.synced()
		w.commit(bitbuckettest.Remove("commands/old.json"),
			bitbuckettest.Write("commands/moved.json", `{"slug":"moved","name":"Old","prompt":"An old prompt."}`))
		w.synced()
		if got := w.query("SELECT slug || '/' || prompt FROM commands WHERE deleted_at IS NULL"); got != "moved/A new prompt." {
			w.t.Errorf("the row says %q", got)
		}
		w.wantTree(mirror.ProposalBranch, "commands/moved.json")
		w.wantProposed("commands/moved.json", "A new prompt.")
		w.accepted("commands/moved.json")
	})
}

// Both sides move the same entity, and the database's place counts: git's goes with the
// proposal, however often the row is edited on its way.
func TestBothMoveWhatIsProposed(t *testing.T) {
	eachWorld(t, func(w *world) {
		byPullRequest(w)
		w.config.Mirrors[0].Conflict = "database"
	}, func(w *world) {
		w.exec("UPDATE commands SET slug = 'ours'")
		w.synced()
		w.commit(bitbuckettest.Remove("commands/old.json"),
			bitbuckettest.Write("commands/theirs.json", `{"slug":"theirs","name":"Old","prompt":"An old prompt."}`))
		w.synced()
		w.wantTree(mirror.ProposalBranch, "commands/ours.json")
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.synced()
		w.wantTree(mirror.ProposalBranch, "commands/ours.json")
		w.commit(bitbuckettest.Write("NOTES.md", "which moves the branch"))
		w.synced()
		if n := w.pushes(func() { w.synced() }); n != 0 {
			w.t.Errorf("%d pushes of what is proposed", n)
		}
		_, err := w.repo.Merge(w.pullRequest().ID, bitbuckettest.Squash)
		w.must(err)
		w.synced()
		w.atRest()
		w.wantTree("main", "NOTES.md", "commands/ours.json")
		if n := w.query("SELECT count(DISTINCT path) FROM conflicts"); n != "1" { // git's place is kept
			w.t.Errorf("%s entities have conflicts", n)
		}
		if got := w.query("SELECT slug || '/' || prompt FROM commands"); got != "ours/A new prompt." {
			w.t.Errorf("the row says %q", got)
		}
	})
}

// Two rows change places, and the branch moves one of them away meanwhile.
func TestSwapMeetsAMove(t *testing.T) {
	for _, policy := range []document.Policy{document.PreferGit, document.PreferDatabase} {
		t.Run(string(policy), func(t *testing.T) {
			eachWorld(t, func(w *world) {
				byPullRequest(w)
				w.config.Mirrors[0].Conflict = policy
			}, func(w *world) {
				w.insert("commands", "slug", "'other'", "name", "'Other'", "prompt", "'Another prompt.'")
				w.synced() // not merged
				w.swap("commands", "old", "other")
				w.synced()
				w.commit(bitbuckettest.Remove("commands/old.json"),
					bitbuckettest.Write("commands/theirs.json", `{"slug":"theirs","name":"Old","prompt":"An old prompt."}`))
				w.synced()
				if n := w.pushes(func() { w.synced() }); n != 0 {
					w.t.Errorf("%d pushes of what is proposed", n)
				}
				place := "theirs"
				if policy == document.PreferDatabase {
					place = "other"
				}
				_, err := w.repo.Merge(w.pullRequest().ID, bitbuckettest.MergeCommit)
				w.must(err)
				w.synced()
				w.atRest()
				w.wantTree("main", slices.Sorted(slices.Values([]string{"commands/old.json", "commands/" + place + ".json"}))...)
				if got := w.query("SELECT slug FROM commands WHERE prompt = 'An old prompt.'"); got != place {
					w.t.Errorf("the row is at %q", got)
				}
			})
		})
	}
}

// What cannot be proposed as it is now keeps what was proposed of it, all of its places.
func TestProposedMoveBecomesInvalid(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		w.exec("UPDATE commands SET slug = 'moved'")
		w.synced()
		w.exec("UPDATE commands SET prompt = 'A new prompt.'")
		w.synced()
		w.exec("UPDATE commands SET prompt = NULL")
		w.synced()
		if code := w.entityError("commands", "moved"); code != "VALIDATION_FAILED" {
			w.t.Errorf("the row has %q", code)
		}
		w.insert("toolkits", "slug", "'other'", "name", "'Other'")
		w.synced()
		w.wantTree(mirror.ProposalBranch, "commands/moved.json", "toolkits/other.json")
		_, err := w.repo.Merge(w.pullRequest().ID, bitbuckettest.MergeCommit)
		w.must(err)
		w.synced()
		w.wantTree("main", "commands/moved.json", "toolkits/other.json")
		w.exec("UPDATE commands SET prompt = 'A last prompt.'")
		w.synced()
		w.wantProposed("commands/moved.json", "A last prompt.")
		w.accepted("commands/moved.json", "toolkits/other.json")
		if n := w.query("SELECT count(*) FROM commands"); n != "1" {
			w.t.Errorf("%s rows", n)
		}
	})
}
