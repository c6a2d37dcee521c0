package main_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "confmirror-test-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "confmirror")
	args := []string{"build", "-o", binary}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		os.Exit(1)
	}
	dbtest.Main(cleaning{m, dir})
}

// TestKilledAtAnyInstant kills the real program again and again while both sides
// are edited. Nothing may be lost, nothing may happen twice.
func TestKilledAtAnyInstant(t *testing.T) {
	rounds := 4
	if n, err := strconv.Atoi(os.Getenv("CONFMIRROR_TEST_KILL_ROUNDS")); err == nil {
		rounds = n
	}
	dbtest.Each(t, func(t *testing.T, target dbtest.Target) {
		seed := rand.Uint64()
		t.Logf("seed %d, %d rounds", seed, rounds)
		k := newKillWorld(t, target, rand.New(rand.NewPCG(seed, 0)))
		for round := range rounds {
			k.round(round)
		}
		k.judge()
	})
}

const entities = 6

// killWorld edits each entity's description in the database and its key "x-git" on
// the branch: different places, so that each last edit must end up on both sides.
type killWorld struct {
	t       *testing.T
	rand    *rand.Rand
	standIn *bitbuckettest.Server
	repo    *bitbuckettest.Repo
	sql     *sql.DB
	dir     string
	org     string
	inDB    [entities]string
	inGit   [entities]string
}

func newKillWorld(t *testing.T, target dbtest.Target, r *rand.Rand) *killWorld {
	k := &killWorld{t: t, rand: r, dir: t.TempDir(), standIn: bitbuckettest.Start(t, bitbuckettest.Options{})}
	var err error
	k.repo, err = k.standIn.CreateRepository("acme-corp", "webrix-sync")
	k.must(err)
	c := k.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
	config := fmt.Sprintf(`
data_dir: %[1]s
database: {url: %[2]q}
http: {listen: "127.0.0.1:0"}
sync: {poll: "@every 1s", batch_window: 10ms}
mirrors:
  - {organization: acme, workspace: acme-corp, repository: webrix-sync, client_id: %[3]q, client_secret: %[4]q, api_url: %[5]q, oauth_url: %[6]q, git_url: %[7]q}
`, k.dir, target.URL, c.Key, c.Secret, k.standIn.APIURL(), k.standIn.OAuthURL(), k.standIn.GitURL())
	k.must(os.WriteFile(k.config(), []byte(config), 0o600))
	if out, err := exec.CommandContext(t.Context(), binary, "sync", "--config", k.config()).CombinedOutput(); err != nil {
		t.Fatalf("first sync: %v\n%s", err, out)
	}
	driver, source := "pgx", target.URL
	if target.Dialect == "sqlite" {
		driver, source = "sqlite3", "file:"+filepath.Join(k.dir, db.FileName)+"?_pragma=busy_timeout(20000)"
	}
	k.sql, err = sql.Open(driver, source)
	k.must(err)
	t.Cleanup(func() { k.must(k.sql.Close()) })
	k.must(k.sql.QueryRowContext(t.Context(), "SELECT id FROM organizations WHERE slug = 'acme'").Scan(&k.org))
	k.must(os.Mkdir(k.person(), 0o700))
	k.must(k.git("init", "-q", "-b", "main"))
	k.must(k.git("remote", "add", "origin", k.repo.CloneURL()))
	for i := range entities {
		k.exec("INSERT INTO toolkits (organization_id, slug, name) VALUES ('%s', 'kit-%d', 'Kit')", k.org, i)
	}
	return k
}

func (k *killWorld) config() string { return filepath.Join(k.dir, "confmirror.yaml") }

func (k *killWorld) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k *killWorld) exec(format string, args ...any) {
	k.t.Helper()
	_, err := k.sql.ExecContext(k.t.Context(), fmt.Sprintf(format, args...))
	k.must(err)
}

// round runs the daemon, edits both sides and kills it at a random instant.
func (k *killWorld) round(round int) {
	var log bytes.Buffer
	cmd := exec.CommandContext(k.t.Context(), binary, "serve", "--config", k.config())
	cmd.Stdout, cmd.Stderr = &log, &log
	k.must(cmd.Start())
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	instant := time.After(time.Duration(k.rand.IntN(2500)) * time.Millisecond)
	edits := time.NewTicker(60 * time.Millisecond)
	defer edits.Stop()
	for n := 0; ; n++ {
		select {
		case <-edits.C:
			k.edit(fmt.Sprintf("%d.%d", round, n))
		case err := <-gone:
			k.t.Fatalf("the daemon ended by itself: %v\n%s", err, log.String())
		case <-instant:
			k.must(cmd.Process.Kill())
			<-gone
			return
		}
	}
}

