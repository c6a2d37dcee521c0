package daemon_test

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// adminToken guards the API of every test's daemon.
const adminToken = "test-admin-token-0123456789"

// webhookSecret signs the stand-in's deliveries.
const webhookSecret = "test-webhook-secret"

// world is a whole installation: the stand-in, a database, a daemon that mirrors
// the organization acme, and another program's own connection to the database.
type world struct {
	t       testing.TB
	target  dbtest.Target
	standIn *bitbuckettest.Server
	repo    *bitbuckettest.Repo
	config  *configs.Config
	db      *db.DB
	sql     *sql.DB
	url     string // of the daemon
	// public: the daemon's http.public_url is where it listens, the same after a restart.
	public   bool
	listener net.Listener
	now      func() time.Time // the daemon's clock; nil is the real one
	orgID    string
	token    string // the admin token
	log      *safeBuffer
	daemon   *daemon.Daemon
	stop     func() // the daemon
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// eachWorld runs a test on both databases. prepare changes the configuration before
// the daemon starts; nil leaves it.
func eachWorld(t *testing.T, prepare func(w *world), test func(w *world)) {
	t.Helper()
	each(t, func(t *testing.T, target dbtest.Target) {
		w := newWorld(t, target)
		if prepare != nil {
			prepare(w)
		}
		w.start()
		test(w)
	})
}

// migrated is what tests start from.
var migrated = dbtest.Template{Prepare: func(target dbtest.Target) error {
	d, err := db.Open(context.Background(), db.Options{URL: target.URL, DataDir: target.DataDir})
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Migrate(context.Background())
}}

// each runs a test on both databases, beside others: most of its time is waiting.
func each(t *testing.T, test func(t *testing.T, target dbtest.Target)) {
	t.Helper()
	t.Parallel()
	migrated.Each(t, test)
}

func newWorld(t testing.TB, target dbtest.Target) *world {
	t.Helper()
	w := &world{t: t, target: target, log: &safeBuffer{}, token: adminToken}
	var err error
	w.standIn, err = bitbuckettest.New(bitbuckettest.Options{})
	w.must(err)
	t.Cleanup(func() { w.must(w.standIn.Close()) })
	w.repo, err = w.standIn.CreateRepository("acme-corp", "webrix-sync")
	w.must(err)
	consumer := w.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})

	w.config = configs.Default()
	w.config.DataDir = target.DataDir
	w.config.Sync.BatchWindow = 0
	w.config.Sync.Poll = "@every 1h" // tests ask for runs; those of the poll say so
	api := w.standIn.APIURL()
	w.config.Mirrors = []*configs.MirrorConfig{{
		Organization: "acme", Workspace: "acme-corp", Repository: "webrix-sync",
		ClientID: consumer.Key, ClientSecret: mirror.NewSecret(consumer.Secret), WebhookSecret: mirror.NewSecret(webhookSecret),
		APIURL: &api, OAuthURL: w.standIn.OAuthURL(), GitURL: w.standIn.GitURL(),
		Push: mirror.PushDirect, Conflict: "git",
	}}
	w.openDatabase()
	return w
}

func (w *world) openDatabase() {
	w.t.Helper()
	sealer, err := db.NewSealer(bytes.Repeat([]byte{7}, 32))
	w.must(err)
	ctx := w.t.Context()
	w.db, err = db.Open(ctx, db.Options{URL: w.target.URL, DataDir: w.target.DataDir, Sealer: sealer, Logger: w.logger()})
	w.must(err)
	w.t.Cleanup(func() { w.must(w.db.Close()) })
	w.must(w.db.Migrate(ctx))
	_, err = w.db.UseKey(ctx)
	w.must(err)
	driver, source := "pgx", w.target.URL+"&default_query_exec_mode=exec" // behind a pooler, too
	if w.target.Dialect == "sqlite" {
		driver, source = "sqlite3", "file:"+filepath.Join(w.target.DataDir, db.FileName)+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(on)"
	}
	w.sql, err = sql.Open(driver, source)
	w.must(err)
	w.t.Cleanup(func() { w.must(w.sql.Close()) })
}

func (w *world) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// start runs the daemon and waits until it answers.
func (w *world) start() {
	w.t.Helper()
	w.config.HTTP.Listen = "127.0.0.1:0"
	if w.public {
		var err error
		w.listener, err = net.Listen("tcp", cmp.Or(strings.TrimPrefix(w.url, "http://"), w.config.HTTP.Listen))
		w.must(err)
		w.config.HTTP.PublicURL = "http://" + w.listener.Addr().String()
	}
	ready := make(chan string, 1)
	w.daemon = w.newDaemon(func(address string) { ready <- address })
	d := w.daemon
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				w.must(err)
			case <-time.After(15 * time.Second):
				w.t.Error("the daemon did not stop in time")
			}
		})
	}
	w.t.Cleanup(func() {
		w.stop()
		if w.t.Failed() {
			w.t.Logf("log:\n%s", w.log.String())
		}
	})
	select {
	case address := <-ready:
		w.url = "http://" + address
	case err := <-done:
		w.t.Fatalf("the daemon did not start: %v", err)
	}
	o, err := w.db.Organization(w.t.Context(), "acme")
	w.must(err)
	w.orgID = o.ID
	w.eventually("the daemon holds the mirror", func() bool { return w.mirror()["holder"] != nil && w.mirror()["holder"] != "" })
	// Every daemon starts with a run of its own: what a test's runs report must not depend on it.
	w.call("POST", "mirror/sync?wait=true", nil)
}

