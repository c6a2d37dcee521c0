package daemon_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// A file that stands where a renamed row belongs is part of the row's decision. It must
// not be forgotten when that decision is refused and the row goes away.
func TestFileAtTheNewPlaceOutlivesTheRename(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'c'", "name", "'C'")
		w.synced()
		w.commit(bitbuckettest.Write("toolkits/c.json", "{ broken"), bitbuckettest.Write("toolkits/b.json", `{"slug": "b", "name": "git's own"}`))
		w.exec("UPDATE toolkits SET slug = 'b' WHERE slug = 'c'")
		w.synced()
		if code := w.entityError("toolkits", "b"); code != "INVALID_JSON" {
			t.Fatalf("the renamed row has %q, want the old file's INVALID_JSON", code)
		}
		w.exec("UPDATE toolkits SET deleted_at = CURRENT_TIMESTAMP WHERE slug = 'b'")
		w.synced()
		if name := w.query("SELECT name FROM toolkits WHERE slug = 'b' AND deleted_at IS NULL"); name != "git's own" {
			t.Errorf("the file at the new place was not imported: %q", name)
		}
	})
}

func TestRenamedOntoABadFile(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'c'", "name", "'C'")
		w.synced()
		w.commit(bitbuckettest.Write("toolkits/b.json", "{ somebody's"))
		w.exec("UPDATE toolkits SET slug = 'b' WHERE slug = 'c'")
		w.synced()
		w.wantFile("toolkits/b.json", "{ somebody's")
		if code := w.entityError("toolkits", "b"); code != "INVALID_JSON" {
			t.Errorf("the row has %q, want INVALID_JSON of the file at its new place", code)
		}
		w.exec("UPDATE toolkits SET name = 'C2' WHERE slug = 'b'")
		w.synced()
		if !w.branchHas("toolkits/b.json", "C2") || w.branchHas("toolkits/c.json", "") || w.entityError("toolkits", "b") != "" {
			t.Errorf("an edit after that wins: %v", w.files())
		}
		if got := w.rejected("toolkits"); len(got) > 0 {
			t.Errorf("still rejected: %v", got)
		}
	})
}

