package daemon_test

import (
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func TestChangesTravelByThemselves(t *testing.T) {
	eachWorld(t, func(w *world) { w.config.Sync.BatchWindow = 50 * time.Millisecond }, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.eventually("a row reaches the branch", func() bool { return w.branchHas("toolkits/a.json", "") })
		w.repo.AddHook(w.url+"/api/bitbucket/webhook", mirror.NewSecret(webhookSecret))
		w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
		w.eventually("a push reaches the database", func() bool { return w.query("SELECT name FROM toolkits WHERE slug = 'b'") == "B" })
		// In one transaction of another program, with a writer that rolls back beside it.
		tx, err := w.sql.BeginTx(t.Context(), nil)
		w.must(err)
		_, err = tx.ExecContext(t.Context(), "UPDATE toolkits SET name = 'never'")
		w.must(err)
		w.must(tx.Rollback())
		w.exec("UPDATE toolkits SET name = 'A2' WHERE slug = 'a'")
		w.eventually("an edit reaches the branch", func() bool { return w.branchHas("toolkits/a.json", "A2") })
		if w.branchHas("toolkits/b.json", "never") {
			t.Error("what was rolled back left the database")
		}
	})
}

func TestPollAlone(t *testing.T) {
	eachWorld(t, func(w *world) { w.config.Sync.Poll, w.config.Database.Notify = "@every 1s", false }, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
		w.eventually("W6: a push without a webhook reaches the database", func() bool { return w.query("SELECT name FROM toolkits WHERE slug = 'b'") == "B" })
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.eventually("a row reaches the branch without notifications", func() bool { return w.branchHas("toolkits/a.json", "") })
	})
}

// branchHas reports whether the branch has a file that contains text.
func (w *world) branchHas(path, text string) bool {
	w.t.Helper()
	if head, err := w.repo.Head("main"); err != nil || head == "" {
		return false
	}
	content, ok := w.files()[path]
	return ok && strings.Contains(content, text)
}

func TestEmptyEverywhere(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.synced()
		conditions := w.mirror()["conditions"].([]any)
		if len(conditions) != 1 || conditions[0].(map[string]any)["code"] != "NOTHING_ELIGIBLE" {
			t.Errorf("conditions: %v", conditions)
		}
		branches, err := w.repo.Branches()
		w.must(err)
		if len(branches) != 0 {
			t.Errorf("E2: a branch was made of nothing: %v", branches)
		}
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		if !w.branchHas("toolkits/a.json", "") || len(w.mirror()["conditions"].([]any)) != 0 {
			t.Errorf("the first push did not make the branch, or the condition stays: %v", w.mirror())
		}
	})
}

func TestMainBranchByAnotherName_F3(t *testing.T) {
	eachWorld(t, func(w *world) {
		_, err := w.repo.Commit("trunk", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "Start", bitbuckettest.Write("README.md", "hi"))
		w.must(err)
		w.must(w.repo.SetMainBranch("trunk"))
	}, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		files, err := w.repo.Files("trunk")
		w.must(err)
		if files["toolkits/a.json"] == "" || files["README.md"] != "hi" {
			t.Errorf("trunk has %v", files)
		}
	})
}

func TestPathPrefix(t *testing.T) {
	eachWorld(t, func(w *world) { w.config.Mirrors[0].PathPrefix = "config/ai" }, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/outside.json", `{"slug":"outside","name":"O"}`),
			bitbuckettest.Write("config/ai/toolkits/inside.json", `{"slug":"inside","name":"I"}`),
			bitbuckettest.Write("config/ai/toolkits/README.md", "people's own"))
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		if w.query("SELECT count(*) FROM toolkits WHERE slug = 'outside'") != "0" || w.query("SELECT count(*) FROM toolkits WHERE slug = 'inside'") != "1" {
			t.Error("the prefix is not kept on import")
		}
		if !w.branchHas("config/ai/toolkits/a.json", "") {
			t.Error("the prefix is not kept on export")
		}
		w.checkClone()
	})
}

func TestTokenRefusedAndRenewed_C1(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		w.standIn.RevokeTokens()
		w.standIn.SetLegacyTokens(true)
		w.exec("UPDATE toolkits SET name = 'B' WHERE slug = 'a'")
		w.synced()
		if !w.branchHas("toolkits/a.json", "B") {
			t.Error("a refused token was not renewed")
		}
	})
}

