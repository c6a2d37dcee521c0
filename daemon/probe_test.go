package daemon

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func TestProbeOfAGoodConnection(t *testing.T) {
	p := newProbed(t)
	result := p.test()
	p.wants(result, nil)
	p.says(result, "repository", "The repository acme-corp/webrix-sync is there.", "")
	p.says(result, "branch", "The branch main is there.", "")
	p.says(result, "tls", "Plain http", "")
	p.says(result, "delivery", p.webhook, "")
	p.says(result, "rules", "whether the branch main has one is tried next", "")
	p.says(result, "write", "The credentials may push to the branch main.", "")
	p.says(result, "webhook", "under Webhooks, with the URL "+p.webhook, "")

	p.settings.ClientID, p.settings.ClientSecret = "", mirror.Secret{}
	p.settings.AccessToken = mirror.NewSecret(p.standIn.AddAccessToken("acme-corp", "webrix-sync", bitbuckettest.ScopeRepositoryWrite))
	p.settings.OAuthURL = "http://" + closedPort(t) // nobody asks there
	p.wants(p.test(), nil)
}

// A plain git host has no REST interface, and may ask for no credentials.
func TestProbeOfAPlainGitHost(t *testing.T) {
	p := newProbed(t)
	p.settings.APIURL = ""
	p.wants(p.test(), map[string]string{"repository": ""})

	p.settings.ClientID, p.settings.ClientSecret = "", mirror.Secret{}
	p.wants(p.test(), map[string]string{"repository": "", "token": "", "git": mirror.CodeRepositoryNotFound, "branch": "-", "write": "-"})

	p.settings.APIURL = p.standIn.APIURL()
	result := p.test()
	p.wants(result, map[string]string{"settings": mirror.CodeConnectionFailed, "token": "", "repository": "-", "git": "-", "branch": "-", "write": "-"})
	p.says(result, "settings", mirror.ConnectionFailedMessage, "client_id")
}

// Each refusal that the token endpoint is known for, in plain words.
func TestProbeOfTheToken(t *testing.T) {
	refusal := func(body string) func(p *probed) {
		return func(p *probed) {
			p.standIn.Inject(bitbuckettest.Fault{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, bitbuckettest.EndpointToken)
		}
	}
	for name, test := range map[string]struct {
		spoil        func(p *probed)
		code, remedy string
	}{
		"wrong secret": {func(p *probed) { p.settings.ClientSecret = mirror.NewSecret("hunter2") }, mirror.CodeConnectionFailed,
			"Client ID or client secret is wrong: copy both again"},
		"not private": {func(p *probed) {
			c := p.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Public: true})
			p.settings.ClientID, p.settings.ClientSecret = c.Key, mirror.NewSecret(c.Secret)
		}, mirror.CodeConnectionFailed, `tick "This is a private consumer"`},
		"credentials lost on the way": {refusal(`{"error_description":"Requests must be authenticated using OAuth client credentials","error":"unauthorized_client"}`),
			mirror.CodeConnectionFailed, "did not arrive: check that both are set"},
		"no such grant": {refusal(`{"error_description": "Unsupported grant type: None", "error": "invalid_grant"}`),
			mirror.CodeConnectionFailed, "does not offer the client_credentials grant: check oauth_url"},
		"too many requests": {func(p *probed) { p.standIn.Inject(bitbuckettest.TooManyRequests(0), bitbuckettest.EndpointToken) }, mirror.CodeRateLimited, "later"},
		"down":              {func(p *probed) { p.standIn.Inject(bitbuckettest.Down(503), bitbuckettest.EndpointToken) }, mirror.CodeNetworkUnreachable, "tried again"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbed(t)
			test.spoil(p)
			result := p.test()
			p.wants(result, map[string]string{"token": test.code, "repository": "-", "git": "-", "branch": "-", "write": "-"})
			message := ""
			if test.code == mirror.CodeConnectionFailed {
				message = mirror.ConnectionFailedMessage
			}
			p.says(result, "token", message, test.remedy)
			p.says(result, "git", "Not tried, because the step token failed.", "")
		})
	}
}

