// Package bitbucket talks to Bitbucket Cloud, and to Data Center as far as that goes: it
// gets OAuth tokens, does through REST what git cannot (pull requests, comments, build
// statuses, webhooks), and checks deliveries. Git itself is elsewhere.
//
//	tokens, err := bitbucket.NewTokenSource(bitbucket.Consumer{ID: key, Secret: secret})
//	forge, err := bitbucket.New(bitbucket.Target{Workspace: "acme-corp", Slug: "webrix-sync"}, tokens)
//	repository, err := forge.Repository(ctx)
//
// Every error of [TokenSource], [Client] and [DataCenter] is a [mirror.Fault] that tells
// an operator what to do, and wraps a cause where a caller can act on one ([mirror.ErrGone],
// [mirror.ScopeError], ...). None contains a key, a secret or a token.
//
// # Tokens
//
// A consumer's key and secret buy an access token by the client-credentials grant
// (https://developer.atlassian.com/cloud/bitbucket/oauth-2/): Basic authentication,
// the grant in a form. The endpoint says 400, not RFC 6749's 401, for a wrong
// key, and 400 for a consumer that is not private. Answers of before and after
// CHANGE-3052 (4 May 2026) are read: `scopes` and `scope`. A token works as the
// password of x-token-auth in git and as Bearer in REST, nowhere else. It is
// opaque, kept in memory only, and replaced before it expires or once it is refused.
//
//	state      what Token does
//	none       fetches; callers that come meanwhile wait for the same answer
//	live       returns it
//	ageing     within min(10 min, a quarter of its life) of its end: fetches; should
//	           that fail for a passing reason, the old token serves on for 30 s
//	refused    fetches, at most ten times a minute: a repository that is missing
//	           answers 401 too, and a new token does not help there
//
// A fetch belongs to all who wait for it and ends when the last of them gives up.
// [TokenSources] keeps one source for each consumer.
//
// # REST
//
// [Client] is the Cloud's, [DataCenter] the other; [New] tells them apart by api_url. What
// both hold to:
//
//   - Look before a write. Bitbucket makes a second webhook with the same URL, clears the
//     reviewers that an update leaves out, and may answer a second proposal with the first.
//     Data Center wants the version that a write is about; out of date, it is read again once.
//   - Nothing is believed because it was asked for: a query may be misunderstood, so its
//     answers are filtered again.
//   - A token goes to the interface's own origin, whatever a redirect or a link to a next page
//     says. Lists end after a few pages.
//   - The words of people who read it are bounded: a long text is cut, not refused.
//
// # Pace
//
// A consumer may make 1,000 requests within any hour, all its mirrors together. [Paces]
// count them, and give a host a rest after a 429 or when it fails again and again. Nobody
// waits: a request that may not be made now is a transient fault which names the time
// ([mirror.LimitError]). Tokens and git are not counted, so a spent budget stops neither.
// Each daemon counts its own; what several spend together, the host's 429 tells.
//
// # Webhooks
//
// Bitbucket Cloud signs the raw body with HMAC-SHA256 in X-Hub-Signature
// (https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/), as Data
// Center does. No time is signed, so deliveries can be replayed, and lists of
// changes are cut to five commits: a delivery is only a hint to look at a
// repository, and [ParseEvent] reads no more than which one.
package bitbucket