// TestAnotherBranchIsAFirstConnection: settings that point elsewhere delete nothing.
func TestAnotherBranchIsAFirstConnection_D3(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"a", "b", "c"} {
			w.insert("toolkits", "slug", quote(slug), "name", quote(slug))
		}
		w.synced()
		w.stop()
		_, err := w.repo.Commit("other", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "Start",
			bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"b","description":"git's"}`), bitbuckettest.Write("toolkits/d.json", `{"slug":"d","name":"d"}`))
		w.must(err)
		w.config.Mirrors[0].Branch = "other"
		w.start()
		w.synced()
		if n := w.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL"); n != "4" {
			t.Errorf("%s live rows, want 4", n)
		}
		files, err := w.repo.Files("other")
		w.must(err)
		for _, slug := range []string{"a", "b", "c", "d"} {
			if files["toolkits/"+slug+".json"] == "" {
				t.Errorf("%s is not on the branch", slug)
			}
		}
		if got := w.query("SELECT description FROM toolkits WHERE slug = 'b'"); got != "git's" {
			t.Errorf("b was not merged: %q", got)
		}
		if len(w.files()) != 3 {
			t.Errorf("the old branch changed: %v", w.files())
		}
	})
}

func TestTwoDaemonsOnOneDatabase_L10(t *testing.T) {
	target := migrated.Postgres(t)
	first := newWorld(t, target)
	first.start()
	second := *first
	config := *first.config
	config.DataDir = t.TempDir()
	second.config = &config
	second.start()
	if first.mirror()["holder"] != second.mirror()["holder"] {
		t.Error("two holders")
	}
	first.insert("toolkits", "slug", "'a'", "name", "'A'")
	second.synced()
	if !first.branchHas("toolkits/a.json", "A") {
		t.Error("a request at the daemon that does not hold the mirror was lost")
	}
	first.stop()
	second.exec("UPDATE toolkits SET name = 'B' WHERE slug = 'a'")
	second.eventually("the other daemon takes over", func() bool { return second.branchHas("toolkits/a.json", "B") })
}

func TestSecondDaemonOnOneDataDirIsRefused(t *testing.T) {
	w := newWorld(t, migrated.SQLite(t))
	w.start()
	if err := w.newDaemon(nil).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "data_dir") {
		t.Errorf("got %v", err)
	}
}

func TestOneRefusedMirrorStopsNoOther(t *testing.T) {
	eachWorld(t, func(w *world) {
		twin := *w.config.Mirrors[0]
		twin.Organization = "twin"
		w.config.Mirrors = append(w.config.Mirrors, &twin)
	}, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		if !strings.Contains(w.log.String(), "ALREADY_CONNECTED") {
			t.Error("the log does not tell of the refused mirror")
		}
	})
}

func TestBranchLeftOpenAgain(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.commit(bitbuckettest.Write("README.md", "hi"))
		_, err := w.repo.Commit("release", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "Start", bitbuckettest.Write("README.md", "hi"))
		w.must(err)
		w.config.Mirrors[0].Branch = "release"
	}, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		w.stop()
		w.must(w.repo.DeleteBranch("release"))
		w.config.Mirrors[0].Branch = ""
		w.start()
		w.synced()
		if !w.branchHas("toolkits/a.json", "A") {
			t.Error("the main branch was not found again")
		}
	})
}

func TestPlainGitHost(t *testing.T) {
	eachWorld(t, func(w *world) {
		m := w.config.Mirrors[0]
		none := ""
		m.APIURL, m.ClientID, m.ClientSecret = &none, "", mirror.Secret{}
		m.AccessToken = mirror.NewSecret(w.standIn.AddAccessToken("acme-corp", "webrix-sync", bitbuckettest.ScopeRepositoryWrite))
		_, err := w.repo.Commit("trunk", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "Start", bitbuckettest.Write("README.md", "hi"))
		w.must(err)
		w.must(w.repo.SetMainBranch("trunk"))
	}, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		files, err := w.repo.Files("trunk")
		w.must(err)
		if files["toolkits/a.json"] == "" {
			t.Errorf("trunk has %v", files)
		}
		if n := w.standIn.Count(bitbuckettest.EndpointREST, bitbuckettest.EndpointToken); n != 0 {
			t.Errorf("%d requests to REST or OAuth of a plain git host", n)
		}
	})
}

// F3: the main branch is not called main, and a change of it is told, not followed.
func TestMainBranchChanges_F3(t *testing.T) {
	rename := func(w *world) {
		w.must(w.repo.SetMainBranch("trunk"))
	}
	eachWorld(t, rename, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		if _, err := w.repo.Git("branch", "develop", "trunk"); err != nil {
			t.Fatal(err)
		}
		w.must(w.repo.SetMainBranch("develop"))
		told := func() string {
			var codes []string
			for _, c := range w.mirror()["conditions"].([]any) {
				codes = append(codes, c.(map[string]any)["code"].(string))
			}
			return strings.Join(codes, " ")
		}
		w.synced()
		if m := w.rested(); told() != "MAIN_BRANCH_CHANGED" || m["branch"] != "trunk" || m["state"] != "ok" {
			t.Errorf("mirror: %v", m)
		}
		w.must(w.repo.SetMainBranch("trunk"))
		w.synced()
		if told() != "" {
			t.Errorf("conditions: %s", told())
		}
	})
}
