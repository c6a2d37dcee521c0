package daemon_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// refusal is a way in which Bitbucket says no, and how the mirror tells of it.
type refusal struct {
	name  string
	spoil func(w *world)
	mend  func(w *world) // nil: the fault that was injected is taken back
	told
}

// told is what people see of a refusal: parts of message and remedy.
type told struct{ state, code, message, remedy string }

// answers is a refusal by an answer of the stand-in to some requests.
func answers(name string, status int, body string, told told, endpoints ...bitbuckettest.Endpoint) refusal {
	fault := bitbuckettest.Fault{Status: status, Body: body}
	if strings.HasPrefix(body, "{") {
		fault.Header = map[string][]string{"Content-Type": {"application/json"}}
	}
	return meets(name, fault, told, endpoints...)
}

func meets(name string, fault bitbuckettest.Fault, told told, endpoints ...bitbuckettest.Endpoint) refusal {
	var undo func()
	return refusal{name, func(w *world) {
		if slices.Contains(endpoints, bitbuckettest.EndpointToken) {
			w.standIn.RevokeTokens() // or none is asked for
		}
		undo = w.standIn.Inject(fault, endpoints...)
	}, func(*world) { undo() }, told}
}

// consumes is a refusal by what the consumer is.
func consumes(name string, change func(c *bitbuckettest.Consumer), told told) refusal {
	as := func(w *world, change func(c *bitbuckettest.Consumer)) {
		m := w.config.Mirrors[0]
		c := bitbuckettest.Consumer{Workspace: m.Workspace, Key: m.ClientID, Secret: m.ClientSecret.Reveal()}
		change(&c)
		w.standIn.AddConsumer(c)
		w.standIn.RevokeTokens()
	}
	return refusal{name, func(w *world) { as(w, change) }, func(w *world) { as(w, func(*bitbuckettest.Consumer) {}) }, told}
}

// rules is a refusal by what the repository takes.
func rules(name string, set func(r *bitbuckettest.Repo), unset func(r *bitbuckettest.Repo), told told) refusal {
	return refusal{name, func(w *world) { set(w.repo) }, func(w *world) { unset(w.repo) }, told}
}

// branchless is the loss of the branch, until it stands again where it stood.
func branchless() refusal {
	var head mirror.Hash
	return refusal{"the branch is gone", func(w *world) {
		head = w.commits()[0].Hash
		w.must(w.repo.DeleteBranch("main"))
	}, func(w *world) { w.must(w.repo.ForcePush("main", string(head))) },
		told{"blocked", mirror.CodeBranchNotFound, `The branch "main" does not exist in the repository.`, "Create the branch, or set another one in the connection. Nothing was deleted."}}
}

// says is a refusal by a hook's own words.
func says(name, text string, told told) refusal {
	return rules(name, func(r *bitbuckettest.Repo) { r.RefusePushes(text) }, func(r *bitbuckettest.Repo) { r.RefusePushes("") }, told)
}

// eachRefusal has a mirror meet one refusal after the other: it is told with its cause and
// remedy, what it stops stays pending, and everything goes on once it is mended.
func eachRefusal(w *world, refusals []refusal) {
	w.insert("toolkits", "slug", "'a'", "name", "'A'")
	w.synced()
	for _, r := range refusals {
		r.spoil(w)
		w.exec("UPDATE toolkits SET name = %s WHERE slug = 'a'", quote(r.name))
		w.sync()
		m := w.mirror()
		detail, _ := m["detail"].(map[string]any)
		text := func(key string) string { s, _ := detail[key].(string); return s }
		if m["state"] != r.state || text("code") != r.code || !strings.Contains(text("message"), r.message) || !strings.Contains(text("remedy"), r.remedy) {
			w.t.Errorf("%s: %v %v\nwant %+v", r.name, m["state"], detail, r.told)
		}
		if m["pending_changes"].(float64) != 1 {
			w.t.Errorf("L2: %s: %v changes are pending", r.name, m["pending_changes"])
		}
		r.mend(w)
		w.synced()
		if !w.branchHas("toolkits/a.json", r.name) {
			w.t.Errorf("%s: the change was lost", r.name)
		}
		if code := w.detailCode(); code != "" {
			w.t.Errorf("%s: still told after it was mended: %s", r.name, code)
		}
	}
}