// What the setup asks for and the consumer was not given.
func TestProbeOfTheScopes(t *testing.T) {
	for name, test := range map[string]struct {
		scopes []string
		legacy bool
		remedy string
	}{
		"all":                {[]string{"repository", "repository:write", "pullrequest", "pullrequest:write"}, false, ""},
		"all by the highest": {[]string{"pullrequest:write"}, false, ""},
		"no pull requests":   {[]string{"repository:write"}, false, "these, too: Pull requests: Read (pullrequest), Pull requests: Write (pullrequest:write)."},
		"reads alone":        {[]string{"pullrequest", "repository:write"}, true, "these, too: Pull requests: Write (pullrequest:write)."},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbed(t)
			p.standIn.SetLegacyTokens(test.legacy)
			c := p.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Scopes: test.scopes})
			p.settings.ClientID, p.settings.ClientSecret = c.Key, mirror.NewSecret(c.Secret)
			result := p.test()
			p.wants(result, map[string]string{"token": map[bool]string{true: "ok", false: "note"}[test.remedy == ""]})
			p.says(result, "token", "The credentials are accepted", test.remedy)
		})
	}
}

func TestProbeOfTheRepository(t *testing.T) {
	for name, test := range map[string]struct {
		spoil                 func(p *probed)
		steps                 map[string]string
		step, message, remedy string
	}{
		"no such repository": {func(p *probed) { p.settings.Repository = "nowhere" },
			map[string]string{"repository": mirror.CodeRepositoryNotFound, "git": mirror.CodeRepositoryNotFound, "branch": "-", "write": "-"},
			"repository", "acme-corp/nowhere does not exist, or these credentials may not see it", "workspace"},
		"a consumer of another workspace": {func(p *probed) {
			c := p.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "other"})
			p.settings.ClientID, p.settings.ClientSecret = c.Key, mirror.NewSecret(c.Secret)
		}, map[string]string{"repository": mirror.CodeRepositoryNotFound, "git": mirror.CodeRepositoryNotFound, "branch": "-", "write": "-"},
			"git", "", "workspace"},
		"REST is limited, git is not": {func(p *probed) { p.standIn.Inject(bitbuckettest.TooManyRequests(0), bitbuckettest.EndpointREST) },
			map[string]string{"repository": mirror.CodeRateLimited}, "branch", "The branch main is there.", ""},
		"an IP allow-list": {func(p *probed) {
			p.standIn.Inject(bitbuckettest.AddressBlocked(), bitbuckettest.EndpointFetchRefs, bitbuckettest.EndpointFetch)
		}, map[string]string{"git": mirror.CodePermissionDenied, "branch": "-", "write": "-"}, "git", "whitelist your IP", "allow-list"},
		"a branch that is not there": {func(p *probed) { p.settings.Branch = "gone" },
			map[string]string{"branch": mirror.CodeBranchNotFound}, "branch", `The branch "gone" does not exist`, "name another one (the repository's main branch is main)."},
		"no REST interface there": {func(p *probed) { p.settings.APIURL = p.standIn.URL() + "/3.0" },
			map[string]string{"repository": mirror.CodeRepositoryNotFound}, "repository", "does not exist", "Check api_url, too"},
		"another branch than the main one": {func(p *probed) { p.settings.Branch = "config"; p.commit("config") },
			nil, "branch", "The branch config is there; the repository's main branch is main.", ""},
		"no right to write": {func(p *probed) {
			c := p.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Scopes: []string{bitbuckettest.ScopeRepository}})
			p.settings.ClientID, p.settings.ClientSecret = c.Key, mirror.NewSecret(c.Secret)
		}, map[string]string{"token": "note", "write": mirror.CodePermissionDenied}, "write", "privilege scopes", "Repositories: Read and Write"},
		"signed commits": {func(p *probed) { p.repo.SetSignedCommits(true) },
			map[string]string{"repository": "note"}, "repository", "takes signed commits only", "switch the demand"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbed(t)
			test.spoil(p)
			result := p.test()
			p.wants(result, test.steps)
			p.says(result, test.step, test.message, test.remedy)
		})
	}
}

func TestProbeOfAnEmptyRepository(t *testing.T) {
	p := newProbed(t)
	_, err := p.standIn.CreateRepository("acme-corp", "empty")
	p.must(err)
	p.settings.Repository = "empty"
	result := p.test()
	p.wants(result, nil)
	p.says(result, "branch", "The repository is empty: the first push creates the branch main.", "")
	p.says(result, "rules", "whether the branch main has one shows with the first push", "")
	p.says(result, "write", "The credentials may push to the repository.", "")
}