// A renamed entity takes the toolkits that name it along, on both sides and in one run.
func TestToolkitsFollowRenames_I3(t *testing.T) {
	const kit = `{
    "slug": "kit", "name": "Kit",
    "commands": [ "review", "other" ],
    "integrations": {
        "github": { "tools": ["*"] }
    }
}`
	prepare := func(w *world) {
		w.commit(
			bitbuckettest.Write("mcp-servers/github.json", `{"slug": "github", "name": "GitHub", "type": "http", "url": "https://example.com/mcp"}`),
			bitbuckettest.Write("commands/review.json", `{"slug": "review", "name": "Review", "prompt": "Do."}`),
			bitbuckettest.Write("skills/tidy/SKILL.md", "---\nname: tidy\ndescription: Tidies\n---\n"),
			bitbuckettest.Write("toolkits/kit.json", strings.Replace(kit, `["*"]`, `"*"`, 1)),
			bitbuckettest.Write("toolkits/kit2.json", `{"slug": "kit2", "name": "Kit 2", "skills": ["tidy"]}`),
		)
		w.synced()
	}
	followed := func(w *world) {
		w.t.Helper()
		want := strings.NewReplacer(`["*"]`, `"*"`, `"review"`, `"check"`, `"github"`, `"gitlab"`).Replace(kit)
		w.wantFile("toolkits/kit.json", want)
		if !w.branchHas("toolkits/kit2.json", `"neat"`) {
			w.t.Errorf("kit2: %s", w.files()["toolkits/kit2.json"])
		}
		for column, want := range map[string]string{"integrations": "gitlab", "commands": "check"} {
			if got := w.query("SELECT %s FROM toolkits WHERE slug = 'kit'", column); !strings.Contains(got, want) {
				w.t.Errorf("%s in the row: %s", column, got)
			}
		}
		for _, slug := range []string{"kit", "kit2"} {
			if code := w.entityError("toolkits", slug); code != "" {
				w.t.Errorf("%s has the error %s", slug, code)
			}
		}
		before := len(w.commits())
		w.synced()
		if after := len(w.commits()); after != before {
			w.t.Errorf("not at rest: %d more commits", after-before)
		}
	}
	t.Run("renamed in the database", func(t *testing.T) {
		eachWorld(t, nil, func(w *world) {
			prepare(w)
			w.exec("UPDATE mcp_servers SET slug = 'gitlab'")
			w.exec("UPDATE commands SET slug = 'check'")
			w.exec("UPDATE skills SET slug = 'neat'")
			w.synced()
			followed(w)
		})
	})
	t.Run("renamed on the branch", func(t *testing.T) {
		eachWorld(t, nil, func(w *world) {
			prepare(w)
			id := w.query("SELECT id FROM mcp_servers")
			w.commit(
				bitbuckettest.Remove("mcp-servers/github.json"),
				bitbuckettest.Write("mcp-servers/gitlab.json", `{"slug": "gitlab", "name": "GitHub", "type": "http", "url": "https://example.com/mcp"}`),
				bitbuckettest.Remove("commands/review.json"),
				bitbuckettest.Write("commands/check.json", `{"slug": "check", "name": "Review", "prompt": "Do."}`),
				bitbuckettest.Remove("skills/tidy/SKILL.md"),
				bitbuckettest.Write("skills/neat/SKILL.md", "---\nname: neat\ndescription: Tidies\n---\n"),
			)
			w.synced()
			followed(w)
			if got := w.query("SELECT id FROM mcp_servers WHERE slug = 'gitlab'"); got != id {
				t.Errorf("the server's row is another one")
			}
		})
	})
	t.Run("another server has the old slug", func(t *testing.T) {
		eachWorld(t, nil, func(w *world) {
			prepare(w)
			tx, err := w.sql.BeginTx(t.Context(), nil)
			w.must(err)
			for _, statement := range []string{
				"UPDATE mcp_servers SET slug = 'gitlab'",
				"INSERT INTO mcp_servers (organization_id, slug, name, type, url) VALUES (" + quote(w.orgID) + ", 'github', 'Another', 'http', 'https://example.com/other')",
			} {
				_, err = tx.ExecContext(t.Context(), statement)
				w.must(err)
			}
			w.must(tx.Commit())
			w.synced()
			w.wantFile("toolkits/kit.json", strings.Replace(kit, `["*"]`, `"*"`, 1))
		})
	})
}

// A renamed row does not overwrite another row's bad file, which that row's own refusal
// leaves where it is; both end at their places once the file is mended.
func TestSwappedOntoABadFile(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.insert("toolkits", "slug", "'b'", "name", "'B'")
		w.synced()
		w.commit(bitbuckettest.Write("toolkits/b.json", "{ broken"))
		w.swap("toolkits", "a", "b")
		w.synced()
		w.wantFile("toolkits/b.json", "{ broken")
		for _, slug := range []string{"a", "b"} {
			if w.entityError("toolkits", slug) == "" {
				t.Errorf("%s has no error", slug)
			}
		}
		w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug": "b", "name": "B"}`))
		w.synced()
		w.synced()
		if !w.branchHas("toolkits/a.json", `"B"`) || !w.branchHas("toolkits/b.json", `"A"`) {
			t.Errorf("files: %v", w.files())
		}
	})
}

// A file beside a row that is no file's is told of when the row goes, however it goes.
func TestFileOutlivesTheInvalidRowBesideIt(t *testing.T) {
	for name, gone := range map[string]string{
		"deleted for good": "DELETE FROM commands",
		"soft-deleted":     "UPDATE commands SET deleted_at = CURRENT_TIMESTAMP",
		"private":          "UPDATE commands SET owner_id = 'jane'",
		"moved":            "UPDATE commands SET slug = slug || '-moved'",
	} {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, nil, func(w *world) {
				w.insert("commands", "slug", "'good'", "name", "'Row'")
				w.insert("commands", "slug", "'bad'", "name", "'Row'")
				w.commit(bitbuckettest.Write("commands/good.json", `{"slug":"good","name":"File","prompt":"Do."}`), bitbuckettest.Write("commands/bad.json", "{ broken"))
				w.synced()
				for _, slug := range []string{"good", "bad"} {
					if code := w.entityError("commands", slug); code != "VALIDATION_FAILED" {
						t.Errorf("the row %s has %q", slug, code)
					}
				}
				w.exec("%s WHERE prompt IS NULL", gone)
				w.synced()
				if got := w.query("SELECT name FROM commands WHERE slug = 'good' AND owner_id IS NULL AND deleted_at IS NULL"); got != "File" {
					t.Errorf("the good file was forgotten: %q", got)
				}
				if got := w.rejected("commands")["commands/bad.json"]; got != "INVALID_JSON" {
					t.Errorf("the bad file is rejected as %q", got)
				}
				w.quiet()
			})
		})
	}
}

