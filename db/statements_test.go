package db

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
)

// What a run costs the database is counted in statements and rows, which no load of
// the machine changes.

// statements notes what GORM sends. (Beginning and end of transactions are not told.)
type statements struct {
	logger.Interface
	texts []string
	rows  int64 // read or written
	took  time.Duration
}

func (s *statements) LogMode(logger.LogLevel) logger.Interface { return s }

func (s *statements) Trace(_ context.Context, begin time.Time, told func() (string, int64), _ error) {
	text, rows := told()
	s.texts, s.took = append(s.texts, text), s.took+time.Since(begin)
	s.rows += max(rows, 0)
}

// counting notes the statements of f.
func (w *world) counting(f func()) *statements {
	w.Helper()
	s := &statements{Interface: logger.Discard}
	before := w.db.gorm
	w.db.gorm = before.Session(&gorm.Session{Logger: s})
	defer func() { w.db.gorm = before }()
	f()
	return s
}

// String lists the statements, their values cut off.
func (s *statements) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d statements, %d rows, %v\n", len(s.texts), s.rows, s.took)
	for _, text := range s.texts {
		text = strings.Join(strings.Fields(text), " ")
		fmt.Fprintf(&b, "    %.160s\n", text)
	}
	return b.String()
}

// run is one run of the mirror against a branch in memory.
func (w *world) run(b *branch, req mirror.Request) *mirror.Report {
	w.Helper()
	r := &mirror.Runner{
		Store: w.db, Rules: mirror.Rules{DeleteCount: 10, DeletePercent: 20}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Committer: mirror.Signature{Name: "confmirror", Email: "noreply@confmirror.invalid"},
	}
	req.RunID = fmt.Sprintf("run-%d", len(b.commits))
	report, err := r.Run(w.Context(), w.again(w.mirror), b, req)
	w.ok(err)
	if report.State != mirror.StateOK || report.Errors > 0 {
		w.Fatalf("%+v", report)
	}
	return report
}

// crowd fills the organization with n entities of all kinds, by another program.
func (w *world) crowd(n int) {
	w.Helper()
	series, blob := "WITH RECURSIVE s (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i < ? - 1)", "CAST(? AS blob)"
	if w.db.postgres {
		series, blob = "WITH s AS (SELECT generate_series(0, CAST(? AS int) - 1) AS i)", "convert_to(?, 'UTF8')"
	}
	text := func(format string, args ...string) string { // {} is the number
		return "'" + strings.ReplaceAll(fmt.Sprintf(format, toAny(args)...), "{}", "' || i || '") + "'"
	}
	json := func(value string) string {
		if w.db.postgres {
			return "CAST(" + value + " AS jsonb)"
		}
		return value
	}
	prose := strings.Repeat("Do what is asked, and say what was done. ", 25)
	w.exec(series+` INSERT INTO mcp_servers (organization_id, slug, name, type, url, tools) SELECT ?, `+
		text("srv-{}")+", "+text("Server {}")+", 'http', "+text("https://host-{}.example.com/mcp")+", "+json(text(`{"read": {"enabled": true, "description": "%s"}}`, prose))+" FROM s", n*20/100, w.org())
	w.exec(series+` INSERT INTO toolkits (organization_id, slug, name, description, integrations) SELECT ?, `+
		text("tk-{}")+", "+text("Toolkit {}")+", "+text("%s", prose[:800])+", "+
		json(`'{"srv-' || (i % `+strconv.Itoa(n*20/100)+`) || '": {"tools": ["read"]}, "srv-' || ((i + 1) % `+strconv.Itoa(n*20/100)+`) || '": {"tools": "*"}}'`)+" FROM s", n*45/100, w.org())
	w.exec(series+` INSERT INTO commands (organization_id, slug, name, prompt) SELECT ?, `+text("cmd-{}")+", "+text("Command {}")+", "+text("%s", prose)+" FROM s", n*20/100, w.org())
	w.exec(series+` INSERT INTO mcp_clients (organization_id, slug, name, description) SELECT ?, `+text("cli-{}")+", "+text("Client {}")+", "+text("%s", prose)+" FROM s", n*10/100, w.org())
	w.exec(series+` INSERT INTO skills (organization_id, slug) SELECT ?, `+text("skill-{}")+" FROM s", n*5/100, w.org())
	main := strings.Replace(skillMD("NAME", "Does it."), "NAME", "' || slug || '", 1)
	w.exec(`INSERT INTO skill_files (skill_id, path, content) SELECT id, 'SKILL.md', ` + strings.Replace(blob, "?", "'"+main+"'", 1) + ` FROM skills`)
	for i := range 5 {
		w.exec(`INSERT INTO skill_files (skill_id, path, content) SELECT id, ?, `+blob+` FROM skills`, fmt.Sprintf("ref/%d.md", i), prose[:700])
	}
}

