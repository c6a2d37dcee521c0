package daemon_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// stoppedStore stands still before a write, as a process does that the system stops.
type stoppedStore struct {
	mirror.Store
	before string // "import" or "intend"
	still  func()
}

func (s stoppedStore) Import(ctx context.Context, m *mirror.Mirror, head mirror.Hash, runID string, changes []*mirror.RowChange) ([]mirror.Outcome, error) {
	if s.before == "import" {
		s.still()
	}
	return s.Store.Import(ctx, m, head, runID, changes)
}

func (s stoppedStore) Intend(ctx context.Context, m *mirror.Mirror, runID string, intents []*mirror.Intent, conflicts []*mirror.Conflict) error {
	if s.before == "intend" {
		s.still()
	}
	return s.Store.Intend(ctx, m, runID, intents, conflicts)
}

// A daemon that stood still while another one took its mirror writes nothing any more:
// what it saw is of before, and the other one has read the database already.
func TestStoppedDaemonWritesNothingAfterATakeOver_L10(t *testing.T) {
	for _, before := range []string{"import", "intend"} {
		t.Run(before, func(t *testing.T) {
			eachClocked(t, func(c *clocked) {
				c.insert("toolkits", "slug", "'a'", "name", "'A'")
				c.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
				c.run()
				c.exec("UPDATE toolkits SET description = 'exported' WHERE slug = 'a'")
				c.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B","description":"imported"}`))
				commits := len(c.commits())
				imports := c.query("SELECT description FROM toolkits WHERE slug = 'b'")
				store := stoppedStore{c.store, before, func() {
					imports = c.query("SELECT description FROM toolkits WHERE slug = 'b'")
					c.exec("UPDATE bitbucket_connections SET lease_expires_at = NULL")
					if _, mine, err := c.store.ClaimOne(t.Context(), c.id, "another", leaseTTL); err != nil || !mine {
						t.Fatalf("the other daemon does not get the mirror: %v", err)
					}
				}}
				runner := &mirror.Runner{Store: store, Rules: mirror.DefaultRules, Now: c.now, Logger: c.logger()}
				_, err := runner.Run(t.Context(), c.load(), c.clone, mirror.Request{RunID: uuid.NewString(), Trigger: "test", Look: true})
				if !errors.Is(err, mirror.ErrLeaseLost) {
					t.Errorf("got %v, want ErrLeaseLost", err)
				}
				if got := c.query("SELECT description FROM toolkits WHERE slug = 'b'"); got != imports {
					t.Errorf("it imported %q", got)
				}
				if n := c.query("SELECT count(*) FROM mirror_intents"); n != "0" || len(c.commits()) != commits {
					t.Errorf("it meant %s things, and made %d commits", n, len(c.commits())-commits)
				}
			})
		})
	}
}

const leaseTTL = 20 * time.Second
