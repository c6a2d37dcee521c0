package main_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// killWorld is an installation of the real program, whose daemons die. PostgreSQL
// has two of them, each with a data directory of its own.
type killWorld struct {
	t       *testing.T
	rand    *rand.Rand
	target  dbtest.Target
	standIn *bitbuckettest.Server
	repo    *bitbuckettest.Repo
	sql     *sql.DB
	org     string
	home    string   // of the person
	homes   []string // of the daemons

	subjects []*subject
	standing []*subject // those that nobody edits
	retired  []string   // stems of subjects that are not judged any more
	made     int
	marks    int
	seen     map[string]bool // objects of the remote that hold no secret
	told     strings.Builder // what daemons logged and the test did since the last judgement
	// inDatabase and onBranch count the edits.
	inDatabase, onBranch int
}

func newKillWorld(t *testing.T, target dbtest.Target, r *rand.Rand) *killWorld {
	t.Helper()
	k := &killWorld{t: t, rand: r, target: target, home: t.TempDir(), seen: map[string]bool{}, standIn: bitbuckettest.Start(t, bitbuckettest.Options{})}
	var err error
	k.repo, err = k.standIn.CreateRepository("acme-corp", "webrix-sync")
	k.must(err)
	c := k.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
	k.homes = []string{t.TempDir()}
	if target.Dialect == "postgres" {
		k.homes = append(k.homes, t.TempDir())
	}
	for _, home := range k.homes {
		config := fmt.Sprintf(`
data_dir: %[1]s
database: {url: %[2]q}
http: {listen: "127.0.0.1:0"}
admin: {token: a-token-that-all-daemons-share}
encryption: {key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}
sync: {poll: "@every 1s", batch_window: 10ms, delete_limit: {count: 1000, percent: 100}}
mirrors:
  - {organization: acme, workspace: acme-corp, repository: webrix-sync, client_id: %[3]q, client_secret: %[4]q, api_url: %[5]q, oauth_url: %[6]q, git_url: %[7]q}
`, home, target.URL, c.Key, c.Secret, k.standIn.APIURL(), k.standIn.OAuthURL(), k.standIn.GitURL())
		k.must(os.WriteFile(config0(home), []byte(config), 0o600))
	}
	if out, _, err := k.run(k.homes[0], "migrate"); err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	driver, source := "pgx", target.URL
	if target.Dialect == "sqlite" {
		driver, source = "sqlite3", "file:"+filepath.Join(k.homes[0], db.FileName)+"?_pragma=busy_timeout(20000)&_pragma=foreign_keys(on)"
	}
	k.sql, err = sql.Open(driver, source)
	k.must(err)
	t.Cleanup(func() { k.must(k.sql.Close()) })
	k.exec("INSERT INTO organizations (slug, name) VALUES ('acme', 'Acme')")
	k.org = k.query("SELECT id FROM organizations WHERE slug = 'acme'")
	k.must(os.Mkdir(k.person(), 0o700))
	k.must(k.git("init", "-q", "-b", "main"))
	k.must(k.git("remote", "add", "origin", k.repo.CloneURL()))
	return k
}

func config0(home string) string { return filepath.Join(home, "confmirror.yaml") }

