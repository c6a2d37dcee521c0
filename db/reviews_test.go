package db

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
)

func TestReviewsRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		m := &mirror.Mirror{OrganizationID: id, Identity: mirror.Identity{Repository: "{uuid}", Branch: "main"}}
		done := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		check := func(what string, want Reviews) {
			t.Helper()
			if diff := cmp.Diff(want, must(d.Reviews(ctx, m))(t)); diff != "" {
				t.Errorf("%s:\n%s", what, diff)
			}
		}
		check("before", Reviews{})

		now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		round := ReviewRound{ListedAt: now, Head: "aa", Credentials: "c", Unable: map[string]time.Time{"comments": now}}
		first, second := Review{PullRequest: 1, Branch: "one"}, Review{PullRequest: 2, Branch: "two", Fork: "ada/fork"}
		done(d.RecordReviewRound(ctx, m, round, []int64{1, 2}))
		done(d.RecordReview(ctx, m, second))
		done(d.RecordReview(ctx, m, first))
		check("two", Reviews{ReviewRound: round, Reviews: []Review{first, second}})

		first.Source, first.Destination, first.Status, first.Comment, first.Said = "bb", "aa", "s", 1<<40, "t"
		done(d.RecordReview(ctx, m, first))
		round.Unable = map[string]time.Time{}
		done(d.RecordReviewRound(ctx, m, round, []int64{1}))
		done(d.RecordDeliveries(ctx, map[string]WebhookDeliveries{id: {DeliveredAt: now, DeliveredEvent: "pullrequest:created", PullRequestAt: now}}))
		check("one is closed", Reviews{ReviewRound: round, Reviews: []Review{first}, HeardAt: now})

		m.Identity.Branch = "other"
		check("another branch", Reviews{HeardAt: now})
		done(d.RecordReviewRound(ctx, m, round, []int64{1}))
		check("what another branch's pull request was told counts for nothing", Reviews{ReviewRound: round, HeardAt: now})
		done(d.RecordReview(ctx, m, first))
		done(d.RecordReviewRound(ctx, m, round, nil))
		check("none is open", Reviews{ReviewRound: round, HeardAt: now})
	})
}
