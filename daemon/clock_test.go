package daemon_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
	"github.com/confmirror/confmirror/mirror/clone"
	"github.com/confmirror/confmirror/mirror/document"
)

// clocked is a mirror whose runs a test makes itself, with a clock that it sets.
type clocked struct {
	*world
	offset time.Duration // to the real time
	store  *db.DB
	clone  *clone.Clone
	id     string // of the organization
	epoch  int64
}

func (c *clocked) now() time.Time { return time.Now().Add(c.offset) }

// eachClocked runs a test on both databases.
func eachClocked(t *testing.T, test func(c *clocked)) {
	t.Helper()
	each(t, func(t *testing.T, target dbtest.Target) {
		c := &clocked{world: newWorld(t, target)}
		ctx := t.Context()
		sealer, err := db.NewSealer(bytes.Repeat([]byte{7}, 32))
		c.must(err)
		c.store, err = db.Open(ctx, db.Options{URL: target.URL, DataDir: target.DataDir, Sealer: sealer, Logger: c.logger(), Now: c.now})
		c.must(err)
		t.Cleanup(func() { c.must(c.store.Close()) })
		o, err := c.store.CreateOrganization(ctx, "acme", "Acme")
		c.must(err)
		c.id, c.orgID = o.ID, o.ID
		_, err = c.store.SaveConnection(ctx, c.id, db.ConnectionWrite{Settings: c.config.Mirrors[0].Settings(), Source: db.SourceAPI})
		c.must(err)
		c.claim()
		m := c.load()
		c.must(c.store.Identify(ctx, m, mirror.Identity{Repository: c.repo.UUID(), Branch: "main"}, mirror.Repository{UUID: c.repo.UUID(), FullName: c.repo.FullName()}))
		c.openClone()
		t.Cleanup(func() { c.must(c.clone.Close()) })
		test(c)
	})
}

// claim takes the mirror's lease, or renews it.
func (c *clocked) claim() {
	c.t.Helper()
	lease, mine, err := c.store.ClaimOne(c.t.Context(), c.id, "clocked", time.Hour)
	c.must(err)
	if !mine || c.epoch != 0 && lease.Epoch != c.epoch {
		c.t.Errorf("the lease was lost: %+v, held under %d", lease, c.epoch)
	}
	c.epoch = lease.Epoch
}

func (c *clocked) load() *mirror.Mirror {
	c.t.Helper()
	m, err := c.store.Mirror(c.t.Context(), c.id)
	c.must(err)
	m.Epoch = c.epoch
	return m
}

func (c *clocked) openClone() {
	c.t.Helper()
	settings := c.load().Settings
	source, err := new(bitbucket.TokenSources).Source(bitbucket.Consumer{ID: settings.ClientID, Secret: settings.ClientSecret, URL: settings.OAuthURL})
	c.must(err)
	c.clone, err = clone.Open(c.t.Context(), clone.Options{
		Dir: filepath.Join(c.config.DataDir, "clones", "acme"), URL: settings.CloneURL(), Branch: "main", Layout: settings.Layout(), Limits: document.DefaultLimits,
		Committer: mirror.Signature{Name: "confmirror", Email: "c@example.com"}, Credentials: source, Now: c.now, Logger: c.logger(),
	})
	c.must(err)
}

// run makes one run by the test's clock.
func (c *clocked) run() *mirror.Report {
	c.t.Helper()
	runner := &mirror.Runner{Store: c.store, Rules: mirror.DefaultRules, Committer: mirror.Signature{Name: "confmirror", Email: "c@example.com"}, Now: c.now, Logger: c.logger()}
	report, err := runner.Run(context.WithoutCancel(c.t.Context()), c.load(), c.clone, mirror.Request{RunID: uuid.NewString(), Trigger: "test", Look: true})
	c.must(err)
	return report
}

// jumps are what happens to a machine's clock.
var jumps = []time.Duration{0, -24 * time.Hour, -time.Second, 400 * 24 * time.Hour, -800 * 24 * time.Hour, time.Minute}

