package daemon_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// lostWorld is a world on PostgreSQL whose connections are going to die.
func lostWorld(t *testing.T, url string) *world {
	w := newWorld(t, dbtest.Target{Dialect: "postgres", URL: url, DataDir: t.TempDir()})
	w.sql.SetMaxIdleConns(0) // the test's own connections do not live to die
	w.start()
	w.insert("toolkits", "slug", "'a'", "name", "'A'")
	w.insert("toolkits", "slug", "'gone'", "name", "'Gone'")
	w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
	w.synced()
	return w
}

// editBoth makes an edit of every sort; nobody changes the same place.
func (w *world) editBoth() {
	w.t.Helper()
	w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B","description":"from git"}`),
		bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"A","x-git":"from git"}`),
		bitbuckettest.Write("toolkits/new.json", `{"slug":"new","name":"New"}`))
	w.exec("UPDATE toolkits SET description = 'from the database' WHERE slug = 'a'")
	w.exec("DELETE FROM toolkits WHERE slug = 'gone'")
}

// bothThere judges what must have come of editBoth, which made the third commit.
func (w *world) bothThere() {
	w.t.Helper()
	want := "a/from the database, b/from git, new/"
	if got := w.query("SELECT string_agg(slug || '/' || coalesce(description, ''), ', ' ORDER BY slug) FROM toolkits WHERE deleted_at IS NULL"); got != want {
		w.t.Errorf("rows: %s, want %s", got, want)
	}
	files := w.files()
	delete(files, "NOTES.md") // of a nudge
	if len(files) != 3 || !strings.Contains(files["toolkits/a.json"], "from the database") || !strings.Contains(files["toolkits/a.json"], "from git") {
		w.t.Errorf("files: %v", files)
	}
	// What was meant with a push that was overtaken is forgotten with the next one.
	w.exec("UPDATE toolkits SET description = 'at the end' WHERE slug = 'a'")
	w.synced()
	for _, table := range []string{"conflicts", "rejected_files", "mirror_changes", "mirror_intents", "mirror_unsettled"} {
		if n := w.query("SELECT count(*) FROM %s", table); n != "0" {
			w.t.Errorf("%s rows are left in %s", n, table)
		}
	}
	for i, c := range w.commits() {
		if diff, err := w.repo.Git("diff-tree", "--root", "--no-commit-id", "--name-only", "-r", string(c.Hash)); err != nil || diff == "" {
			w.t.Errorf("commit %d, %q, is empty (%v)", i, c.Subject(), err)
		}
	}
	w.checkClone()
}

// settled reports whether nothing is left to do, without asking the daemon.
func (w *world) settled() bool {
	head, err := w.repo.Head("main")
	w.must(err)
	return w.query("SELECT count(*) FROM mirror_changes") == "0" && w.query("SELECT cursor_commit || state FROM bitbucket_connections") == string(head)+"ok"
}

// dies makes the daemon's next write to a table end its connection: at once, or when
// the transaction commits.
func (w *world) dies(table string, atCommit bool) {
	w.t.Helper()
	w.exec("CREATE SEQUENCE deaths")
	w.exec(`CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF current_setting('application_name') = 'confmirror' AND nextval('deaths') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
		RETURN NULL; END $$`)
	kind, when := "TRIGGER", ""
	if atCommit {
		kind, when = "CONSTRAINT TRIGGER", "DEFERRABLE INITIALLY DEFERRED"
	}
	w.exec("CREATE %s die AFTER INSERT OR UPDATE OR DELETE ON %s %s FOR EACH ROW EXECUTE FUNCTION die()", kind, table, when)
}

// Whatever a run is writing when its connection ends: nothing is lost and nothing
// happens twice.
func TestConnectionLostWhileWriting_S3(t *testing.T) {
	for _, c := range []struct{ stage, table string }{
		{"import", "toolkits"}, {"what is agreed", "mirror_bases"}, {"intent", "mirror_intents"}, {"settle", "mirror_changes"},
		{"state", "bitbucket_connections"}, {"report", "sync_runs"},
	} {
		for _, atCommit := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/at commit=%v", c.stage, atCommit), func(t *testing.T) {
				w := lostWorld(t, dbtest.Postgres(t))
				w.dies(c.table, atCommit)
				w.editBoth()
				w.nudge()
				w.eventually("a connection dies", func() bool { return w.query("SELECT is_called FROM deaths") == "true" })
				w.eventually("everything settles", w.settled)
				w.bothThere()
			})
		}
	}
}

// terminate ends all connections of the daemon, the listening one, too.
func (w *world) terminate() {
	w.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'confmirror%%'")
}

// Nor while a run waits for the remote, at whichever request.
func TestConnectionsLostDuringARun_S3(t *testing.T) {
	for _, endpoint := range []bitbuckettest.Endpoint{bitbuckettest.EndpointFetch, bitbuckettest.EndpointPush} {
		t.Run(string(endpoint), func(t *testing.T) {
			w := lostWorld(t, dbtest.Postgres(t))
			lost := make(chan struct{})
			w.standIn.Inject(bitbuckettest.Fault{Times: 1, Do: func() { w.terminate(); close(lost) }}, endpoint)
			w.editBoth()
			w.nudge()
			<-lost
			w.eventually("everything settles", w.settled)
			w.bothThere()
		})
	}
}

// After the listening connection was lost, an edit is still seen at once, and what was
// committed meanwhile, too.
func TestListeningConnectionLost(t *testing.T) {
	w := lostWorld(t, dbtest.Postgres(t))
	for n := range 3 {
		w.terminate()
		mark := fmt.Sprintf("edit %d", n)
		w.exec("UPDATE toolkits SET description = %s WHERE slug = 'a'", quote(mark))
		w.eventually(mark+" is on the branch", func() bool { return w.branchHas("toolkits/a.json", mark) })
	}
}

// A database that crashes takes nothing along, and is found again when it is back.
func TestDatabaseServerCrashes_S3(t *testing.T) {
	server := dbtest.StartServer(t)
	w := lostWorld(t, server.URL(t))
	ready := func() int {
		resp, err := http.Get(w.url + "/readyz")
		w.must(err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if status := ready(); status != http.StatusOK {
		t.Fatalf("readyz: %d", status)
	}
	for _, stage := range []string{"idle", "pushing"} {
		mark := "edit while " + stage
		if stage == "pushing" {
			crashed := make(chan struct{})
			w.standIn.Inject(bitbuckettest.Fault{Times: 1, Do: func() { server.Crash(t); close(crashed) }}, bitbuckettest.EndpointPush)
			w.exec("UPDATE toolkits SET description = %s WHERE slug = 'a'", quote(mark))
			<-crashed
		} else {
			w.exec("UPDATE toolkits SET description = %s WHERE slug = 'a'", quote(mark))
			w.eventually("the edit is on the branch", func() bool { return w.branchHas("toolkits/a.json", mark) })
			server.Crash(t)
		}
		if status := ready(); status != http.StatusServiceUnavailable {
			t.Errorf("readyz without a database: %d", status)
		}
		if status, answer := w.call("POST", "mirror/sync?wait=true", nil); status != http.StatusServiceUnavailable {
			t.Errorf("sync without a database: %d %v", status, answer)
		}
		w.commit(bitbuckettest.Write("toolkits/b.json", fmt.Sprintf(`{"slug":"b","name":"B","description":%q}`, mark)))
		server.Restart(t)
		w.eventually("the daemon is ready again", func() bool { return ready() == http.StatusOK })
		w.synced()
		if got := w.query("SELECT description FROM toolkits WHERE slug = 'b'"); got != mark {
			t.Errorf("%s: the branch's edit is not there: %q", stage, got)
		}
		if !w.branchHas("toolkits/a.json", mark) {
			t.Errorf("%s: the database's edit is not there", stage)
		}
	}
	if n := w.query("SELECT count(*) FROM conflicts"); n != "0" {
		t.Errorf("%s conflicts", n)
	}
	if n := len(w.commits()); n != 7 { // three at the start, two for each crash
		t.Errorf("%d commits, want 7", n)
	}
	w.checkClone()
}

// Another program may keep SQLite's lock for longer than anybody waits: runs fail,
// reading goes on, and nothing is lost.
func TestDatabaseLockedForLong_S3(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, dbtest.Target{Dialect: "sqlite", DataDir: dbtest.SQLite(t)})
	w.start()
	w.insert("toolkits", "slug", "'a'", "name", "'A'")
	w.synced()
	writer, err := w.sql.BeginTx(t.Context(), nil)
	w.must(err)
	defer func() { _ = writer.Rollback() }()
	_, err = writer.ExecContext(t.Context(), "UPDATE toolkits SET name = 'B' WHERE slug = 'a'")
	w.must(err)
	w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
	w.nudge()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(w.log.String(), "run failed") { // half a minute
		<-tick.C
	}
	if status, _ := w.call("GET", "mirror", nil); status != http.StatusOK {
		t.Errorf("reading waits for a writer: %d", status)
	}
	w.must(writer.Commit())
	w.eventually("both edits are there", func() bool {
		return w.branchHas("toolkits/a.json", `"B"`) && w.query("SELECT count(*) FROM toolkits WHERE slug = 'b'") == "1"
	})
	w.synced()
	w.checkClone()
}
