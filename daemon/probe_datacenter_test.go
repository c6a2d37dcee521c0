package daemon

import (
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// A token that may only write leads to a mirror, and is told what it cannot do.
func TestProbeOfADataCenter(t *testing.T) {
	p := newProbedServer(t, bitbuckettest.ScopeRepositoryWrite)
	result := p.test()
	p.wants(result, nil)
	p.says(result, "repository", "The repository CONF/webrix-sync is there.", "")
	p.says(result, "write", "The credentials may push to the branch main.", "")
	p.says(result, "webhook", "a person has to. Enter it in the repository's settings, under Webhooks, with the URL "+p.webhook+
		", the connection's webhook secret and the triggers Repository: Push; Pull request: Opened, ", "")
	p.repo.Restrict("main")
	result = p.test()
	p.wants(result, map[string]string{"write": mirror.CodeBranchRestricted})
	p.says(result, "write", "direct pushes: Branch refs/heads/main can only be modified through pull requests.", "Make an exception for the token's user")
}

// With an administrator's token rules and webhooks are known, too.
func TestProbeOfADataCenterByItsAdministrator(t *testing.T) {
	p := newProbedServer(t, bitbuckettest.ScopeRepositoryAdmin)
	p.settings.WebhookSecret = mirror.NewSecret("hunter2-webhook")
	p.repo.AddHook(p.webhook, p.settings.WebhookSecret, "repo:refs_changed", "pr:opened", "pr:modified", "pr:from_ref_updated", "pr:merged", "pr:declined", "pr:deleted")
	result := p.test()
	p.wants(result, nil)
	p.says(result, "rules", "No restriction keeps pushes from the branch main.", "")
	p.says(result, "webhook", "The repository has a webhook to "+p.webhook+".", "")
	p.repo.Restrict("main")
	result = p.test()
	p.wants(result, map[string]string{"rules": mirror.CodeBranchRestricted})
	p.says(result, "rules", "pull-request-only for refs/heads/main", "lift the restriction")
}

// Half a Data Center: the other address is still Bitbucket Cloud's.
func TestProbeOfHalfADataCenter(t *testing.T) {
	for name, spoil := range map[string]func(p *probed){
		"api_url": func(p *probed) { p.settings.APIURL = mirror.DefaultAPIURL },
		"git_url": func(p *probed) { p.settings.GitURL = mirror.DefaultGitURL },
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbedServer(t, bitbuckettest.ScopeRepositoryWrite)
			nameless(p) // nobody is asked in earnest
			spoil(p)
			p.says(p.test(), "settings", "one is Bitbucket Cloud's, the other is not", "api_url to https://host/rest/api/latest")
		})
	}
}

// What may be wrong with a Data Center's connection.
func TestProbeOfADataCenterThatRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		spoil                 func(p *probed)
		steps                 map[string]string
		step, message, remedy string
	}{
		"a wrong token": {func(p *probed) { p.settings.AccessToken = mirror.NewSecret("hunter2") },
			map[string]string{"repository": mirror.CodeConnectionFailed, "git": mirror.CodeConnectionFailed, "branch": "-", "write": "-"},
			"repository", mirror.ConnectionFailedMessage, "Make a new one in the repository's settings"},
		"a token that may only read": {func(p *probed) {
			p.settings.AccessToken = mirror.NewSecret(p.standIn.AddAccessToken("CONF", "webrix-sync", bitbuckettest.ScopeRepository))
		}, map[string]string{"write": mirror.CodePermissionDenied}, "write", "", "Repositories: Read and Write"},
		"no such project": {func(p *probed) { p.settings.Workspace = "NONE" },
			map[string]string{"repository": mirror.CodeRepositoryNotFound, "git": mirror.CodeRepositoryNotFound, "branch": "-", "write": "-"},
			"repository", "The repository NONE/webrix-sync does not exist", "/projects/{project}/repos/{repository}"},
		"git_url without /scm": {func(p *probed) { p.settings.GitURL = p.standIn.URL() + "/git" },
			map[string]string{"git": mirror.CodeRepositoryNotFound, "branch": "-", "write": "-"}, "git", "", "git_url"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbedServer(t, bitbuckettest.ScopeRepositoryWrite)
			test.spoil(p)
			result := p.test()
			p.wants(result, test.steps)
			p.says(result, test.step, test.message, test.remedy)
		})
	}
}
