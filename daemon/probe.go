package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/clone"
)

// testLimit bounds a whole connection test.
const testLimit = 30 * time.Second

// Test tries a connection as this daemon's webhook would complete it.
func (e engine) Test(ctx context.Context, o *db.Organization, s mirror.Settings) web.TestResult {
	webhook := KnownWebhook(ctx, e.db, e.webhookURL(), o)
	gone := webhook.Gone
	webhook.Gone = func() {
		gone()
		e.webhooks.renew(o.ID)
		e.Nudge(o.ID, "webhook")
	}
	return e.connector.Test(ctx, s, webhook, ApartOf(e.db, o.ID))
}

// Apart fails where another organization mirrors the same files of a repository. Branch and
// uuid are those of the repository, "" where they are not known.
type Apart func(ctx context.Context, s mirror.Settings, branch, repositoryUUID string) error

// ApartOf asks the database for an organization, "" for one that is not there yet.
func ApartOf(database *db.DB, organizationID string) Apart {
	return func(ctx context.Context, s mirror.Settings, branch, repositoryUUID string) error {
		return database.Apart(ctx, organizationID, s, branch, repositoryUUID)
	}
}

// KnownWebhook is a mirror's webhook at an address, with what the database knows of it. One
// that turns out to be gone is made again. A database that does not answer knows nothing.
func KnownWebhook(ctx context.Context, database *db.DB, address string, o *db.Organization) Webhook {
	known, err := database.Webhook(ctx, o.ID)
	if err != nil {
		known = db.Webhook{}
	}
	return Webhook{URL: address, Organization: o.Slug, Known: known, Gone: func() { _ = database.RenewWebhook(ctx, o.ID) }}
}

// probe is a connection test under way.
type probe struct {
	connector  *Connector
	settings   mirror.Settings
	remote     remote
	repository mirror.Repository
	refs       clone.Refs
	webhook    Webhook
	result     web.TestResult
	lost       map[string]string // what did not succeed, steps and settings, and how to say so
}

// Test tries a connection step by step and changes nothing. A step that fails stops only
// those that need it:
//
//	step                         needs
//	settings
//	dns, proxy, connect, tls     each the one before, host by host
//	clock                        an answer of any host
//	token                        the host of oauth_url
//	repository                   the host of api_url, token
//	git                          the host of git_url, token
//	branch, write                git
//	rules                        repository, branch
//	webhook                      repository
//	delivery
//
// What works all the same and may surprise somebody later is a success with a remedy.
// apart may be nil: then nobody else mirrors anything.
func (c *Connector) Test(ctx context.Context, s mirror.Settings, webhook Webhook, apart Apart) web.TestResult {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	p := &probe{connector: c, settings: s, webhook: webhook, result: web.TestResult{OK: true, Steps: []web.TestStep{}}, lost: map[string]string{}}
	places, unusable := p.places()
	p.try(ctx, "settings", nil, func() (step web.TestStep, err error) {
		c.insist(s)
		if p.remote, err = c.remote(s); err == nil {
			err = unusable
		}
		return usable(s), err
	})
	p.network(ctx, places)
	if p.remote.credentials != nil {
		p.try(ctx, "token", []string{"settings", "oauth_url"}, func() (web.TestStep, error) { return p.token(ctx) })
	}
	if s.APIURL != "" {
		p.try(ctx, "repository", []string{"settings", "api_url", "token"}, func() (web.TestStep, error) { return p.facts(ctx) })
	}
	p.try(ctx, "git", []string{"settings", "git_url", "token"}, func() (step web.TestStep, err error) {
		p.refs, err = clone.ListRefs(ctx, s.CloneURL(), p.remote.credentials, c.git)
		return said("The repository can be read over git."), err
	})
	p.try(ctx, "branch", []string{"git"}, func() (web.TestStep, error) {
		step, err := p.branch()
		if err == nil && apart != nil {
			err = apart(ctx, s, p.mirrored(), p.repository.UUID)
		}
		return step, err
	})
	if rules, ok := p.remote.host.(mirror.Restrictions); ok {
		p.try(ctx, "rules", []string{"repository", "branch"}, func() (web.TestStep, error) { return p.rules(ctx, rules) })
	}
	p.try(ctx, "write", []string{"git"}, func() (web.TestStep, error) { return p.write(ctx) })
	if hooks, ok := p.remote.host.(mirror.Hooks); ok {
		p.try(ctx, "webhook", []string{"repository"}, func() (web.TestStep, error) { return p.registered(ctx, hooks), nil })
	}
	p.try(ctx, "delivery", nil, func() (web.TestStep, error) { return p.deliverable(ctx), nil })
	return p.result
}

// usable is the step of settings that can be used. Half of them of Bitbucket Cloud is a slip as
// a rule: credentials go to both hosts.
func usable(s mirror.Settings) web.TestStep {
	git, api := s.GitURL == mirror.DefaultGitURL, s.APIURL == mirror.DefaultAPIURL
	if s.APIURL == "" || git == api {
		return said("The settings can be used.")
	}
	return remark(fmt.Sprintf("Of git_url (%s) and api_url (%s) one is Bitbucket Cloud's, the other is not.", s.GitURL, s.APIURL),
		`Set both, and oauth_url where there is one, to the same host: git_url to https://host/scm and api_url to https://host/rest/api/latest for a Data Center, api_url to "" for a plain git host.`)
}

// said is the step of a success.
func said(format string, args ...any) web.TestStep {
	return web.TestStep{Message: fmt.Sprintf(format, args...)}
}