func (w *world) newDaemon(ready func(address string)) *daemon.Daemon {
	return daemon.New(daemon.Options{
		Config: w.config, DB: w.db, AdminToken: mirror.NewSecret(w.token), Logger: w.logger(), Version: "test", Ready: ready, Listener: w.listener, Now: w.now,
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// eventually waits for what happens by itself, with a deadline that a slow machine keeps.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("did not happen: %s", what)
		}
	}
}

// exec runs SQL as another program would.
func (w *world) exec(format string, args ...any) {
	w.t.Helper()
	if _, err := w.sql.ExecContext(w.t.Context(), fmt.Sprintf(format, args...)); err != nil {
		w.t.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

// query reads one text, "" for NULL or no row.
func (w *world) query(format string, args ...any) string {
	w.t.Helper()
	var text sql.NullString
	err := w.sql.QueryRowContext(w.t.Context(), fmt.Sprintf(format, args...)).Scan(&text)
	if err != nil && err != sql.ErrNoRows {
		w.t.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
	return text.String
}

// insert adds a row of acme; pairs are column, SQL literal.
func (w *world) insert(table string, pairs ...string) {
	w.t.Helper()
	columns, values := []string{"organization_id"}, []string{quote(w.orgID)}
	for i := 0; i < len(pairs); i += 2 {
		columns, values = append(columns, pairs[i]), append(values, pairs[i+1])
	}
	w.exec("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(columns, ", "), strings.Join(values, ", "))
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// blob is a binary literal.
func (w *world) blob(content string) string {
	if w.target.Dialect == "sqlite" {
		return fmt.Sprintf("x'%x'", content)
	}
	return fmt.Sprintf(`'\x%x'`, content)
}

// call makes an API request below the organization, and decodes the answer.
func (w *world) call(method, path string, body any) (int, map[string]any) {
	w.t.Helper()
	return w.callFor("acme", method, path, body)
}

// callFor is call for another organization.
func (w *world) callFor(organization, method, path string, body any) (int, map[string]any) {
	w.t.Helper()
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		w.must(err)
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+"/api/v1/organizations/"+organization+"/"+path, reader)
	w.must(err)
	req.Header.Set("Authorization", "Bearer "+w.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	w.must(err)
	var answer map[string]any
	if len(data) > 0 {
		if err := json.Unmarshal(data, &answer); err != nil {
			w.t.Fatalf("%s %s: %d %q", method, path, resp.StatusCode, data)
		}
	}
	return resp.StatusCode, answer
}

func (w *world) get(path string) map[string]any {
	w.t.Helper()
	status, answer := w.call("GET", path, nil)
	if status != http.StatusOK {
		w.t.Fatalf("GET %s: %d %v", path, status, answer)
	}
	return answer
}

func (w *world) mirror() map[string]any { w.t.Helper(); return w.get("mirror") }

// rested is the mirror between two runs: one of the poll may be under way at any time.
func (w *world) rested() (m map[string]any) {
	w.t.Helper()
	w.eventually("no run is under way", func() bool { m = w.mirror(); return m["state"] != "syncing" })
	return m
}

// sync runs the mirror and waits for it.
func (w *world) sync() map[string]any {
	w.t.Helper()
	status, answer := w.call("POST", "mirror/sync?wait=true", nil)
	if status != http.StatusOK {
		w.t.Fatalf("sync: %d %v", status, answer)
	}
	return answer
}

// synced runs the mirror and expects it to end well.
func (w *world) synced() map[string]any {
	w.t.Helper()
	answer := w.sync()
	if answer["state"] != "ok" {
		w.t.Fatalf("sync ended as %v; mirror: %v", answer, w.mirror())
	}
	return answer
}

func (w *world) files() map[string]string {
	w.t.Helper()
	files, err := w.repo.Files("main")
	w.must(err)
	return files
}

func (w *world) commit(changes ...bitbuckettest.Change) mirror.Hash {
	w.t.Helper()
	return w.commitOn("main", changes...)
}

func (w *world) commitOn(branch string, changes ...bitbuckettest.Change) mirror.Hash {
	w.t.Helper()
	hash, err := w.repo.Commit(branch, mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "Edit by hand", changes...)
	w.must(err)
	return hash
}

func (w *world) commits() []bitbuckettest.Commit {
	w.t.Helper()
	log, err := w.repo.Log("main")
	w.must(err)
	return log
}

// cloneDir is acme's working-tree clone.
func (w *world) cloneDir() string { return filepath.Join(w.config.DataDir, "clones", "acme") }

func (w *world) wantFile(path, want string) {
	w.t.Helper()
	if got, ok := w.files()[path]; !ok || got != want {
		w.t.Errorf("%s (there: %v):\n%s\nwant:\n%s", path, ok, got, want)
	}
}

func (w *world) wantNoFile(path string) {
	w.t.Helper()
	if got, ok := w.files()[path]; ok {
		w.t.Errorf("%s is on the branch:\n%s", path, got)
	}
}

// entityError is the error code of a row, "" for none.
func (w *world) entityError(kind, slug string) string {
	w.t.Helper()
	status, item := w.call("GET", kind+"/"+slug, nil)
	if status != http.StatusOK {
		return ""
	}
	integration, _ := item["git_integration"].(map[string]any)
	problem, _ := integration["error"].(map[string]any)
	code, _ := problem["code"].(string)
	return code
}

// rejected are the codes of files without entity, by path.
func (w *world) rejected(kind string) map[string]string {
	w.t.Helper()
	codes := map[string]string{}
	for _, item := range w.get(kind)["rejected"].([]any) {
		r := item.(map[string]any)
		codes[r["path"].(string)] = r["error"].(map[string]any)["code"].(string)
	}
	return codes
}