// Whether webhooks arrive is worth a word, and never a failure: polling does the work, too.
func TestProbeOfTheDelivery(t *testing.T) {
	stranger := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	for name, test := range map[string]struct {
		publicURL, gitURL string
		message, remedy   string
	}{
		"nobody listens":    {"http://" + closedPort(t), "", "Nobody takes connections at 127.0.0.1", "http.public_url"},
		"somebody else":     {stranger.URL, "", "somebody else answers there (404 Not Found).", "http.public_url"},
		"a private network": {"http://10.1.2.3", "https://bitbucket.invalid", "is an address of a private network, where bitbucket.invalid cannot deliver", "rely on polling"},
		"a machine's name":  {"http://confmirror:8080", "https://bitbucket.invalid", "is an address of a private network", "rely on polling"},
		"from the outside":  {"http://127.0.0.1:8080", "https://169.254.169.254", "is an address of this machine itself", "rely on polling"},
		"no address":        {"", "", "There is no address", "http.public_url"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbed(t)
			p.webhook = web.WebhookURL(test.publicURL)
			want := map[string]string{"delivery": "note"}
			if test.gitURL != "" {
				p.settings.GitURL = test.gitURL
				want = map[string]string{"delivery": "note", "connect": mirror.CodeNetworkUnreachable, "git": "-", "branch": "-", "write": "-"}
				if strings.HasSuffix(test.gitURL, ".invalid") {
					want["dns"], want["connect"] = mirror.CodeNetworkUnreachable, "ok"
				}
			}
			result := p.test()
			p.wants(result, want)
			p.says(result, "delivery", test.message, test.remedy)
		})
	}
}

// What came lately says more than a ping from this machine.
func TestProbeTellsOfDeliveries(t *testing.T) {
	past := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	came := db.WebhookDeliveries{DeliveredAt: past(3*time.Minute + time.Second), DeliveredEvent: "repo:push"}
	refused := came
	refused.RefusedAt, refused.RefusedEvent, refused.RefusedWhy = past(2*time.Minute+time.Second), "repo:push", db.RefusedSignature
	mended := refused
	mended.DeliveredAt = past(time.Minute + time.Second)
	for name, test := range map[string]struct {
		known           db.Webhook
		closed          bool
		mark            string
		message, remedy string
	}{
		"none yet":                {db.Webhook{}, false, "ok", "as far as this machine can tell.", ""},
		"one":                     {db.Webhook{WebhookDeliveries: came}, false, "ok", "Last delivery: 3 minutes ago (repo:push).", ""},
		"one, by another way":     {db.Webhook{WebhookDeliveries: came}, true, "ok", "this machine does not get there. Last delivery: 3 minutes ago", ""},
		"one refused":             {db.Webhook{WebhookDeliveries: refused}, false, "note", "A delivery was refused 2 minutes ago (repo:push): the signature does not fit", "Enter the connection's webhook secret"},
		"one refused, then taken": {db.Webhook{WebhookDeliveries: mended}, false, "ok", "Last delivery: 1 minute ago", ""},
		"silent":                  {db.Webhook{WebhookDeliveries: came, Unheard: 2}, false, "note", "The webhook is silent: 2 pushes", "confmirror check"},
		"long ago, none here": {db.Webhook{WebhookDeliveries: db.WebhookDeliveries{DeliveredAt: past(49 * time.Hour), DeliveredEvent: "repo:push"}}, true, "note",
			"Last delivery: 2 days ago (repo:push).", "http.public_url"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbed(t)
			p.known = test.known
			if test.closed {
				p.webhook = web.WebhookURL("http://" + closedPort(t))
			}
			result := p.test()
			p.wants(result, map[string]string{"delivery": test.mark})
			p.says(result, "delivery", test.message, test.remedy)
			webhook := "a person has to. Enter it"
			if test.known.DeliveredAt.After(test.known.RefusedAt) {
				webhook = "there is one, for deliveries arrive"
			}
			p.says(result, "webhook", webhook, "")
		})
	}
}

// A host that takes requests and answers none does not keep whoever asked.
func TestProbeEndsInTime(t *testing.T) {
	p := newProbed(t)
	ctx := &overdue{t.Context(), make(chan struct{})}
	undo := p.standIn.Inject(bitbuckettest.Fault{Stall: true, Do: sync.OnceFunc(func() { close(ctx.over) })}, bitbuckettest.EndpointFetchRefs, bitbuckettest.EndpointFetch)
	defer undo()
	result := p.connector.Test(ctx, p.settings, Webhook{URL: p.webhook, Known: p.known, Gone: func() { p.gone++ }}, nil)
	p.wants(result, map[string]string{"git": mirror.CodeNetworkUnreachable, "branch": "-", "write": "-", "webhook": "-", "delivery": "-"})
	p.says(result, "git", "no answer within the time", "Try it again")
	p.says(result, "delivery", "the time for the test is over", "")
}

