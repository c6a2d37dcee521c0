// Package bitbuckettest is a stand-in for Bitbucket Cloud on a loopback address:
// the OAuth token endpoint, git over HTTPS, what REST 2.0 has of a repository (pull
// requests, comments, build statuses, webhooks, branch restrictions) and webhook
// deliveries, in one server. With Options.DataCenter it is a Data Center. Tests use it, and so does the demo, which
// lets a person clone and push as to the real thing.
//
//	server, err := bitbuckettest.New(bitbuckettest.Options{})
//	consumer := server.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
//	repo, err := server.CreateRepository("acme-corp", "webrix-sync")
//	hash, err := repo.Commit("main", mirror.Signature{Name: "Ada", Email: "ada@example.com"},
//		"Add a toolkit", bitbuckettest.Write("toolkits/a.json", "{}\n"))
//
// Git is the real git: every push and fetch runs `git http-backend` on a bare
// repository, so the git program must be installed. Refusals come from a real
// pre-receive hook and arrive in the client as they do from Bitbucket.
//
// # What it follows
//
// Public material only: the OAuth, REST, webhook and repository size pages below
// https://developer.atlassian.com/cloud/bitbucket/ and
// https://support.atlassian.com/bitbucket-cloud/, the change notices CHANGE-2770
// and CHANGE-3052, and texts that people reported in Atlassian's community. Where
// those leave something open the stand-in takes the reading that asks more of a
// client, and a comment says so.
//
// # Pull requests
//
// They are merged for real, by [Repo.Merge] or through REST: a merge commit, a squash or
// a fast-forward in the bare repository, with the source branch closed if that was wanted.
// Pushes to their branches change them as on Bitbucket. [Repo.PullRequest] and
// [Repo.Statuses] show a test what a client made; [Repo.OpenPullRequest],
// [Repo.EditPullRequest], [Repo.Comment] and [Repo.Decline] play the other people.
//
// # Moods
//
// [Server.Inject] makes requests of one [Endpoint], or of one resource of REST
// (Fault.Route), fail in a chosen way: a status, a stall, a connection cut before or after
// the work was done. [Server.SetRateLimit] counts each consumer's requests as Bitbucket does. [Hook.Set] does the
// same to deliveries. [Server.Count], [Server.CountRoutes] and [Server.Requests] tell what
// was asked.
//
// # Concurrency
//
// A Server is safe for concurrent use. Whatever moves a repository's refs holds
// that repository's lock from the look before to the look after, so each webhook
// describes exactly its own push; fetches take no lock. [Server.Close] ends
// connections, kills the git processes that it started, and waits for all of them.
package bitbuckettest
