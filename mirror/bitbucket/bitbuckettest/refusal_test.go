package bitbuckettest_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// The texts are what git prints for Bitbucket's refusals.
func TestRefusedAtTheDoor(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault bitbuckettest.Fault
		want  []string
	}{
		{"scopes", bitbuckettest.ScopesMissing(), []string{"remote: Your credentials lack one or more required privilege scopes.", "The requested URL returned error: 403"}},
		{"address", bitbuckettest.AddressBlocked(), []string{"remote: To access this repository, an admin must whitelist your IP.", "error: 403"}},
		{"two-step", bitbuckettest.TwoStepRequired(), []string{"remote: To access this repository, enable two-step authentication.", "error: 403"}},
		{"missing", bitbuckettest.Missing(), []string{"remote: You may not have access to this repository or it no longer exists in this workspace.", "not found"}},
		{"app password", bitbuckettest.AppPasswordsGone(), []string{"remote: App passwords are deprecated and must be replaced with API tokens.", "error: 410"}},
		{"rate limit", bitbuckettest.TooManyRequests(0), []string{"remote: Rate limit for this resource has been exceeded", "error: 429"}},
		{"down", bitbuckettest.Down(500), []string{"error: 500"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, bitbuckettest.Options{})
			w.Inject(tt.fault, bitbuckettest.GitEndpoints...)
			_, err := git(t, "", "you:you", "ls-remote", w.repo.URL())
			wantText(t, err, tt.want...)
		})
	}
}

// as is an address with the token in it.
func (w *world) as(token, address string) string {
	return strings.Replace(address, "://", "://x-token-auth:"+strings.ReplaceAll(token, "=", "%3D")+"@", 1)
}

func wantText(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("not refused")
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("git does not say %q:\n%v", text, err)
		}
	}
}

func TestMissingRepository(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	const text = "remote: You may not have access to this repository or it no longer exists in this workspace."
	// In the address, so that git sends them again after a 401 instead of asking for others.
	url := w.as(w.token(t), w.GitURL()+"/acme-corp/absent.git")
	for status, want := range map[int]string{401: "Authentication failed", 403: "error: 403", 404: "not found"} {
		w.SetMissingStatus(status)
		_, err := git(t, "", "", "ls-remote", url)
		wantText(t, err, text, want)
	}
	other, err := w.CreateRepository("other", "theirs")
	if err != nil {
		t.Fatal(err)
	}
	w.SetMissingStatus(404)
	_, err = git(t, "", "x-token-auth:"+w.token(t), "ls-remote", other.URL())
	wantText(t, err, text, "not found")
}

// The first request of git goes without credentials, a 401 with a challenge makes it send them.
func TestChallenge(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	commit(t, w.repo, "main", "a", "1")
	token := w.token(t)
	w.ResetRequests()
	mustGit(t, "", "", "ls-remote", w.as(token, w.repo.URL()))
	requests := w.Requests()
	if len(requests) < 2 || requests[0].Status != 401 || requests[0].Authenticated || requests[1].Status != 200 || !requests[1].Authenticated {
		t.Errorf("%+v", requests)
	}
	// Credentials in a header save the round trip.
	w.ResetRequests()
	mustGit(t, "", "x-token-auth:"+token, "ls-remote", w.repo.URL())
	if got := w.Requests(); got[0].Status != 200 || w.Count(bitbuckettest.EndpointFetchRefs) != 1 || got[0].Out == 0 {
		t.Errorf("%+v", got)
	}
}

func TestReadOnlyConsumer(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	commit(t, w.repo, "main", "a", "1")
	w.consumer = w.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Scopes: []string{bitbuckettest.ScopePullRequest}})
	credentials := "x-token-auth:" + w.token(t)
	dir := filepath.Join(t.TempDir(), "c")
	mustGit(t, "", credentials, "clone", "--quiet", w.repo.URL(), dir)
	edit(t, dir, "a", "2")
	_, err := git(t, dir, credentials, "push", "origin", "main")
	wantText(t, err, "remote: Your credentials lack one or more required privilege scopes.", "error: 403")
	if n := w.Count(bitbuckettest.EndpointPush); n != 0 {
		t.Errorf("%d pushes got past info/refs", n)
	}
}

