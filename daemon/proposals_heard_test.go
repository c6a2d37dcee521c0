package daemon_test

import (
	"testing"

	"github.com/confmirror/confmirror/mirror"
)

// What becomes of a proposal is heard at once, whichever daemon the delivery comes to and
// whatever else has set off the run.
func TestDeclineIsHeardThroughAnotherDaemon(t *testing.T) {
	holder := newWorld(t, migrated.Postgres(t))
	byPullRequest(holder)
	holder.start()
	other := *holder
	config := *holder.config
	config.DataDir = t.TempDir()
	other.config = &config
	other.start()
	holder.insert("toolkits", "slug", "'new'", "name", "'New'")
	holder.synced()
	hook := holder.repo.AddHook(other.url+"/api/bitbucket/webhook", mirror.NewSecret(webhookSecret), "pullrequest:rejected")
	holder.must(holder.repo.Decline(holder.pullRequest().ID))
	holder.must(hook.Wait(t.Context()))
	holder.eventually("the holder hears of it", func() bool { return holder.detailCode() == mirror.CodePullRequestDeclined })
}