// A bad file whose row goes away is listed as rejected from then on.
func TestBadFileOutlivesItsRow(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/b.json", "{ broken"))
		w.insert("toolkits", "slug", "'b'", "name", "'B'")
		w.synced()
		w.exec("DELETE FROM toolkits")
		w.synced()
		if got := w.rejected("toolkits")["toolkits/b.json"]; got != "INVALID_JSON" {
			t.Errorf("rejected as %q", got)
		}
	})
}

// What is remembered of a bad file is the same whether a run looked at all rows or not:
// a deleted row that had the slug last has no part in it.
func TestBadFileAtADeletedRowsLastSlug(t *testing.T) {
	eachClocked(t, func(w *clocked) {
		w.insert("commands", "slug", "'was'", "name", "'Row'", "prompt", "'Do.'")
		w.run()
		w.exec("UPDATE commands SET slug = 'is'")
		w.exec("UPDATE commands SET deleted_at = CURRENT_TIMESTAMP")
		w.commit(bitbuckettest.Write("commands/is.json", "{ broken"))
		w.run()
		const remembered = "SELECT row_id || ' ' || digest || ' ' || reason FROM mirror_unsettled WHERE path = 'commands/is.json'"
		before := w.query(remembered)
		runner := &mirror.Runner{Store: w.store, Rules: mirror.DefaultRules, Committer: modelCommitter, Now: w.now, Logger: w.logger()}
		_, err := runner.Run(t.Context(), w.load(), w.clone, mirror.Request{RunID: uuid.NewString(), Trigger: "audit", Look: true, Full: true})
		w.must(err)
		if after := w.query(remembered); after != before || after != "  invalid" {
			t.Errorf("%q before a full run, %q after it", before, after)
		}
	})
}

// A row that takes the slug of another one, which moved away and whose file is bad,
// waits until that file is gone.
func TestNewRowWhereABadFileStays(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'c'", "name", "'C'")
		w.synced()
		w.commit(bitbuckettest.Write("toolkits/c.json", "{ broken"))
		tx, err := w.sql.BeginTx(t.Context(), nil)
		w.must(err)
		for _, statement := range []string{
			"UPDATE toolkits SET slug = 'b'",
			"INSERT INTO toolkits (organization_id, slug, name) VALUES (" + quote(w.orgID) + ", 'c', 'New C')",
		} {
			_, err = tx.ExecContext(t.Context(), statement)
			w.must(err)
		}
		w.must(tx.Commit())
		w.synced()
		w.wantFile("toolkits/c.json", "{ broken")
		if w.entityError("toolkits", "b") == "" || w.entityError("toolkits", "c") == "" {
			t.Error("both rows should say what stands in their way")
		}
		w.exec("UPDATE toolkits SET description = 'saved' WHERE slug = 'b'")
		w.synced()
		w.synced()
		if !w.branchHas("toolkits/b.json", "saved") || !w.branchHas("toolkits/c.json", "New C") || w.entityError("toolkits", "c") != "" {
			t.Errorf("files: %v", w.files())
		}
		w.quiet()
	})
}

// A file that was moved while its row was invalid outlives the row.
func TestMovedFileOutlivesItsInvalidRow(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("commands", "slug", "'a'", "name", "'A'", "prompt", "'Do.'")
		w.synced()
		w.exec("UPDATE commands SET prompt = NULL")
		w.commit(bitbuckettest.Remove("commands/a.json"), bitbuckettest.Write("commands/c.json", `{"slug":"c","name":"A","prompt":"Do."}`))
		w.synced()
		w.exec("DELETE FROM commands")
		w.synced()
		if got := w.query("SELECT slug FROM commands WHERE deleted_at IS NULL"); got != "c" {
			t.Errorf("the moved file was forgotten: %q; files %v", got, w.files())
		}
	})
}

