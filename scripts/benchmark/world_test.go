package benchmark_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// world is one database system and one number of entities.
type world struct {
	b       *testing.B
	server  *bitbuckettest.Server
	dialect string
	n       int
	dir     string
	pg      *dbtest.Server
	made    int
	lanes   []*lane
}

func newWorld(b *testing.B, server *bitbuckettest.Server, dialect string, n int) *world {
	w := &world{b: b, server: server, dialect: dialect, n: n, dir: b.TempDir()}
	if dialect == "postgres" {
		// As a server is that nobody tuned, but for the memory of this small machine.
		w.pg = dbtest.StartServer(b, "fsync=on", "synchronous_commit=on", "full_page_writes=on", "autovacuum=on", "wal_level=replica", "shared_buffers=128MB")
	}
	return w
}

func (w *world) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s %-8s %6d  %s\n", time.Now().Format("15:04:05"), w.dialect, w.n, fmt.Sprintf(format, args...))
}

// lane makes a contender's lane; n entities stand in its database.
func (w *world) lane(name string, n int) *lane {
	w.made++
	l := &lane{b: w.b, name: name, dialect: w.dialect, server: w.server, dir: filepath.Join(w.dir, fmt.Sprintf("%s-%d", name, w.made))}
	if w.pg != nil {
		l.url = w.pg.URL(w.b)
	}
	var err error
	l.repo, err = w.server.CreateRepository("acme-corp", fmt.Sprintf("%s-%d-%s-%d", w.dialect, w.n, name, w.made))
	l.must(err)
	l.open()
	l.fill(n)
	return l
}

// begin makes the lane's contender, which has done nothing yet.
func (l *lane) begin() {
	switch l.name {
	case "script":
		l.actor = newScript(l)
	case "go-git":
		l.actor = newWorktree(l)
	case "product":
		l.connect()
		l.actor = newProduct(l)
	}
}

// first has the contender do a first run, the product as a one-shot command, and
// measures until the branch, or the tables, have it all.
func (l *lane) first(run func() error, there func() <-chan time.Time) (took, done time.Duration, memory int64) {
	arrived := there()
	start := time.Now()
	if l.name == "product" {
		var err error
		memory, err = l.measured("sync")
		l.must(err)
	} else {
		l.must(run())
	}
	done = time.Since(start)
	return (<-arrived).Sub(start), done, memory
}

// lastMove is when the branch moves for the last time, until the returned channel is read.
func (l *lane) lastMove() <-chan time.Time {
	moves, stop := l.moves()
	last := make(chan time.Time)
	go func() {
		at := time.Now()
		for {
			select {
			case at = <-moves:
			case last <- at:
				stop()
				return
			}
		}
	}()
	return last
}

// rowsThere is when the first import is committed: all of it at once.
func (l *lane) rowsThere() <-chan time.Time {
	there := make(chan time.Time, 1)
	go func() {
		l.until(10*time.Minute, "the rows are imported", func() bool {
			var n int
			return l.sql.QueryRow("SELECT count(*) FROM (SELECT 1 FROM commands LIMIT 1) AS one").Scan(&n) == nil && n > 0
		})
		there <- time.Now()
	}()
	return there
}

func (l *lane) end() {
	if l.actor != nil {
		l.must(l.actor.close())
	}
	l.must(l.sql.Close())
	l.must(l.server.RemoveRepository(l.repo))
	l.must(os.RemoveAll(l.dir))
}

func (w *world) close() {
	for _, l := range w.lanes {
		l.end()
	}
}

func (w *world) wants(name string) bool { return strings.Contains(","+*contest+",", ","+name+",") }

// names in turns: who is first changes with each round.
func (w *world) names(round int) []string {
	var names []string
	for _, name := range []string{"product", "script", "go-git"} {
		if w.wants(name) && !(name == "go-git" && w.n > 10_000) { // go-git takes minutes to begin there
			names = append(names, name)
		}
	}
	round %= len(names)
	return append(slices.Clone(names[round:]), names[:round]...)
}

func (w *world) turn(round int) []*lane {
	round %= len(w.lanes)
	return append(slices.Clone(w.lanes[round:]), w.lanes[:round]...)
}

// export measures one edit of count entities: from its commit to the branch.
func (l *lane) export(count, k, n int) (moved, done time.Duration) {
	slugs := edited(n, count, k)
	from := l.head()
	moves, stop := l.moves()
	l.edit(slugs, fmt.Sprintf("edit %d of %d", k, count))
	start := time.Now()
	l.must(l.actor.export())
	var last time.Time
	timeout := time.After(5 * time.Minute)
	for {
		select {
		case last = <-moves:
		case <-timeout:
			l.b.Fatalf("%s: the branch does not have the edit of %d", l.name, count)
		}
		for len(moves) > 0 {
			last = <-moves
		}
		if count == 1 || l.files(from, l.head()) >= count {
			break
		}
	}
	l.must(l.actor.settled())
	done = time.Since(start)
	stop()
	return last.Sub(start), done
}

// imports measures one push of count entities: from the nudge to the rows.
func (l *lane) imports(count, k, n int) (arrived, done time.Duration) {
	slugs := edited(n, count, k)
	mark := fmt.Sprintf("push %d of %d", k, count)
	l.push(slugs, mark)
	start := time.Now()
	l.must(l.actor.imports())
	for table, list := range slugs {
		l.until(5*time.Minute, "the rows are imported", func() bool { return l.arrived(table, list[len(list)-1], mark) })
	}
	arrived = time.Since(start)
	l.must(l.actor.settled())
	return arrived, time.Since(start)
}

// copyOf makes another repository with the same branch.
func (w *world) copyOf(l *lane, name string) *bitbuckettest.Repo {
	repo, err := w.server.CreateRepository("acme-corp", fmt.Sprintf("%s-%d-%s-%d", w.dialect, w.n, name, w.made))
	l.must(err)
	if out, err := exec.Command("git", "-C", repo.Dir(), "fetch", "-q", l.repo.Dir(), "main:main").CombinedOutput(); err != nil {
		l.b.Fatalf("%v\n%s", err, out)
	}
	return repo
}