func toAny(list []string) []any {
	values := make([]any, len(list))
	for i, v := range list {
		values[i] = v
	}
	return values
}

var rowsRemoved = regexp.MustCompile(`Rows Removed by (?:Filter|Index Recheck): (\d+)`)

// crowded are the tables with a row or more for each entity.
var crowded = []string{
	"toolkits", "commands", "mcp_servers", "mcp_clients", "skills", "skill_files", "mirror_references",
	"mirror_bases", "mirror_contents",
}

// plan is how the database carries out a statement, line by line.
func (w *world) plan(statement string) (plan []string) {
	w.Helper()
	explain := "EXPLAIN (ANALYZE) "
	if !w.db.postgres {
		explain = "EXPLAIN QUERY PLAN "
		statement = strings.NewReplacer(`""`, `"`, `"`, `'`).Replace(statement) // GORM quotes texts so
	}
	rows, err := w.db.sql.QueryContext(w.Context(), explain+statement)
	w.ok(err)
	defer rows.Close()
	for rows.Next() {
		var line string
		if w.db.postgres {
			w.ok(rows.Scan(&line))
		} else {
			var ignored any
			w.ok(rows.Scan(&ignored, &ignored, &ignored, &line))
		}
		plan = append(plan, line)
	}
	w.ok(rows.Err())
	return plan
}

// vain says what a statement reads only to leave it out again.
func (w *world) vain(statement string) string {
	w.Helper()
	removed := 0
	plan := w.plan(statement)
	for _, line := range plan {
		if found := rowsRemoved.FindStringSubmatch(line); found != nil {
			n, err := strconv.Atoi(found[1])
			w.ok(err)
			removed += n
		}
		// SQLite tells only how it looks: at all rows, or at all of the organization's.
		if words := strings.Fields(line); !w.db.postgres && len(words) > 1 && slices.Contains(crowded, words[1]) &&
			(words[0] == "SCAN" || strings.HasSuffix(line, "(organization_id=?)")) {
			removed += bulk
		}
	}
	if removed < 100 {
		return ""
	}
	return strings.Join(plan, "\n")
}

// eachCrowd runs a test on a mirrored organization of n entities.
func eachCrowd(t *testing.T, n int, test func(w *world, b *branch)) {
	t.Helper()
	migrated.Each(t, func(t *testing.T, target dbtest.Target) {
		w := newWorld(t, target)
		w.crowd(n)
		b := newBranch()
		w.run(b, mirror.Request{Look: true})
		test(w, b)
	})
}

// TestStatementsOfAChange: a run with one changed row costs a fixed number of
// statements, and none of them reads what did not change (P1).
func TestStatementsOfAChange(t *testing.T) {
	eachCrowd(t, bulk, func(w *world, b *branch) { w.changeOne(b) })
}

// TestStatementsWithoutStatistics: nor do they while PostgreSQL's planner knows nothing
// of the tables.
func TestStatementsWithoutStatistics(t *testing.T) {
	eachCrowd(t, bulk-100, func(w *world, b *branch) { w.changeOne(b) })
}

// changeOne edits one entity of each kind.
func (w *world) changeOne(b *branch) {
	w.Helper()
	for _, edit := range []struct {
		what             string
		statements, rows int
	}{
		{"UPDATE commands SET prompt = 'another' WHERE slug = 'cmd-7'", 20, 24},
		{"UPDATE mcp_clients SET description = 'another' WHERE slug = 'cli-7'", 20, 24},
		{"UPDATE toolkits SET description = 'another' WHERE slug = 'tk-7'", 21, 26},
		{"UPDATE mcp_servers SET description = 'another' WHERE slug = 'srv-7'", 23, 24}, // one tells that its tools are the same, so that no toolkit is read
		{"UPDATE skill_files SET content = CAST('another' AS " + w.bytes() + ") WHERE path = 'ref/3.md' AND skill_id = (SELECT id FROM skills WHERE slug = 'skill-7')", 34, 60},
	} {
		w.exec(edit.what)
		cost := w.counting(func() {
			if report := w.run(b, mirror.Request{}); report.Exported != 1 {
				w.Errorf("%s: %+v", edit.what, report)
			}
		})
		if len(cost.texts) > edit.statements || cost.rows > int64(edit.rows) {
			w.Errorf("%s\nmay cost %d statements and %d rows: %s", edit.what, edit.statements, edit.rows, cost)
		}
		for _, text := range cost.texts {
			if !strings.HasPrefix(text, "SELECT") {
				continue
			}
			if plan := w.vain(text); plan != "" {
				w.Errorf("%s\n%.300s\nreads in vain:\n%s", edit.what, text, plan)
			}
		}
	}
}

