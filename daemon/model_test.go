package daemon_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
	"github.com/confmirror/confmirror/mirror/clone"
	"github.com/confmirror/confmirror/mirror/document"
)

// TestHistories plays random histories of edits on both sides, crashes at every
// step boundary, lost answers, raced pushes, rewritten branches and lost clones, and
// judges when all is quiet. -rapid.checks sets how many for each database.
func TestHistories(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, target dbtest.Target) {
		w := newWorld(t, target)
		runs, histories := 0, 0
		rapid.Check(t, func(rt *rapid.T) {
			h := newHistory(w, rt)
			rt.Repeat(map[string]func(*rapid.T){
				"edit a row":           h.editRow,
				"insert a row":         h.insertRow,
				"delete a row":         h.deleteRow,
				"make a row private":   h.makePrivate,
				"make a row public":    h.makePublic,
				"rename a row":         h.renameRow,
				"edit a file":          h.editFile,
				"add a file":           h.addFile,
				"remove a file":        h.removeFile,
				"rename a file":        h.renameFile,
				"break a file":         h.breakFile,
				"rewrite the branch":   h.rewriteBranch,
				"run":                  h.run,
				"run and crash":        h.crash,
				"lose a push's answer": h.loseAnswer,
				"be raced":             h.beRaced,
				"lose the clone":       h.loseClone,
			})
			h.judge()
			histories, runs = histories+1, runs+h.runs
		})
		t.Logf("%d histories, %d runs", histories, runs)
	})
}

// history is one organization with its repository, its clone and what was done.
type history struct {
	*world
	rt    *rapid.T
	org   *db.Organization
	repo  *bitbuckettest.Repo
	dir   string
	clone *clone.Clone
	epoch int64
	marks int
	runs  int
	// edits are the database's last edits by row and column: none may get lost.
	edits map[string]string
}

var (
	slugs  = []string{"a", "b", "c"}
	fields = []string{"description", "name"}
)

func newHistory(w *world, rt *rapid.T) *history {
	h := &history{world: w, rt: rt, edits: map[string]string{}}
	name := "h" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	var err error
	h.repo, err = w.standIn.CreateRepository("acme-corp", name)
	h.must(err)
	h.org, err = w.db.CreateOrganization(context.Background(), name, name)
	h.must(err)
	settings := w.config.Mirrors[0].Settings()
	settings.Repository = name
	settings.Conflict = rapid.SampledFrom([]document.Policy{document.PreferGit, document.PreferDatabase}).Draw(rt, "policy")
	_, err = w.db.SaveConnection(context.Background(), h.org.ID, db.ConnectionWrite{Settings: settings, Source: db.SourceAPI})
	h.must(err)
	lease, _, err := w.db.ClaimOne(context.Background(), h.org.ID, "model", time.Hour)
	h.must(err)
	h.epoch = lease.Epoch
	m, err := w.db.Mirror(context.Background(), h.org.ID)
	h.must(err)
	h.must(w.db.Identify(context.Background(), m, mirror.Identity{Repository: h.repo.UUID(), Branch: "main"}, mirror.Repository{UUID: h.repo.UUID(), FullName: h.repo.FullName()}))
	h.dir = filepath.Join(w.t.TempDir(), name)
	rt.Cleanup(func() {
		if h.clone != nil {
			h.clone.Close()
		}
		os.RemoveAll(h.dir)
		w.standIn.RemoveRepository(h.repo)
	})
	return h
}

func (h *history) must(err error) {
	if err != nil {
		h.rt.Helper()
		h.rt.Fatal(err)
	}
}

func (h *history) slug() string { return rapid.SampledFrom(slugs).Draw(h.rt, "slug") }

// mark is a value that nothing else has.
func (h *history) mark(side string) string {
	h.marks++
	return fmt.Sprintf("%s-%s-%d-", side, h.org.Slug, h.marks)
}