const noAccess = "You may not have access to this repository or it no longer exists in this workspace. " +
	"If you think this repository exists and you have access, make sure you are authenticated."

// TestRefusedTokens: each text of the token endpoint.
func TestRefusedTokens(t *testing.T) {
	failed := func(remedy string) told {
		return told{"blocked", mirror.CodeConnectionFailed, mirror.ConnectionFailedMessage, remedy}
	}
	eachWorld(t, nil, func(w *world) {
		eachRefusal(w, []refusal{
			consumes("wrong secret", func(c *bitbuckettest.Consumer) { c.Secret = "another" }, failed("Client ID or client secret is wrong")),
			consumes("not private", func(c *bitbuckettest.Consumer) { c.Public = true }, failed(`tick "This is a private consumer"`)),
			answers("no client", 400, `{"error_description":"Requests must be authenticated using OAuth client credentials","error":"unauthorized_client"}`,
				failed("check that both are set"), bitbuckettest.EndpointToken),
			answers("no such grant", 400, `{"error_description": "Unsupported grant type: None", "error": "invalid_grant"}`,
				failed("check oauth_url"), bitbuckettest.EndpointToken),
			answers("as RFC 6749 has it", 401, `{"error":"invalid_client"}`, failed("Client ID or client secret is wrong"), bitbuckettest.EndpointToken),
			answers("no endpoint", 404, "Not found", failed("no token endpoint at oauth_url"), bitbuckettest.EndpointToken),
			meets("limited", bitbuckettest.TooManyRequests(0), told{"error", mirror.CodeRateLimited, "", "tried again"}, bitbuckettest.EndpointToken),
			meets("down", bitbuckettest.Down(503), told{"error", mirror.CodeNetworkUnreachable, "token endpoint", "tried again"}, bitbuckettest.EndpointToken),
		})
	})
}

// TestRefusedConsumers: a token that is good, and not for this.
func TestRefusedConsumers(t *testing.T) {
	denied := told{"blocked", mirror.CodePermissionDenied, "Your credentials lack one or more required privilege scopes.", "Repositories: Read and Write"}
	eachWorld(t, nil, func(w *world) {
		eachRefusal(w, []refusal{
			consumes("another workspace", func(c *bitbuckettest.Consumer) { c.Workspace = "other" }, told{"blocked", mirror.CodeRepositoryNotFound, noAccess, "credentials belong to that workspace"}),
			consumes("a scope is missing", func(c *bitbuckettest.Consumer) { c.Scopes = []string{bitbuckettest.ScopeWebhook} }, denied),
			consumes("may only read", func(c *bitbuckettest.Consumer) { c.Scopes = []string{bitbuckettest.ScopeRepository} }, denied),
		})
	})
}