func (k *killWorld) edit(mark string) {
	i := k.rand.IntN(entities)
	if k.rand.IntN(2) == 0 {
		k.inDB[i] = mark
		k.exec("UPDATE toolkits SET description = '%s' WHERE slug = 'kit-%d'", mark, i)
		return
	}
	path := fmt.Sprintf("toolkits/kit-%d.json", i)
	if k.git("fetch", "-q", "origin") != nil || k.git("reset", "-q", "--hard", "origin/main") != nil {
		return // no branch yet
	}
	text, err := os.ReadFile(filepath.Join(k.person(), path))
	if err != nil {
		return // not there yet
	}
	var doc map[string]any
	k.must(json.Unmarshal(text, &doc))
	doc["x-git"] = mark
	text, err = json.MarshalIndent(doc, "", "    ")
	k.must(err)
	k.must(os.WriteFile(filepath.Join(k.person(), path), text, 0o600))
	k.must(k.git("commit", "-q", "-a", "-m", "Edit "+mark))
	if k.git("push", "-q", "origin", "HEAD:main") == nil { // refused where the daemon was faster: no edit then
		k.inGit[i] = mark
	}
}

// person is a clone that somebody works in.
func (k *killWorld) person() string { return filepath.Join(k.dir, "person") }

func (k *killWorld) git(args ...string) error {
	cmd := exec.CommandContext(k.t.Context(), "git", append([]string{"-C", k.person()}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + k.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com"}
	return cmd.Run()
}

// judge lets everything settle and compares.
func (k *killWorld) judge() {
	k.t.Helper()
	var out []byte
	var err error
	for range 3 {
		if out, err = exec.CommandContext(k.t.Context(), binary, "sync", "--config", k.config()).CombinedOutput(); err == nil {
			break
		}
	}
	if err != nil {
		k.t.Fatalf("the last sync: %v\n%s", err, out)
	}
	if out, err := exec.CommandContext(k.t.Context(), binary, "plan", "--config", k.config()).CombinedOutput(); err != nil {
		k.t.Errorf("something is left to do: %v\n%s", err, out)
	}
	files, err := k.repo.Files("main")
	k.must(err)
	for i := range entities {
		var doc map[string]any
		k.must(json.Unmarshal([]byte(files[fmt.Sprintf("toolkits/kit-%d.json", i)]), &doc))
		var description, extra sql.NullString
		k.must(k.sql.QueryRowContext(k.t.Context(), fmt.Sprintf("SELECT description, extra FROM toolkits WHERE slug = 'kit-%d'", i)).Scan(&description, &extra))
		if got, _ := doc["description"].(string); got != k.inDB[i] || description.String != k.inDB[i] {
			k.t.Errorf("kit-%d: the database's last edit was %q; file has %q, row %q", i, k.inDB[i], got, description.String)
		}
		if got, _ := doc["x-git"].(string); got != k.inGit[i] || !strings.Contains(extra.String, strconv.Quote(k.inGit[i])) && k.inGit[i] != "" {
			k.t.Errorf("kit-%d: git's last edit was %q; file has %q, row %q", i, k.inGit[i], got, extra.String)
		}
	}
	var conflicts int
	k.must(k.sql.QueryRowContext(k.t.Context(), "SELECT count(*) FROM conflicts").Scan(&conflicts))
	if conflicts != 0 {
		k.t.Errorf("%d conflicts where nobody changed the same place", conflicts)
	}
	log, err := k.repo.Log("main")
	k.must(err)
	for _, c := range log {
		if len(c.Parents) == 1 {
			if diff, err := k.repo.Git("diff-tree", "--no-commit-id", "--name-only", "-r", string(c.Hash)); err != nil || strings.TrimSpace(diff) == "" {
				k.t.Errorf("empty commit %s %q (%v)", c.Hash, c.Subject(), err)
			}
		}
	}
	k.t.Logf("%d commits", len(log))
}

// cleaning removes the binary after the tests.
type cleaning struct {
	*testing.M
	dir string
}

func (c cleaning) Run() int {
	defer os.RemoveAll(c.dir)
	return c.M.Run()
}