// rows that are live: id by slug.
func (h *history) rows(condition string) map[string]string {
	found := map[string]string{}
	rows, err := h.sql.Query(fmt.Sprintf("SELECT slug, id FROM toolkits WHERE organization_id = '%s' AND deleted_at IS NULL AND %s", h.org.ID, condition))
	h.must(err)
	defer rows.Close()
	for rows.Next() {
		var slug, id string
		h.must(rows.Scan(&slug, &id))
		found[slug] = id
	}
	h.must(rows.Err())
	return found
}

const ours = "owner_id IS NULL"

func (h *history) do(format string, args ...any) {
	_, err := h.sql.Exec(fmt.Sprintf(format, args...))
	h.must(err)
}

func (h *history) editRow(*rapid.T) {
	id, field, mark := h.rows(ours)[h.slug()], rapid.SampledFrom(fields).Draw(h.rt, "field"), h.mark("db")
	if id == "" {
		return
	}
	h.do("UPDATE toolkits SET %s = '%s' WHERE id = '%s'", field, mark, id)
	h.edits[id+field] = mark
}

func (h *history) insertRow(*rapid.T) {
	slug, mark := h.slug(), h.mark("db")
	if h.rows(ours)[slug] != "" {
		return
	}
	id := uuid.NewString()
	h.do("INSERT INTO toolkits (id, organization_id, slug, name) VALUES ('%s', '%s', '%s', '%s')", id, h.org.ID, slug, mark)
	h.edits[id+"name"] = mark
}

func (h *history) forget(id string) {
	for _, field := range fields {
		delete(h.edits, id+field)
	}
}

func (h *history) deleteRow(*rapid.T) {
	id, hard := h.rows(ours)[h.slug()], rapid.Bool().Draw(h.rt, "for good")
	if id == "" {
		return
	}
	if hard {
		h.do("DELETE FROM toolkits WHERE id = '%s'", id)
	} else {
		h.do("UPDATE toolkits SET deleted_at = CURRENT_TIMESTAMP WHERE id = '%s'", id)
	}
	h.forget(id)
}

func (h *history) makePrivate(*rapid.T) {
	slug := h.slug()
	if id := h.rows(ours)[slug]; id != "" && h.rows("owner_id IS NOT NULL")[slug] == "" {
		h.do("UPDATE toolkits SET owner_id = '%s' WHERE id = '%s'", h.org.ID, id)
	}
}

func (h *history) makePublic(*rapid.T) {
	slug := h.slug()
	if id := h.rows("owner_id IS NOT NULL")[slug]; id != "" && h.rows(ours)[slug] == "" {
		h.do("UPDATE toolkits SET owner_id = NULL WHERE id = '%s'", id)
	}
}

func (h *history) renameRow(*rapid.T) {
	from, to := h.slug(), h.slug()
	live := h.rows(ours)
	if live[from] != "" && live[to] == "" {
		h.do("UPDATE toolkits SET slug = '%s' WHERE id = '%s'", to, live[from])
	}
}

func path(slug string) string { return "toolkits/" + slug + ".json" }

func (h *history) branch() map[string]string {
	if head, err := h.repo.Head("main"); err != nil || head == "" {
		return map[string]string{}
	}
	files, err := h.repo.Files("main")
	h.must(err)
	return files
}

func (h *history) commit(changes ...bitbuckettest.Change) {
	_, err := h.repo.Commit("main", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "By hand", changes...)
	h.must(err)
}

// change edits a file as a person does; nil where there is no valid one.
func (h *history) change(slug string, edit func(doc map[string]any)) []byte {
	var doc map[string]any
	if json.Unmarshal([]byte(h.branch()[path(slug)]), &doc) != nil {
		return nil
	}
	edit(doc)
	text, err := json.MarshalIndent(doc, "", "\t")
	h.must(err)
	return text
}

func (h *history) editFile(*rapid.T) {
	slug, field, mark := h.slug(), rapid.SampledFrom(append(fields, "x-note")).Draw(h.rt, "field"), h.mark("git")
	if text := h.change(slug, func(doc map[string]any) { doc[field] = mark }); text != nil {
		h.commit(bitbuckettest.Write(path(slug), string(text)))
	}
}