// overdue is a context whose time is over when a test says so.
type overdue struct {
	context.Context
	over chan struct{}
}

func (c *overdue) Done() <-chan struct{} { return c.over }

func (c *overdue) Err() error {
	select {
	case <-c.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// Whoever interrupts a test is not told of hosts that are slow.
func TestProbeInterrupted(t *testing.T) {
	for name, stalled := range map[string]bitbuckettest.Endpoint{"token": bitbuckettest.EndpointToken, "repository": bitbuckettest.EndpointREST, "git": bitbuckettest.EndpointFetchRefs} {
		t.Run(name, func(t *testing.T) {
			p := newProbed(t)
			ctx, interrupt := context.WithCancel(t.Context())
			undo := p.standIn.Inject(bitbuckettest.Fault{Stall: true, Do: interrupt}, stalled, bitbuckettest.EndpointFetch)
			defer undo()
			result := p.connector.Test(ctx, p.settings, Webhook{URL: p.webhook, Known: p.known, Gone: func() { p.gone++ }}, nil)
			p.says(result, name, "when the test was interrupted", "Test again")
			p.says(result, "delivery", "the test was interrupted", "")
		})
	}
}

// admitted is the connection of a consumer that may read all that REST has.
func admitted(t *testing.T) *probed {
	p := newProbed(t)
	c := p.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp",
		Scopes: []string{bitbuckettest.ScopePullRequestWrite, bitbuckettest.ScopeRepositoryAdmin, bitbuckettest.ScopeWebhook}})
	p.settings.ClientID, p.settings.ClientSecret = c.Key, mirror.NewSecret(c.Secret)
	return p
}

// A restricted branch is no connection for direct pushes, and is one for pull requests.
func TestProbeOfARestriction(t *testing.T) {
	for name, test := range map[string]struct {
		pattern               string
		push                  mirror.PushMode
		mark, message, remedy string
	}{
		"none":                  {"", mirror.PushDirect, "ok", "No restriction keeps pushes from the branch main.", ""},
		"of another branch":     {"release/*", mirror.PushDirect, "ok", "No restriction", ""},
		"of ours":               {"main", mirror.PushDirect, mirror.CodeBranchRestricted, "The branch main takes no direct pushes: there is a restriction, push to main.", "Set push to auto or pull-request"},
		"and pull requests":     {"main", mirror.PushPullRequest, "ok", "changes go into a pull request", ""},
		"and whatever is taken": {"ma*", mirror.PushAuto, "ok", "(push to ma*): changes go into a pull request", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := admitted(t)
			p.settings.Push = test.push
			if test.pattern != "" {
				p.repo.Restrict(test.pattern)
			}
			p.repo.AddHook(p.webhook, mirror.Secret{}, "repo:push", "pullrequest:created", "pullrequest:updated", "pullrequest:fulfilled", "pullrequest:rejected")
			result := p.test()
			p.wants(result, map[string]string{"rules": test.mark})
			p.says(result, "rules", test.message, test.remedy)
		})
	}
}

// Without the permission to read restrictions the branch itself tells: a push is tried that
// changes nothing.
func TestProbeOfAPush(t *testing.T) {
	for name, test := range map[string]struct {
		spoil                 func(p *probed)
		push                  mirror.PushMode
		mark, message, remedy string
	}{
		"restricted": {func(p *probed) { p.repo.Restrict("main") }, mirror.PushDirect,
			mirror.CodeBranchRestricted, "Permission denied to update branch main.", "no OAuth consumer or token can be exempted"},
		"restricted, and pull requests": {func(p *probed) { p.repo.Restrict("main") }, mirror.PushAuto,
			"ok", "The branch main takes no direct pushes. The credentials may push to the branch confmirror/sync. Changes go from there into a pull request.", ""},
		"pull requests": {func(p *probed) { p.repo.Restrict("main") }, mirror.PushPullRequest,
			"ok", "The credentials may push to the branch confmirror/sync. Changes go from there", ""},
		"all restricted": {func(p *probed) { p.repo.Restrict("*") }, mirror.PushAuto,
			mirror.CodeBranchRestricted, "The branch main takes no direct pushes. Changes cannot be proposed from confmirror/sync: ", "create and write the branch confmirror/sync"},
		"nothing restricted": {func(*probed) {}, mirror.PushAuto, "ok", "The credentials may push to the branch main.", ""},
		"full": {func(p *probed) { p.repo.SetFull(true) }, mirror.PushDirect,
			mirror.CodeRepositoryFull, "over the size limit (4 GB)", "Reduce the repository's size"},
		"a hook": {func(p *probed) { p.repo.RefusePushes("JIRA-123: every commit needs a ticket") }, mirror.PushDirect,
			"note", "only tried: The remote refuses the push: JIRA-123", "Change what it asks for"},
		"no answer to such a push": {func(p *probed) { p.standIn.Inject(bitbuckettest.Down(500), bitbuckettest.EndpointPush) }, mirror.PushDirect,
			"ok", "takes it shows with the first push: The git server answers 500", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbed(t)
			p.settings.Push = test.push
			test.spoil(p)
			result := p.test()
			p.wants(result, map[string]string{"write": test.mark})
			p.says(result, "write", test.message, test.remedy)
		})
	}
}