func TestPreReceive(t *testing.T) {
	const declined = "(pre-receive hook declined)"
	for _, tt := range []struct {
		name string
		set  func(*bitbuckettest.Repo)
		want []string
	}{
		{"restricted", func(r *bitbuckettest.Repo) { r.Restrict("ma*") }, []string{"remote: Permission denied to update branch main.", "! [remote rejected] main -> main " + declined}},
		{"full", func(r *bitbuckettest.Repo) { r.SetFull(true) }, []string{
			"remote: Repository is over the size limit (4 GB) and will not accept further additions.",
			"remote: Learn how to reduce your repository size: https://confluence.atlassian.com/x/xgMvEw.", declined,
		}},
		{"pack too large", func(r *bitbuckettest.Repo) { r.SetMaxPack("10") }, []string{"remote: fatal: pack exceeds maximum allowed size", "[remote rejected]"}},
		{"file too large", func(r *bitbuckettest.Repo) { r.SetMaxFile(1) }, []string{"remote: a is 2 bytes; this exceeds the file size limit of 1 bytes.", declined}},
		{"signed", func(r *bitbuckettest.Repo) { r.SetSignedCommits(true) }, []string{"requires signed commits", declined}},
		{"any text", func(r *bitbuckettest.Repo) { r.RefusePushes("File x is\n200 MB") }, []string{"remote: File x is", "remote: 200 MB", declined}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, bitbuckettest.Options{})
			head := commit(t, w.repo, "main", "a", "1")
			dir := w.clone(t)
			edit(t, dir, "a", "22")
			tt.set(w.repo)
			_, err := git(t, dir, "x-token-auth:"+w.token(t), "push", w.repo.URL(), "main", "main:feature-x")
			wantText(t, err, tt.want...)
			// One refused ref refuses every ref of the push.
			branches, _ := w.repo.Branches()
			if branches["main"] != head || len(branches) != 1 {
				t.Errorf("%v", branches)
			}
		})
	}
}

// People can be on a restriction's list, tokens cannot.
func TestRestrictionList(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	commit(t, w.repo, "main", "a", "1")
	w.repo.Restrict("main", "you")
	dir := w.clone(t)
	edit(t, dir, "a", "2")
	_, err := git(t, dir, "x-token-auth:"+w.token(t), "push", w.repo.URL(), "main")
	wantText(t, err, "Permission denied to update branch main.")
	out := mustGit(t, dir, "x-token-auth:"+w.token(t), "push", w.repo.URL(), "main:side")
	if want := "remote: Create pull request for side:"; !strings.Contains(out, want) ||
		!strings.Contains(out, "/acme-corp/webrix-sync/pull-requests/new?source=side&t=1") {
		t.Errorf("no %q in %s", want, out)
	}
	if out := mustGit(t, dir, "", "push", "origin", "main"); strings.Contains(out, "pull request") {
		t.Errorf("a pull request from the main branch: %s", out)
	}
	w.repo.Unrestrict()
	edit(t, dir, "a", "3")
	mustGit(t, dir, "x-token-auth:"+w.token(t), "push", w.repo.URL(), "main")
}

// The web page that a client gets that does not look like git.
func TestUserAgent(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	_, err := git(t, "", "you:you", "-c", "http.userAgent=confmirror/1.0", "ls-remote", w.repo.URL())
	wantText(t, err, "not valid: is this a git repository?")
	mustGit(t, "", "you:you", "-c", "http.userAgent=go-git/5.x", "ls-remote", w.repo.URL())
}

func TestNotOffered(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	commit(t, w.repo, "main", "a", "1")
	dir := w.clone(t)
	edit(t, dir, "a", "2")
	_, err := git(t, dir, "", "push", "--atomic", "origin", "main")
	wantText(t, err, "does not support --atomic")
	_, err = git(t, dir, "", "push", "-o", "x", "origin", "main")
	wantText(t, err, "does not support push options")
	out := mustGit(t, "", "", "clone", "--filter=blob:none", w.repo.CloneURL(), filepath.Join(t.TempDir(), "c"))
	if !strings.Contains(out, "filtering not recognized by server, ignoring") {
		t.Error(out)
	}
}
