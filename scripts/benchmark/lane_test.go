package benchmark_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// lane is one contender with all that it works on.
type lane struct {
	b       testing.TB
	name    string
	dialect string
	dir     string // everything of the lane but the server's repository
	url     string // PostgreSQL's database
	sql     *sql.DB
	org     string
	repo    *bitbuckettest.Repo
	server  *bitbuckettest.Server
	actor   contender
	commits int
}

// contender does the work that is measured. What it is told has happened already:
// rows are committed, or a commit stands on the branch.
type contender interface {
	// export brings changed rows to the branch; it may return before they are there.
	export() error
	// imports brings what is new on the branch into the tables.
	imports() error
	// poll finds out that nothing is new.
	poll() error
	// settled waits until the contender has nothing left to do.
	settled() error
	close() error
}

func (l *lane) must(err error) {
	l.b.Helper()
	if err != nil {
		l.b.Fatalf("%s: %v", l.name, err)
	}
}

// file is SQLite's.
func (l *lane) file() string { return filepath.Join(l.dir, "data", "confmirror.db") }

// open makes the tables, as the product does, and one organization.
func (l *lane) open() {
	l.b.Helper()
	l.must(os.MkdirAll(filepath.Join(l.dir, "data"), 0o755))
	l.must(os.WriteFile(l.config(), []byte(l.settings()), 0o600))
	l.must(l.run("migrate"))
	driver, source := "pgx", l.url
	if l.dialect == "sqlite" {
		driver, source = "sqlite3", "file:"+l.file()+"?_pragma=busy_timeout(60000)&_pragma=foreign_keys(on)&_pragma=synchronous(normal)"
	}
	var err error
	l.sql, err = sql.Open(driver, source)
	l.must(err)
	l.exec("INSERT INTO organizations (slug, name) VALUES ('acme', 'Acme')")
	l.must(l.sql.QueryRow("SELECT id FROM organizations").Scan(&l.org))
}

func (l *lane) fill(n int) {
	l.b.Helper()
	if n == 0 {
		return
	}
	tx, err := l.sql.Begin()
	l.must(err)
	l.must(fill(tx, l.placeholder, l.org, n))
	l.must(tx.Commit())
	if l.dialect == "postgres" {
		l.exec("ANALYZE")
	}
}

func (l *lane) placeholder(i int) string {
	if l.dialect == "sqlite" {
		return "?"
	}
	return fmt.Sprintf("$%d", i)
}

func (l *lane) exec(query string, args ...any) {
	l.b.Helper()
	if _, err := l.sql.Exec(query, args...); err != nil {
		l.b.Fatalf("%s: %s: %v", l.name, query, err)
	}
}

func (l *lane) now() string {
	if l.dialect == "sqlite" {
		return "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
	}
	return "clock_timestamp()"
}

// edit changes the descriptions of rows in one transaction, as the admin
// application does, and returns when it is committed.
func (l *lane) edit(slugs map[string][]string, mark string) {
	l.b.Helper()
	tx, err := l.sql.Begin()
	l.must(err)
	for table, list := range slugs {
		_, err := tx.Exec("UPDATE " + table + " SET description = '" + mark + " in the database', updated_at = " + l.now() +
			" WHERE deleted_at IS NULL AND organization_id = '" + l.org + "' AND slug IN ('" + strings.Join(list, "', '") + "')")
		l.must(err)
	}
	l.must(tx.Commit())
}

// push commits edited descriptions to the branch, as somebody's push does.
func (l *lane) push(slugs map[string][]string, mark string) {
	l.b.Helper()
	var changes []bitbuckettest.Change
	paths := []string{}
	for table, list := range slugs {
		for _, s := range list {
			paths = append(paths, strings.ReplaceAll(table, "_", "-")+"/"+s+".json")
		}
	}
	for path, content := range l.blobs(paths) {
		changes = append(changes, bitbuckettest.Write(path, describe(content, mark+" on the branch")))
	}
	l.commits++
	_, err := l.repo.Commit("main", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "Edit by hand", changes...)
	l.must(err)
}

// describe replaces a document's own description, in the form of any contender.
func describe(content, description string) string {
	for _, key := range []string{"\n  \"description\": \"", "\n    \"description\": \"", `"description":"`} {
		if i := strings.Index(content, key); i >= 0 {
			i += len(key)
			return content[:i] + description + content[i+strings.IndexByte(content[i:], '"'):]
		}
	}
	return content
}