// try adds a step: skipped if something that it needs did not succeed, else as do says.
func (p *probe) try(ctx context.Context, name string, needs []string, do func() (web.TestStep, error)) {
	if ctx.Err() != nil {
		p.skip(name, over(ctx))
		return
	}
	for _, need := range needs {
		if why, lost := p.lost[need]; lost {
			p.skip(name, why)
			return
		}
	}
	step, err := do()
	switch _, told := errors.AsType[*mirror.Fault](err); {
	case err == nil:
	case errors.Is(ctx.Err(), context.Canceled):
		p.fail(name, &mirror.Fault{Code: mirror.CodeNetworkUnreachable, Message: "There was no answer yet when the test was interrupted.",
			Remedy: "Test again.", Class: mirror.Transient, Err: err})
		return
	case ctx.Err() != nil && !told:
		p.fail(name, &mirror.Fault{Code: mirror.CodeNetworkUnreachable, Message: "There was no answer within the time for the test.",
			Remedy: "Try it again. If it lasts, something between this machine and the host swallows what is sent.", Class: mirror.Transient, Err: err})
		return
	default:
		p.fail(name, mirror.AsFault(err))
		return
	}
	step.Name, step.OK = name, true
	p.result.Steps = append(p.result.Steps, step)
}

// over is why nothing more is tried.
func over(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.Canceled) {
		return "the test was interrupted"
	}
	return "the time for the test is over"
}

func (p *probe) fail(name string, f *mirror.Fault) {
	p.result.Steps = append(p.result.Steps, web.TestStep{Name: name, Code: f.Code, Message: f.Message, Remedy: f.Remedy})
	p.lost[name] = "the step " + name + " failed"
	if p.result.OK {
		p.result.OK, p.result.Code, p.result.Message = false, f.Code, f.Message
	}
}

func (p *probe) skip(name, why string) {
	p.result.Steps = append(p.result.Steps, web.TestStep{Name: name, Skipped: true, Message: "Not tried, because " + why + "."})
	p.lost[name] = why
}

func (p *probe) token(ctx context.Context) (web.TestStep, error) {
	_, _, err := p.remote.credentials.Basic(ctx, false)
	if !p.settings.AccessToken.IsZero() {
		return said("An access token is set; whether it is good shows when it is used."), err
	}
	if t, ok := p.remote.credentials.(*bitbucket.TokenSource); ok && err == nil && t.Lacking() != "" {
		return remark("The credentials are accepted, and lack permissions that confmirror uses.",
			"Give the OAuth consumer these, too: "+t.Lacking()+". What needs them, pushes or pull requests, is refused until then."), nil
	}
	return said("The credentials are accepted."), err
}

// facts asks the host's REST interface for the repository.
func (p *probe) facts(ctx context.Context) (step web.TestStep, err error) {
	p.repository, err = p.remote.host.Repository(ctx)
	step = said("The repository %s is there.", p.repository.FullName)
	if p.repository.SignedCommitsRequired {
		step = said("The repository %s is there, and takes signed commits only.", p.repository.FullName)
		step.Code, step.Remedy = mirror.CodeSignedCommitsRequired, "Pushes will be refused: switch the demand for signed commits off for this repository."
	}
	return step, err
}

// main is the repository's main branch, "" if nobody tells.
func (p *probe) main() string { return cmp.Or(p.repository.MainBranch, p.refs.HEAD) }

// mirrored is the branch that is meant.
func (p *probe) mirrored() string { return cmp.Or(p.settings.Branch, p.main(), "main") }

func (p *probe) branch() (web.TestStep, error) {
	main, branch := p.main(), p.mirrored()
	if p.refs.Empty {
		return said("The repository is empty: the first push creates the branch %s.", branch), nil
	}
	if _, there := p.refs.Branches[branch]; !there {
		return web.TestStep{}, &mirror.Fault{
			Code:    mirror.CodeBranchNotFound,
			Message: fmt.Sprintf("The branch %q does not exist in the repository.", branch),
			Remedy:  "Create the branch, or name another one" + inBrackets(mainIs(main)) + ".",
			Class:   mirror.Permanent,
		}
	}
	if branch == main || main == "" {
		return said("The branch %s is there.", branch), nil
	}
	return said("The branch %s is there; the repository's main branch is %s.", branch, main), nil
}

func mainIs(branch string) string {
	if branch == "" {
		return ""
	}
	return "the repository's main branch is " + branch
}

// places are the hosts that the connection leads to, each once.
func (p *probe) places() (places []*place, err error) {
	add := func(setting, address string) {
		u, bad := url.Parse(address)
		if bad != nil || u.Host == "" {
			p.lost[setting] = setting + " is no address"
			err = &mirror.Fault{Code: mirror.CodeConnectionFailed, Message: setting + " is no address.",
				Remedy: "Correct it: expected https://host/path.", Class: mirror.Permanent}
			return
		}
		for _, at := range places {
			if at.url.Scheme == u.Scheme && at.url.Host == u.Host {
				at.settings = append(at.settings, setting)
				return
			}
		}
		places = append(places, &place{settings: []string{setting}, url: &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}})
	}
	add("git_url", p.settings.GitURL)
	if p.settings.APIURL != "" {
		add("api_url", p.settings.APIURL)
	}
	if p.settings.AccessToken.IsZero() && p.settings.ClientID != "" {
		add("oauth_url", cmp.Or(p.settings.OAuthURL, mirror.DefaultOAuthURL))
	}
	return places, err
}
