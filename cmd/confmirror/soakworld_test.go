package main_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// wire is a daemon's way to PostgreSQL. It can be cut, and it can go silent: nothing comes
// through and nobody is told.
type wire struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	open  chan struct{} // closed while bytes go through
	conns map[net.Conn]bool
}

func newWire(t *testing.T, to string) *wire {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, to: to, open: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(w.open)
	go w.accept()
	t.Cleanup(func() {
		listener.Close()
		w.heal()
		w.cut()
	})
	return w
}

func (w *wire) accept() {
	for {
		from, err := w.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			w.wait()
			to, err := net.Dial("tcp", w.to)
			if err != nil {
				from.Close()
				return
			}
			w.mu.Lock()
			w.conns[from], w.conns[to] = true, true
			w.mu.Unlock()
			go w.copy(to, from)
			w.copy(from, to)
			w.mu.Lock()
			delete(w.conns, from)
			delete(w.conns, to)
			w.mu.Unlock()
		}()
	}
}

// copy passes on what comes, when it may.
func (w *wire) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		w.wait()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (w *wire) wait() {
	w.mu.Lock()
	open := w.open
	w.mu.Unlock()
	<-open
}

// silence lets nothing through until it is healed.
func (w *wire) silence() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = make(chan struct{})
}

func (w *wire) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.open:
	default:
		close(w.open)
	}
}

// cut ends all connections.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.Close()
	}
}

// member is one of the daemons.
type member struct {
	*process
	name    string
	program string
	home    string
	http    string
	wire    *wire
}

// soak is several daemons on one PostgreSQL that mirror many organizations, while both
// sides of all of them are edited.
type soak struct {
	*testing.T
	rand    *rand.Rand
	standIn *bitbuckettest.Server
	sql     *sql.DB
	members []*member
	orgs    []*soakOrg
	marks   int
}

// soakOrg is one organization, and what was written last of each of its entities.
type soakOrg struct {
	id   string
	slug string
	repo *bitbuckettest.Repo
	// name is edited in the database, description on the branch; by slug.
	name, description map[string]string
}

// soakEntities are edited in each organization: by the database alone, by people on the branch
// alone, and by both in different places.
var soakEntities = []string{"ours", "theirs", "shared"}

const soakToken = "a-token-that-all-daemons-share"

func newSoak(t *testing.T, r *rand.Rand, program string, organizations, daemons int) *soak {
	s := &soak{T: t, rand: r, standIn: bitbuckettest.Start(t, bitbuckettest.Options{})}
	target := dbtest.Postgres(t)
	address, err := url.Parse(target)
	s.must(err)
	s.sql, err = sql.Open("pgx", target)
	s.must(err)
	t.Cleanup(func() { s.must(s.sql.Close()) })

	consumer := s.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
	var mirrors strings.Builder
	for i := range organizations {
		o := &soakOrg{slug: fmt.Sprintf("org-%02d", i), name: map[string]string{}, description: map[string]string{}}
		o.repo, err = s.standIn.CreateRepository("acme-corp", o.slug)
		s.must(err)
		fmt.Fprintf(&mirrors, "  - {organization: %[1]s, workspace: acme-corp, repository: %[1]s, branch: main, client_id: %[2]q, client_secret: %[3]q, api_url: %[4]q, oauth_url: %[5]q, git_url: %[6]q}\n",
			o.slug, consumer.Key, consumer.Secret, s.standIn.APIURL(), s.standIn.OAuthURL(), s.standIn.GitURL())
		s.orgs = append(s.orgs, o)
	}
	for i := range daemons {
		m := &member{name: fmt.Sprintf("daemon %d", i), program: program, home: t.TempDir(), http: freeAddress(t), wire: newWire(t, address.Host)}
		through := *address
		through.Host = m.wire.listener.Addr().String()
		config := fmt.Sprintf(`
data_dir: %s
database: {url: %q}
http: {listen: %q}
admin: {token: %s}
encryption: {key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}
sync: {poll: "@every 5s", batch_window: 50ms}
mirrors:
%s`, m.home, through.String(), m.http, soakToken, mirrors.String())
		s.must(os.WriteFile(config0(m.home), []byte(config), 0o600))
		s.members = append(s.members, m)
	}
	out, err := exec.CommandContext(t.Context(), program, "migrate", "--config", config0(s.members[0].home)).CombinedOutput()
	if err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	for _, o := range s.orgs {
		s.must(s.sql.QueryRow("INSERT INTO organizations (slug, name) VALUES ($1, $1) RETURNING id", o.slug).Scan(&o.id))
		var changes []bitbuckettest.Change
		for _, e := range soakEntities {
			o.name[e], o.description[e] = s.mark(), s.mark()
			changes = append(changes, bitbuckettest.Write(soakFile(e), fmt.Sprintf("{\n  \"slug\": %q,\n  \"name\": %q,\n  \"description\": %q\n}\n", e, o.name[e], o.description[e])))
		}
		_, err := o.repo.Commit("main", ada, "First", changes...)
		s.must(err)
	}
	return s
}

var ada = mirror.Signature{Name: "Ada", Email: "ada@example.com"}

func soakFile(entity string) string { return "toolkits/" + entity + ".json" }

func freeAddress(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func (s *soak) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *soak) mark() string {
	s.marks++
	return fmt.Sprintf("mark-%d-", s.marks)
}

func (s *soak) start(m *member) {
	s.Helper()
	m.process = serve(s.T, m.program, m.home)
}

