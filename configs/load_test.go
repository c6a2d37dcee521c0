package configs_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

var update = flag.Bool("update", false, "write the error texts in testdata/bad anew")

// secretMark is in every secret of these tests and may be in no error.
const secretMark = "s3cr3t"

// TestBad loads every testdata/bad/*.txt: a directory of files with confmirror.yaml
// (if there is one), the environment in "env", and the whole error's text in "error".
func TestBad(t *testing.T) {
	names, err := filepath.Glob("testdata/bad/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			name := filepath.Join(here, name)
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			t.Chdir(dir)
			if err := txtar.Write(archive, dir); err != nil {
				t.Fatal(err)
			}
			environ, _ := os.ReadFile("env")
			_, err = configs.Load("", strings.Split(string(environ), "\n"))
			if err == nil {
				t.Fatal("loaded without an error")
			}
			if _, ok := errors.AsType[*configs.Error](err); !ok || !errors.Is(err, configs.ErrInvalid) {
				t.Errorf("%T is no *configs.Error", err)
			}
			got := strings.ReplaceAll(err.Error(), dir, "$DIR") + "\n"
			if strings.Contains(got, secretMark) {
				t.Errorf("a secret is in the error:\n%s", got)
			}
			want := &archive.Files[len(archive.Files)-1]
			if want.Name != "error" {
				t.Fatalf(`%s: the last file is %q, want "error"`, name, want.Name)
			}
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(string(want.Data), got); d != "" {
				t.Errorf("error text (-want +got):\n%s", d)
			}
		})
	}
}

// write makes files below a new working directory.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, path string, environ ...string) *configs.Config {
	t.Helper()
	c, err := configs.Load(path, environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	write(t, nil)
	c := load(t, "", "PATH=/bin")
	want := configs.Config{
		DataDir:  "./confmirror-data",
		Database: configs.Database{Notify: true},
		HTTP:     configs.HTTP{Listen: "127.0.0.1:8080", PublicURL: "http://127.0.0.1:8080", OIDC: configs.OIDC{GroupsClaim: "groups", Scopes: []string{"openid", "profile", "email"}}},
		Sync: configs.Sync{
			Poll: "@every 1m", Audit: "0 3 * * *", BatchWindow: 500 * time.Millisecond, SplitCommitsUpTo: 20,
			Conflict: "git", Deletions: "propagate", CredentialRebind: "allow",
			DeleteLimit: configs.DeleteLimit{Count: 10, Percent: 20}, Push: "direct",
			MaxFileSize: 1 << 20, MaxSkillFiles: 500, SecretScan: "block",
		},
		Log: configs.Log{Level: "info", Format: "text"},
	}
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("got %+v\nwant %+v", *c, want)
	}
	if !reflect.DeepEqual(c, configs.Default()) {
		t.Error("Default differs from an empty Load")
	}
	if c.Rules() != mirror.DefaultRules {
		t.Errorf("Rules() = %+v, want mirror.DefaultRules", c.Rules())
	}
	if c.Path != "" || len(c.Files()) != 0 {
		t.Errorf("Path %q, Files %q without a file", c.Path, c.Files())
	}
}

func TestEmptyFileIsDefaults(t *testing.T) {
	for _, content := range []string{"", "# nothing\n", "---\n", "null\n", "database:\nsync:\n  poll:\nmirrors:\n", "sync: {}\nmirrors: []\n"} {
		write(t, map[string]string{"c.yaml": content})
		got, want := load(t, "c.yaml"), configs.Default()
		if got.Sync != want.Sync || got.HTTP.Listen != want.HTTP.Listen || len(got.Mirrors) != 0 {
			t.Errorf("%q: got %+v", content, got)
		}
	}
}

// Each layer goes before the ones below it, key by key.
func TestPrecedence(t *testing.T) {
	write(t, map[string]string{"c.yaml": "sync: {poll: '@every 2m', conflict: database, delete_limit: {count: 3}}\nhttp: {allowed_hosts: [a, b]}\nadmin: {token: one}\n", "token": "three\n"})
	c := load(t, "c.yaml", "CONFMIRROR_SYNC_POLL=@every 3m", "CONFMIRROR_SYNC_DELETE_LIMIT_COUNT=4",
		"CONFMIRROR_HTTP_ALLOWED_HOSTS=Git.Example.com, [::1]", "CONFMIRROR_SYNC_AUDIT=", "CONFMIRROR_ADMIN_TOKEN=two", "CONFMIRROR_SYNC_MAX_FILE_SIZE=2MiB", "CONFMIRROR_DATABASE_NOTIFY=false")
	if c.Sync.Poll != "@every 3m" || c.Sync.Conflict != document.PreferDatabase || c.Sync.Audit != "0 3 * * *" || c.Sync.DeleteLimit != (configs.DeleteLimit{Count: 4, Percent: 20}) || c.Sync.MaxFileSize != 2<<20 || c.Database.Notify {
		t.Errorf("got %+v %+v", c.Sync, c.Database)
	}
	if !reflect.DeepEqual(c.HTTP.AllowedHosts, []string{"git.example.com", "::1"}) {
		t.Errorf("allowed hosts %q", c.HTTP.AllowedHosts)
	}
	if c.Admin.Token.Reveal() != "two" {
		t.Error("the environment's token does not win")
	}
	// A file named by the environment replaces a value of the configuration file, and the other way round.
	if c = load(t, "c.yaml", "CONFMIRROR_ADMIN_TOKEN_FILE=token"); c.Admin.Token.Reveal() != "three" {
		t.Error("the environment's token file does not win")
	}
	write(t, map[string]string{"c.yaml": "admin: {token_file: missing}\n"})
	if c = load(t, "c.yaml", "CONFMIRROR_ADMIN_TOKEN=two"); c.Admin.Token.Reveal() != "two" || len(c.Files()) != 1 {
		t.Errorf("the replaced token file is still looked at: %q", c.Files())
	}
}

