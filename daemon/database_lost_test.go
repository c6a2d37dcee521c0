package daemon_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
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
	w.config.Sync.DeleteLimit.Count = 100
	w.start()
	w.insert("toolkits", "slug", "'a'", "name", "'A'")
	w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
	w.synced()
	return w
}

// editBoth makes an edit of every sort on both sides of the rows that prepare made;
// nobody changes the same place.
func (w *world) editBoth(mark string) {
	w.t.Helper()
	var a map[string]any
	w.must(json.Unmarshal([]byte(w.files()["toolkits/a.json"]), &a))
	a["x-"+mark] = "from git"
	text, err := json.Marshal(a)
	w.must(err)
	w.commit(bitbuckettest.Write("toolkits/a.json", string(text)),
		bitbuckettest.Write("toolkits/b.json", fmt.Sprintf(`{"slug":"b","name":"B","description":%q}`, mark)),
		bitbuckettest.Write("toolkits/new-"+mark+".json", fmt.Sprintf(`{"slug":%q,"name":"New"}`, "new-"+mark)))
	w.exec("UPDATE toolkits SET description = %s WHERE slug = 'a'", quote(mark))
	w.exec("DELETE FROM toolkits WHERE slug = %s", quote("old-"+mark))
}

func (w *world) prepare(mark string) {
	w.t.Helper()
	w.insert("toolkits", "slug", quote("old-"+mark), "name", "'Old'")
	w.synced()
}

// bothThere judges what must have come of editBoth.
func (w *world) bothThere(mark string) {
	w.t.Helper()
	for _, slug := range []string{"a", "b"} {
		if got := w.query("SELECT description FROM toolkits WHERE slug = %s", quote(slug)); got != mark {
			w.t.Errorf("%s: row %s has %q", mark, slug, got)
		}
	}
	files := w.files()
	a, old, added := files["toolkits/a.json"], files["toolkits/old-"+mark+".json"], files["toolkits/new-"+mark+".json"]
	if strings.Count(a, strconv.Quote(mark)) != 1 || strings.Count(a, "x-"+mark) != 1 || old != "" || added == "" {
		w.t.Errorf("%s: files: %v", mark, files)
	}
	if n := w.query("SELECT count(*) FROM toolkits WHERE slug = %s AND deleted_at IS NULL", quote("new-"+mark)); n != "1" {
		w.t.Errorf("%s: %s rows of the new file", mark, n)
	}
	for _, table := range []string{"conflicts", "rejected_files", "mirror_changes", "mirror_unsettled"} {
		if n := w.query("SELECT count(*) FROM %s", table); n != "0" {
			w.t.Errorf("%s: %s rows are left in %s", mark, n, table)
		}
	}
	w.checkClone()
}

// quietEnd makes sure that nothing is remembered of what went wrong, and that no
// commit was empty.
func (w *world) quietEnd() {
	w.t.Helper()
	w.exec("UPDATE toolkits SET description = 'at the end' WHERE slug = 'a'")
	w.synced() // what was meant with a push that was overtaken is forgotten with the next one
	if n := w.query("SELECT count(*) FROM mirror_intents"); n != "0" {
		w.t.Errorf("%s intents are left", n)
	}
	for _, c := range w.commits() {
		if diff, err := w.repo.Git("diff-tree", "--root", "--no-commit-id", "--name-only", "-r", string(c.Hash)); err != nil || diff == "" {
			w.t.Errorf("%q is empty (%v)", c.Subject(), err)
		}
	}
}

// settled reports whether nothing is left to do, without asking the daemon. The working tree
// follows last: a run that ended before that is not told from one that is under way.
func (w *world) settled() bool {
	head, err := w.repo.Head("main")
	w.must(err)
	return w.query("SELECT count(*) FROM mirror_changes") == "0" && w.query("SELECT cursor_commit || state FROM bitbucket_connections") == string(head)+"ok" &&
		w.cloneGit("rev-parse", "HEAD") == string(head) && w.cloneGit("status", "--porcelain") == ""
}

// dies makes the daemon's next write to a table end its connection: at once, or when
// the transaction commits. undo takes that back.
func (w *world) dies(table string, atCommit bool) (undo func()) {
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
	return func() {
		w.exec("DROP FUNCTION die() CASCADE")
		w.exec("DROP SEQUENCE deaths")
	}
}

// Whatever a run is writing when its connection ends: nothing is lost and nothing
// happens twice.
func TestConnectionLostWhileWriting_S3(t *testing.T) {
	w := lostWorld(t, dbtest.Postgres(t))
	for _, table := range []string{"toolkits", "mirror_bases", "mirror_intents", "mirror_changes", "bitbucket_connections", "sync_runs"} {
		for _, atCommit := range []bool{false, true} {
			mark := strings.ReplaceAll(fmt.Sprintf("%s-%v", table, atCommit), "_", "-")
			w.prepare(mark)
			undo := w.dies(table, atCommit)
			w.editBoth(mark)
			w.nudge()
			w.eventually(mark+": a connection dies", func() bool { return w.query("SELECT is_called FROM deaths") == "true" })
			undo()
			w.eventually(mark+": everything settles", w.settled)
			w.bothThere(mark)
		}
	}
	w.quietEnd()
}

// terminate ends all connections of the daemon, the listening one, too.
func (w *world) terminate() {
	w.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'confmirror%%'")
}

// Nor while a run waits for the remote, at whichever request.
func TestConnectionsLostDuringARun_S3(t *testing.T) {
	w := lostWorld(t, dbtest.Postgres(t))
	for _, endpoint := range []bitbuckettest.Endpoint{bitbuckettest.EndpointFetch, bitbuckettest.EndpointPush} {
		mark := string(endpoint)
		w.prepare(mark)
		lost := make(chan struct{})
		w.standIn.Inject(bitbuckettest.Fault{Times: 1, Do: func() { w.terminate(); close(lost) }}, endpoint)
		w.editBoth(mark)
		w.nudge()
		<-lost
		w.eventually(mark+": everything settles", w.settled)
		w.bothThere(mark)
	}
	w.quietEnd()
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
	if n := len(w.commits()); n != 6 { // two at the start, two for each crash
		t.Errorf("%d commits, want 6", n)
	}
	w.checkClone()
}

// Another program may keep SQLite's lock for longer than anybody waits: runs fail,
// reading goes on, and nothing is lost.
func TestDatabaseLockedForLong_S3(t *testing.T) {
	t.Parallel() // it waits most of the time
	w := newWorld(t, migrated.SQLite(t))
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

// Behind a pooler in transaction mode everything works, whichever process of the database a
// statement comes to; edits are found by polling, and the log says so.
func TestBehindAPooler(t *testing.T) {
	w := newWorld(t, dbtest.Target{Dialect: "postgres", URL: dbtest.Pooler(t, dbtest.Postgres(t)), DataDir: t.TempDir()})
	w.start()
	w.insert("toolkits", "slug", "'a'", "name", "'A'")
	w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
	w.synced()
	for _, mark := range []string{"one", "two"} {
		w.prepare(mark)
		w.editBoth(mark)
		w.synced()
		w.bothThere(mark)
	}
	w.exec("UPDATE toolkits SET name = 'Unasked' WHERE slug = 'a'")
	w.eventually("the edit is on the branch", func() bool { return w.branchHas("toolkits/a.json", "Unasked") })
	if !strings.Contains(w.log.String(), "the database is polled each second") {
		t.Error("nobody was told")
	}
}
