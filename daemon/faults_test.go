package daemon_test

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func (w *world) callRaw(method, path string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+"/api/v1/organizations/acme/"+path, nil)
	w.must(err)
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	defer resp.Body.Close()
	var b strings.Builder
	if _, err := io.Copy(&b, resp.Body); err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, b.String()
}

// detailCode is the mirror's problem, "" for none.
func (w *world) detailCode() string {
	detail, _ := w.mirror()["detail"].(map[string]any)
	code, _ := detail["code"].(string)
	return code
}

// TestConnectionProblems: each has its state, code and remedy, and what it stops stays pending (L2).
func TestConnectionProblems(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(w *world)
		state   string
		code    string
		message string
	}{
		{"wrong secret", func(w *world) { w.config.Mirrors[0].ClientSecret = mirror.NewSecret("wrong") },
			"blocked", "CONNECTION_FAILED", "Connection test failed. Please verify your Workspace, Client ID, and Client Secret are correct."},
		{"unknown repository", func(w *world) { w.config.Mirrors[0].Repository = "nowhere" }, "blocked", "REPOSITORY_NOT_FOUND", ""},
		{"missing branch", func(w *world) {
			w.commit(bitbuckettest.Write("README.md", "hello"))
			w.config.Mirrors[0].Branch = "gone"
		}, "blocked", "BRANCH_NOT_FOUND", ""},
		{"git down", func(w *world) {
			w.standIn.Inject(bitbuckettest.Fault{Status: 503, Body: "upstream"}, bitbuckettest.GitEndpoints...)
		}, "error", "NETWORK_UNREACHABLE", ""},
		{"limited", func(w *world) {
			w.standIn.Inject(bitbuckettest.Fault{Status: 429, Body: "Rate limit for this resource has been exceeded"}, bitbuckettest.GitEndpoints...)
		}, "error", "RATE_LIMITED", ""},
		{"restricted branch", func(w *world) { w.repo.Restrict("main") }, "blocked", "BRANCH_RESTRICTED", ""},
		{"full", func(w *world) { w.repo.SetFull(true) }, "blocked", "REPOSITORY_FULL", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachWorld(t, c.prepare, func(w *world) {
				w.insert("toolkits", "slug", "'kept'", "name", "'Kept'")
				report := w.sync()
				if report["state"] != c.state {
					t.Errorf("report: %v", report)
				}
				m := w.mirror()
				detail, _ := m["detail"].(map[string]any)
				if m["state"] != c.state || detail["code"] != c.code || detail["remedy"] == "" {
					t.Fatalf("mirror: %v", m)
				}
				if c.message != "" && detail["message"] != c.message {
					t.Errorf("message %q", detail["message"])
				}
				if m["pending_changes"].(float64) != 1 {
					t.Errorf("L2: pending %v", m["pending_changes"])
				}
			})
		})
	}
}

func TestRecoversWhenTheRemoteDoes_S3(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		undo := w.standIn.Inject(bitbuckettest.Fault{Status: 502, Body: "<html>bad gateway</html>"}, bitbuckettest.GitEndpoints...)
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		if report := w.sync(); report["state"] != "error" {
			t.Fatalf("report: %v", report)
		}
		undo()
		w.eventually("the mirror recovers by itself", func() bool { return w.mirror()["state"] == "ok" })
		if _, there := w.files()["toolkits/a.json"]; !there {
			t.Error("L2: the change was lost")
		}
	})
}

func TestRestrictedBranchStillImports(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A"}`))
		w.synced()
		w.repo.Restrict("main")
		w.insert("toolkits", "slug", "'b'", "name", "'B'")
		w.commit(bitbuckettest.Write("toolkits/c.json", `{"slug":"c","name":"C"}`))
		if report := w.sync(); report["state"] != "blocked" || report["imported"].(float64) != 1 {
			t.Errorf("report: %v", report)
		}
		pushes := w.standIn.Count(bitbuckettest.EndpointPush)
		w.exec("UPDATE toolkits SET name = 'B2' WHERE slug = 'b'")
		w.commit(bitbuckettest.Write("toolkits/d.json", `{"slug":"d","name":"D"}`))
		w.nudge()
		w.eventually("imports go on", func() bool { status, _ := w.call("GET", "toolkits/d", nil); return status == 200 })
		if again := w.standIn.Count(bitbuckettest.EndpointPush); again != pushes {
			t.Errorf("S5: %d pushes more to a restricted branch", again-pushes)
		}
		w.repo.Unrestrict()
		w.synced()
		if !strings.Contains(w.files()["toolkits/b.json"], "B2") {
			t.Error("the held back export was lost")
		}
	})
}

// nudge delivers a webhook that says nothing but "look".
func (w *world) nudge() {
	hook := w.repo.AddHook(w.url+"/api/bitbucket/webhook", mirror.NewSecret(webhookSecret))
	defer w.repo.RemoveHook(hook)
	w.commit(bitbuckettest.Write("NOTES.md", "nudge "+w.query("SELECT count(*) FROM toolkits")))
}