// position is where a slug's number begins.
func (w *world) position() string {
	if w.db.postgres {
		return "strpos(slug, '-')"
	}
	return "instr(slug, '-')"
}

// bytes is the type of a file's content.
func (w *world) bytes() string {
	if w.db.postgres {
		return "bytea"
	}
	return "blob"
}

// TestStatementsOfManyChanges: four times the changes are no more statements (P2).
func TestStatementsOfManyChanges(t *testing.T) {
	eachCrowd(t, bulk, func(w *world, b *branch) {
		export := func(below int) int {
			for _, table := range []string{"toolkits", "commands", "mcp_servers"} {
				w.exec(`UPDATE ` + table + ` SET description = 'edit ` + strconv.Itoa(below) + `' WHERE CAST(substr(slug, ` + w.position() + ` + 1) AS int) < ` + strconv.Itoa(below))
			}
			return len(w.counting(func() { w.run(b, mirror.Request{}) }).texts)
		}
		imported := func(n int) int {
			files := map[string]string{}
			paths := slices.Sorted(maps.Keys(b.commits[b.head]))
			paths = slices.DeleteFunc(paths, func(path string) bool { return !strings.HasSuffix(path, ".json") && !strings.HasSuffix(path, "3.md") })
			for i := range n { // of each kind some
				switch path := paths[i*len(paths)/n]; {
				case strings.HasSuffix(path, ".json"):
					files[path] = strings.Replace(b.commits[b.head][path], `"name": "`, fmt.Sprintf(`"name": "%d `, n), 1)
				default:
					files[path] = fmt.Sprint(n, b.commits[b.head][path])
				}
			}
			b.push(files)
			return len(w.counting(func() {
				if report := w.run(b, mirror.Request{Look: true}); report.Imported != n {
					w.Errorf("%d pushed: %+v", n, report)
				}
			}).texts)
		}
		for what, run := range map[string]func(int) int{"export": export, "import": imported} {
			few, many := run(50), run(200)
			if many > few+4 {
				w.Errorf("%s: 50 in %d statements, 200 in %d", what, few, many)
			}
		}
	})
}

// TestStatementsOfAPoll: where nothing is new, nothing is written (P4).
func TestStatementsOfAPoll(t *testing.T) {
	eachCrowd(t, bulk, func(w *world, b *branch) {
		cost := w.counting(func() { w.run(b, mirror.Request{Look: true, Trigger: "poll"}) })
		if len(cost.texts) > 3 || slices.ContainsFunc(cost.texts, func(text string) bool { return !strings.HasPrefix(text, "SELECT") }) {
			w.Error(cost)
		}
	})
}

// TestStatementsOfAPart: a part of a burst is found without reading the rest of it, or
// another organization's, even by a planner that saw the queue when it was empty.
func TestStatementsOfAPart(t *testing.T) {
	migrated.Each(t, func(t *testing.T, target dbtest.Target) {
		w := newWorld(t, target)
		w.toolkits(10 * bulk)
		w.consumeAll()
		w.exec("ANALYZE mirror_changes")
		w.exec("UPDATE toolkits SET name = 'edited'")
		w.mirror = w.connect("later")
		w.toolkits(10 * bulk)
		w.exec("UPDATE toolkits SET deleted_at = created_at WHERE slug = 'tk-7'")
		cost := w.counting(func() { w.observe(mirror.Query{Limit: 10}) })
		indexes := map[string]bool{}
		for _, text := range cost.texts {
			if !strings.Contains(text, "mirror_changes") {
				continue
			}
			plan := strings.Join(w.plan(text), "\n")
			if plan := w.vain(text); plan != "" {
				w.Errorf("%.300s\nreads in vain:\n%s", text, plan)
			}
			for _, name := range []string{"mirror_changes_order", "mirror_changes_together", "mirror_changes_row"} {
				indexes[name] = indexes[name] || strings.Contains(plan, name)
			}
			if strings.Contains(strings.ToUpper(plan), "SORT") || strings.Contains(plan, "TEMP B-TREE") {
				w.Errorf("%.300s\nhas to be sorted:\n%s", text, plan)
			}
		}
		if len(indexes) != 3 || slices.Contains(slices.Collect(maps.Values(indexes)), false) {
			w.Errorf("%v are used: %s", indexes, cost)
		}
		if cost.rows > 100 {
			w.Error(cost)
		}
	})
}
