package db

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// connect connects an organization to a repository of its own.
func connect(t testing.TB, d *DB, slug string) string {
	t.Helper()
	id := newOrganization(t, d, slug)
	save(t, d, id, ConnectionWrite{Settings: mirror.Settings{Workspace: "acme", Repository: slug, Branch: "main"}, Source: SourceAPI})
	return id
}

func save(t testing.TB, d *DB, id string, w ConnectionWrite) {
	t.Helper()
	if _, err := d.SaveConnection(t.Context(), id, w); err != nil {
		t.Fatal(err)
	}
}

// connectMany connects n organizations.
func connectMany(t testing.TB, d *DB, n int) {
	for i := range n {
		connect(t, d, fmt.Sprintf("org-%02d", i))
	}
}

func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// expire lets everything of a holder end, as if it had died.
func expire(t testing.TB, d *DB, holder string) {
	t.Helper()
	for _, table := range []struct{ name, column string }{{"bitbucket_connections", "lease_expires_at"}, {"mirror_daemons", "expires_at"}} {
		if err := d.gorm.Exec("UPDATE "+table.name+" SET "+table.column+" = "+d.sqlIn(-time.Second)+" WHERE holder = ?", holder).Error; err != nil {
			t.Fatal(err)
		}
	}
}

const ttl = time.Minute

func TestLeaseChangesHands(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := connect(t, d, "acme")
		claimed := must(d.Claim(ctx, "one", ttl, 10))(t)
		if len(claimed) != 1 || claimed[0].OrganizationID != id || claimed[0].Epoch != 1 {
			t.Fatalf("claimed %+v", claimed)
		}
		if again := must(d.Claim(ctx, "two", ttl, 10))(t); len(again) != 0 {
			t.Errorf("a second holder claimed %+v", again)
		}
		if _, ok, err := d.ClaimOne(ctx, id, "two", ttl); ok || err != nil {
			t.Errorf("a second holder claimed it by name: %v", err)
		}
		if lease, ok, err := d.ClaimOne(ctx, id, "one", ttl); !ok || err != nil || lease.Epoch != 1 {
			t.Errorf("the holder's own lease: %+v, %v", lease, err)
		}
		if held := must(d.Renew(ctx, "one", ttl))(t); len(held) != 1 || held[0].Epoch != 1 {
			t.Errorf("renewed %+v", held)
		}

		expire(t, d, "one")
		if held := must(d.Renew(ctx, "one", ttl))(t); len(held) != 1 || held[0].Epoch != 1 {
			t.Errorf("ended, but nobody took it: %+v", held)
		}
		expire(t, d, "one")
		lease, ok, err := d.ClaimOne(ctx, id, "two", ttl)
		if !ok || err != nil || lease.Epoch != 2 {
			t.Fatalf("taken over: %+v, %v", lease, err)
		}
		if held := must(d.Renew(ctx, "one", ttl))(t); len(held) != 0 {
			t.Errorf("the former holder renewed %+v", held)
		}
		if err := d.Release(ctx, "one", id); err != nil {
			t.Fatal(err)
		}
		if held := must(d.Renew(ctx, "two", ttl))(t); len(held) != 1 || held[0].Epoch != 2 {
			t.Errorf("somebody else's release took it away: %+v", held)
		}
		if err := d.Release(ctx, "two", id); err != nil {
			t.Fatal(err)
		}
		if lease, ok, err := d.ClaimOne(ctx, id, "one", ttl); !ok || err != nil || lease.Epoch != 3 {
			t.Errorf("after a release: %+v, %v", lease, err)
		}
		events, _, err := d.Events(ctx, id, Page{})
		if err != nil || len(events) != 3 || events[0].Code != EventMoved || !strings.Contains(events[0].Message, " one ") || !strings.Contains(events[1].Message, " two ") {
			t.Errorf("who had it is told so: %+v, %v", events, err)
		}
		if err := d.Disconnect(ctx, id); err != nil {
			t.Fatal(err)
		}
		if held := must(d.Renew(ctx, "one", ttl))(t); len(held) != 0 {
			t.Errorf("renewed a disconnected mirror: %+v", held)
		}
		if claimed := must(d.Claim(ctx, "one", ttl, 10))(t); len(claimed) != 0 {
			t.Errorf("claimed a disconnected mirror: %+v", claimed)
		}
	})
}

func TestLeasesAreShared(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		connectMany(t, d, 7)
		beat := func(holder string) int {
			t.Helper()
			return len(must(d.Renew(ctx, holder, ttl))(t)) + len(must(d.Claim(ctx, holder, ttl, 100))(t))
		}
		if n := beat("one"); n != 7 {
			t.Fatalf("alone: %d of 7", n)
		}
		beat("two") // makes itself known, finds nothing free
		if n := beat("one"); n != 4 {
			t.Errorf("one kept %d, want 4", n)
		}
		if n := beat("two"); n != 3 {
			t.Errorf("two got %d, want 3", n)
		}
		if one, two := beat("one"), beat("two"); one != 4 || two != 3 {
			t.Errorf("they do not settle: %d and %d", one, two)
		}
		expire(t, d, "one")
		if n := beat("two"); n != 7 {
			t.Errorf("after the other died: %d", n)
		}
		if err := d.ReleaseAll(ctx, "two"); err != nil {
			t.Fatal(err)
		}
		if n := beat("three"); n != 7 {
			t.Errorf("after a shutdown: %d", n)
		}
	})
}

func TestClaimsAtOnceShareNothing(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		connectMany(t, d, 12)
		var mu sync.Mutex
		holders := map[string]string{}
		var group sync.WaitGroup
		for i := range 4 {
			group.Go(func() {
				holder := fmt.Sprint("holder-", i)
				for range 3 {
					leases, err := d.Claim(t.Context(), holder, ttl, 3)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for _, lease := range leases {
						if other := holders[lease.OrganizationID]; other != "" || lease.Epoch != 1 {
							t.Errorf("%s and %s both claimed %+v", other, holder, lease)
						}
						holders[lease.OrganizationID] = holder
					}
					mu.Unlock()
				}
			})
		}
		group.Wait()
		if len(holders) != 12 {
			t.Errorf("%d of 12 were claimed", len(holders))
		}
	})
}

// A lease that was given before the database's clock was set back is no obstacle.
func TestClaimAfterTheClockWasSetBack(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		id := connect(t, d, "acme")
		run(t, d, "UPDATE bitbucket_connections SET holder = 'dead', lease_expires_at = "+d.sqlIn(time.Hour))
		lease, ok, err := d.ClaimOne(t.Context(), id, "living", time.Minute)
		if err != nil || !ok {
			t.Fatalf("the dead daemon's lease still counts: %v, %v", ok, err)
		}
		if _, ok, err := d.ClaimOne(t.Context(), id, "another", time.Minute); ok || err != nil {
			t.Errorf("a living lease was taken: %v", err)
		}
		if lease.OrganizationID != id {
			t.Errorf("claimed %q", lease.OrganizationID)
		}
	})
}