// blobs reads files of the branch by one git process.
func (l *lane) blobs(paths []string) map[string]string {
	l.b.Helper()
	cmd := exec.Command("git", "-C", l.repo.Dir(), "cat-file", "--batch")
	cmd.Stdin = strings.NewReader("main:" + strings.Join(paths, "\nmain:") + "\n")
	out, err := cmd.Output()
	l.must(err)
	contents := map[string]string{}
	rest := string(out)
	for _, path := range paths {
		line, after, _ := strings.Cut(rest, "\n")
		var id, kind string
		var size int
		if _, err := fmt.Sscan(line, &id, &kind, &size); err != nil {
			l.b.Fatalf("%s: %s is not on the branch: %s", l.name, path, line)
		}
		contents[path], rest = after[:size], after[size+1:]
	}
	return contents
}

// moves tells when the branch moves, until stop.
func (l *lane) moves() (at <-chan time.Time, stop func()) {
	l.b.Helper()
	refs := filepath.Join(l.repo.Dir(), "refs", "heads")
	w, err := fsnotify.NewWatcher()
	l.must(err)
	l.must(w.Add(refs))
	times := make(chan time.Time, 1000)
	go func() {
		for e := range w.Events {
			if e.Has(fsnotify.Create) && filepath.Base(e.Name) == "main" {
				times <- time.Now()
			}
		}
		close(times)
	}()
	return times, func() { l.must(w.Close()) }
}

// arrived reports whether a row holds what was pushed.
func (l *lane) arrived(table, slug, mark string) bool {
	var description sql.NullString
	err := l.sql.QueryRow("SELECT description FROM " + table + " WHERE organization_id = '" + l.org + "' AND slug = '" + slug + "' AND deleted_at IS NULL").Scan(&description)
	return err == nil && description.String == mark+" on the branch"
}

// until polls, often: what it asks is cheap.
func (l *lane) until(limit time.Duration, what string, ok func() bool) {
	l.b.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for !ok() {
		if <-tick.C; time.Now().After(deadline) {
			l.b.Fatalf("%s: not within %s: %s", l.name, limit, what)
		}
	}
}

// files is how many files two commits of the branch differ in.
func (l *lane) files(from, to mirror.Hash) int {
	out, err := l.repo.Git("diff-tree", "-r", "--name-only", string(from), string(to))
	l.must(err)
	return strings.Count(out, "\n")
}

func (l *lane) head() mirror.Hash {
	h, err := l.repo.Head("main")
	l.must(err)
	return h
}

// traffic is what one repository's git requests sent and received.
func (l *lane) traffic() (requests int, in, out int64) {
	for _, r := range l.server.Requests() {
		if r.Repository == l.repo.FullName() && r.Endpoint != bitbuckettest.EndpointREST {
			requests, in, out = requests+1, in+r.In, out+r.Out
		}
	}
	return
}

func (l *lane) config() string { return filepath.Join(l.dir, "confmirror.yaml") }

func (l *lane) settings() string {
	return fmt.Sprintf(`
data_dir: %s
database: {url: %q}
http: {listen: "127.0.0.1:0"}
admin: {token: a-token-for-measurements}
encryption: {key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}
log: {level: info}
sync: {poll: "@every 720h", audit: "@every 720h", batch_window: 0s, delete_limit: {count: 1000000, percent: 100}}
`, filepath.Join(l.dir, "data"), l.url)
}

// run runs one command of the program to its end.
func (l *lane) run(args ...string) error {
	_, err := l.measured(args...)
	return err
}

// measured returns the command's peak memory in bytes.
func (l *lane) measured(args ...string) (int64, error) {
	cmd := exec.CommandContext(context.Background(), binary, append(args, "--config", l.config())...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("confmirror %s: %w\n%s", args[0], err, out)
	}
	return peak(cmd.ProcessState), nil
}

func (l *lane) cloneURL() string { return l.repo.CloneURL() }

func (l *lane) credentials() (user, password string) {
	u, err := url.Parse(l.repo.CloneURL())
	l.must(err)
	password, _ = u.User.Password()
	return u.User.Username(), password
}