func (h *history) addFile(*rapid.T) {
	slug, mark := h.slug(), h.mark("git")
	if h.branch()[path(slug)] == "" {
		h.commit(bitbuckettest.Write(path(slug), fmt.Sprintf(`{"slug": %q, "name": %q}`, slug, mark)))
	}
}

func (h *history) removeFile(*rapid.T) {
	slug := h.slug()
	if h.branch()[path(slug)] != "" {
		h.commit(bitbuckettest.Remove(path(slug)))
	}
}

func (h *history) renameFile(*rapid.T) {
	from, to := h.slug(), h.slug()
	text := h.change(from, func(doc map[string]any) { doc["slug"] = to })
	if text != nil && h.branch()[path(to)] == "" {
		h.commit(bitbuckettest.Remove(path(from)), bitbuckettest.Write(path(to), string(text)))
	}
}

func (h *history) breakFile(*rapid.T) {
	if slug := h.slug(); h.branch()[path(slug)] != "" {
		h.commit(bitbuckettest.Write(path(slug), "{ "+h.mark("broken")))
	}
}

func (h *history) rewriteBranch(*rapid.T) {
	if _, err := h.repo.Git("rev-parse", "-q", "--verify", "main~1"); err == nil {
		h.must(h.repo.ForcePush("main", "main~1"))
	}
}

func (h *history) loseClone(*rapid.T) {
	if h.clone != nil {
		h.clone.Close()
		h.clone = nil
	}
	h.must(os.RemoveAll(h.dir))
}

func (h *history) loseAnswer(*rapid.T) {
	undo := h.standIn.Inject(bitbuckettest.Fault{Repository: h.repo.FullName(), CutAnswer: true}, bitbuckettest.EndpointPush)
	_, _ = h.attempt(false, nil)
	undo()
}

func (h *history) beRaced(*rapid.T) {
	slug, mark := h.slug(), h.mark("git")
	undo := h.standIn.Inject(bitbuckettest.Fault{Repository: h.repo.FullName(), Times: 1, Do: func() {
		if text := h.change(slug, func(doc map[string]any) { doc["x-race"] = mark }); text != nil {
			h.commit(bitbuckettest.Write(path(slug), string(text)))
		}
	}}, bitbuckettest.EndpointPush)
	_, _ = h.attempt(false, nil)
	undo()
}

func (h *history) run(*rapid.T) {
	_, err := h.attempt(rapid.Bool().Draw(h.rt, "look"), nil)
	h.tolerate(err)
}

// tolerate lets faults pass that a history brings about on purpose.
func (h *history) tolerate(err error) {
	if err != nil && mirror.AsFault(err).Code != mirror.CodeBranchNotFound {
		h.rt.Fatal(err)
	}
}

func (h *history) crash(*rapid.T) {
	at := &crashPoint{step: rapid.IntRange(0, 5).Draw(h.rt, "step"), after: rapid.Bool().Draw(h.rt, "after")}
	_, err := h.attempt(rapid.Bool().Draw(h.rt, "look"), at)
	if !errors.Is(err, errCrash) {
		h.tolerate(err)
	}
	if h.clone != nil { // the process is gone
		h.clone.Close()
		h.clone = nil
	}
}

// attempt is one run, as the daemon makes it.
func (h *history) attempt(look bool, at *crashPoint) (*mirror.Report, error) {
	h.runs++
	ctx := context.Background()
	m, err := h.db.Mirror(ctx, h.org.ID)
	h.must(err)
	m.Epoch = h.epoch
	if h.clone == nil {
		token := bitbuckettestToken(h)
		h.clone, err = clone.Open(ctx, clone.Options{
			Dir: h.dir, URL: m.Settings.CloneURL(), Branch: "main", Layout: m.Settings.Layout(), Limits: document.DefaultLimits,
			Committer: mirror.Signature{Name: "confmirror", Email: "c@example.com"}, Credentials: token, Logger: slog.New(slog.DiscardHandler),
		})
		h.must(err)
	}
	var store mirror.Store = h.db
	var c mirror.Clone = h.clone
	if at != nil {
		store, c = crashStore{h.db, at}, crashClone{h.clone, at}
	}
	runner := &mirror.Runner{Store: store, Rules: mirror.DefaultRules, Committer: mirror.Signature{Name: "confmirror", Email: "c@example.com"}, Now: time.Now, Logger: h.logger()}
	return runner.Run(ctx, m, c, mirror.Request{RunID: uuid.NewString(), Trigger: "model", Look: look})
}

