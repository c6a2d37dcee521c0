// Package bitbucket talks to Bitbucket Cloud: it gets OAuth tokens, reads what
// REST 2.0 tells of a repository, and checks webhooks. Git itself is elsewhere.
//
//	tokens, err := bitbucket.NewTokenSource(bitbucket.Consumer{ID: key, Secret: secret})
//	client, err := bitbucket.NewClient(bitbucket.Target{Workspace: "acme-corp", Slug: "webrix-sync"}, tokens)
//	repository, err := client.Repository(ctx)
//
// Every error of [TokenSource] and [Client] is a [mirror.Fault] that tells an
// operator what to do. None contains a key, a secret or a token.
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
// # Webhooks
//
// Bitbucket Cloud signs the raw body with HMAC-SHA256 in X-Hub-Signature
// (https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/), as Data
// Center does. No time is signed, so deliveries can be replayed, and lists of
// changes are cut to five commits: a delivery is only a hint to look at a
// repository, and [ParseEvent] reads no more than which one.
package bitbucket