// A clock that is set back or forward between two runs, or wrong all the time,
// changes nothing but dates.
func TestClockSetBackAndForward(t *testing.T) {
	eachClocked(t, func(c *clocked) {
		c.insert("toolkits", "slug", "'a'", "name", "'A'")
		c.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
		c.run()
		commits := len(c.commits())
		for n, jump := range jumps {
			c.offset += jump
			c.claim()
			mark := fmt.Sprintf("after %s", c.offset)
			if n%2 == 1 { // a restart, too
				c.must(c.clone.Close())
				c.openClone()
			}
			c.exec("UPDATE toolkits SET description = %s WHERE slug = 'a'", quote(mark))
			c.commit(bitbuckettest.Write("toolkits/b.json", fmt.Sprintf(`{"slug":"b","name":"B","description":%q}`, mark)))
			c.run()
			if got := c.query("SELECT description FROM toolkits WHERE slug = 'b'"); got != mark || !c.branchHas("toolkits/a.json", mark) {
				t.Errorf("%s: row %q, file %s", mark, got, c.files()["toolkits/a.json"])
			}
			if report := c.run(); len(report.Actions) != 0 || len(report.Commits) != 0 {
				t.Errorf("%s: it does not come to rest: %+v", mark, report)
			}
			if now := len(c.commits()); now != commits+2 {
				t.Errorf("%s: %d commits, want 2", mark, now-commits)
			}
			commits = len(c.commits())
			c.checkClone()
		}
		if n := c.query("SELECT count(*) FROM conflicts"); n != "0" {
			t.Errorf("%s conflicts", n)
		}
	})
}

// A push whose answer was lost before the clock was set back is still known for ours.
func TestClockSetBackBetweenPushAndSettle_E6(t *testing.T) {
	eachClocked(t, func(c *clocked) {
		c.insert("toolkits", "slug", "'a'", "name", "'A'")
		c.run()
		c.standIn.Inject(bitbuckettest.Fault{Times: 1, CutAnswer: true, Do: func() { c.offset = -24 * time.Hour }}, bitbuckettest.EndpointPush)
		undo := c.standIn.Inject(bitbuckettest.Fault{Status: 503}, bitbuckettest.EndpointFetch)
		c.exec("UPDATE toolkits SET name = 'B' WHERE slug = 'a'")
		runner := &mirror.Runner{Store: c.store, Rules: mirror.DefaultRules, Now: c.now, Logger: c.logger()}
		if report, err := runner.Run(t.Context(), c.load(), c.clone, mirror.Request{RunID: uuid.NewString(), Trigger: "test"}); err == nil {
			t.Fatalf("the push's answer was not lost: %+v", report)
		}
		undo()
		c.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"C"}`))
		c.run()
		if got := c.query("SELECT name FROM toolkits WHERE slug = 'a'"); got != "C" {
			t.Errorf("row: %q", got)
		}
		if n := c.query("SELECT count(*) FROM conflicts"); n != "0" {
			t.Errorf("%s conflicts", n)
		}
	})
}

// The brake does not forget deletions because the clock was set back meanwhile.
func TestBrakeWhenTheClockIsSetBack_D5(t *testing.T) {
	eachClocked(t, func(c *clocked) {
		for n := range 30 {
			c.insert("toolkits", "slug", quote(fmt.Sprintf("t%d", n)), "name", "'T'")
		}
		c.run()
		remove := func(from, to int) {
			var changes []bitbuckettest.Change
			for n := from; n < to; n++ {
				changes = append(changes, bitbuckettest.Remove(fmt.Sprintf("toolkits/t%d.json", n)))
			}
			c.commit(changes...)
		}
		remove(0, 10)
		if report := c.run(); report.State != mirror.StateOK || report.Deleted != 10 {
			t.Fatalf("ten deletions of thirty: %+v", report)
		}
		c.offset = -24 * time.Hour
		remove(10, 20)
		if report := c.run(); report.State != mirror.StateHeld {
			t.Errorf("ten more a moment later: %+v", report)
		}
		if live := c.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL"); live != "20" {
			t.Errorf("%s rows are live, want 20", live)
		}
	})
}