// judge lets everything settle, approves what is held, and compares.
func (h *history) judge() {
	for range 8 {
		if hold, err := h.db.Hold(context.Background(), h.org.ID); err == nil {
			h.must(h.db.DecideHold(context.Background(), h.org.ID, hold.ID, mirror.Approved))
		}
		_, err := h.attempt(true, nil)
		if h.tolerate(err); err != nil {
			return // the branch is gone: there is nothing to compare with
		}
	}
	report, err := h.attempt(true, nil)
	h.must(err)
	if n := report.Exported + report.Imported + report.Deleted + report.Merged; n > 0 {
		h.rt.Errorf("it does not come to rest: %+v", report)
	}
	files := h.branch()
	live := h.rows(ours)
	for slug, id := range live {
		var integration struct{ Error *mirror.EntityError }
		_ = json.Unmarshal([]byte(h.query("SELECT git_integration FROM toolkits WHERE id = '%s'", id)), &integration)
		var doc map[string]any
		if err := json.Unmarshal([]byte(files[path(slug)]), &doc); err != nil {
			if integration.Error == nil {
				h.rt.Errorf("%s: the row has no valid file (%q) and no error", slug, files[path(slug)])
			}
			continue
		}
		for _, field := range fields {
			got, _ := doc[field].(string)
			if row := h.query("SELECT %s FROM toolkits WHERE id = '%s'", field, id); got != row && integration.Error == nil {
				h.rt.Errorf("%s.%s: file %q, row %q", slug, field, got, row)
			}
		}
	}
	for _, slug := range slugs {
		if text := files[path(slug)]; text != "" && live[slug] == "" && json.Valid([]byte(text)) {
			h.rt.Errorf("%s: a valid file without a row: %s", slug, text)
		}
	}
	h.judgeEdits()
	h.judgeCommits()
}

// judgeEdits: each last edit in the database is in a row, on the remote, or kept.
func (h *history) judgeEdits() {
	objects, err := h.repo.Git("cat-file", "--batch-all-objects", "--batch", "--buffer")
	h.must(err)
	kept := objects + h.dump("SELECT name, description FROM toolkits WHERE organization_id = '%s'", h.org.ID) +
		h.dump("SELECT base, database, git FROM conflicts WHERE organization_id = '%s'", h.org.ID)
	for at, mark := range h.edits {
		if !strings.Contains(kept, mark) {
			h.rt.Errorf("lost: %s (%s)", mark, at)
		}
	}
}

func (h *history) dump(format string, args ...any) string {
	rows, err := h.sql.Query(fmt.Sprintf(format, args...))
	h.must(err)
	defer rows.Close()
	columns, err := rows.Columns()
	h.must(err)
	var b strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new([]byte)
		}
		h.must(rows.Scan(values...))
		for _, v := range values {
			b.Write(*v.(*[]byte))
			b.WriteByte('\n')
		}
	}
	h.must(rows.Err())
	return b.String()
}

// judgeCommits: no empty commit, and none twice.
func (h *history) judgeCommits() {
	if head, err := h.repo.Head("main"); err != nil || head == "" {
		return
	}
	log, err := h.repo.Log("main")
	h.must(err)
	for i, c := range log {
		if i+1 < len(log) && len(c.Parents) == 1 {
			a, err := h.repo.Git("rev-parse", string(c.Hash)+"^{tree}", string(c.Parents[0])+"^{tree}")
			h.must(err)
			if trees := strings.Fields(a); trees[0] == trees[1] {
				h.rt.Errorf("empty commit %s %q", c.Hash, c.Subject())
			}
		}
	}
}