// TestRefusedAtTheDoor: each refusal of git over HTTPS.
func TestRefusedAtTheDoor(t *testing.T) {
	denied := func(message, remedy string) told {
		return told{"blocked", mirror.CodePermissionDenied, message, remedy}
	}
	missing := func(message string) told {
		return told{"blocked", mirror.CodeRepositoryNotFound, cmp.Or(message, noAccess), "and that the credentials belong to that workspace"}
	}
	git := bitbuckettest.GitEndpoints
	eachWorld(t, nil, func(w *world) {
		eachRefusal(w, []refusal{
			answers("401", 401, "Invalid credentials", told{"blocked", mirror.CodeConnectionFailed, mirror.ConnectionFailedMessage, "the consumer is private"}, git...),
			answers("401 old", 401, "Invalid username or password", told{"blocked", mirror.CodeConnectionFailed, mirror.ConnectionFailedMessage, "client secret"}, git...),
			// Nothing public settles which status a missing repository has.
			answers("401 missing", 401, noAccess, missing(""), git...),
			answers("403 missing", 403, noAccess, missing(""), git...),
			answers("403 missing, older", 403, "The requested repository either does not exist or you do not have access. If you believe this repository exists and you have access, make sure you're authenticated.",
				missing("either does not exist or you do not have access"), git...),
			meets("404 missing", bitbuckettest.Missing(), missing(""), git...),
			meets("allow-list", bitbuckettest.AddressBlocked(), denied("an admin must whitelist your IP", "Add this machine's address to the workspace's IP allow-list"), git...),
			meets("two-step", bitbuckettest.TwoStepRequired(), denied("enable two-step authentication", "two-step verification"), git...),
			meets("app password", bitbuckettest.AppPasswordsGone(), denied("App passwords are deprecated", "Use an OAuth consumer's client id and secret"), git...),
			branchless(),
			meets("limited", bitbuckettest.TooManyRequests(0), told{"error", mirror.CodeRateLimited, "fewer requests", "tried again by itself"}, git...),
			meets("down", bitbuckettest.Down(500), told{"error", mirror.CodeNetworkUnreachable, "500 Internal Server Error", "confmirror check"}, git...),
		})
	})
}

// TestRefusedPushes: each refusal within the answer to a push.
func TestRefusedPushes(t *testing.T) {
	restricted := func(message, remedy string) told {
		return told{"blocked", mirror.CodeBranchRestricted, "The branch does not take direct pushes: " + message, remedy}
	}
	full := func(message string) told {
		return told{"blocked", mirror.CodeRepositoryFull, "The repository takes no more data: " + message, "Reduce the repository's size"}
	}
	unrestrict := (*bitbuckettest.Repo).Unrestrict
	eachWorld(t, nil, func(w *world) {
		eachRefusal(w, []refusal{
			rules("restricted", func(r *bitbuckettest.Repo) { r.Restrict("main") }, unrestrict,
				restricted("Permission denied to update branch main.", "no OAuth consumer or token can be exempted")),
			rules("restricted but for somebody", func(r *bitbuckettest.Repo) { r.Restrict("ma*", "you") }, unrestrict,
				restricted("Permission denied to update branch main.", "no OAuth consumer or token can be exempted")),
			says("restricted, older", "permission denied to update branch main", restricted("permission denied", "Lift the restriction")),
			says("restricted for tokens", "You are using an access token to authenticate whilst branch restrictions are configured - this is currently not supported.",
				restricted("You are using an access token", "no OAuth consumer or token can be exempted")),
			says("restricted on a Data Center", "Branch refs/heads/main can only be modified through pull requests.\nCheck your branch permissions configuration with the project administrator.",
				restricted("Branch refs/heads/main can only be modified through pull requests.", "Make an exception for the token's user")),
			rules("full", func(r *bitbuckettest.Repo) { r.SetFull(true) }, func(r *bitbuckettest.Repo) { r.SetFull(false) },
				full("Repository is over the size limit (4 GB) and will not accept further additions.")),
			rules("pack too large", func(r *bitbuckettest.Repo) { r.SetMaxPack("10") }, func(r *bitbuckettest.Repo) { r.SetMaxPack("") },
				told{"blocked", mirror.CodePushRefused, "takes no push of this size: fatal: pack exceeds maximum allowed size", "Make what is too large smaller"}),
			rules("signed commits", func(r *bitbuckettest.Repo) { r.SetSignedCommits(true) }, func(r *bitbuckettest.Repo) { r.SetSignedCommits(false) },
				told{"blocked", mirror.CodeSignedCommitsRequired, "The repository requires signed commits: ", "signed-commits rule"}),
			says("anything else", "JIRA-123: every commit needs a ticket",
				told{"blocked", mirror.CodePushRefused, "The remote refuses the push: JIRA-123: every commit needs a ticket", "Change what it asks for"}),
		})
	})
}
