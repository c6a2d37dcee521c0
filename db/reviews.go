package db

import (
	"context"
	"encoding/json"
	"time"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
)

// Reviews is what was said of the open pull requests into a mirror's branch.
type Reviews struct {
	ReviewRound
	Reviews []Review // by pull request
	// HeardAt is when a webhook delivery last told of a pull request; zero: never.
	HeardAt time.Time
}

// ReviewRound is what the last look at a mirror's pull requests left behind.
type ReviewRound struct {
	// ListedAt is when the host was last asked for the open ones; zero: never.
	ListedAt time.Time
	// Head is the mirrored branch's commit that all were reviewed against; "": not all were.
	Head mirror.Hash
	// Credentials is the digest of those that were used, and Unable names what they lack
	// the permission for, with the time of the last attempt.
	Credentials string
	Unable      map[string]time.Time
}

// Review is what was said of one pull request.
type Review struct {
	PullRequest int64
	Branch      string // the source's
	Fork        string // the source's repository, when that is another one
	// Source and Destination are the commits that were reviewed; "" while none were.
	Source, Destination mirror.Hash
	// Status is the digest of the build status that the source was given; "" for none.
	Status string
	// Comment is our comment's id, and Said the digest of its text; 0 and "" for none.
	Comment int64
	Said    string
}

type reviewRoundRow struct {
	OrganizationID string `gorm:"primaryKey"`
	Identity       string
	ListedAt       timestamp
	Head           string
	Credentials    string
	Unable         jsonColumn
}

func (reviewRoundRow) TableName() string { return "mirror_review_rounds" }

type reviewRow struct {
	OrganizationID string `gorm:"primaryKey"`
	PullRequest    int64  `gorm:"primaryKey"`
	Branch         string
	Fork           string
	Source         string
	Destination    string
	Status         string
	Comment        int64
	Said           string
}

func (reviewRow) TableName() string { return "mirror_reviews" }

// Reviews tells what is remembered of a mirror's. Of the place that it mirrored before
// nothing is.
func (d *DB) Reviews(ctx context.Context, m *mirror.Mirror) (Reviews, error) {
	var r Reviews
	err := d.snapshot(ctx, func(tx *gorm.DB) error {
		mine := tx.Where("organization_id = ?", m.OrganizationID).Session(&gorm.Session{})
		var hooks []*webhookRow
		if err := mine.Limit(1).Find(&hooks).Error; err != nil {
			return err
		}
		if len(hooks) > 0 {
			r.HeardAt = hooks[0].PullRequestAt.Time
		}
		var rounds []*reviewRoundRow
		err := mine.Where("identity = ?", identityKey(m.Identity)).Limit(1).Find(&rounds).Error
		if err != nil || len(rounds) == 0 {
			return err
		}
		last := rounds[0]
		r.ListedAt, r.Head, r.Credentials = last.ListedAt.Time, mirror.Hash(last.Head), last.Credentials
		if err := json.Unmarshal([]byte(last.Unable), &r.Unable); err != nil {
			return err
		}
		var rows []*reviewRow
		err = mine.Order("pull_request").Find(&rows).Error
		for _, row := range rows {
			r.Reviews = append(r.Reviews, Review{
				PullRequest: row.PullRequest, Branch: row.Branch, Fork: row.Fork, Source: mirror.Hash(row.Source), Destination: mirror.Hash(row.Destination),
				Status: row.Status, Comment: row.Comment, Said: row.Said,
			})
		}
		return err
	})
	return r, err
}

// RecordReviewRound remembers a look at a mirror's pull requests. The reviews of those
// that are not listed are forgotten, and all of those of another place than the mirror's.
func (d *DB) RecordReviewRound(ctx context.Context, m *mirror.Mirror, round ReviewRound, listed []int64) error {
	identity := identityKey(m.Identity)
	if round.Unable == nil {
		round.Unable = map[string]time.Time{}
	}
	row := &reviewRoundRow{
		OrganizationID: m.OrganizationID, Identity: identity, ListedAt: orNull(round.ListedAt), Head: string(round.Head),
		Credentials: round.Credentials, Unable: encode(round.Unable),
	}
	return d.write(ctx, func(tx *gorm.DB) error {
		gone := tx.Where("organization_id = ?", m.OrganizationID)
		if len(listed) > 0 {
			gone = gone.Where("pull_request NOT IN ? OR EXISTS (SELECT 1 FROM mirror_review_rounds AS r"+
				" WHERE r.organization_id = mirror_reviews.organization_id AND r.identity <> ?)", listed, identity)
		}
		if err := gone.Delete(&reviewRow{}).Error; err != nil {
			return err
		}
		return tx.Clauses(upsert([]string{"organization_id"}, "identity", "listed_at", "head", "credentials", "unable")).Create(row).Error
	})
}

// RecordReview remembers what was said of a pull request, after its round was recorded.
func (d *DB) RecordReview(ctx context.Context, m *mirror.Mirror, r Review) error {
	row := &reviewRow{
		OrganizationID: m.OrganizationID, PullRequest: r.PullRequest, Branch: r.Branch, Fork: r.Fork,
		Source: string(r.Source), Destination: string(r.Destination), Status: r.Status, Comment: r.Comment, Said: r.Said,
	}
	conflict := upsert([]string{"organization_id", "pull_request"}, "branch", "fork", "source", "destination", "status", "comment", "said")
	return d.fault(d.gorm.WithContext(ctx).Clauses(conflict).Create(row).Error)
}