func TestWhichFile(t *testing.T) {
	files := map[string]string{"confmirror.yaml": "data_dir: here\n", "env.yaml": "data_dir: env\n", "flag.yaml": "data_dir: flag\n"}
	dir := write(t, files)
	for _, c := range []struct{ path, environ, want string }{
		{"", "", "here"},
		{"", "CONFMIRROR_CONFIG=env.yaml", "env"},
		{"flag.yaml", "CONFMIRROR_CONFIG=env.yaml", "flag"},
	} {
		got := load(t, c.path, c.environ)
		if got.DataDir != c.want {
			t.Errorf("Load(%q, %q) read %q", c.path, c.environ, got.DataDir)
		}
		if want := []string{filepath.Join(dir, got.Path)}; !reflect.DeepEqual(got.Files(), want) {
			t.Errorf("Files() = %q, want %q", got.Files(), want)
		}
	}
	for _, environ := range []string{"", "CONFMIRROR_CONFIG=env.yaml"} {
		_, err := configs.Load("missing.yaml", []string{environ})
		if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, configs.ErrInvalid) {
			t.Errorf("a file that was asked for and is missing: %v", err)
		}
	}
}

// C5: the newline that ends a mounted secret is no part of it.
func TestSecretsFromFiles(t *testing.T) {
	key := "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	dir := write(t, map[string]string{
		"etc/c.yaml": "admin: {token_file: secrets/token}\ndatabase: {url_file: ../db}\nencryption: {key_file: $CREDENTIALS_DIRECTORY/key, previous_keys_file: '${CREDENTIALS_DIRECTORY}/old'}\n" +
			"mirrors:\n- {organization: acme, workspace: w, repository: r, client_id: id, client_secret_file: secrets/client, webhook_secret_file: secrets/hook}\n",
		"etc/secrets/token": "tok en\r\n", "etc/secrets/client": "c\n\n", "etc/secrets/hook": "h", "hook2": " h2 \n",
		"db": "postgres://u:p@h/db\n", "run/key": key + "\n",
		"run/old": "ISEhISEhISEhISEhISEhISEhISEhISEhISEhISEhISE\nPz8_Pz8_Pz8_Pz8_Pz8_Pz8_Pz8_Pz8_Pz8_Pz8_Pz8=\n",
	})
	c := load(t, "etc/c.yaml", "CREDENTIALS_DIRECTORY="+dir+"/run", "CONFMIRROR_MIRRORS_0_WEBHOOK_SECRET_FILE=hook2")
	m := c.Mirrors[0]
	for _, s := range []struct {
		got  mirror.Secret
		want string
	}{{c.Admin.Token, "tok en"}, {c.Database.URL, "postgres://u:p@h/db"}, {c.Encryption.Key, key}, {m.ClientSecret, "c"}, {m.WebhookSecret, " h2 "}} {
		if s.got.Reveal() != s.want {
			t.Errorf("got %q, want %q", s.got.Reveal(), s.want)
		}
	}
	if len(c.Encryption.PreviousKeys) != 2 {
		t.Errorf("previous keys: %v", c.Encryption.PreviousKeys)
	}
	if raw, err := configs.DecodeKey(c.Encryption.Key); err != nil || string(raw) != "01234567890123456789012345678901" {
		t.Errorf("DecodeKey = %q, %v", raw, err)
	}
	var want []string
	for _, name := range []string{"etc/c.yaml", "db", "etc/secrets/token", "run/key", "run/old", "etc/secrets/client", "hook2"} {
		want = append(want, filepath.Join(dir, name))
	}
	if d := cmp.Diff(want, c.Files()); d != "" {
		t.Errorf("Files (-want +got):\n%s", d)
	}
	if s := fmt.Sprintf("%v %+v %#v %+v", c, c, *c, *m); strings.Contains(s, "postgres://") || strings.Contains(s, key) {
		t.Errorf("secrets are printed: %s", s)
	}
}