func TestPushAcceptedAnswerLost_E6(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		w.standIn.Inject(bitbuckettest.Fault{Times: 1, CutAnswer: true}, bitbuckettest.EndpointPush)
		w.standIn.Inject(bitbuckettest.Fault{Times: 1, CutRequest: true}, bitbuckettest.EndpointFetch)
		w.exec("UPDATE toolkits SET name = 'B' WHERE slug = 'a'")
		w.sync()
		w.eventually("the mirror settles", func() bool { m := w.mirror(); return m["state"] == "ok" && m["pending_changes"].(float64) == 0 })
		if n := len(w.commits()); n != 2 {
			t.Errorf("%d commits, want 2: nothing twice, nothing empty", n)
		}
		if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
			t.Errorf("our own commit was taken for a stranger's: %s conflicts", n)
		}
	})
}

func TestForeignCommitBeforeThePush_L3(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		w.standIn.Inject(bitbuckettest.Fault{Times: 1, Do: func() {
			w.commit(bitbuckettest.Write("toolkits/a.json", "{\n  \"slug\": \"a\",\n  \"name\": \"A\",\n  \"description\": \"from git\"\n}\n"))
		}}, bitbuckettest.EndpointPush)
		w.exec("UPDATE toolkits SET name = 'B' WHERE slug = 'a'")
		w.synced()
		w.wantFile("toolkits/a.json", "{\n  \"slug\": \"a\",\n  \"name\": \"B\",\n  \"description\": \"from git\"\n}\n")
		if got := w.query("SELECT name || '/' || description FROM toolkits WHERE slug = 'a'"); got != "B/from git" {
			t.Errorf("row: %s", got)
		}
	})
}

func TestNothingNewIsOneRequest_P10(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		w.synced()
		commits := len(w.commits())
		before := w.standIn.Count()
		w.synced()
		if n := w.standIn.Count() - before; n != 1 {
			t.Errorf("%d requests for a run with nothing new, want 1", n)
		}
		if n := len(w.commits()); n != commits {
			t.Errorf("E2: %d commits from nothing", n-commits)
		}
	})
}

func TestConflictKeepsTheLoser(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		w.exec("UPDATE toolkits SET name = 'Database', description = 'only here' WHERE slug = 'a'")
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"Git"}`))
		w.sync()
		w.eventually("both sides agree", func() bool {
			return w.query("SELECT name || '/' || description FROM toolkits WHERE slug = 'a'") == "Git/only here" &&
				strings.Contains(w.files()["toolkits/a.json"], "only here")
		})
		conflicts := w.get("conflicts")["items"].([]any)
		if len(conflicts) != 1 {
			t.Fatalf("conflicts: %v", conflicts)
		}
		c := conflicts[0].(map[string]any)
		if c["database"].(map[string]any)["name"] != "Database" || c["git"].(map[string]any)["name"] != "Git" || c["decided"] != "git" {
			t.Errorf("conflict: %v", c)
		}
		if status, answer := w.call("POST", "conflicts/"+c["id"].(string)+"/resolve", map[string]any{"take": "database"}); status != 200 {
			t.Fatalf("resolve: %d %v", status, answer)
		}
		w.synced()
		if !w.branchHas("toolkits/a.json", `"Database"`) || !w.branchHas("toolkits/a.json", "only here") {
			t.Errorf("the taken side did not reach the branch: %s", w.files()["toolkits/a.json"])
		}
		if open := w.get("conflicts")["items"].([]any); len(open) != 0 {
			t.Errorf("still open: %v", open)
		}
	})
}

func TestEmptiedSidesAreHeld_D1_D2(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"a", "b", "c"} {
			w.insert("toolkits", "slug", quote(slug), "name", quote(slug))
		}
		w.synced()
		w.commit(bitbuckettest.Remove("toolkits"))
		w.insert("toolkits", "slug", "'new'", "name", "'New'")
		if report := w.sync(); report["state"] != "held" {
			t.Errorf("report: %v", report)
		}
		if n := w.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL"); n != "4" {
			t.Errorf("%s live rows, want 4", n)
		}
		if _, there := w.files()["toolkits/new.json"]; !there {
			t.Error("D5: an addition was held back")
		}
		hold := w.get("mirror/hold")
		if len(hold["items"].([]any)) != 3 {
			t.Errorf("hold: %v", hold)
		}
		if status, answer := w.call("POST", "mirror/approve", map[string]any{"hold": hold["id"]}); status >= 300 {
			t.Fatalf("approve: %d %v", status, answer)
		}
		w.synced()
		if n := w.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL"); n != "1" {
			t.Errorf("%s live rows after approval, want 1", n)
		}
		if code := w.detailCode(); code != "" {
			t.Errorf("still %s", code)
		}
	})
}

func TestCloneIsOrdinaryAndDisposable(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.commit(bitbuckettest.Write("README.md", "hello"), bitbuckettest.Write("commands/con.json", `{"slug":"con","name":"C","prompt":"p"}`))
		w.synced()
		w.checkClone()
		w.exec("UPDATE toolkits SET name = 'B' WHERE slug = 'a'")
		w.commit(bitbuckettest.Write("README.md", "hello again"))
		w.synced()
		w.checkClone()
	})
}

// checkClone has git judge the clone.
func (w *world) checkClone() {
	w.t.Helper()
	w.wantClean()
	w.cloneGit("fsck", "--strict")
	if branch := w.cloneGit("symbolic-ref", "--short", "HEAD"); branch != "main" {
		w.t.Errorf("on %s", branch)
	}
}

// cloneGit is what git says about the clone. It changes nothing there.
func (w *world) cloneGit(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", append([]string{"-C", w.cloneDir()}, args...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + w.t.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_OPTIONAL_LOCKS=0"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Errorf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimRight(string(out), "\n")
}
