package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// readmeBlock is the one block of README.md in a language that holds a text.
func readmeBlock(t *testing.T, language, with string) string {
	t.Helper()
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, block := range regexp.MustCompile("(?sm)^( *)```"+language+"\n(.*?)^ *```$").FindAllStringSubmatch(string(readme), -1) {
		if strings.Contains(block[2], with) {
			found = append(found, strings.ReplaceAll("\n"+block[2], "\n"+block[1], "\n"))
		}
	}
	if len(found) != 1 {
		t.Fatalf("README.md has %d blocks of %s with %q", len(found), language, with)
	}
	return found[0]
}

// follower does what the README says, in an empty directory.
type follower struct {
	t       *testing.T
	dir     string
	environ []string
}

func newFollower(t *testing.T, environ ...string) *follower {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "confmirror")); err != nil {
		t.Fatal(err)
	}
	return &follower{t, dir, append(os.Environ(), append([]string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "CONFMIRROR_HTTP_PUBLIC_URL=http://127.0.0.1:1",
	}, environ...)...)}
}

// run runs a command with an input.
func (f *follower) run(command, input string) {
	f.t.Helper()
	shell := exec.CommandContext(f.t.Context(), "bash", "-ec", command)
	shell.Dir, shell.Env, shell.Stdin = f.dir, f.environ, strings.NewReader(input)
	if out, err := shell.CombinedOutput(); err != nil {
		f.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

func (f *follower) write(name, content string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// arrives goes on from the configuration: what is tested, foretold and run works at the first try.
func (f *follower) arrives(repo *bitbuckettest.Repo) {
	f.t.Helper()
	ada := mirror.Signature{Name: "Ada", Email: "ada@example.com"}
	if _, err := repo.Commit("main", ada, "Start", bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A"}`)); err != nil {
		f.t.Fatal(err)
	}
	f.run("confmirror check --config confmirror.yaml", "")
	f.run("confmirror plan --config confmirror.yaml || [ $? = 3 ]", "")
	f.run("confmirror sync --config confmirror.yaml | grep -q 'imported 1'", "")
	f.run("confmirror status --config confmirror.yaml", "")
}

func standInFor(t *testing.T, o bitbuckettest.Options, workspace string) (*bitbuckettest.Server, *bitbuckettest.Repo) {
	t.Helper()
	s := bitbuckettest.Start(t, o)
	repo, err := s.CreateRepository(workspace, "webrix-sync")
	if err != nil {
		t.Fatal(err)
	}
	return s, repo
}

// cloud are the variables that lead to a stand-in where the README means Bitbucket Cloud.
func cloud(s *bitbuckettest.Server) []string {
	return []string{
		"CONFMIRROR_MIRRORS_0_GIT_URL=" + s.GitURL(), "CONFMIRROR_MIRRORS_0_API_URL=" + s.APIURL(), "CONFMIRROR_MIRRORS_0_OAUTH_URL=" + s.OAuthURL(),
	}
}

// Whoever follows the guide as it stands, secrets' files and all, has a mirror.
func TestSetUpOfTheReadme(t *testing.T) {
	s, repo := standInFor(t, bitbuckettest.Options{}, "acme-corp")
	consumer := s.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Key: "the-consumers-key"})
	f := newFollower(t, cloud(s)...)
	f.run(readmeBlock(t, "sh", "secrets/bitbucket-client-secret"), consumer.Secret+"\n")
	f.write("confmirror.yaml", strings.Replace(readmeBlock(t, "yaml", "public_url:"), "postgres://confmirror@db.example.com/platform", dbtest.Postgres(t), 1))
	f.arrives(repo)
}

func TestSetUpWithSystemdOfTheReadme(t *testing.T) {
	s, repo := standInFor(t, bitbuckettest.Options{}, "acme-corp")
	consumer := s.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Key: "the-consumers-key"})
	f := newFollower(t, cloud(s)...)
	f.environ = append(f.environ, "CREDENTIALS_DIRECTORY="+filepath.Join(f.dir, "credentials"))
	for name, secret := range map[string]string{"database-url": dbtest.Postgres(t), "bitbucket-client-secret": consumer.Secret, "bitbucket-webhook-secret": "sesame"} {
		f.write("credentials/confmirror_"+name, secret+"\n")
	}
	f.write("confmirror.yaml", readmeBlock(t, "yaml", "$CREDENTIALS_DIRECTORY"))
	f.arrives(repo)
}

func TestSetUpWithDataCenterOfTheReadme(t *testing.T) {
	for _, scope := range []string{bitbuckettest.ScopeRepositoryWrite, bitbuckettest.ScopeRepositoryAdmin} {
		s, repo := standInFor(t, bitbuckettest.Options{DataCenter: true}, "CONF")
		f := newFollower(t)
		f.write("secrets/bitbucket-token", s.AddAccessToken("CONF", "webrix-sync", scope)+"\n")
		f.write("secrets/bitbucket-webhook-secret", "sesame\n")
		f.write("confmirror.yaml", strings.ReplaceAll(readmeBlock(t, "yaml", "/rest/api/latest"), "https://bitbucket.example.com", s.URL()))
		f.arrives(repo)
	}
}

func TestSetUpWithAPlainGitServerOfTheReadme(t *testing.T) {
	s, repo := standInFor(t, bitbuckettest.Options{}, "config")
	f := newFollower(t)
	f.write("secrets/git-token", s.AddAccessToken("config", "webrix-sync", bitbuckettest.ScopeRepositoryWrite)+"\n")
	f.write("confmirror.yaml", strings.ReplaceAll(readmeBlock(t, "yaml", `api_url: ""`), "https://git.example.com", s.URL()))
	f.arrives(repo)
	if n := s.Count(bitbuckettest.EndpointREST, bitbuckettest.EndpointToken); n != 0 {
		t.Errorf("%d requests to what a plain git server has not", n)
	}
}