// What REST does not tell for the moment is no fault of the connection.
func TestProbeWhereRESTIsSpent(t *testing.T) {
	p := admitted(t)
	p.standIn.Inject(bitbuckettest.Fault{Status: http.StatusTooManyRequests, Route: "GET branch-restrictions"}, bitbuckettest.EndpointREST)
	p.standIn.Inject(bitbuckettest.Fault{Status: http.StatusTooManyRequests, Route: "GET hooks"}, bitbuckettest.EndpointREST)
	result := p.test()
	p.wants(result, nil)
	p.says(result, "rules", "Whether the branch main is restricted could not be asked.", "")
	p.says(result, "webhook", "could not be asked.", "")
}

func TestProbeOfTheWebhook(t *testing.T) {
	all := []string{"repo:push", "pullrequest:created", "pullrequest:updated", "pullrequest:fulfilled", "pullrequest:rejected"}
	secret := mirror.NewSecret("hunter2-webhook")
	for name, test := range map[string]struct {
		hook                  func(p *probed)
		mark, message, remedy string
	}{
		"none": {func(*probed) {}, "note", "The repository has no webhook to ", "the triggers Repository: Push; Pull request: Created"},
		"gone": {func(p *probed) { p.known.Given, p.known.URL = "digest", p.webhook }, "note", "is gone from the repository", "makes it again"},
		"own": {func(p *probed) {
			p.known.Given, p.known.URL = "digest", p.webhook+"/acme"
			p.repo.AddHook(p.webhook, secret)
			p.repo.AddHook(p.known.URL, secret, all...)
		}, "ok", "/acme.", ""},
		"another":           {func(p *probed) { p.repo.AddHook("https://ci.example.com/hook", secret, all...) }, "note", "has no webhook to ", "Enter it"},
		"ours":              {func(p *probed) { p.repo.AddHook(p.webhook, secret, all...) }, "ok", "The repository has a webhook to ", ""},
		"an organization's": {func(p *probed) { p.repo.AddHook(p.webhook+"/acme", secret, all...) }, "ok", "/acme.", ""},
		"unsigned":          {func(p *probed) { p.repo.AddHook(p.webhook, mirror.Secret{}, all...) }, "note", "has no secret", "Enter the connection's webhook secret"},
		"pushes only":       {func(p *probed) { p.repo.AddHook(p.webhook, secret) }, "note", "does not tell of everything", "Tick these triggers, too, in the repository's settings: Repository: Push"},
		"another installation's": {func(p *probed) {
			p.repo.AddHook("https://old.example.com/api/bitbucket/webhook", secret, all...)
			p.repo.AddHook(p.webhook+"/other", secret, all...) // of another organization here
			p.repo.AddHook(p.webhook, secret, all...)
		}, "note", "and one to another confmirror: https://old.example.com/api/bitbucket/webhook.", "delete that webhook"},
		"switched off": {func(p *probed) { p.repo.AddHook(p.webhook, secret, all...).Subscribe(false, all...) }, "note", "is switched off", "Switch it on"},
	} {
		t.Run(name, func(t *testing.T) {
			p := admitted(t)
			p.settings.WebhookSecret = secret
			test.hook(p)
			result := p.test()
			p.wants(result, map[string]string{"webhook": test.mark})
			p.says(result, "webhook", test.message, test.remedy)
			if (p.gone == 1) != (name == "gone") {
				t.Errorf("it was told %d times that the webhook is gone", p.gone)
			}
		})
	}
}
