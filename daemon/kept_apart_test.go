package daemon_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// What a decision keeps that no push brings along is kept whatever becomes of the run's
// push: the next run does not know any more that history was rewritten.
func TestConflictsDoNotWaitForAPush_F1(t *testing.T) {
	rules := mirror.DefaultRules
	rules.KeepDeleted = true
	refused := &mirror.Fault{Code: mirror.CodeBranchRestricted, Message: "No.", Remedy: "None.", Class: mirror.Permanent}
	for name, c := range map[string]struct {
		step int
		err  error
		req  mirror.Request
	}{
		"the database fails":    {err: errBroken},
		"the push is not taken": {step: 2, err: refused},
		"the push is not tried": {step: -1, req: mirror.Request{Refused: refused}},
		"the process is killed": {step: 1, err: errCrash},
		"nothing happens":       {step: -1},
	} {
		t.Run(name, func(t *testing.T) {
			eachClocked(t, func(w *clocked) {
				run := func(at *boundary, req mirror.Request) error {
					runner := &mirror.Runner{Store: failingStore{w.store, at}, Rules: rules, Committer: modelCommitter, Now: w.now, Logger: w.logger()}
					req.RunID, req.Trigger, req.Look = uuid.NewString(), "test", true
					_, err := runner.Run(t.Context(), w.load(), failingClone{w.clone, at}, req)
					return err
				}
				at := &boundary{step: c.step, err: c.err}
				never := &boundary{step: -1}
				w.insert("toolkits", "slug", "'a'", "name", "'A'")
				w.must(run(never, mirror.Request{}))
				w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
				w.must(run(never, mirror.Request{}))
				w.must(w.repo.ForcePush("main", "main~1"))
				w.exec("UPDATE toolkits SET name = 'edited' WHERE slug = 'a'")
				if err := run(at, c.req); (err == nil) != (at.err == nil && c.req.Refused == nil) {
					t.Errorf("the run ended with %v", err)
				}
				w.must(run(never, mirror.Request{}))
				if !w.branchHas("toolkits/a.json", "edited") {
					t.Errorf("not exported: %v", w.files())
				}
				if kept := w.query("SELECT slug || ' ' || reason FROM conflicts"); kept != "b history_rewritten" {
					t.Errorf("kept: %q", kept)
				}
				if n := w.query("SELECT count(*) FROM conflicts"); n != "1" {
					t.Errorf("%s conflicts", n)
				}
			})
		})
	}
}

// racingStore edits before each import.
type racingStore struct {
	mirror.Store
	edit func()
}

func (s racingStore) Import(ctx context.Context, m *mirror.Mirror, head mirror.Hash, runID string, changes []*mirror.RowChange) ([]mirror.Outcome, error) {
	s.edit()
	return s.Store.Import(ctx, m, head, runID, changes)
}

// A row that somebody keeps writing while history was rewritten is imported by a later
// run, which does not know of that any more.
func TestRewrittenHistoryAndARaceLoseNothing_F1(t *testing.T) {
	eachClocked(t, func(w *clocked) {
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"first"}`))
		w.run()
		w.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"second"}`))
		w.run()
		w.must(w.repo.ForcePush("main", "main~1"))
		edits := 0
		store := racingStore{w.store, func() {
			edits++
			w.exec("UPDATE toolkits SET description = %s", quote(fmt.Sprint("edit ", edits)))
		}}
		runner := &mirror.Runner{Store: store, Rules: mirror.DefaultRules, Committer: modelCommitter, Now: w.now, Logger: w.logger()}
		report, err := runner.Run(t.Context(), w.load(), w.clone, mirror.Request{RunID: uuid.NewString(), Trigger: "test", Look: true})
		w.must(err)
		if report.Open != 1 {
			t.Fatalf("the row was not raced: %+v", report)
		}
		w.run()
		if got := w.query("SELECT name || ', ' || description FROM toolkits"); got != fmt.Sprint("first, edit ", edits) {
			t.Errorf("row: %q", got)
		}
		if n := w.query("SELECT count(*) FROM conflicts WHERE reason = 'history_rewritten' AND CAST(database AS TEXT) LIKE '%%second%%'"); n == "0" {
			t.Error("what the branch lost is nowhere")
		}
	})
}
