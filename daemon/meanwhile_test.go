package daemon_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// runAt is a run of the mirror to which something happens.
func (c *clocked) runAt(at *boundary) error {
	runner := &mirror.Runner{Store: failingStore{c.store, at}, Rules: mirror.DefaultRules, Committer: modelCommitter, Now: c.now, Logger: c.logger()}
	_, err := runner.Run(c.t.Context(), c.load(), c.clone, mirror.Request{RunID: uuid.NewString(), Trigger: "test", Look: true})
	return err
}

// A run that reads toolkits on behalf of one server's edit sees the edit of another server,
// which came between its two looks at the database: it settles both, and has to judge the
// toolkits of both.
func TestServerEditedBetweenTwoLooks_I9(t *testing.T) {
	eachClocked(t, func(c *clocked) {
		c.insert("mcp_servers", "slug", "'early'", "name", "'E'", "type", "'stdio'", "command", "'x'", "tools", "'{}'")
		c.insert("mcp_servers", "slug", "'late'", "name", "'L'", "type", "'stdio'", "command", "'x'", "tools", "'{}'")
		c.commit(
			bitbuckettest.Write("toolkits/early.json", `{"slug":"early","name":"E","integrations":{"early":{"tools":["t"]}}}`),
			bitbuckettest.Write("toolkits/late.json", `{"slug":"late","name":"L","integrations":{"late":{"tools":["t"]}}}`))
		c.run()
		if n := c.query("SELECT count(*) FROM toolkits"); n != "0" {
			t.Fatalf("%s toolkits without their tools", n)
		}
		c.exec(`UPDATE mcp_servers SET tools = '{"t":{}}' WHERE slug = 'early'`)
		// The first read after the first look is of what the server offered so far, the second one of its toolkits.
		at := &boundary{step: -1, read: 2, do: func() { c.exec(`UPDATE mcp_servers SET tools = '{"t":{}}' WHERE slug = 'late'`) }}
		c.must(c.runAt(at))
		if at.reads < at.read {
			t.Fatalf("%d reads", at.reads)
		}
		c.run()
		if n := c.query("SELECT count(*) FROM toolkits"); n != "2" {
			t.Errorf("%s toolkits, the others are still refused", n)
		}
	})
}

// An import whose settle is lost brings rows of commits that no cursor names: when the branch
// is made anew without them, what they said is kept before it is replaced.
func TestRewrittenAfterALostFirstSettle_F1(t *testing.T) {
	eachClocked(t, func(c *clocked) {
		c.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"first","description":"of a lost commit"}`))
		lost := &boundary{step: 1, err: errCrash}
		if err := c.runAt(lost); err == nil {
			t.Fatal("the run settled")
		}
		if n := c.query("SELECT count(*) FROM toolkits"); n != "1" {
			t.Fatalf("%s rows were imported", n)
		}
		c.must(c.repo.DeleteBranch("main"))
		c.commit(bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"second"}`))
		c.run()
		if got := c.query("SELECT name FROM toolkits"); got != "second" {
			t.Errorf("row: %q", got)
		}
		if n := c.query("SELECT count(*) FROM conflicts WHERE reason = 'history_rewritten' AND CAST(database AS TEXT) LIKE '%%of a lost commit%%'"); n != "1" {
			t.Errorf("%s conflicts: what the branch lost is nowhere", n)
		}
	})
}

// The import of a server's tools may stand while nobody has looked at its toolkits yet.
func TestToolkitsOfAServerWhoseSettleWasLost_E4(t *testing.T) {
	eachClocked(t, func(c *clocked) {
		c.insert("mcp_servers", "slug", "'s'", "name", "'S'", "type", "'stdio'", "command", "'x'", "tools", "'{}'")
		c.insert("toolkits", "slug", "'a'", "name", "'A'", "integrations", `'{"s":{"tools":["t"]}}'`)
		c.run()
		if got := c.query("SELECT git_integration FROM toolkits"); !strings.Contains(got, "MISSING_TOOL") {
			t.Fatalf("status: %s", got)
		}
		c.commit(bitbuckettest.Write("mcp-servers/s.json", `{"slug":"s","name":"S","type":"stdio","command":"x","tools":{"t":{}}}`))
		lost := &boundary{step: 1, err: errCrash}
		if err := c.runAt(lost); err == nil {
			t.Fatal("the run settled")
		}
		if got := c.query("SELECT tools FROM mcp_servers"); !strings.Contains(got, "t") {
			t.Fatalf("the server was not imported: %s", got)
		}
		c.run()
		if got := c.query("SELECT git_integration FROM toolkits"); strings.Contains(got, "MISSING_TOOL") {
			t.Errorf("the error stays: %s", got)
		}
	})
}

// An edit that names a missing server arrived in git, and the crash came before its status
// was written: the row then agrees with git and has no error, which vouches for nothing.
func TestToolkitWhoseSettleWasLost_E4(t *testing.T) {
	eachClocked(t, func(c *clocked) {
		c.insert("toolkits", "slug", "'a'", "name", "'A'")
		c.run()
		c.exec(`UPDATE toolkits SET integrations = '{"s":{"tools":"*"}}'`)
		if err := c.runAt(&boundary{step: 1, err: errCrash}); err == nil {
			t.Fatal("the run settled")
		}
		c.run()
		if got := c.query("SELECT git_integration FROM toolkits"); !strings.Contains(got, "MISSING_INTEGRATION") {
			t.Errorf("nobody judged it: %s", got)
		}
		c.exec("UPDATE toolkits SET description = 'edited'")
		c.run()
		if got := c.query("SELECT git_integration FROM toolkits"); !strings.Contains(got, "MISSING_INTEGRATION") {
			t.Errorf("the next edit cleared the error: %s", got)
		}
	})
}
