package daemon_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
	"github.com/confmirror/confmirror/mirror/clone"
	"github.com/confmirror/confmirror/mirror/document"
)

// history is one organization with its repository, its clone and all that happens
// to them. Every draw is rapid's, so that a failure can be played again and made shorter.
type history struct {
	*world
	rt     *rapid.T
	kinds  []*modelKind
	org    *db.Organization
	repo   *bitbuckettest.Repo
	policy document.Policy
	push   mirror.PushMode
	// reviewed: people have changed something on the proposal branch.
	reviewed bool
	host     mirror.Forge
	rules    mirror.Rules
	part     int                     // of a burst
	clones   map[string]*clone.Clone // open ones, by directory
	dir      string                  // of the first runner's clone
	epoch    int64
	steps    int
	runs     int
	serial   int // of marks and rows

	tx     *sql.Tx             // open while several rows change at once
	tree   map[string]treeFile // the branch's files with what is staged; nil: not read since a run
	staged []bitbuckettest.Change
	batch  bool // stage only
	// lastHead is where a branch was that is deleted.
	lastHead mirror.Hash

	done done
}

// newHistory connects an empty organization to an empty repository.
func newHistory(w *world, rt *rapid.T, kinds ...*modelKind) *history {
	h := &history{world: w, rt: rt, kinds: kinds, clones: map[string]*clone.Clone{}, done: newDone()}
	name := "h" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	ctx := context.Background()
	var err error
	h.repo, err = w.standIn.CreateRepository("acme-corp", name)
	h.must(err)
	h.org, err = w.db.CreateOrganization(ctx, name, name)
	h.must(err)
	h.policy = pick(h, "policy", []document.Policy{document.PreferGit, document.PreferDatabase})
	h.part = pick(h, "part", []int{0, 0, 1, 3})
	h.rules = mirror.DefaultRules
	h.rules.KeepDeleted = h.oneIn(4, "deletions: keep")
	h.rules.SplitCommitsUpTo = pick(h, "split_commits_up_to", []int{20, 2})
	h.push = pick(h, "push", []mirror.PushMode{mirror.PushDirect, mirror.PushDirect, mirror.PushPullRequest})
	h.say("policy %s, deletions kept: %v, push: %s", h.policy, h.rules.KeepDeleted, h.push)
	settings := w.config.Mirrors[0].Settings()
	settings.Repository, settings.Conflict, settings.Push = name, h.policy, h.push
	h.host, err = bitbucket.New(bitbucket.Target{Workspace: "acme-corp", Slug: name, URL: settings.APIURL}, h.tokens())
	h.must(err)
	_, err = w.db.SaveConnection(ctx, h.org.ID, db.ConnectionWrite{Settings: settings, Source: db.SourceAPI})
	h.must(err)
	lease, _, err := w.db.ClaimOne(ctx, h.org.ID, "model", time.Hour)
	h.must(err)
	h.epoch = lease.Epoch
	m, err := w.db.Mirror(ctx, h.org.ID)
	h.must(err)
	h.must(w.db.Identify(ctx, m, mirror.Identity{Repository: h.repo.UUID(), Branch: "main"}, mirror.Repository{UUID: h.repo.UUID(), FullName: h.repo.FullName()}))
	h.dir = filepath.Join(w.t.TempDir(), name)
	rt.Cleanup(func() {
		for dir := range h.clones {
			h.dropClone(dir)
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

// say adds a line to the story that a failure tells.
func (h *history) say(format string, args ...any) {
	h.rt.Logf("%s", h.legible(fmt.Sprintf(format, args...)))
}

// wrong tells what does not hold. The error itself names nothing that differs from one
// play of a history to the next, else rapid would not make it shorter.
func (h *history) wrong(what, format string, args ...any) {
	h.say("WRONG, %s: %s", what, fmt.Sprintf(format, args...))
	h.rt.Errorf("%s", what)
}

// legible leaves out what is the same in every line.
func (h *history) legible(text string) string {
	if h.org == nil {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "-"+h.org.Slug+"-", ""), h.org.ID, "org")
}

// mark is a value that nothing else has: whoever finds it knows which edit it is.
func (h *history) mark(side string) string {
	h.serial++
	return fmt.Sprintf("%s%d-%s-", side, h.serial, h.org.Slug)
}

// openClone is what a runner works in.
func (h *history) openClone(m *mirror.Mirror, dir string) *clone.Clone {
	if h.clones[dir] == nil {
		c, err := clone.Open(context.Background(), clone.Options{
			Dir: dir, URL: m.Settings.CloneURL(), Branch: "main", Layout: m.Settings.Layout(), Limits: document.DefaultLimits,
			Committer: modelCommitter, Credentials: h.credentials(), Logger: slog.New(slog.DiscardHandler),
		})
		h.must(err)
		h.clones[dir] = c
	}
	return h.clones[dir]
}

func (h *history) dropClone(dir string) {
	if c := h.clones[dir]; c != nil {
		c.Close()
		delete(h.clones, dir)
	}
}

var modelCommitter = mirror.Signature{Name: "confmirror", Email: "c@example.com"}

// attempt is one run, as the daemon makes it. at, if any, is where it fails.
func (h *history) attempt(what string, req mirror.Request, at *boundary) (*mirror.Report, error) {
	return h.attemptAs(what, h.dir, h.epoch, req, at)
}

func (h *history) attemptAs(what, dir string, epoch int64, req mirror.Request, at *boundary) (*mirror.Report, error) {
	h.runs++
	ctx := context.Background()
	m, err := h.db.Mirror(ctx, h.org.ID)
	h.must(err)
	m.Epoch = epoch
	var store mirror.Store = h.db
	var c mirror.Clone = h.openClone(m, dir)
	if at != nil {
		store, c = failingStore{h.db, at}, failingClone{c, at}
	}
	runner := &mirror.Runner{Store: store, Rules: h.rules, Part: h.part, Committer: modelCommitter, Now: time.Now, Logger: h.logger()}
	req.RunID, req.Trigger, req.PullRequests, req.LookAtPullRequest = uuid.NewString(), "model", h.host, true
	h.tree = nil
	report, err := runner.Run(ctx, m, c, req)
	h.tellRun(what, req, report, err)
	return report, err
}

func (h *history) tellRun(what string, req mirror.Request, r *mirror.Report, err error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (look %v, full %v): %s", what, req.Look, req.Full, r.State)
	for _, c := range r.Commits {
		fmt.Fprintf(&b, ", pushed %.7s", c)
	}
	if err != nil {
		fmt.Fprintf(&b, ", ended by %v", err)
	}
	for _, a := range r.Actions {
		fmt.Fprintf(&b, "\n      %s %s %s %s", a.Direction, a.Verb, a.Path, a.Detail)
	}
	h.say("%s", b.String())
}

// tolerate lets faults pass that a history brings about on purpose.
func (h *history) tolerate(err error) {
	if err != nil && mirror.AsFault(err).Code != mirror.CodeBranchNotFound {
		h.rt.Fatal(err)
	}
}

// wrote reports whether a run did anything that people would see.
func wrote(r *mirror.Report) bool { return r.Exported+r.Imported+r.Deleted+r.Merged > 0 }

// rest lets runs follow each other until one finds nothing to do, and approves what is
// held. It reports whether there is anything to judge: a branch.
func (h *history) rest() bool {
	for range 12 {
		held, holdErr := h.db.Hold(context.Background(), h.org.ID)
		if holdErr == nil {
			h.say("approve what is held: %+v", held.Items)
			h.must(h.db.DecideHold(context.Background(), h.org.ID, held.ID, mirror.Approved))
		}
		report, err := h.attempt("rest", mirror.Request{Look: true}, nil)
		if h.tolerate(err); err != nil {
			return false
		}
		if h.mergeProposal() {
			continue
		}
		if holdErr != nil && !wrote(report) && report.State == mirror.StateOK {
			return true
		}
	}
	h.rt.Fatalf("it does not come to rest")
	return false
}