// Of two different renames one wins, and the row is agreed on at that place alone.
func TestTwoDifferentRenames_I3(t *testing.T) {
	eachWorld(t, func(w *world) { w.config.Mirrors[0].Conflict = "database" }, func(w *world) {
		w.insert("commands", "slug", "'a'", "name", "'A'", "prompt", "'Do.'", "description", "'what it does'")
		w.synced()
		w.apart(func() { w.exec("UPDATE commands SET slug = 'c'") },
			bitbuckettest.Remove("commands/a.json"),
			bitbuckettest.Write("commands/b.json", `{"slug":"b","name":"A","prompt":"Do well.","description":"what it does"}`))
		w.synced()
		if !w.branchHas("commands/c.json", "Do well.") || w.branchHas("commands/b.json", "") {
			t.Errorf("files: %v", w.files())
		}
		if n := w.query("SELECT count(*) FROM mirror_bases"); n != "1" {
			t.Errorf("%s bases of one row", n)
		}
		w.quiet()
	})
}

// What stands where the row did not get to in the end is a file of its own.
func TestFileWhereARowWasNotRenamedTo_I3(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("commands", "slug", "'a'", "name", "'A'", "prompt", "'Do.'", "description", "'what it does'")
		w.synced()
		w.apart(func() { w.exec("UPDATE commands SET slug = 'c'") },
			bitbuckettest.Write("commands/c.json", "{ broken"), bitbuckettest.Remove("commands/a.json"),
			bitbuckettest.Write("commands/b.json", `{"slug":"b","name":"A","prompt":"Do well.","description":"what it does"}`))
		w.synced()
		w.synced()
		if got := w.query("SELECT slug FROM commands"); got != "b" {
			t.Fatalf("the row's slug is %q", got)
		}
		if got := w.rejected("commands")["commands/c.json"]; got != "INVALID_JSON" {
			t.Errorf("the file is rejected as %q", got)
		}
		w.quiet()
	})
}

// A private row's file that somebody moved leaves the branch, also after a push that
// failed: nothing but the intent and what was left open names its new place.
func TestMovedFileOfAPrivateRowAfterAFailedPush(t *testing.T) {
	eachClocked(t, func(w *clocked) {
		w.insert("commands", "slug", "'a'", "name", "'A'", "prompt", "'Do.'")
		w.run()
		w.exec("UPDATE commands SET owner_id = 'ada'")
		w.commit(bitbuckettest.Remove("commands/a.json"), bitbuckettest.Write("commands/c.json", `{"slug":"c","name":"A","prompt":"Do."}`))
		broken := failingClone{w.clone, &boundary{err: errors.New("broken")}}
		runner := &mirror.Runner{Store: w.store, Rules: mirror.DefaultRules, Committer: modelCommitter, Now: w.now, Logger: w.logger()}
		if _, err := runner.Run(t.Context(), w.load(), broken, mirror.Request{RunID: uuid.NewString(), Trigger: "poll", Look: true}); err == nil {
			t.Fatal("the push did not fail")
		}
		w.run()
		w.wantNoFile("commands/c.json")
	})
}

// A moved file that waits for its invalid row is an entity of its own once another row
// has taken that row's place.
func TestMovedFileWhoseRowLostItsPlace(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("commands", "slug", "'a'", "name", "'A'", "prompt", "'Do.'")
		w.insert("commands", "slug", "'c'", "name", "'C'", "prompt", "'Do something else.'")
		w.synced()
		w.exec("UPDATE commands SET prompt = NULL WHERE slug = 'a'")
		w.commit(bitbuckettest.Remove("commands/a.json"), bitbuckettest.Write("commands/b.json", `{"slug":"b","name":"A","prompt":"Do."}`))
		w.synced()
		w.exec("UPDATE commands SET slug = 'between' WHERE slug = 'c'")
		w.exec("UPDATE commands SET slug = 'c' WHERE slug = 'a'")
		w.exec("UPDATE commands SET slug = 'a' WHERE slug = 'between'")
		w.synced()
		w.synced()
		if got := w.query("SELECT prompt FROM commands WHERE slug = 'b' AND deleted_at IS NULL"); got != "Do." {
			t.Errorf("the moved file was forgotten; files %v", w.files())
		}
	})
}