// edit makes one edit of a random entity on one of its sides.
func (s *soak) edit() {
	s.Helper()
	o := s.orgs[s.rand.IntN(len(s.orgs))]
	entity, mark := soakEntities[s.rand.IntN(len(soakEntities))], s.mark()
	if entity == "ours" || entity == "shared" && s.rand.IntN(2) == 0 {
		// A run has a row locked for as long as it writes it; a daemon that is cut off, until
		// PostgreSQL finds out. Others' programs would wait: here it is another edit's turn.
		done, err := s.sql.ExecContext(s.Context(), `UPDATE toolkits SET name = $1 WHERE id = (SELECT id FROM toolkits
			WHERE organization_id = $2 AND slug = $3 AND deleted_at IS NULL FOR UPDATE SKIP LOCKED)`, mark, o.id, entity)
		s.must(err)
		if n, err := done.RowsAffected(); err == nil && n == 1 {
			o.name[entity] = mark
		}
		return
	}
	_, err := o.repo.Commit("main", ada, "Edit "+mark, bitbuckettest.Edit(soakFile(entity), func(was []byte) []byte {
		return []byte(edited(string(was), map[string]any{"description": mark}))
	}))
	s.must(err)
	o.description[entity] = mark
}

// editFor edits for a while, so many times a second.
func (s *soak) editFor(d time.Duration, perSecond int) {
	s.Helper()
	over := time.After(d)
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
			s.edit()
			s.alive()
		}
	}
}

// alive makes sure that no daemon ended by itself.
func (s *soak) alive() {
	s.Helper()
	for _, m := range s.members {
		if m.process == nil {
			continue
		}
		select {
		case err := <-m.gone:
			s.Fatalf("%s ended by itself: %v\n%s", m.name, err, m.log.String())
		default:
		}
	}
}

// differs tells of the first entity that is not as it was written last on both sides; "" when
// all are.
func (s *soak) differs() string {
	s.Helper()
	rows, err := s.sql.Query("SELECT organization_id, slug, name, description FROM toolkits WHERE deleted_at IS NULL")
	s.must(err)
	defer rows.Close()
	found := map[string][2]string{}
	for rows.Next() {
		var id, slug, name string
		var description sql.NullString
		s.must(rows.Scan(&id, &slug, &name, &description))
		found[id+"/"+slug] = [2]string{name, description.String}
	}
	s.must(rows.Err())
	for _, o := range s.orgs {
		files, err := o.repo.Files("main")
		s.must(err)
		for _, e := range soakEntities {
			want := [2]string{o.name[e], o.description[e]}
			doc := document(files[soakFile(e)])
			if row, file := found[o.id+"/"+e], [2]string{fmt.Sprint(doc["name"]), fmt.Sprint(doc["description"])}; row != want || file != want {
				return fmt.Sprintf("%s %s: row %q, file %q, want %q", o.slug, e, row, file, want)
			}
		}
	}
	return ""
}

// settle waits until everything is as it was written last, on both sides.
func (s *soak) settle(limit time.Duration) {
	s.Helper()
	over := time.After(limit)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		what := s.differs()
		if what == "" {
			return
		}
		select {
		case <-over:
			for _, m := range s.members {
				s.Logf("%s: %s", m.name, tail(m.log.String(), 4000))
			}
			s.Fatalf("not equal after %v: %s", limit, what)
		case <-tick.C:
			s.alive()
		}
	}
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }

// judge looks for what must not have happened: an edit that was committed twice, or a
// conflict where nobody edited the same place.
func (s *soak) judge() {
	s.Helper()
	for _, o := range s.orgs {
		log, err := o.repo.Git("log", "-p", "--unified=0", "--format=commit %H", "main")
		s.must(err)
		seen := map[string]int{}
		lines := bufio.NewScanner(strings.NewReader(log))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if line := lines.Text(); strings.HasPrefix(line, "+") && strings.Contains(line, `"name": "mark-`) {
				seen[strings.TrimRight(line, ",")]++
			}
		}
		for line, n := range seen {
			if n > 1 {
				s.Errorf("%s: %d commits add %s", o.slug, n, line)
			}
		}
	}
	var n int
	s.must(s.sql.QueryRow("SELECT count(*) FROM conflicts").Scan(&n))
	if n > 0 {
		s.Errorf("%d conflicts, and nobody edited the same place", n)
	}
}

// sample is what a daemon takes.
type sample struct {
	resident                int64 // bytes
	descriptors, goroutines int
}

func (m *member) sample(t *testing.T) sample {
	t.Helper()
	var x sample
	dir := filepath.Join("/proc", strconv.Itoa(m.cmd.Process.Pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(kb, &x.resident)
			x.resident <<= 10
		}
	}
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	x.descriptors = len(fds)
	answer, err := http.Get("http://" + m.http + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			x.goroutines, _ = strconv.Atoi(strings.TrimSpace(n))
		}
	}
	return x
}

// shares are how many mirrors each of those that hold some holds.
func (s *soak) shares() []int {
	s.Helper()
	rows, err := s.sql.Query("SELECT count(*) FROM bitbucket_connections WHERE lease_expires_at > now() GROUP BY holder ORDER BY holder")
	s.must(err)
	defer rows.Close()
	var shares []int
	for rows.Next() {
		var n int
		s.must(rows.Scan(&n))
		shares = append(shares, n)
	}
	s.must(rows.Err())
	return shares
}

// end ends a daemon as a supervisor does, which waits ten seconds.
func (s *soak) end(m *member) {
	s.Helper()
	s.must(m.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-m.gone:
		if err != nil {
			s.Fatalf("%s: %v\n%s", m.name, err, tail(m.log.String(), 4000))
		}
	case <-time.After(15 * time.Second): // a machine under a race detector
		s.Fatalf("%s does not end\n%s", m.name, tail(m.log.String(), 4000))
	}
	m.process = nil
}