func (k *killWorld) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// exec writes as another program does.
func (k *killWorld) exec(format string, args ...any) {
	k.t.Helper()
	if _, err := k.sql.ExecContext(k.t.Context(), fmt.Sprintf(format, args...)); err != nil {
		k.t.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

// query reads one text, "" for NULL or no row.
func (k *killWorld) query(format string, args ...any) string {
	k.t.Helper()
	var text sql.NullString
	if err := k.sql.QueryRowContext(k.t.Context(), fmt.Sprintf(format, args...)).Scan(&text); err != nil && err != sql.ErrNoRows {
		k.t.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
	return text.String
}

// blob is a binary literal.
func (k *killWorld) blob(content string) string {
	if k.target.Dialect == "sqlite" {
		return fmt.Sprintf("x'%x'", content)
	}
	return fmt.Sprintf(`'\x%x'`, content)
}

// run runs one command of the program to its end.
func (k *killWorld) run(home string, args ...string) (out string, code int, err error) {
	cmd := exec.CommandContext(k.t.Context(), binary, append(args, "--config", config0(home))...)
	b, err := cmd.CombinedOutput()
	return string(b), cmd.ProcessState.ExitCode(), err
}

// person is a clone that somebody works in.
func (k *killWorld) person() string { return filepath.Join(k.home, "person") }

func (k *killWorld) git(args ...string) error {
	_, err := k.gitIn(k.person(), args...)
	return err
}

func (k *killWorld) gitIn(dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(k.t.Context(), "git", append([]string{"-C", dir}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + k.home, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (k *killWorld) log() []bitbuckettest.Commit {
	k.t.Helper()
	log, err := k.repo.Log("main")
	k.must(err)
	return log
}

func (k *killWorld) files() map[string]string {
	k.t.Helper()
	head, err := k.repo.Head("main")
	k.must(err)
	if head == "" {
		return nil
	}
	files, err := k.repo.Files("main")
	k.must(err)
	return files
}

// mark is a text that nothing else has.
func (k *killWorld) mark() string {
	k.marks++
	return fmt.Sprintf("mark-%d-", k.marks)
}

// process is a daemon that runs.
type process struct {
	cmd  *exec.Cmd
	log  output
	gone chan error
}

// output is what a daemon writes, for readers beside it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (k *killWorld) serve(home string) *process {
	k.t.Helper()
	return serve(k.t, binary, home)
}

// serve starts a daemon, which ends with the test at the latest.
func serve(t *testing.T, program, home string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), program, "serve", "--config", config0(home)), gone: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.gone <- p.cmd.Wait() }()
	return p
}

// kill ends a daemon as nothing else does.
func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	<-p.gone
	return err
}

// expire ends the leases of dead daemons, as their twenty seconds do.
func (k *killWorld) expire() { k.exec("UPDATE bitbucket_connections SET lease_expires_at = NULL") }

// writing reports whether a daemon has a transaction open.
func (k *killWorld) writing() bool {
	return k.query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'confmirror' AND xact_start IS NOT NULL") != "0"
}

// round runs a daemon, or two of them, lets edit be called again and again, and
// kills at a random instant. Of two, one may be stopped and go on when the other has
// its mirror already: it believes that it still holds it.
func (k *killWorld) round(longest time.Duration, edit func()) {
	k.t.Helper()
	k.expire()
	order := k.rand.Perm(len(k.homes))
	running := []*process{k.serve(k.homes[order[0]])}
	var handover <-chan time.Time
	stopped := false
	if len(order) > 1 && k.rand.IntN(3) == 0 {
		handover = time.After(k.instant(longest))
		longest *= 2
	}
	instant := time.After(k.instant(longest))
	edits := time.NewTicker(50 * time.Millisecond)
	defer edits.Stop()
	for {
		select {
		case <-edits.C:
			edit()
			k.alive(running)
		case <-handover:
			if stopped {
				handover = nil
				k.must(running[0].cmd.Process.Signal(syscall.SIGCONT))
				continue
			}
			k.must(running[0].cmd.Process.Signal(syscall.SIGSTOP))
			if k.writing() { // its locks would stop everybody, the test first of all
				k.must(running[0].cmd.Process.Signal(syscall.SIGCONT))
				handover = time.After(10 * time.Millisecond)
				continue
			}
			stopped = true
			k.expire()
			running = append(running, k.serve(k.homes[order[1]]))
			handover = time.After(k.instant(longest / 2))
		case <-instant:
			for _, p := range running {
				k.must(p.kill())
				k.discreet(p.log.String())
				k.told.WriteString(p.log.String() + "killed\n")
			}
			return
		}
	}
}

// instant is a random time, often a short one: much happens at the start.
func (k *killWorld) instant(longest time.Duration) time.Duration {
	if k.rand.IntN(2) == 0 {
		longest /= 3
	}
	return time.Duration(k.rand.Int64N(int64(longest)))
}

func (k *killWorld) alive(running []*process) {
	k.t.Helper()
	for _, p := range running {
		select {
		case err := <-p.gone:
			k.t.Fatalf("a daemon ended by itself: %v\n%s", err, p.log.String())
		default:
		}
	}
}

// secretMark begins every secret.
const secretMark = "kept-secret-of-"

// discreet makes sure that a text holds no secret.
func (k *killWorld) discreet(text string) {
	k.t.Helper()
	if at := strings.Index(text, secretMark); at >= 0 {
		k.t.Errorf("a secret got out: %q", text[max(0, at-200):min(len(text), at+100)])
	}
}

// edit makes one edit of one subject on one of the sides.
func (k *killWorld) edit() {
	k.t.Helper()
	s := k.subjects[k.rand.IntN(len(k.subjects))]
	database := s.branch == nil || s.database != nil && k.rand.IntN(2) == 0
	mark := k.mark()
	if database {
		s.database(mark)
		k.inDatabase++
		k.tell("%s: %s in the database", s.stem, mark)
		return
	}
	var done func()
	if k.commit("Edit "+mark, func(files map[string]string) (changes map[string]string) {
		changes, done = s.branch(files, mark)
		return changes
	}) {
		done()
		k.onBranch++
		k.tell("%s: %s on the branch", s.stem, mark)
	}
}

// commit is what a person does: fetch, change files ("" removes), push. It reports
// whether that came through: a push is refused where the daemon was faster.
func (k *killWorld) commit(message string, change func(files map[string]string) map[string]string) bool {
	k.t.Helper()
	if k.git("fetch", "-q", "origin") != nil || k.git("reset", "-q", "--hard", "origin/main") != nil {
		return false // no branch yet
	}
	files, err := k.repo.Files(k.headOfPerson())
	k.must(err)
	changes := change(files)
	if len(changes) == 0 {
		return false
	}
	for path, text := range changes {
		full := filepath.Join(k.person(), path)
		if text == "" {
			k.must(os.Remove(full))
			continue
		}
		k.must(os.MkdirAll(filepath.Dir(full), 0o700))
		k.must(os.WriteFile(full, []byte(text), 0o600))
	}
	k.must(k.git("add", "-A"))
	k.must(k.git("commit", "-q", "-m", message))
	return k.git("push", "-q", "origin", "HEAD:main") == nil
}

func (k *killWorld) headOfPerson() string {
	k.t.Helper()
	head, err := k.gitIn(k.person(), "rev-parse", "HEAD")
	k.must(err)
	return head
}

// setBack takes the last commit off the branch while the daemons are dead. What it
// held is a matter of taste then, and so is the rest of its push: their subjects are
// not judged any more.
func (k *killWorld) setBack() {
	k.t.Helper()
	log, err := k.repo.Git("log", "-50", "--format=%x00%(trailers:key=Confmirror-Run,valueonly,separator=)", "--name-only", "main")
	k.must(err)
	var run, gone string
	for n, entry := range strings.Split(log, "\x00")[1:] {
		of, names, _ := strings.Cut(entry, "\n")
		if n == 0 {
			run = of
		} else if of == "" || of != run {
			break
		}
		gone += names
	}
	k.must(k.repo.ForcePush("main", "main~1"))
	k.tell("set back: %s", gone)
	for i, s := range k.subjects {
		if strings.Contains(gone, "/"+s.stem) {
			k.retired = append(k.retired, s.stem)
			k.subjects[i] = k.make(s.family)
		}
	}
	k.standing = slices.DeleteFunc(k.standing, func(s *subject) bool { return strings.Contains(gone, "/"+s.stem) })
}

// damage breaks something in a clone while the daemons are dead, or all of it: what is
// found at the next start. (An old object is found at night.)
func (k *killWorld) damage() {
	k.t.Helper()
	clone := filepath.Join(k.homes[k.rand.IntN(len(k.homes))], "clones", "acme")
	var files []string
	_ = filepath.WalkDir(filepath.Join(clone, ".git"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && len(filepath.Base(path)) != 38 {
			files = append(files, path)
		}
		return err
	})
	if len(files) == 0 || k.rand.IntN(4) == 0 {
		k.must(os.RemoveAll(clone))
		return
	}
	path := files[k.rand.IntN(len(files))]
	fi, err := os.Stat(path)
	k.must(err)
	k.must(os.Chmod(path, 0o644))
	k.must(os.Truncate(path, fi.Size()/2))
}

// tell notes what the test did among what the daemons logged.
func (k *killWorld) tell(format string, args ...any) {
	fmt.Fprintf(&k.told, "time=%s %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), fmt.Sprintf(format, args...))
}

// seed makes what stands on the two sides before they are connected.
func (k *killWorld) seed(rows, files int) {
	k.t.Helper()
	values := make([]string, rows)
	for i := range values {
		values[i] = fmt.Sprintf("('%s', 'seed-row-%d', 'Row %d')", k.org, i, i)
	}
	k.exec("INSERT INTO toolkits (organization_id, slug, name) VALUES %s", strings.Join(values, ", "))
	k.importMuch(files)
	k.standing = append(k.standing, k.seeds(rows))
}

// importMuch makes commands on the branch in one commit.
func (k *killWorld) importMuch(n int) {
	k.t.Helper()
	s, changes := k.foreign(n)
	_, err := k.repo.Commit("main", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "Add much", changes...)
	k.must(err)
	k.standing = append(k.standing, s)
}