func TestMirrorsFromEnvironment(t *testing.T) {
	write(t, map[string]string{"c.yaml": "mirrors: [{organization: a, repository: w/r, access_token: t, branch: x}]"})
	c := load(t, "c.yaml", "CONFMIRROR_MIRRORS_0_BRANCH=dev", "CONFMIRROR_MIRRORS_1_ORGANIZATION=b", "CONFMIRROR_MIRRORS_1_REPOSITORY=W/R2",
		"CONFMIRROR_MIRRORS_1_API_URL=", "CONFMIRROR_MIRRORS_1_GIT_URL=http://127.0.0.1:3000/git/", "CONFMIRROR_SYNC_PUSH=auto")
	if len(c.Mirrors) != 2 {
		t.Fatalf("%d mirrors", len(c.Mirrors))
	}
	if s := c.Mirrors[0].Settings(); s.Branch != "dev" || s.APIURL != mirror.DefaultAPIURL || s.Push != mirror.PushAuto {
		t.Errorf("first: %+v", s)
	}
	if s := c.Mirrors[1].Settings(); s.APIURL != "" || s.CloneURL() != "http://127.0.0.1:3000/git/W/R2.git" {
		t.Errorf("second: %+v", s)
	}
}

func TestMirrorSettings(t *testing.T) {
	write(t, map[string]string{"c.yaml": `
sync: {push: auto, conflict: database}
x: &bitbucket
`, "d.yaml": `
sync: {push: auto, conflict: database}
mirrors:
  - &first
    organization: acme
    workspace: acme-corp
    repository: webrix-sync
    path_prefix: ./src//config/
    client_id: 0123
    client_secret: 0123
    api_url: ""
  - <<: *first
    organization: beta
    path_prefix: other
    push: direct
    conflict: git
    api_url:
  - organization: gamma
    repository: https://ada@bitbucket.org/acme-corp/Webrix.git
    branch: feature/x
    access_token: t
`})
	if _, err := configs.Load("c.yaml", nil); err == nil {
		t.Error("a key for anchors only is not refused")
	}
	var got []mirror.Settings
	for _, m := range load(t, "d.yaml").Mirrors {
		got = append(got, m.Settings())
	}
	base := mirror.Settings{Workspace: "acme-corp", Repository: "webrix-sync", PathPrefix: "src/config", ClientID: "0123", ClientSecret: mirror.NewSecret("0123"),
		Push: mirror.PushAuto, Conflict: document.PreferDatabase, OAuthURL: mirror.DefaultOAuthURL, GitURL: mirror.DefaultGitURL}
	second := base
	second.PathPrefix, second.Push, second.Conflict, second.APIURL = "other", mirror.PushDirect, document.PreferGit, mirror.DefaultAPIURL // null: left out
	third := base
	third.Repository, third.PathPrefix, third.ClientID, third.ClientSecret = "Webrix", "", "", mirror.Secret{}
	third.Branch, third.AccessToken, third.APIURL = "feature/x", mirror.NewSecret("t"), mirror.DefaultAPIURL
	for i, want := range []mirror.Settings{base, second, third} {
		if got[i] != want {
			t.Errorf("mirror %d:\n got %+v\nwant %+v", i, got[i], want)
		}
	}
}

func TestPublicURLFollowsListen(t *testing.T) {
	write(t, nil)
	for listen, want := range map[string]string{":9000": "http://127.0.0.1:9000", "0.0.0.0:80": "http://127.0.0.1:80", "[::1]:81": "http://[::1]:81"} {
		if got := load(t, "", "CONFMIRROR_HTTP_LISTEN="+listen).HTTP.PublicURL; got != want {
			t.Errorf("%s: public_url %s, want %s", listen, got, want)
		}
	}
	if got := load(t, "", "CONFMIRROR_HTTP_PUBLIC_URL=https://mirror.example.com/x/").HTTP.PublicURL; got != "https://mirror.example.com/x" {
		t.Errorf("public_url %s", got)
	}
}

// Kubernetes describes a Service named confmirror in variables of its own.
func TestServiceLinksAreNoKeys(t *testing.T) {
	write(t, nil)
	links := []string{"CONFMIRROR_SERVICE_HOST=10.0.0.1", "CONFMIRROR_SERVICE_PORT=80", "CONFMIRROR_SERVICE_PORT_HTTP=80", "CONFMIRROR_PORT=tcp://10.0.0.1:80",
		"CONFMIRROR_PORT_80_TCP=tcp://10.0.0.1:80", "CONFMIRROR_PORT_80_TCP_ADDR=10.0.0.1", "CONFMIRROR_DB_SERVICE_HOST=10.0.0.2"}
	load(t, "", append(links, "KUBERNETES_SERVICE_HOST=10.0.0.3")...)
	for _, link := range links {
		if _, err := configs.Load("", []string{link}); err == nil {
			t.Errorf("%s is taken outside Kubernetes", link)
		}
	}
}
